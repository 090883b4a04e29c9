#!/usr/bin/env bats
# edgectl infer and bench over a real local cluster with the demo's model.

IMAGES=deploy/demo/images
MODEL=deploy/demo/shapes.onnx

setup_file() {
    export XDG_RUNTIME_DIR=$BATS_FILE_TMPDIR/run
    export XDG_STATE_HOME=$BATS_FILE_TMPDIR/state
    unset EDGED_CLUSTER EDGED_API
    mkdir -p "$XDG_RUNTIME_DIR"
    ctl up --local 4 -q
    ctl deploy deploy/demo/cluster.yaml --progress=none
}

teardown_file() {
    ctl down -q
}

ctl() {
    "${EDGE_BIN:-build/release}/edgectl" "$@"
}

# Runs edgectl with stdout in $output, stderr in $errors.
apart() {
    status=0
    ctl "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?
    output=$(cat "$BATS_TEST_TMPDIR/out")
    errors=$(cat "$BATS_TEST_TMPDIR/err")
}

@test "every picture of the folder gets its class, in the order of names" {
    apart infer -o json $IMAGES
    [ "$status" -eq 0 ]
    [ -z "$errors" ]
    jq -r '[(.image | split("/")[-1]), .top[0].label] | @tsv' \
        <<<"$output" >"$BATS_TEST_TMPDIR/got"
    LC_ALL=C sort deploy/demo/expected.tsv | diff - "$BATS_TEST_TMPDIR/got"
}

@test "a line for people: name, classes, time and way" {
    apart infer $IMAGES/star_1.jpg $IMAGES/moon_1.jpg
    [ "$status" -eq 0 ]
    # Scores, times and the replicas that were chosen differ.
    sed -E 's/ [01]\.[0-9]{2}/ P/g; s/ +[0-9]+ ms \(/ T (/
        s/wire [0-9.]+ ms/wire W/; s/local-[12] > local-[34]/WAY/' \
        <<<"$output" >"$BATS_TEST_TMPDIR/got"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/got")" -eq 2 ]
    for name in star moon; do
        grep -Eqx "$IMAGES/${name}_1.jpg  $name P(   [a-z ]+ P){2} +T \
\(WAY, wire W\)" "$BATS_TEST_TMPDIR/got"
    done
    ! grep -q $'\x1b' <<<"$output"
}

@test "JSON: exactly the keys that are promised" {
    apart infer -o json --top 2 $IMAGES/star_1.jpg
    [ "$status" -eq 0 ]
    [ "$(wc -l <<<"$output")" -eq 1 ]
    jq -e 'keys_unsorted ==
        ["image", "top", "complete", "latency_ms", "hops", "generation",
         "model"]' <<<"$output"
    jq -e '.generation > 0 and (.model | test("^[0-9a-f]{64}$"))' <<<"$output"
    jq -e '.top | length == 2 and .[0].index == 10 and .[0].label == "star" and
        .[0].score > 0.9 and .[0].score > .[1].score and
        all(keys_unsorted == ["index", "label", "score"])' <<<"$output"
    jq -e '.complete == true and .latency_ms > 0' <<<"$output"
    jq -e '.hops | length == 2 and (map(.shard) == ["s0", "s1"]) and
        all(keys_unsorted == ["node", "shard", "compute_ms", "wire_ms"])' \
        <<<"$output"
}

@test "--top beyond the classes gives them all, and they sum to 1" {
    apart infer -o json --top 100 $IMAGES/ring_1.png
    jq -e '(.top | length) == 12 and
        ((.top | map(.score) | add) - 1 | fabs) < 0.001 and
        ((.top | map(.index) | sort) == [range(12)])' <<<"$output"
}

@test "a picture on standard input" {
    run ctl infer - -o json <$IMAGES/heart_1.jpg
    [ "$status" -eq 0 ]
    jq -e '.image == "-" and .top[0].label == "heart"' <<<"$output"
}

@test "a tensor as input, a tensor as output, as in one process" {
    make_tensor "$BATS_TEST_TMPDIR/x.npy"
    ctl infer --input "image=$BATS_TEST_TMPDIR/x.npy" \
        --output-dir "$BATS_TEST_TMPDIR/cluster"
    ctl model run deploy/demo/shapes.onnx \
        --input "image=$BATS_TEST_TMPDIR/x.npy" \
        --output-dir "$BATS_TEST_TMPDIR/alone"
    cmp "$BATS_TEST_TMPDIR/cluster/probabilities.npy" \
        "$BATS_TEST_TMPDIR/alone/probabilities.npy"
}

@test "outputs of several pictures each have a folder" {
    ctl infer $IMAGES/star_1.jpg $IMAGES/star_2.png \
        --output-dir "$BATS_TEST_TMPDIR/out"
    [ -s "$BATS_TEST_TMPDIR/out/deploy_demo_images_star_1.jpg/probabilities.npy" ]
    [ -s "$BATS_TEST_TMPDIR/out/deploy_demo_images_star_2.png/probabilities.npy" ]
}

@test "a file that is no image: said, and the others go on" {
    apart infer deploy/demo/README.md $IMAGES/star_1.jpg none.jpg
    [ "$status" -eq 6 ]
    [ "$(wc -l <<<"$output")" -eq 1 ]
    [[ "$output" == *star* ]]
    [ "$(wc -l <<<"$errors")" -eq 2 ]
    [[ "$errors" == *'"deploy/demo/README.md" is not an image edged reads (text). Supported: JPEG, PNG, PPM, .npy'* ]]
    [[ "$errors" == *"none.jpg: No such file"* ]]
}

@test "no image at all: exit 1 and nothing on stdout" {
    apart infer deploy/demo/README.md
    [ "$status" -eq 1 ]
    [ -z "$output" ]
}

@test "tensors that do not fit are refused with what the model wants" {
    make_tensor "$BATS_TEST_TMPDIR/x.npy" 1,3,32,32
    apart infer "$BATS_TEST_TMPDIR/x.npy"
    [ "$status" -eq 1 ]
    [[ "$errors" == *"is float32 1x3x32x32, the model wants float32 1x3x64x64"* ]]
    apart infer --input "imgae=$BATS_TEST_TMPDIR/x.npy"
    [ "$status" -eq 1 ]
    [[ "$errors" == *'the model has no input "imgae"; did you mean "image"?'* ]]
}

@test "usage errors: exit 2 and nothing is asked" {
    apart -c nowhere infer
    [ "$status" -eq 2 ]
    apart -c nowhere infer --top 0 x.jpg
    [ "$status" -eq 2 ]
    apart -c nowhere infer - -
    [ "$status" -eq 2 ]
    apart -c nowhere infer --input a=b.npy x.jpg
    [ "$status" -eq 2 ]
    apart -c nowhere infer -o yaml x.jpg
    [ "$status" -eq 2 ]
}

@test "no cluster: exit 4; no such deployment: exit 1" {
    apart -c nowhere infer $IMAGES/star_1.jpg
    [ "$status" -eq 4 ]
    [[ "$errors" == *"cannot reach the coordinator"*"edgectl up"* ]]
    apart infer -m other $IMAGES/star_1.jpg
    [ "$status" -eq 1 ]
    [[ "$errors" == *'"other" is not deployed; there is: demo'* ]]
}

@test "bench: all answered, none wrong, shares of each shard sum to 1" {
    apart bench --requests 400 --clients 4 -o json
    [ "$status" -eq 0 ]
    jq -e '.deployment == "demo" and .answered == 400 and .failed == 0 and
        .wrong == 0 and .repeated == 0 and .rate > 0' <<<"$output"
    jq -e '.latency_ms | .p50 <= .p90 and .p90 <= .p99 and .p99 <= .max and
        .p50 > 0' <<<"$output"
    jq -e '.replicas | group_by(.shard) | length == 2 and
        all((map(.share) | add | . - 1 | fabs) < 0.001 and
            (map(.requests) | add) == 400)' <<<"$output"
}

@test "bench for a while, for people" {
    apart bench --for 1 --clients 2
    [ "$status" -eq 0 ]
    [[ "$output" == *"0 failed, 0 wrong, 0 answered twice"* ]]
    [[ "$output" == *"requests/s"*"p99"* ]]
    ! grep -q $'\x1b' <<<"$output$errors"
}

@test "bench at a rate, every answer checked, one line a request" {
    apart bench --for 2 --rate 50 --clients 2 --check "$MODEL" \
        --record "$BATS_TEST_TMPDIR/lines" -o json
    [ "$status" -eq 0 ]
    jq -e '.answered == 100 and .wrong == 0 and .rate < 60' <<<"$output"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/lines")" -eq 100 ]
    awk -F'\t' '$4 != "ok" || $2 < $1 || $3 < $2 { exit 1 }' \
        "$BATS_TEST_TMPDIR/lines"
}

@test "bench: Ctrl-C ends it with its report" {
    "${EDGE_BIN:-build/release}/edgectl" bench --for 60 --rate 50 -o json \
        --record "$BATS_TEST_TMPDIR/lines" >"$BATS_TEST_TMPDIR/out" 3>&- &
    until [ -s "$BATS_TEST_TMPDIR/lines" ]; do sleep 0.1; done
    kill -INT $!
    wait $!
    jq -e '.answered > 0 and .failed == 0 and .seconds < 50' \
        "$BATS_TEST_TMPDIR/out"
}

@test "bench notices answers that the model would not give" {
    make_other "$MODEL" "$BATS_TEST_TMPDIR/other.onnx"
    apart bench --requests 40 --check "$BATS_TEST_TMPDIR/other.onnx" -o json
    [ "$status" -eq 1 ]
    jq -e '.answered == 40 and .wrong == 40' <<<"$output"
    [[ "$errors" == *"not what the model gives here"* ]]
}

@test "bench of a deadline that cannot be kept fails and says why" {
    apart bench --requests 20 --clients 20 --deadline 1 -o json
    if [ "$status" -eq 0 ]; then
        skip "this machine answers 20 requests at once within 1 ms"
    fi
    [ "$status" -eq 1 ]
    jq -e '.failed > 0 and .failed + .answered == 20' <<<"$output"
    [[ "$errors" == *"deadline"* ]]
}

make_other() { # MODEL COPY: the weights of one op are others
    /usr/bin/python3 - "$1" "$2" <<'EOF'
import sys

import onnx

model = onnx.load(sys.argv[1])
weights = max(model.graph.initializer, key=lambda t: len(t.raw_data))
weights.raw_data = weights.raw_data[::-1]
onnx.save(model, sys.argv[2])
EOF
}

make_tensor() { # FILE [SHAPE]
    /usr/bin/python3 - "$1" "${2:-1,3,64,64}" <<'EOF'
import struct
import sys

shape = tuple(int(n) for n in sys.argv[2].split(","))
n = 1
for dim in shape:
    n *= dim
head = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }" % (shape,)
head = head.ljust(117) + "\n"
with open(sys.argv[1], "wb") as f:
    f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) +
            head.encode())
    for i in range(n):
        f.write(struct.pack("<f", i % 101 / 101))
EOF
}
