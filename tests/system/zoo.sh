#!/bin/bash
# test: slow timeout=600 serial
exec /usr/bin/python3 tests/system/zoo.py
