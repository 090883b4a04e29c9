#!/bin/bash
exec /usr/bin/python3 tests/bench/bench_train_lab.py
