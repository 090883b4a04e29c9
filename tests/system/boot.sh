#!/bin/bash
# test: slow timeout=500 serial modes=release
# The installed units under a real systemd: PID 1 of a User-Mode Linux that has
# this machine's files beneath an overlay of its own. boot/init.sh makes the
# guest's root, boot/probe.sh is the test and runs in the guest.
set -u
LIMIT_S=450

skip() {
    echo "ok 1 the units under systemd # skip $1"
    echo 1..1
    exit 0
}
command -v linux.uml >/dev/null || skip 'user-mode-linux is not installed'
[ -x /lib/systemd/systemd ] || skip 'systemd is not installed'
[ "$(id -u)" = 0 ] || skip 'the guest needs files that root alone may read'

folder=$(mktemp -d "${TMPDIR:-/tmp}/edged-boot.XXXXXX")
guest=
finish() {
    if [ -n "$guest" ]; then
        kill -9 -- "-$guest" 2>/dev/null
        wait "$guest" 2>/dev/null
    fi
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 143' TERM INT

bin=$(realpath --relative-to=. "$EDGE_BIN")
compiler=$(sed 's/ -std=.*//' "$EDGE_BIN/flags")
make install "B=$bin" MODE=release "CC=$compiler" "DESTDIR=$folder/installed" \
    >"$folder/log" 2>&1 || {
    cat "$folder/log"
    echo 'not ok 1 make install'
    exit 1
}
cp tests/system/boot/probe.sh "$folder/"
mkdir "$folder/out"
# What the guest's first program is told.
sed "s|@FOLDER@|$folder|" tests/system/boot/init.sh >"$folder/init.sh"
chmod 755 "$folder/init.sh"

# A process group of its own: a guest is several processes.
set -m
linux.uml rootfstype=hostfs rootflags=/ ro mem=768M umid="edged-$$" \
    "uml_dir=$folder/uml/" "init=$folder/init.sh" con=null con0=fd:0,fd:1 \
    quiet </dev/null >"$folder/console" 2>&1 &
guest=$!
set +m
for ((i = 0; i < LIMIT_S * 10; i++)); do
    kill -0 "$guest" 2>/dev/null || break
    sleep 0.1
done

touch "$folder/out/tap" "$folder/out/log"
cat "$folder/out/tap"
if ! grep -q '^1\.\.' "$folder/out/tap"; then
    echo "not ok 99 the guest comes to its end within $LIMIT_S s"
fi
if ! grep -q '^1\.\.' "$folder/out/tap" || grep -q '^not ok' \
    "$folder/out/tap"; then
    tail -n 15 "$folder/console" | tr -d '\r' | sed 's/^/# console: /'
    tail -n 60 "$folder/out/log" | sed 's/^/# /'
    exit 1
fi
