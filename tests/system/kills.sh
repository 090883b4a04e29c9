#!/bin/bash
# test: timeout=900 serial
exec /usr/bin/python3 tests/system/kills.py
