#!/bin/bash
# test: timeout=120
exec /usr/bin/python3 tests/system/replan.py
