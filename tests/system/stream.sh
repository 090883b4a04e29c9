#!/bin/bash
# test: timeout=300 serial modes=release,asan,tsan
exec /usr/bin/python3 tests/system/stream.py
