#!/bin/bash
# test: timeout=300 serial
exec /usr/bin/python3 tests/system/train_views.py
