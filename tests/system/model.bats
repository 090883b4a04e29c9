#!/usr/bin/env bats
# edgectl model inspect, run and export-shards, with the demo's model.

MODEL=deploy/demo/shapes.onnx

ctl() {
    "${EDGE_BIN:-build/release}/edgectl" "$@"
}

apart() {
    status=0
    ctl "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?
    output=$(cat "$BATS_TEST_TMPDIR/out")
    errors=$(cat "$BATS_TEST_TMPDIR/err")
}

setup() {
    T=$BATS_TEST_TMPDIR
    /usr/bin/python3 - "$T/x.npy" <<'EOF'
import struct
import sys

head = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 64, 64), }"
head = head.ljust(117) + "\n"
with open(sys.argv[1], "wb") as f:
    f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) +
            head.encode())
    for i in range(3 * 64 * 64):
        f.write(struct.pack("<f", i % 101 / 101))
EOF
}

# Feeds x.npy through all shards of folder $1; the outputs are in $2.
chain() {
    local n i k args from=$T/x.npy
    n=$(jq '.shards | length' "$1/shards.json")
    for ((i = 0; i < n; i++)); do
        args=()
        k=0
        while read -r name; do
            if [ "$i" -gt 0 ]; then
                from=$(jq -r ".shards[$((i - 1))].outputs[$k].name" \
                    "$1/shards.json")
                from=$2-$((i - 1))/${from//\//_}.npy
            fi
            args+=(--input "$name=$from")
            k=$((k + 1))
        done < <(jq -r ".shards[$i].inputs[].name" "$1/shards.json")
        ctl model run "$1/shard-$i.onnx" "${args[@]}" --output-dir "$2-$i"
    done
    mv "$2-$((n - 1))" "$2"
}

@test "inspect: what is in the model, for people" {
    apart model inspect $MODEL
    [ "$status" -eq 0 ]
    [[ "${output%%$'\n'*}" == "$MODEL  opset 17, 242 k parameters, 944.3 KiB, 15 M multiply-adds an input, "*" layers" ]]
    grep -Eq '^input +image  float32 \?x3x64x64$' <<<"$output"
    grep -Eq '^output +probabilities  float32 1x12$' <<<"$output"
    grep -Eq '^ *1  stem.conv  +Conv  +1x16x32x32 .* fused$' <<<"$output"
    ! grep -q $'\x1b' <<<"$output"
}

@test "inspect: layers and cuts, as JSON" {
    apart model inspect $MODEL -o json
    [ "$status" -eq 0 ]
    jq -e '.opset == 17 and .parameters > 200000 and .macs > 1e7 and
        .inputs == [{"name": "image", "type": "float32",
                     "shape": [null, 3, 64, 64]}] and
        .outputs == [{"name": "probabilities", "type": "float32",
                      "shape": [1, 12]}]' <<<"$output"
    jq -e '(.macs - (.layers | map(.macs) | add) | fabs) < 1' <<<"$output"
    # Behind a cut crosses exactly what its bytes say: here one value.
    jq -e '.layers[] | select(.name == "stem.relu") |
        .crosses == ["stem.relu"] and .cut_bytes == 16 * 32 * 32 * 4 and
        .fused == false' <<<"$output"
    jq -e '.layers[-1].cut_bytes == null' <<<"$output"
}

@test "run: outputs as .npy, shapes and times" {
    apart model run $MODEL --input "image=$T/x.npy" --output-dir "$T/a/b" \
        -o json
    [ "$status" -eq 0 ]
    [ "$(stat -c %s "$T/a/b/probabilities.npy")" -eq $((128 + 12 * 4)) ]
    jq -e '.outputs == [{"name": "probabilities", "type": "float32",
        "shape": [1, 12], "file": "probabilities.npy"}] and
        .run_ms > 0 and .arena_bytes > 0' <<<"$output"
}

@test "run: what is missing or mistyped is said" {
    apart model run $MODEL
    [ "$status" -eq 1 ]
    [[ "$errors" == 'edgectl: input "image" (float32 ?x3x64x64) is missing. Give it with --input image=FILE.npy' ]]
    apart model run $MODEL --input "imge=$T/x.npy"
    [[ "$errors" == *'did you mean "image"?'* ]]
    apart model run "$T/x.npy" --input "image=$T/x.npy"
    [ "$status" -eq 1 ]
    apart model run none.onnx
    [ "$status" -eq 1 ]
    [[ "$errors" == *"none.onnx: No such file"* ]]
}

@test "export-shards: chained they give the same bits" {
    ctl model run $MODEL --input "$T/x.npy" --output-dir "$T/whole"
    for k in 1 2 5; do
        ctl model export-shards $MODEL --stages $k --output-dir "$T/s$k"
        [ "$(ls "$T/s$k"/shard-*.onnx | wc -l)" -eq $k ]
        chain "$T/s$k" "$T/c$k"
        cmp "$T/whole/probabilities.npy" "$T/c$k/probabilities.npy"
    done
}

@test "export-shards: also where layers that fuse are parted by hand" {
    ctl model run $MODEL --input "$T/x.npy" --output-dir "$T/whole"
    ctl model export-shards $MODEL --output-dir "$T/s" \
        --cut block5.expand.conv,stem.conv
    jq -e '.shards | map(.outputs[0].name) | .[0] == "stem.norm"' \
        "$T/s/shards.json"
    jq -e '.shards | length == 3' "$T/s/shards.json"
    chain "$T/s" "$T/c"
    cmp "$T/whole/probabilities.npy" "$T/c/probabilities.npy"
}

@test "export-shards: weights lie beside under their hash, shards are valid" {
    ctl model export-shards $MODEL --stages 3 --output-dir "$T/s"
    for digest in $(jq -r '.shards[].weights[]' "$T/s/shards.json"); do
        [ "$(sha256sum "$T/s/$digest" | cut -d' ' -f1)" = "$digest" ]
    done
    /usr/bin/python3 -c 'import onnx' 2>/dev/null ||
        skip "python3-onnx is not installed"
    for shard in "$T"/s/shard-*.onnx; do
        /usr/bin/python3 -c \
            'import onnx, sys; onnx.checker.check_model(sys.argv[1])' "$shard"
    done
}

@test "export-shards: cuts that cannot be" {
    apart model export-shards $MODEL --stages 200 --output-dir "$T/s"
    [ "$status" -eq 1 ]
    [[ "$errors" == *"can be cut into at most "*" stages. Try: --stages "* ]]
    apart model export-shards $MODEL --cut nowhere --output-dir "$T/s"
    [ "$status" -eq 1 ]
    [[ "$errors" == *'has no layer "nowhere". Names are shown by: edgectl model inspect'* ]]
    apart model export-shards $MODEL --cut stem.relu,stem.relu \
        --output-dir "$T/s"
    [ "$status" -eq 1 ]
    [ ! -e "$T/s" ]
}

@test "head: other classes, the rest as it was" {
    apart model head $MODEL --classes 5 -o "$T/five.onnx"
    [ "$status" -eq 0 ]
    [[ "$output" == *"five.onnx"*"parameters"* ]]
    apart model inspect "$T/five.onnx" -o json
    [ "$(jq -c '.outputs[0].shape' <<<"$output")" = "[1,5]" ]
    apart model run "$T/five.onnx" --input "$T/x.npy"
    [ "$status" -eq 0 ]
    cp $MODEL "$T/m.onnx"
    apart model head "$T/m.onnx" --classes 3 -o json
    [ "$status" -eq 0 ]
    [ "$(jq -r .file <<<"$output")" = "$T/m-head.onnx" ]
    apart model head $MODEL
    [ "$status" -eq 2 ]
    [[ "$errors" == *"head needs --classes N"* ]]
    apart model head $MODEL --classes 3 --width 2
    [ "$status" -eq 2 ]
    [[ "$errors" == *"are for new."* ]]
    apart model head "$T/none.onnx" --classes 3
    [ "$status" -eq 1 ]
}

@test "usage: options of another verb, verbs of later releases" {
    apart model
    [ "$status" -eq 2 ]
    apart model inspect
    [ "$status" -eq 2 ]
    apart model inspect $MODEL --stages 2
    [ "$status" -eq 2 ]
    [[ "$errors" == *"--stages and --cut are for export-shards"* ]]
    apart model export-shards $MODEL --output-dir "$T/s"
    [ "$status" -eq 2 ]
    apart model export-shards $MODEL --stages 2
    [ "$status" -eq 2 ]
    apart model quantize $MODEL
    [ "$status" -eq 2 ]
    [[ "$errors" == *"not in this release"* ]]
    apart model inspct $MODEL
    [ "$status" -eq 2 ]
    [[ "$errors" == *'Did you mean "inspect"?'* ]]
}
