#!/bin/bash
# test: timeout=600 serial modes=release
# P18. The control needs the programs that can do without their defences.
make -s MODE=faulty all >/dev/null || exit 1
exec /usr/bin/python3 tests/system/rolling.py
