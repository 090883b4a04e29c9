#!/bin/bash
# test: slow timeout=900 serial modes=release
# The installed units and programs, with default paths and ports, in
# namespaces of their own. The daemon that gets stuck is a build with
# failpoints.
make -s MODE=faulty all >/dev/null || exit 1
map=()
[ "$(id -u)" = 0 ] || map=(-Ur)
if ! unshare "${map[@]}" -nmu true 2>/dev/null; then
    echo 'ok 1 the units # skip no namespaces may be made here'
    echo 1..1
    exit 0
fi
exec unshare "${map[@]}" -nmu /usr/bin/python3 tests/system/service.py
