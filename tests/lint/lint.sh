#!/bin/sh
# What STYLE asks for and a program can check; `make lint` runs it.
#   lint.sh [FOLDER]   checks the sources of FOLDER instead of this checkout
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-$here/../..}" || exit 2

if [ -e .git ]; then
    files=$(git ls-files -co --exclude-standard '*.c' '*.h')
else
    files=$(find . -name '*.[ch]' | sed 's#^\./##' | sort)
fi
# A file that was removed but not yet committed is still listed.
sources=
for file in $files; do
    [ -f "$file" ] && sources="$sources $file"
done
rc=0

# shellcheck disable=SC2086 # names of sources have no blanks
awk -v dir="${LINT_TABLES:-$here}" -f "$here/check.awk" $sources || rc=1

if command -v clang-format >/dev/null; then
    # shellcheck disable=SC2086
    printf '%s\n' $sources |
        xargs -P 2 -n 20 clang-format --dry-run -Werror || rc=1
else
    echo 'SKIP format: clang-format is not installed'
fi
[ $rc = 0 ] && echo "lint: $(echo "$sources" | wc -w) files are clean"
exit $rc
