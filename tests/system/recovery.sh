#!/bin/bash
# test: timeout=600 serial
exec /usr/bin/python3 tests/system/recovery.py
