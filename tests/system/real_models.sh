#!/bin/bash
# test: slow timeout=1500 serial
exec /usr/bin/python3 tests/system/real_models.py
