#!/bin/bash
# test: timeout=300 serial modes=release,asan
exec /usr/bin/python3 tests/system/mixed.py
