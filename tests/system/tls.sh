#!/bin/bash
# test: timeout=300
exec /usr/bin/python3 tests/system/tls.py
