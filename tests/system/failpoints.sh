#!/bin/bash
# test: slow timeout=900 serial modes=release
# P7 over a sample of the failpoints; SAMPLE=0 takes all of them. The programs
# with failpoints are a build of their own.
make -s MODE=faulty all >/dev/null || exit 1
if grep -qa 'EDGED_FP' "$EDGE_BIN"/edged "$EDGE_BIN"/edge-coordinator \
    "$EDGE_BIN"/edgectl; then
    echo "not ok 1 the release programs know no failpoints"
    exit 1
fi
SAMPLE=${SAMPLE-30} exec /usr/bin/python3 tests/system/failpoints.py
