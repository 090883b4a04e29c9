#!/bin/bash
STREAM_SECONDS=${STREAM_SECONDS:-600} exec /usr/bin/python3 tests/system/stream.py
