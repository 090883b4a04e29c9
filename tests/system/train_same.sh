#!/bin/bash
# test: timeout=400
exec /usr/bin/python3 tests/system/train_same.py
