#!/bin/bash
# test: slow timeout=240 serial modes=release
# P1, P2 and P4 once each, short, P1 and P2 in network namespaces where those
# can be made. `make chaos` is the whole table.
exec /usr/bin/python3 tests/system/chaos/chaos.py kill9 stop cut last \
    --short --tap
