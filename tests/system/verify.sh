#!/bin/bash
# test: timeout=180 modes=release,asan
exec /usr/bin/python3 tests/system/verify.py
