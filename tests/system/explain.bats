#!/usr/bin/env bats
# What users see of plans: edgectl plan --explain, -o json, -o yaml, --dot, and
# edgectl status --plan, on a local cluster with the demo's model.

setup_file() {
    export XDG_RUNTIME_DIR=$BATS_FILE_TMPDIR/run
    export XDG_STATE_HOME=$BATS_FILE_TMPDIR/state
    unset EDGED_CLUSTER EDGED_API EDGED_OUTPUT EDGED_TIMEOUT
    mkdir -p "$XDG_RUNTIME_DIR"
    ctl up --local 4 -q
    # The planner cuts; two of each, so that it has something to choose.
    export YAML=$BATS_FILE_TMPDIR/cluster.yaml
    cp deploy/demo/shapes.onnx deploy/demo/labels.txt "$BATS_FILE_TMPDIR/"
    cat >"$YAML" <<END
name: demo
devices: local 4
model: {file: shapes.onnx, labels: labels.txt}
replicas: 2
goal: throughput
END
}

teardown_file() {
    ctl down -q || true
}

ctl() {
    "${EDGE_BIN:-build/release}/edgectl" "$@"
}

apart() {
    status=0
    ctl "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?
    output=$(cat "$BATS_TEST_TMPDIR/out")
    errors=$(cat "$BATS_TEST_TMPDIR/err")
}

# That `jq EXPRESSION` of the output is true.
holds() {
    if ! jq -e "$1" <<<"$output" >/dev/null; then
        echo "not so: $1"
        cat <<<"$output"
        return 1
    fi
}

@test "plan -o json: the plan, the best of each other kind, why not" {
    apart plan "$YAML" -o json
    [ "$status" -eq 0 ]
    holds '.chosen | .possible and .latency_ms > 0 and .requests_per_s > 0'
    holds '.chosen.stages | length > 0 and all(.nodes | length > 0)'
    holds '.chosen.boards | all(.memory_bytes > 0
                                and .memory_bytes <= .free_bytes)'
    holds '[.chosen, .alternatives[]] | map(.shape) | index("one board alone")'
    holds '[.chosen, .alternatives[]] | map(.shape) | unique
           | length >= 4'
    holds '.alternatives | all(.why != "")'
    holds '.alternatives | all((.possible | not) or .latency_ms > 0)'
    holds '.one_board_more | .requests_per_s > 0'
    # Bytes of each link; the picture is 64 x 64 x 3, its 12 classes come back.
    holds '[.links[] | select(.from == "gateway").bytes] | min == 49152'
    holds '[.links[] | select(.to == "gateway").bytes] == [48]'
}

@test "the best of a goal is no worse than any alternative" {
    cp deploy/demo/shapes.onnx deploy/demo/labels.txt "$BATS_TEST_TMPDIR/"
    sed 's/^replicas:.*/replicas: 1/' "$YAML" >"$BATS_TEST_TMPDIR/c.yaml"
    apart plan "$BATS_TEST_TMPDIR/c.yaml" -o json
    [ "$status" -eq 0 ]
    holds '.chosen.requests_per_s as $best | .alternatives
           | all((.possible | not) or .requests_per_s <= $best * 1.0001)'
    sed -i 's/^goal:.*/goal: latency/' "$BATS_TEST_TMPDIR/c.yaml"
    apart plan "$BATS_TEST_TMPDIR/c.yaml" -o json
    holds '.chosen.latency_ms as $best | .alternatives
           | all((.possible | not) or .latency_ms >= $best * 0.9999)'
}

@test "plan --explain: for people" {
    apart plan "$YAML" --explain
    [ "$status" -eq 0 ]
    grep -Eq '^chosen: .*, [0-9.e+]+ ms/request, [0-9.e+]+ requests/s; stage' \
        <<<"$output"
    grep -Eq '^(rejected: )?.*one board alone' <<<"$output"
    grep -Eq '^rejected: .* ms/request, .* requests/s: .+' <<<"$output"
    grep -Eq '^one board more \(like .*\): ' <<<"$output"
    [[ "$output" == *"To apply exactly this plan:  edgectl deploy --plan "* ]]
}

@test "plan -o yaml: every choice written down, and the same plan again" {
    cp deploy/demo/shapes.onnx deploy/demo/labels.txt "$BATS_TEST_TMPDIR/"
    apart plan "$YAML" -o json
    number=$(jq .number <<<"$output")
    ctl plan "$YAML" -o yaml >"$BATS_TEST_TMPDIR/pinned.yaml"
    cat "$BATS_TEST_TMPDIR/pinned.yaml"
    apart validate "$BATS_TEST_TMPDIR/pinned.yaml"
    [ "$status" -eq 0 ]
    grep -q '^stages:$' "$BATS_TEST_TMPDIR/pinned.yaml"
    apart plan "$BATS_TEST_TMPDIR/pinned.yaml" -o json
    [ "$status" -eq 0 ]
    holds ".number == $number"
    # Once written it is a fixed point.
    ctl plan "$BATS_TEST_TMPDIR/pinned.yaml" -o yaml | tail -n +3 \
        >"$BATS_TEST_TMPDIR/again.yaml"
    tail -n +3 "$BATS_TEST_TMPDIR/pinned.yaml" |
        diff - "$BATS_TEST_TMPDIR/again.yaml"
    apart deploy --plan "$number" "$BATS_TEST_TMPDIR/pinned.yaml"
    [ "$status" -eq 0 ]
}

@test "plan -o yaml of split and tiled stages" {
    cp deploy/demo/shapes.onnx deploy/demo/labels.txt "$BATS_TEST_TMPDIR/"
    last=$(ctl model inspect $BATS_TEST_TMPDIR/shapes.onnx -o json |
        jq -r '.layers[-1].name')
    gemm=$(ctl model inspect $BATS_TEST_TMPDIR/shapes.onnx -o json |
        jq -r '[.layers[] | select(.op == "Gemm").name][0]')
    before=$(ctl model inspect $BATS_TEST_TMPDIR/shapes.onnx -o json |
        jq -r '[.layers[].name] | .[index("'"$gemm"'") - 1]')
    cat >"$BATS_TEST_TMPDIR/c.yaml" <<END
name: cut
devices: local 4
model: {file: shapes.onnx, labels: labels.txt}
stages:
  - name: tiles
    layers: stem.conv..block2.project.conv
    tile: {grid: 2x1, halo: exchange, over: [local-1, local-2]}
  - name: rest
    layers: "block3.expand.conv..$last"
    replicas: [local-3, local-4]
END
    ctl plan "$BATS_TEST_TMPDIR/c.yaml" -o yaml >"$BATS_TEST_TMPDIR/p.yaml"
    grep -q 'tile: {grid: 2x1, halo: exchange, over: \[local-1, local-2\]}' \
        "$BATS_TEST_TMPDIR/p.yaml"
    apart plan "$BATS_TEST_TMPDIR/c.yaml" -o json
    number=$(jq .number <<<"$output")
    apart plan "$BATS_TEST_TMPDIR/p.yaml" -o json
    holds ".number == $number"
    holds '.chosen.shape == "stages as written"'
    # What it would be without them is shown all the same.
    holds '.alternatives[] | select(.shape == "one board alone")
           | .possible and .latency_ms > 0 and .why != ""'
    apart plan "$BATS_TEST_TMPDIR/c.yaml" --explain
    grep -Eq '^rejected: one board alone, .*: other stages are written' \
        <<<"$output"
    # Two replicas of each half.
    cat >"$BATS_TEST_TMPDIR/s.yaml" <<END
name: cut
devices: local 4
model: {file: shapes.onnx, labels: labels.txt}
stages:
  - {name: front, layers: "stem.conv..$before"}
  - name: half
    layers: "$gemm..$last"
    split: {parts: 2, over: [local-1, local-2, local-3, local-4]}
END
    ctl plan "$BATS_TEST_TMPDIR/s.yaml" -o yaml >"$BATS_TEST_TMPDIR/p.yaml"
    grep -q 'split: {axis: output, parts: 2, over: \[local-1, local-2, local-3, local-4\]}' \
        "$BATS_TEST_TMPDIR/p.yaml"
    apart plan "$BATS_TEST_TMPDIR/p.yaml" -o json
    holds '[.stages[] | select(.name == "half.1").nodes]
           == [["local-2", "local-4"]]'
}

@test "plan --dot: shards, devices, links with their bytes" {
    apart plan "$YAML" --dot
    [ "$status" -eq 0 ]
    [ "$(head -1 <<<"$output")" = 'digraph "demo" {' ] ||
        [[ "$(head -1 <<<"$output")" == 'digraph "'* ]]
    grep -Eq '^  "gateway" -> "s0" \[label="[0-9.]+ KiB"\];$' <<<"$output"
    grep -Eq '^  "s[0-9]+" -> "gateway" \[label="0.0 KiB"\];$' <<<"$output"
    grep -Eq 'shape=record, label="\{s0\|.*local-' <<<"$output"
    [ "$(tail -1 <<<"$output")" = '}' ]
}

@test "status --plan: predicted beside measured" {
    ctl deploy "$YAML" -q
    ctl bench -n 40 -C 1 -q >/dev/null
    apart status --plan
    [ "$status" -eq 0 ]
    grep -Eq '^one request alone: predicted [0-9.]+ ms, measured [0-9.]+ ms$' \
        <<<"$output"
    grep -Eq '^rate: predicted [0-9.e+]+/s at most, measured ' <<<"$output"
    grep -Eq '^s0 +local-[0-9] +[0-9.]+ +[0-9.]+ +[0-9.]+ ' <<<"$output"
    # Boards say what they did with their next beat.
    for _ in $(seq 100); do
        apart status -o json
        [ "$(jq '[.deployments[].stages[0].replicas[].runs] | add' \
            <<<"$output")" -lt 40 ] || break
        sleep 0.1
    done
    holds '.deployments[] | .predicted_ms > 0 and .predicted_rate > 0
           and .alone_ms > 0'
    # What a shard sends is known beforehand; nothing was sent twice.
    holds '[.deployments[].stages[] | .link_bytes as $bytes | .replicas[]
            | select(.runs > 4) | .plain_bytes / .runs / $bytes]
           | length > 0 and all(. > 0.99 and . < 1.2)'
}

@test "forms of output that a verb does not have: exit 2" {
    apart status -o yaml
    [ "$status" -eq 2 ]
    [[ "$errors" == *"status does not write yaml, but table or json"* ]]
    apart plan "$YAML" -o wide
    [ "$status" -eq 2 ]
}
