#!/bin/bash
# Proves that tests/run.sh counts what it should: a small tree of shell tests
# with known ends is run and the summary compared.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0

fresh() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/tests/lib" "$work/tree/tests/system"
    cp "$root/tests/run.sh" "$work/tree/tests/"
    cp "$root/tests/lib/count.awk" "$work/tree/tests/lib/"
    printf '.PHONY: tests\ntests:\n\t@true\n' >"$work/tree/Makefile"
}

put() { # NAME, a shell test on stdin
    cat >"$work/tree/tests/system/$1.sh"
}

run() {
    output=$(cd "$work/tree" && env -u FAST "$@" BUILD=build \
        tests/run.sh check debug 2>&1)
    status=$?
}

report() { # OK NAME
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        printf '%s\n' "$output" | sed 's/^/# /'
    fi
}

# Two cases are always there: the build and "nothing is left".
expect() { # PASSED FAILED NAME
    run
    [ "$(tail -1 <<<"$output")" = "$(($1 + 2)) passed, $2 failed" ] &&
        [ $((status != 0)) = $(($2 != 0)) ]
    report $? "$3"
}

fresh
put tap <<'T'
printf '1..3\nok 1 - a\nok 2 - b # skip no camera\nok 3 - c\n'
T
expect 2 0 'TAP is counted'
[[ $output == *'skipped 1 in system-debug/tap: no camera'* ]]
report $? 'a skip is printed with its reason'

fresh
put tap <<'T'
printf '1..2\nok 1 - a\nnot ok 2 - b\n'
T
expect 1 1 'a failed case fails the check'
[[ $output == *'failed: system-debug/tap'* ]]
report $? 'what failed is named at the end'

fresh
put short <<'T'
printf '1..3\nok 1 - a\n'
T
expect 1 2 'cases that were planned and did not run are failures'

fresh
put sim <<'T'
echo 'SKIP board: not connected'
echo '5 passed, 1 failed, 1 skipped'
exit 1
T
expect 5 1 'a line "N passed, N failed" is counted'

fresh
put cmocka <<'T'
echo '[  PASSED  ] 4 test(s).'
echo '[  SKIPPED ] 1 test(s), listed below:'
T
expect 4 0 'the report of cmocka is counted'

fresh
put crash <<'T'
echo 'ok 1 - a'
kill -SEGV $$
T
expect 1 1 'a crash after cases that passed is a failure'
[[ $output == *'ended by signal 11'* ]]
report $? 'a crash is named'

fresh
put status <<'T'
echo 'ok 1 - a'
exit 3
T
expect 1 1 'an exit status other than 0 is a failure'

fresh
put none <<'T'
true
T
expect 0 1 'a test without a case is a failure'

fresh
put slow <<'T'
# test: timeout=1
echo 'ok 1 - a'
sleep 30
T
expect 1 1 'a test over its limit is a failure'
[[ $output == *'over its limit of 1 s'* ]]
report $? 'the limit is named'

fresh
put modes <<'T'
# test: modes=tsan
echo 'not ok 1 - ran in the wrong mode'
T
put slow <<'T'
# test: slow
echo 'ok 1 - a'
T
expect 1 0 'a test of another mode does not run'
run FAST=1
[ "$(tail -1 <<<"$output")" = '2 passed, 0 failed' ]
report $? 'a slow test is left out of a fast check'

fresh
put leaves <<'T'
echo 'ok 1 - a'
touch "$TMPDIR/forgotten"
T
expect 0 1 'a file that is left behind is a failure'
[[ $output == *forgotten* ]]
report $? 'the file is named'

fresh
ln -s "$(type -P sleep)" "$work/tree/edge-sleep"
put leaves <<'T'
echo 'ok 1 - a'
setsid ./edge-sleep 60 >/dev/null 2>&1 &
T
expect 0 1 'a process that is left behind is a failure'
[[ $output == *edge-sleep* ]]
report $? 'the process is named'

fresh
printf '.PHONY: tests\ntests:\n\t@echo broken; false\n' >"$work/tree/Makefile"
put tap <<'T'
echo 'ok 1 - a'
T
run
[ $status != 0 ] && [ "$(tail -1 <<<"$output")" = '1 passed, 1 failed' ]
report $? 'a build that fails is a failure'

echo "1..$n"
