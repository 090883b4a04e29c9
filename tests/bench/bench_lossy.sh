#!/bin/bash
# Lossy tiles of VGG16 at 224: BATCH pictures (4), ROUNDS turns (5).
set -eu
bin=${EDGE_BIN:-$BUILD}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$bin/edgectl" model new vgg16_bn --classes 257 -o "$folder/m.onnx" >/dev/null
for bands in 2 4; do
    "$bin/tests/bench/bench_lossy" "$folder/m.onnx" "${BATCH:-4}" \
        "${ROUNDS:-5}" "$bands"
done
