#!/usr/bin/env bats
# deploy/deps.sh with a dpkg, apt-get, sudo and id of our own: as root, with
# sudo, with neither, and on a system without apt-get.

setup() {
    fake=$(mktemp -d)
    mkdir "$fake/bin" "$fake/deploy"
    cp deploy/deps.sh "$fake/deploy/"
    printf 'libone-dev  # One >= 1.0\nlibtwo-dev # Two\n' \
        >"$fake/deploy/apt-build.txt"
    printf '# comment\nthree # Three\n' >"$fake/deploy/apt-test.txt"
    touch "$fake/installed" "$fake/log"
    for tool in sh sed grep tr cat wc dirname env echo printf script bash \
        true sort cut; do
        ln -s "$(type -P $tool)" "$fake/bin/$tool"
    done
    make_tool id 'cat "$FAKE/uid"'
    make_tool dpkg-query 'shift 3
        for p in "$@"; do
            grep -qx "$p" "$FAKE/installed" && echo "$p installed"
        done
        exit 1'
    make_tool dpkg 'echo "dpkg $*" >>"$FAKE/log"'
    make_tool apt-get 'echo "apt-get $*" >>"$FAKE/log"
        [ -e "$FAKE/broken" ] && exit 100
        [ "$1" = update ] && exit 0
        shift 5
        [ -e "$FAKE/lazy" ] || printf "%s\n" "$@" >>"$FAKE/installed"'
    echo 1000 >"$fake/uid"
}

teardown() {
    rm -rf "$fake"
}

make_tool() { # NAME BODY
    printf '#!/bin/sh\n%s\n' "$2" >"$fake/bin/$1"
    chmod +x "$fake/bin/$1"
}

make_sudo() {
    make_tool sudo 'echo "sudo $*" >>"$FAKE/log"
        [ "$1" = -n ] && [ -e "$FAKE/password" ] && exit 1
        [ "$1" = -n ] && shift
        exec "$@"'
}

deps() {
    FAKE=$fake PATH=$fake/bin "$fake/bin/sh" "$fake/deploy/deps.sh" "$@" \
        </dev/null
}

@test "nothing missing: no output, nothing run" {
    printf 'libone-dev\nlibtwo-dev\n' >"$fake/installed"
    run deps build
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    [ ! -s "$fake/log" ]
}

@test "root: updates, then installs just what is missing" {
    echo 0 >"$fake/uid"
    echo libone-dev >"$fake/installed"
    run deps build
    [ "$status" -eq 0 ]
    [[ "$output" == *"installing 1 Debian package: libtwo-dev"* ]]
    [ "$(grep -c ^apt-get "$fake/log")" -eq 2 ]
    grep -qx 'apt-get update' "$fake/log"
    grep -q -- '^apt-get install -y --no-install-recommends .* libtwo-dev$' \
        "$fake/log"
    ! grep -q 'install.*libone-dev' "$fake/log"
    run deps build
    [ -z "$output" ]
}

@test "build test: also the packages of the tests" {
    echo 0 >"$fake/uid"
    run deps build test
    [ "$status" -eq 0 ]
    grep -q 'install.* libone-dev libtwo-dev three$' "$fake/log"
}

@test "an installation that was cut off is finished first" {
    echo 0 >"$fake/uid"
    run deps build
    [ "$(head -1 "$fake/log")" = 'dpkg --configure -a' ]
}

@test "sudo without a terminal is asked with -n" {
    make_sudo
    run deps build
    [ "$status" -eq 0 ]
    grep -q '^sudo -n env .*apt-get install' "$fake/log"
    grep -qx 'sudo -n apt-get update' "$fake/log"
}

@test "sudo on a terminal may ask for a password" {
    script -qec true /dev/null >/dev/null 2>&1 ||
        skip 'no pseudo-terminal can be made here'
    make_sudo
    touch "$fake/password"
    run env FAKE="$fake" PATH="$fake/bin" SHELL="$fake/bin/sh" \
        "$fake/bin/script" -qec "sh $fake/deploy/deps.sh build" /dev/null
    [ "$status" -eq 0 ]
    grep -q '^sudo env .*apt-get install' "$fake/log"
    ! grep -q '^sudo -n' "$fake/log"
}

@test "neither root nor sudo: exit 2 and the line to run" {
    AGAIN='make check' run deps build test
    [ "$status" -eq 2 ]
    [ ! -s "$fake/log" ]
    [[ "${lines[0]}" == "edged: 3 Debian packages are missing and cannot be \
installed: you are not root and sudo is not available. As root:" ]]
    [[ "${lines[1]}" == "  apt-get install -y --no-install-recommends \
libone-dev libtwo-dev three   then run make check again" ]]
}

@test "sudo that wants a password without a terminal: exit 2" {
    make_sudo
    touch "$fake/password"
    run deps build
    [ "$status" -eq 2 ]
    [[ "$output" == *"sudo wants a password without a terminal. As root:"* ]]
    ! grep -q apt-get "$fake/log"
}

@test "apt-get fails: exit 2 and the line to run" {
    echo 0 >"$fake/uid"
    touch "$fake/broken"
    run deps build
    [ "$status" -eq 2 ]
    [[ "$output" == *"2 Debian packages are missing and cannot be installed: \
apt-get failed"* ]]
}

@test "apt-get that leaves one out: exit 2" {
    echo 0 >"$fake/uid"
    touch "$fake/lazy"
    run deps build
    [ "$status" -eq 2 ]
    [[ "$output" == *"did not install all of them"* ]]
}

@test "no apt-get: exit 2 with libraries and oldest versions" {
    rm "$fake/bin/apt-get"
    run deps build test
    [ "$status" -eq 2 ]
    [[ "$output" == *"has no apt-get"* ]]
    [[ "$output" == *"  One >= 1.0"* ]]
    [[ "$output" == *"  Three"* ]]
    [[ "$output" == *"DEPS=no make demo"* ]]
}

@test "DEPS=no skips everything" {
    DEPS=no run deps build
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "another architecture's packages: it is added before the update" {
    printf 'libone-dev:arm64 # One\n' >"$fake/deploy/apt-arm64.txt"
    echo 0 >"$fake/uid"
    printf 'libone-dev\nlibtwo-dev\n' >"$fake/installed"
    run deps build arm64
    [ "$status" -eq 0 ]
    [[ "$output" == *"installing 1 Debian package: libone-dev:arm64"* ]]
    [ "$(grep -n 'dpkg --add-architecture arm64' "$fake/log" | cut -d: -f1)" \
        -lt "$(grep -n 'apt-get update' "$fake/log" | cut -d: -f1)" ]
    run deps build arm64
    [ -z "$output" ]
}

@test "another architecture's packages: without root, all commands are said" {
    printf 'libone-dev:arm64 # One\n' >"$fake/deploy/apt-arm64.txt"
    printf 'libone-dev\nlibtwo-dev\n' >"$fake/installed"
    run deps build arm64
    [ "$status" -eq 2 ]
    [[ "$output" == *"dpkg --add-architecture arm64 && apt-get update"* ]]
    [[ "$output" == *"libone-dev:arm64"* ]]
}

@test "--missing only looks" {
    echo 0 >"$fake/uid"
    run deps --missing build
    [ "$status" -eq 1 ]
    [ -z "$output" ]
    [ ! -s "$fake/log" ]
    printf 'libone-dev\nlibtwo-dev\n' >"$fake/installed"
    run deps --missing build
    [ "$status" -eq 0 ]
}
