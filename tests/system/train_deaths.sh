#!/bin/bash
# test: slow timeout=300 serial modes=release
# The programs with failpoints are a build of their own.
make -s MODE=faulty all >/dev/null || exit 1
exec /usr/bin/python3 tests/system/train_deaths.py
