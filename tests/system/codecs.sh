#!/bin/bash
# test: timeout=180 serial modes=release,asan
exec /usr/bin/python3 tests/system/codecs.py
