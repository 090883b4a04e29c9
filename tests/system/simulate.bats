#!/usr/bin/env bats
# edgectl simulate: a cluster.yaml on paper, with the demo's model and with
# VGG-16 on boards that are not there.

PROFILES=deploy/examples/pi3-vgg16.profile.yaml

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
        jq 'del(.boards)' <<<"$output"
        return 1
    fi
}

setup() {
    T=$BATS_TEST_TMPDIR
    cp deploy/demo/shapes.onnx "$T/"
    cat >"$T/two.yaml" <<'END'
name: two
devices: [pi-1, pi-2, pi-3]
model: {file: shapes.onnx}
stages:
  - {name: front, layers: stem.conv..block2.project.conv, replicas: [pi-1, pi-2]}
  - {name: back, layers: block3.expand.conv..probabilities, replicas: [pi-3]}
END
    last=$(ctl model inspect "$T/shapes.onnx" -o json | jq -r '.layers[-1].name')
    sed -i "s/probabilities/$last/" "$T/two.yaml"
    # 4.4 M multiply-adds in front, 10 M behind: 44 ms, and the rest.
    cat >"$T/slow.yaml" <<'END'
kinds: {slow: {macs: 100M/s}}
link: {rate: 1Gbit/s, delay: 0ms}
END
}

@test "two stages: figures for people, no cluster needed" {
    apart simulate "$T/two.yaml" --profiles "$T/slow.yaml"
    [ "$status" -eq 0 ]
    [ -z "$errors" ]
    [[ "${output%%$'\n'*}" == "two on paper: 3 boards, model shapes.onnx, 2 stages in 2 shards" ]]
    grep -Eq '^front +stem.conv\.\.block2.project.conv +[0-9.]+ +pi-1, pi-2$' \
        <<<"$output"
    grep -Eq '^one request at a time: [0-9.]+ ms$' <<<"$output"
    grep -Eq '^planned in [0-9.]+ s, simulated in [0-9.]+ s' <<<"$output"
}

@test "JSON: throughput is that of the slowest, by the work of the layers" {
    apart simulate "$T/two.yaml" --profiles "$T/slow.yaml" --clients 8 -o json
    [ "$status" -eq 0 ]
    holds '.requests == 2000 and .refused == 0 and .is_cut == false'
    # Behind is the slower one: its board is never idle.
    holds '[.boards[] | select(.name == "pi-3").busy] | .[0] > 0.99'
    holds '.requests_per_s * (.shards[1].boards[0].compute_ms / 1e3)
           | . > 0.98 and . < 1.001'
    holds '(.alone_ms - ([.shards[].boards[0].compute_ms] | add))
           | . > 0 and . < 5'
    # What the gateway sends: 64 x 64 pixels of 3 channels, 4 bytes each.
    holds '[.links[] | select(.from == "gateway").request_bytes] == [49152]'
}

@test "a replica twice as slow: least expected finish beats taking turns" {
    cat >"$T/mixed.yaml" <<'END'
kinds: {slow: {macs: 50M/s}, fast: {macs: 100M/s}, rest: {macs: 10G/s}}
boards:
  - {kind: slow, devices: pi-1}
  - {kind: fast, devices: pi-2}
  - {kind: rest, devices: pi-3}
END
    apart simulate "$T/two.yaml" --profiles "$T/mixed.yaml" -o json
    local best
    best=$(jq .requests_per_s <<<"$output")
    apart simulate "$T/two.yaml" --profiles "$T/mixed.yaml" -o json \
        --policy round-robin
    # 3 units of work a time against 2.
    holds "$best / .requests_per_s | . > 1.45 and . < 1.55"
}

@test "the same seed gives the same figures, requests at random" {
    apart simulate "$T/two.yaml" --profiles "$T/slow.yaml" --rate 7.5 \
        --for 10m --seed 5 -o json
    [ "$status" -eq 0 ]
    holds '.seconds == 600 and (.requests_per_s | . > 6.8 and . < 8.2)'
    local first
    first=$(jq '[.p50_ms, .p99_ms, .requests]' <<<"$output")
    apart simulate "$T/two.yaml" --profiles "$T/slow.yaml" --rate 7.5 \
        --for 10m --seed 5 -o json
    [ "$(jq '[.p50_ms, .p99_ms, .requests]' <<<"$output")" = "$first" ]
}

@test "options and files that are wrong" {
    apart simulate
    [ "$status" -eq 2 ]
    apart simulate "$T/two.yaml" --clients 2 --rate 3
    [ "$status" -eq 2 ]
    apart simulate "$T/two.yaml" --for never
    [ "$status" -eq 2 ]
    [[ "$errors" == *'is not a time such as 90s'* ]]
    apart simulate "$T/two.yaml" --policy fifo
    [ "$status" -eq 2 ]
    apart simulate "$T/none.yaml"
    [ "$status" -eq 1 ]
    echo 'kinds: {a: {memory: 1GiB}}' >"$T/bad.yaml"
    apart simulate "$T/two.yaml" --profiles "$T/bad.yaml"
    [ "$status" -eq 3 ]
    [[ "$errors" == *'bad.yaml:1:12: error: kind "a" needs "macs"'* ]]
    [[ "$errors" == *'nothing was simulated.' ]]
    apart simulate "$T/two.yaml" --profiles $PROFILES
    [ "$status" -eq 3 ]
    [[ "$errors" == *'the model has no layer "conv1_1"; are these times of another model?'* ]]
}

# Prototype 1's placement of VGG-16 on nine Raspberry Pi 3: 1.78 s a picture.
@test "VGG-16 on Raspberry Pi 3: nine as published, nine as planned, 1,000" {
    ctl model new vgg16 -o "$T/vgg16.onnx"
    cat >"$T/nine.yaml" <<'END'
name: nine
devices: [a, b, c, d, e, f, g, h, i]
model: {file: vgg16.onnx}
stages:
  - {name: b1, layers: conv1_1..pool1, replicas: [b]}
  - {name: b24, layers: conv2_1..pool4, replicas: [c, d, e]}
  - {name: b5, layers: conv5_1..flatten, replicas: [f]}
  - {name: fc1, layers: fc1..fc1.relu, split: {axis: output, over: [g, h]}}
  - {name: fc, layers: fc2..fc3, replicas: [i]}
END
    apart simulate "$T/nine.yaml" --profiles $PROFILES -o json
    [ "$status" -eq 0 ]
    holds '.requests_per_s | . > 0.55 and . < 0.57'
    holds '.alone_ms | . > 9000 and . < 10370'
    nine=$(jq .requests_per_s <<<"$output")
    # The planner's own placement on as many boards is no slower, and its
    # figures are those of the simulator.
    sed -i '/^stages:/,$d' "$T/nine.yaml"
    echo 'goal: throughput' >>"$T/nine.yaml"
    apart simulate "$T/nine.yaml" --profiles $PROFILES -o json
    holds ".requests_per_s >= $nine"
    holds '.requests_per_s / .predicted_per_s | . > 0.95 and . < 1.05'
    holds '.alone_ms / .predicted_ms | . > 0.9 and . < 1.1'
    # A thousand boards are one line.
    sed 's/^devices:.*/devices: [none]/' "$T/nine.yaml" >"$T/many.yaml"
    (cat $PROFILES; echo 'boards: [{kind: pi-3, count: 1000}]') \
        >"$T/many.profile.yaml"
    apart simulate "$T/many.yaml" --profiles "$T/many.profile.yaml" -o json
    rm "$T/vgg16.onnx"
    [ "$status" -eq 0 ]
    holds '(.boards | length) == 1000 and .left_out == 1'
    holds ".requests_per_s > 10 * $nine"
}
