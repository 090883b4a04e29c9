#!/bin/bash
exec /usr/bin/python3 tests/bench/bench_hops.py memory
