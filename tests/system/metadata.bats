#!/usr/bin/env bats
# What a model's metadata says of its input and its labels, and models whose
# weights lie beside the file (docs/decisions/0006).

IMAGE=deploy/demo/images/star_1.jpg

setup_file() {
    export XDG_RUNTIME_DIR=$BATS_FILE_TMPDIR/run
    export XDG_STATE_HOME=$BATS_FILE_TMPDIR/state
    unset EDGED_CLUSTER EDGED_API
    mkdir -p "$XDG_RUNTIME_DIR"
    make_models
    ctl up --local 2 -q
}

teardown_file() {
    ctl down -q
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

# The demo's model with metadata: says.onnx as the demo's YAML has it,
# wrong.onnx with a mapping that is none, apart.onnx with external data.
make_models() {
    /usr/bin/python3 - deploy/demo "$BATS_FILE_TMPDIR" <<'EOF'
import sys
import onnx

demo, out = sys.argv[1:]
def save(name, mapping, **how):
    model = onnx.load(demo + "/shapes.onnx")
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {
        "edged.input": mapping,
        "edged.labels": open(demo + "/labels.txt").read()})
    onnx.save(model, f"{out}/{name}.onnx", **how)
good = "{size: 64x64, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}"
save("says", good)
save("wrong", "{size: 64x64, men: 0.5}")
save("apart", good, save_as_external_data=True, location="apart.bin",
     size_threshold=0)
EOF
}

# cluster.yaml for model $1 with more lines of `model` from stdin.
yaml() {
    {
        printf 'name: meta\ndevices: local 2\nmodel:\n  file: %s.onnx\n' "$1"
        cat
    } >"$BATS_FILE_TMPDIR/$1.yaml"
    echo "$BATS_FILE_TMPDIR/$1.yaml"
}

# What the demo's YAML, which says all itself, makes of the picture.
expected() {
    yaml says <<EOF >/dev/null
  labels: $PWD/deploy/demo/labels.txt
  input: {size: 64x64, mean: 0.5, std: 0.5}
EOF
    ctl deploy "$BATS_FILE_TMPDIR/says.yaml" -q >/dev/null
    ctl infer -o json "$IMAGE" | jq -c .top
}

@test "metadata stands in for what cluster.yaml does not say" {
    want=$(expected)
    ctl deploy "$(yaml says </dev/null)" -q
    [ "$(ctl infer -o json $IMAGE | jq -c .top)" = "$want" ]
    [ "$(jq -r '.[0].label' <<<"$want")" = star ]
}

@test "it is there again after a restart" {
    ctl deploy "$(yaml says </dev/null)" -q
    want=$(ctl infer -o json $IMAGE | jq -c .top)
    ctl down -q
    ctl up --local 2 -q
    for _ in {1..50}; do
        ctl infer -o json $IMAGE >"$BATS_TEST_TMPDIR/got" && break
        sleep 0.1
    done
    [ "$(jq -c .top "$BATS_TEST_TMPDIR/got")" = "$want" ]
}

@test "cluster.yaml wins, and as a whole" {
    want=$(expected)
    ctl deploy "$(yaml says <<<'  input: {size: 64x64}')" -q
    # Without its own mean and std: the defaults, not the metadata's.
    [ "$(ctl infer -o json $IMAGE | jq -c .top)" != "$want" ]
}

@test "a wrong mapping is refused with its place, and nothing is deployed" {
    before=$(ctl status -o json | jq '.deployments[0].generation')
    apart deploy "$(yaml wrong </dev/null)" --progress=none
    [ "$status" -eq 3 ]
    grep -q 'wrong.onnx.*edged.input, line 1, column 15.*"mean"' <<<"$errors"
    [ "$(ctl status -o json | jq '.deployments[0].generation')" = "$before" ]
    apart validate "$BATS_FILE_TMPDIR/wrong.yaml"
    [ "$status" -eq 3 ]
    grep -q 'edged.input, line 1, column 15' <<<"$errors"
}

@test "a model with external data is deployed as one file, and once" {
    want=$(expected)
    mkdir "$BATS_TEST_TMPDIR/tmp"
    export TMPDIR=$BATS_TEST_TMPDIR/tmp
    ctl deploy "$(yaml apart </dev/null)" -q
    [ "$(ctl infer -o json $IMAGE | jq -c .top)" = "$want" ]
    apart deploy "$BATS_FILE_TMPDIR/apart.yaml" -q -o json
    [ "$(jq .pushed_bytes <<<"$output")" = 0 ]
    [ -z "$(ls -A "$TMPDIR")" ]
}

@test "external data that is missing is an error that names it" {
    cp "$BATS_FILE_TMPDIR/apart.onnx" "$BATS_FILE_TMPDIR/alone.onnx"
    mv "$BATS_FILE_TMPDIR/apart.bin" "$BATS_FILE_TMPDIR/away.bin"
    apart deploy "$(yaml alone </dev/null)"
    mv "$BATS_FILE_TMPDIR/away.bin" "$BATS_FILE_TMPDIR/apart.bin"
    [ "$status" -eq 3 ]
    grep -q 'apart.bin' <<<"$errors"
}
