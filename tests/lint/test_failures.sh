#!/bin/bash
# docs/FAILURES.md names a test for every fault and every promise: each of them
# must be there, and each row of make chaos on the page.
set -u
cd "$(dirname "$0")/../.." || exit 2
n=0
failed=0

report() { # OK NAME
    n=$((n + 1))
    [ "$1" = 0 ] || failed=1
    [ "$1" = 0 ] && echo "ok $n - $2" || echo "not ok $n - $2"
}

# Every `word/word`, `word/word: name` or `chaos: name` in the table.
names() {
    grep -E '^\| P?[0-9]+ ' "$1" |
        grep -oE '`(unit|system|fuzz|property|sim|chaos)[a-z0-9_/]*(: [a-z0-9_*]+)?`' |
        tr -d '`' | sort -u
}

is_there() { # NAME
    local file=${1%%:*} name=
    [ "$1" = "$file" ] || name=${1##*: }
    case $file in
    chaos) grep -q "^    \"$name\": rows_" tests/system/chaos/rows.py ;;
    system/*) compgen -G "tests/$file.*" >/dev/null ;;
    fuzz/*) [ -f "tests/$file.c" ] ;;
    *)
        file=tests/${file%%/*}/test_${file#*/}.c
        [ -f "$file" ] &&
            { [ "$name" = '*' ] ||
                grep -qE "^static void (test_)?$name\(void \*\*" "$file"; }
        ;;
    esac
}

page=${1:-docs/FAILURES.md}
missing=
while read -r name; do
    is_there "$name" || missing="$missing; $name"
done < <(names "$page")
[ -z "$missing" ] || echo "# not there: ${missing#; }"
report "$([ -z "$missing" ]; echo $?)" 'each test that docs/FAILURES.md names is there'

rows=$(grep -cE '^\| ([1-9]|[12][0-9]|3[01]) \|' "$page")
report "$([ "$rows" = 31 ]; echo $?)" "31 faults have a row ($rows)"

rows=$(grep -oE '^\| P([1-9]|1[0-9]|2[0-2]) \|' "$page" | sort -u | wc -l)
report "$([ "$rows" = 22 ]; echo $?)" "22 promises have a row ($rows)"

# What make chaos runs is what the page says.
missing=
while read -r name; do
    names "$page" | grep -qx "chaos: $name" || missing="$missing $name"
done < <(sed -n 's/^    "\([a-z0-9_]*\)": rows_.*/\1/p' \
    tests/system/chaos/rows.py)
report "$([ -z "$missing" ]; echo $?)" \
    "each row of make chaos is on the page:$missing"

differ=$(diff <(sed -n 's/.*Promise("\(P[0-9]*\)".*/\1/p' \
    tests/system/chaos/promises.py | sort) \
    <(grep -oE '^\| P[0-9]+ ' "$page" | tr -d '| ' | sort))
report "$([ -z "$differ" ]; echo $?)" 'the promises of make chaos are the page'"'"'s'

count=$(names "$page" | wc -l)
report "$([ "$count" -ge 60 ]; echo $?)" "the page names tests ($count)"

is_there 'unit/store: no_such_test'
report "$([ $? != 0 ]; echo $?)" 'a test that is not there is noticed'
echo "1..$n"
exit $failed
