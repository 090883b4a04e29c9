#!/bin/bash
# make demo: a coordinator and four daemons on loopback, in a temporary folder,
# with ports of the system's choosing. Deploys the shipped model, classifies
# the shipped pictures, kills a daemon under load, trains for a moment, and stops
# everything. Ends with a report; exits non-zero if any request failed or was
# wrong, or if nothing was learnt.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 2

bin=${BIN:-build/release}
ctl=$bin/edgectl
requests=${DEMO_REQUESTS:-2000}
failures=0

work=$(mktemp -d "${TMPDIR:-/tmp}/edged-demo.XXXXXX") || exit 2
export XDG_RUNTIME_DIR=$work/run XDG_STATE_HOME=$work/state EDGED_CLUSTER=demo
mkdir -p "$XDG_RUNTIME_DIR" "$XDG_STATE_HOME"

# Ctrl-C, a failure or the end: no process and no file stay behind.
stop() {
    "$ctl" down --quiet 2>/dev/null
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

title() { printf '\n== %s\n' "$*"; }
fail() {
    printf 'FAILED: %s\n' "$*"
    failures=$((failures + 1))
}

# classify FOLDER-OF-PICTURES EXPECTED.tsv: each picture's best label is right.
classify() {
    local right=0 all=0 name want got
    while IFS=$'\t' read -r name want _; do
        case $name in '#'* | image | '') continue ;; esac
        got=$("$ctl" infer "$1/${name##*/}" --top 1 -o json |
              sed -n 's/.*"label": *"\([^"]*\)".*/\1/p')
        all=$((all + 1))
        if [ "$got" = "$want" ]; then
            right=$((right + 1))
        else
            fail "$name is \"$got\", expected \"$want\""
        fi
    done < "$2"
    printf '%s of %s pictures right\n' "$right" "$all"
}

# The pid of a daemon of this demo: the supervisor's child of that name.
pid_of() {
    local up
    up=$(cat "$XDG_RUNTIME_DIR/edged-demo/up.pid")
    pgrep -P "$up" -f -- "--name $1 "
}

title "a coordinator and four daemons on this machine"
"$ctl" up --local 4 || exit 1
"$ctl" nodes

title "deploy the shipped model: two stages, two replicas each"
"$ctl" plan deploy/demo/cluster.yaml --progress none || exit 1
"$ctl" deploy deploy/demo/cluster.yaml --progress plain || exit 1

title "classify the shipped pictures"
"$ctl" infer deploy/demo/images || fail "infer"
classify deploy/demo/images deploy/demo/expected.tsv

title "$requests requests from 8 clients; one of two replicas is killed"
"$ctl" bench --requests "$requests" --clients 8 > "$work/bench" 2>&1 &
bench=$!
sleep 0.4
victim=$(pid_of local-1)
if [ -n "$victim" ]; then
    kill -9 "$victim"
    echo "local-1 (pid $victim): killed with SIGKILL"
    "$ctl" status
else
    fail "local-1 does not run"
fi
wait "$bench" || fail "requests were lost or answered wrongly"
cat "$work/bench"

title "the supervisor has started it again"
for _ in $(seq 50); do
    "$ctl" status | grep -q '  ready  ' && break
    sleep 0.1
done
"$ctl" status

# From what the shipped pictures show: a folder for each class.
prepare_training() {
    local name label
    while IFS=$'\t' read -r name label _; do
        mkdir -p "$work/pictures/$label"
        cp "deploy/demo/images/$name" "$work/pictures/$label/" || return 1
    done < deploy/demo/expected.tsv
    cat > "$work/train.yaml" <<YAML
name: learner
devices: local 4
model:
  file: start.onnx
  input: {size: 64x64, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
training:
  data: {train: pictures/, test: pictures/}
  epochs: 40
  batch: 9
  microbatches: 1
  freeze: 99%
  optimizer: adam
  lr: 0.01
  stop: {target: 100%}
YAML
    "$ctl" model head deploy/demo/shapes.onnx -o "$work/start.onnx" \
        --classes "$(find "$work/pictures" -mindepth 1 -type d | wc -l)"
}

title "train: the model forgets its last layer and learns it again, on the boards"
if prepare_training; then
    "$ctl" train "$work/train.yaml" --progress none -f "$work/trained.onnx" |
        tee "$work/trained" || fail "train"
    grep -q '100.00% of' "$work/trained" || fail "it did not learn"
else
    fail "nothing to train"
fi

data=../shared/data
photo=$data/images/photos/cat_720p.jpg
if [ -f "$photo" ]; then
    title "MobileNetV2 on a photograph, over the same boards"
    cat > "$work/mobilenet.yaml" <<YAML
name: mobilenet
devices: local 4
model:
  file: $PWD/$data/models/mobilenetv2_1.0_224_fp32/model.onnx
  labels: $PWD/$data/labels/imagenet_1001_background_first.txt
  input: {size: 224x224, range: 0..255, mean: 128, std: 128}
replicas: 2
YAML
    "$ctl" deploy "$work/mobilenet.yaml" --progress none ||
        fail "deploy of MobileNetV2"
    "$ctl" infer -m mobilenet "$photo" || fail "infer of $photo"
fi

title "stop"
"$ctl" down || fail "down"
if [ "$failures" -eq 0 ]; then
    echo "demo: everything was answered, and rightly"
else
    echo "demo: $failures failures"
    exit 1
fi
