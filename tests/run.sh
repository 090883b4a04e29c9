#!/bin/bash
# Builds and runs the tests; `make check`, `make unit` and others call it.
#
#   run.sh check [MODE]            everything, or everything in one mode
#   run.sh suite NAME BIN [ONLY]   one suite with the programs below BIN
#   run.sh fuzz [ONLY]             each fuzz target for TIME seconds
#   run.sh bench BIN [ONLY]        the benchmarks
#   run.sh arm64 [ONLY]            the unit tests of build/arm64 under qemu
#                                  (SMOKE: a few of them)
#   run.sh chaos                   the table of promises (ONLY, ROW, SEED,
#                                  ITERS, CONTROLS, FAST)
#
# A test file may carry one line with the word "test:" and tags:
#   slow               left out when FAST=1 and under sanitizers
#   timeout=SECONDS    instead of the suite's own limit
#   modes=asan,tsan    build modes that it runs in
#   serial             nothing else runs beside it
# Environment: BUILD (build), FAST, TIME (60), JOBS (2), SIM_SEEDS (200),
# FUZZ_SEED (1 in the check, so that a red one can be repeated; else chance).
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 2

BUILD=${BUILD:-build}
FAST=${FAST:-}
JOBS=${JOBS:-2}
FUZZ_SECONDS=${TIME:-60}
RESULTS=$BUILD/results
CORES=$(nproc)
unset MAKEFLAGS MFLAGS MAKELEVEL
export OPENBLAS_NUM_THREADS=1
export ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1}
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:suppressions=$PWD/tests/tsan.supp}
[ -d ../shared/data ] && export EDGE_DATA="${EDGE_DATA:-$PWD/../shared/data}"

# ---- one test -------------------------------------------------------------

tags() { # FILE
    sed -n '1,30{s/^[ #/*]*test: \(.*\)$/\1/p}' "$1" | sed 's#\*/##' | head -1
}

# Value of tag $2 of file $1, or $3; a tag without value is "yes".
tag() {
    local word
    for word in $(tags "$1"); do
        case $word in
        "$2") echo yes && return ;;
        "$2"=*) echo "${word#*=}" && return ;;
        esac
    done
    echo "$3"
}

# Runs a command under a limit, counts its cases and prints one line.
# run_one SUITE NAME LIMIT COMMAND... ; a suite "step" is one case by itself.
run_one() {
    local suite=$1 name=$2 limit=$3 log=$RESULTS/$1/$2.log
    local start rc passed failed skipped why='' text
    shift 3
    mkdir -p "$(dirname "$log")"
    start=$(date +%s%N)
    timeout -k 5 "$limit" "$@" >"$log" 2>&1 </dev/null &
    local pid=$!
    trap 'kill "$pid" 2>/dev/null' TERM
    wait "$pid"
    rc=$?
    local ms=$((($(date +%s%N) - start) / 1000000))

    if [ "$suite" = step ]; then
        passed=$((rc == 0)) failed=$((rc != 0)) skipped=0
    else
        read -r passed failed skipped < <(awk -f tests/lib/count.awk "$log")
    fi
    if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
        why=" (stopped: over its limit of $limit s)"
    elif [ "$rc" -gt 128 ]; then
        why=" (ended by signal $((rc - 128)))"
    elif [ "$rc" -ne 0 ]; then
        why=" (exit status $rc)"
    elif [ $((passed + failed + skipped)) = 0 ]; then
        why=' (no test ran)'
    fi
    if [ -n "$why" ] && [ "$failed" = 0 ]; then
        failed=1
    fi
    echo "$suite $name $passed $failed $skipped $ms" >"${log%.log}.result"
    text=$(printf '  %-4s %s/%s: %s passed' \
        "$([ "$failed" = 0 ] && echo ok || echo FAIL)" "$suite" "$name" \
        "$passed")
    [ "$failed" = 0 ] || text+=", $failed failed$why"
    [ "$skipped" = 0 ] || text+=", $skipped skipped"
    if [ "$suite" = fuzz ]; then
        text+=", inputs: $(fuzz_inputs "$log")"
    fi
    text+=$(printf ' [%d.%d s]' $((ms / 1000)) $((ms % 1000 / 100)))
    if [ "$failed" != 0 ]; then
        text+=$'\n'$(worth_reading "$log" | sed 's/^/       | /')
        text+=$'\n'"       whole output: $log"
    fi
    printf '%s\n' "$text"
    [ "$failed" = 0 ]
}

# Of a failed test: what a sanitizer found and where, and the end of the rest
# without the sanitizer's legend.
worth_reading() { # LOG
    grep -aE -A14 'ERROR: (Address|Leak|Thread|libFuzzer)|runtime error:' "$1" |
        head -n 25
    sed '/^Shadow bytes around/,/^ *Right alloca redzone/d' "$1" |
        grep -avE '^(\[( RUN |       OK|=====)|ok |SKIP )' |
        tail -n 25
}

# Waits until fewer than $1 tests run.
wait_below() {
    while [ "$(jobs -rp | wc -l)" -ge "$1" ]; do
        wait -n
    done
}

step() { # NAME COMMAND...
    local name=$1
    shift
    run_one step "$name" 1800 "$@"
}

# ---- suites ---------------------------------------------------------------

default_limit() { # SUITE MODE
    local limit=300
    case $1 in
    unit) limit=120 ;;
    sim) limit=600 ;;
    esac
    [ "$2" = asan ] || [ "$2" = tsan ] && limit=$((limit * 3))
    echo $limit
}

# Whether file $2 of suite $1 belongs in mode $3 of this run.
wanted() {
    local modes
    [ -n "$FAST" ] && [ "$(tag "$2" slow no)" = yes ] && return 1
    modes=$(tag "$2" modes '')
    if [ -n "$modes" ]; then
        [[ ,$modes, == *,$3,* ]]
        return
    fi
    case $3 in
    asan) [ "$1" != system ] && [ "$(tag "$2" slow no)" = no ] ;;
    tsan)
        [ "$1" != system ] && [ "$(tag "$2" slow no)" = no ] &&
            grep -qE '#include "(net|daemon|coordinator)/' "$2"
        ;;
    *) true ;;
    esac
}

suite_files() { # SUITE
    case $1 in
    unit | property) ls tests/"$1"/test_*.c ;;
    sim | conformance) ls tests/"$1"/*.c ;;
    system) ls tests/system/*.bats tests/system/*.sh ;;
    lint) ls tests/lint/test_*.sh ;;
    esac 2>/dev/null
}

# suite NAME MODE BIN [ONLY]: every test of a suite, JOBS at a time.
suite() {
    local suite=$1 mode=$2 bin=$3 only=${4:-} file name limit jobs command
    export EDGE_BIN=$PWD/$bin EDGE_MODE=$mode
    for file in $(suite_files "$suite"); do
        name=$(basename "${file%.*}")
        name=${name#test_}
        [ -z "$only" ] || [ "$name" = "$only" ] || continue
        [ -n "$only" ] || wanted "$suite" "$file" "$mode" || continue
        limit=$(tag "$file" timeout "$(default_limit "$suite" "$mode")")
        case $file in
        *.c) command=("$bin/${file%.c}") ;;
        *.bats) command=(bats --tap "$file") ;;
        *.sh) command=(bash "$file") ;;
        esac
        jobs=$JOBS
        [ "$suite" = system ] && jobs=1
        [ "$(tag "$file" serial no)" = yes ] && jobs=1
        wait_below "$jobs"
        run_one "$suite-$mode" "$name" "$limit" "${command[@]}" &
        [ "$jobs" != 1 ] || wait_below 1
    done
    wait
}

# build MODE CC TARGET: a case of its own; the suites need it.
build() {
    local dir=$BUILD/$1
    [ "$2" = clang ] && [ "$1" != fuzz ] && dir+=-clang
    step "build-$1-$2" make --no-print-directory -j"$CORES" \
        O="$BUILD" B="$dir" MODE="$1" CC="$2" "$3"
}

fuzz_one() { # NAME SECONDS
    local name=$1 seconds=$2 bin=$BUILD/fuzz/tests/fuzz/$1
    local corpus=tests/fuzz/$1 work=$RESULTS/fuzz/$1.corpus
    mkdir -p "$work"
    [ -d "$corpus" ] || { echo "no corpus $corpus" && return 1; }
    "$bin" -runs=0 -artifact_prefix="$work/" "$corpus" ||
        { echo '0 passed, 1 failed' && return 1; }
    if [ "$seconds" = 0 ]; then
        echo '1 passed, 0 failed'
        return
    fi
    fuzz_for "$seconds" "${FUZZ_SEED:-0}" || return 1
    # A slow machine gets to a frame's and a message's inputs later (P12).
    local more=0 log=$RESULTS/fuzz/$name.log
    while [[ $name =~ ^fuzz_(frame|msg)$ ]] && [ "$seconds" -ge 60 ] &&
        [ "$(fuzz_inputs "$log")" -lt 1000000 ] && [ $((more++)) -lt 4 ]; do
        fuzz_for 20 "$((${FUZZ_SEED:-$RANDOM} + more))" || return 1
    done
    echo '2 passed, 0 failed'
}

# Within fuzz_one.
fuzz_for() { # SECONDS SEED
    "$bin" -seed="$2" -max_total_time="$1" -max_len=65536 -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$work/" \
        "$work" "$corpus" ||
        { echo "repeat: $bin $work/crash-*" && echo '1 passed, 1 failed' &&
            return 1; }
}

# Of all runs in this log, so far.
fuzz_inputs() { # LOG
    awk '/^stat::number_of_executed_units: / { n += $2 } END { print n + 0 }' \
        "$1"
}

fuzz() { # SECONDS [ONLY]
    local seconds=$1 only=${2:-} file name
    ls tests/fuzz/fuzz_*.c >/dev/null 2>&1 || return 0
    build fuzz clang fuzzers || return 1
    for file in tests/fuzz/fuzz_*.c; do
        name=$(basename "${file%.c}")
        [ -z "$only" ] || [ "${name#fuzz_}" = "$only" ] || continue
        wait_below "$JOBS"
        run_one fuzz "$name" $((seconds + 120)) \
            "$BASH" tests/run.sh fuzz-one "$name" "$seconds" &
    done
    wait
}

# ---- the whole check ------------------------------------------------------

# Nothing of ours may be left: no process that carries this run's mark, no
# file in the temporary folder that all tests were given.
leftovers() {
    local pid left=0 environ
    for environ in /proc/[0-9]*/environ; do
        pid=${environ#/proc/}
        pid=${pid%/environ}
        if grep -qsz "^EDGE_RUN_MARK=$TMPDIR\$" "$environ" &&
            [ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ] &&
            [[ $(tr '\0' ' ' <"/proc/$pid/cmdline") == *edge* ]] &&
            [[ $(tr '\0' ' ' <"/proc/$pid/cmdline") != *tests/run.sh* ]]; then
            echo "still running: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"
            kill -9 "$pid"
            left=1
        fi
    done
    if [ -n "$(ls -A "$TMPDIR")" ]; then
        echo "left in the temporary folder:" && ls -lA "$TMPDIR"
        left=1
    fi
    return $left
}

# Simulated clusters and properties have one thread, and nothing to race with.
check_mode() { # MODE
    local mode=$1 suite suites='unit property conformance sim system'
    [ "$mode" = tsan ] && suites='unit system'
    build "$mode" gcc tests || return
    for suite in $suites; do
        suite "$suite" "$mode" "$BUILD/$mode"
    done
}

check_all() {
    local seeds=${SIM_SEEDS:-200}
    [ -n "$FAST" ] && seeds=50
    step lint tests/lint/lint.sh
    suite lint source .
    SIM_SEEDS=$seeds check_mode release
    if [ -z "$FAST" ]; then
        build release clang tests
    fi
    SIM_SEEDS=$((seeds / 4)) check_mode asan
    if [ -z "$FAST" ]; then
        check_mode tsan
        arm64_smoke
        FUZZ_SEED=${FUZZ_SEED:-1} fuzz "$FUZZ_SECONDS"
    else
        fuzz 0
    fi
}

# Every skip with its reason, equal reasons of one test together.
print_skips() {
    find "$RESULTS" -name '*.log' -print0 | sort -z | xargs -0r awk '
        FNR == 1 { test = FILENAME; sub(/\.log$/, "", test)
                   sub("^" results "/", "", test) }
        /^SKIP / || tolower($0) ~ /^ok [0-9]+ .*# *skip/ {
            reason = $0
            if (/^SKIP /) { sub(/^SKIP [^:]*: */, "", reason) }
            else { sub(/^.*# *[sS][kK][iI][pP]( *)/, "", reason) }
            name = ""
            if (match(reason, /operator [A-Z][A-Za-z0-9]* /)) {
                name = substr(reason, RSTART + 9, RLENGTH - 10)
                sub(/operator [A-Z][A-Za-z0-9]* /, "an operator that ", reason)
            }
            key = test ": " reason
            if (!(key in n)) { order[++keys] = key }
            n[key]++
            if (name != "" && !((key, name) in named)) {
                named[key, name] = 1
                names[key] = names[key] " " name
            }
        }
        END { for (i = 1; i <= keys; i++) {
            key = order[i]
            printf "  skipped %d in %s%s\n", n[key], key,
                names[key] != "" ? ":" names[key] : "" } }
        ' results="$RESULTS"
}

summary() { # SECONDS
    echo
    find "$RESULTS" -name '*.result' -exec cat {} + | sort |
        awk '$4 > 0 { print "  failed: " $1 "/" $2 }'
    print_skips
    find "$RESULTS" -name '*.result' -exec cat {} + | awk -v seconds="$1" '
        { passed += $3; failed += $4; skipped += $5 }
        END { if (skipped > 0) { printf "%d skipped, reasons above\n", skipped }
              printf "took %d s\n", seconds
              printf "%d passed, %d failed\n", passed, failed
              exit failed > 0 || passed == 0 }'
}

check() { # [MODE]
    local start=$SECONDS
    rm -rf "$RESULTS"
    mkdir -p "$RESULTS"
    TMPDIR=$(mktemp -d /tmp/edge-check-XXXXXX)
    chmod 711 "$TMPDIR" # some tests run as other users within
    export TMPDIR EDGE_RUN_MARK=$TMPDIR
    trap 'rm -rf "$TMPDIR"' EXIT
    trap 'kill $(jobs -p) 2>/dev/null; wait; exit 130' INT TERM
    if [ -n "${1:-}" ]; then
        check_mode "$1"
    else
        check_all
    fi
    step nothing-left "$BASH" tests/run.sh leftovers
    summary $((SECONDS - start))
}

# ---- another architecture --------------------------------------------------

# Of each kind of code that depends on the processor, and of threads.
ARM64_SMOKE='bytes coded elementwise gemm conv quant frame image io_uv tls'

# arm64 [ONLY]: as the cores of a Raspberry Pi 3 or Zero 2; of a Pi 4 the smoke.
arm64() {
    local cpu test name
    export EDGE_EMULATED=1
    for cpu in cortex-a53 cortex-a72; do
        for test in "$BUILD"/arm64/tests/unit/test_*; do
            name=${test##*/test_}
            [ -x "$test" ] || continue
            [ -f "tests/unit/test_$name.c" ] || continue
            [ -z "${1:-}" ] || [ "$name" = "$1" ] || continue
            if [ -n "${SMOKE:-}" ] || [ "$cpu" != cortex-a53 ]; then
                [ -n "${1:-}" ] || [[ " $ARM64_SMOKE " == *" $name "* ]] ||
                    continue
            fi
            wait_below "$JOBS"
            run_one "arm64-$cpu" "$name" 900 \
                qemu-aarch64-static -cpu "$cpu" "$test" &
        done
        wait
    done
}

# As part of check: where the compiler and qemu are there already.
arm64_smoke() {
    local name programs=() log=$RESULTS/arm64-cortex-a53/smoke
    if ! DEPS='' deploy/deps.sh --missing build arm64; then
        mkdir -p "${log%/*}"
        echo 'SKIP smoke: what it needs is not installed; make arm64' \
            'installs it' >"$log.log"
        echo "arm64-cortex-a53 smoke 0 0 1 0" >"$log.result"
        return
    fi
    for name in $ARM64_SMOKE; do
        programs+=("$BUILD/arm64/tests/unit/test_$name")
    done
    step build-arm64 make --no-print-directory -j"$CORES" O="$BUILD" \
        MODE=arm64 CC=aarch64-linux-gnu-gcc "${programs[@]}" && SMOKE=1 arm64
}

# The rows and their table; what they need is built first.
chaos() {
    local arguments=() rc
    TMPDIR=$(mktemp -d /tmp/edge-check-XXXXXX)
    chmod 711 "$TMPDIR" # some tests run as other users within
    export TMPDIR EDGE_RUN_MARK=$TMPDIR
    trap 'rm -rf "$TMPDIR"' EXIT
    make --no-print-directory -j"$CORES" O="$BUILD" MODE=release \
        CC="${CC:-gcc}" tests || return 1
    # For the failpoints of P7, too.
    make --no-print-directory -j"$CORES" O="$BUILD" MODE=faulty \
        CC="${CC:-gcc}" tests || return 1
    [ -z "${CONTROLS:-}" ] || arguments+=(--controls)
    [ -z "${ONLY:-}" ] || arguments+=(--only "$ONLY")
    [ -z "${SEED:-}" ] || arguments+=(--seed "$SEED")
    [ -z "${ITERS:-}" ] || arguments+=(--iters "$ITERS")
    [ -z "$FAST" ] || arguments+=(--short)
    # Words of ROW are names of rows.
    # shellcheck disable=SC2086
    EDGE_BIN=$PWD/$BUILD/release EDGE_FAULTY_BIN=$PWD/$BUILD/faulty \
        /usr/bin/python3 tests/system/chaos/chaos.py "${arguments[@]}" \
        ${ROW:-}
    rc=$?
    leftovers || rc=1
    return $rc
}

case ${1:-} in
chaos) chaos ;;
check) check "${2:-}" ;;
suite)
    rm -rf "$RESULTS"
    mode=$(basename "$3")
    suite "$2" "${mode%-clang}" "$3" "${4:-}"
    summary $SECONDS
    ;;
fuzz)
    rm -rf "$RESULTS"
    fuzz "$FUZZ_SECONDS" "${2:-}"
    summary $SECONDS
    ;;
arm64)
    rm -rf "$RESULTS"
    arm64 "${2:-}"
    summary $SECONDS
    ;;
fuzz-one) fuzz_one "$2" "$3" ;;
leftovers) leftovers ;;
bench)
    rc=0
    for file in tests/bench/bench_*; do
        name=$(basename "${file%.*}")
        [ -z "${3:-}" ] || [ "${name#bench_}" = "$3" ] || continue
        case $file in
        *.c) EDGE_BIN=$PWD/$2 "$2/${file%.c}" || rc=1 ;;
        *.sh) EDGE_BIN=$PWD/$2 bash "$file" || rc=1 ;;
        esac
    done
    exit $rc
    ;;
*)
    sed -n '2,20s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
