#!/bin/sh
# Installs the Debian packages that are missing; silent when none is.
#   deps.sh build          what building and the demo need (apt-build.txt)
#   deps.sh build test     also what `make check` needs (apt-test.txt)
#   deps.sh run            what programs built elsewhere need (apt-run.txt)
#   deps.sh build arm64    also what `make arm64` needs (apt-arm64.txt)
#   deps.sh --missing ...  installs nothing; exit status 1 if one is missing
# DEPS=no skips it. AGAIN is the command to name where it cannot go on.
# Exit status: 0 everything is there now, 2 it is not.
set -u
here=$(dirname "$0")
again=${AGAIN:-make demo}

[ "${DEPS:-yes}" = no ] && exit 0
only_look=
[ "${1:-}" = --missing ] && only_look=yes && shift

# The lists' rows without comments, or their comments alone.
wanted() { sed -e 's/ *#.*//' -e '/^$/d' "$@"; }
described() { sed -n 's/^[^#]*[^# ] *# */  /p' "$@"; }

lists=
for list in "$@"; do
    lists="$lists $here/apt-$list.txt"
done

if [ -n "$only_look" ] && ! command -v dpkg-query >/dev/null; then
    exit 1
elif ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    {
        echo 'edged: this system has no apt-get, so packages cannot be' \
            'installed here. Needed are:'
        # shellcheck disable=SC2086 # a list of paths without blanks
        described $lists
        echo "Install them, then run DEPS=no $again"
    } >&2
    exit 2
fi

# installed FORMAT PACKAGE...: those that dpkg calls so, as FORMAT.
installed() {
    # shellcheck disable=SC2016 # ${...} is dpkg-query's own
    format="$1 \${db:Status-Status}\\n"
    shift
    [ $# = 0 ] ||
        dpkg-query -W -f "$format" "$@" 2>/dev/null | sed -n 's/ installed$//p'
}

# Prints the wanted packages that dpkg does not call installed; those of
# another architecture are written NAME:ARCHITECTURE.
missing() {
    # shellcheck disable=SC2086
    packages=$(wanted $lists)
    foreign=$(printf '%s\n' "$packages" | grep :)
    # shellcheck disable=SC2046,SC2016,SC2086
    have=$(installed '${Package}' $(printf '%s\n' "$packages" | grep -v :)
        installed '${Package}:${Architecture}' $foreign)
    for package in $packages; do
        # shellcheck disable=SC2086
        printf '%s\n' $have | grep -qxF "$package" ||
            printf '%s\n' "$package"
    done
}

names=$(missing | tr '\n' ' ')
names=${names% }
[ -z "$names" ] && exit 0
[ -n "$only_look" ] && exit 1
count=$(echo "$names" | wc -w)
packages="$count Debian packages"
are=are
[ "$count" = 1 ] && packages='1 Debian package' are=is

# Of the packages for other machines.
arches=$(printf '%s\n' "$names" | tr ' ' '\n' | sed -n 's/.*://p' | sort -u)

give_up() { # WHY
    {
        echo "edged: $packages $are missing and cannot be installed: $1. As root:"
        for arch in $arches; do
            echo "  dpkg --add-architecture $arch && apt-get update"
        done
        echo "  apt-get install -y --no-install-recommends $names" \
            "  then run $again again"
    } >&2
    exit 2
}

if [ "$(id -u)" = 0 ]; then
    root=
elif ! command -v sudo >/dev/null; then
    give_up 'you are not root and sudo is not available'
elif [ -t 0 ]; then
    root=sudo
elif sudo -n true 2>/dev/null; then
    root='sudo -n'
else
    give_up 'you are not root and sudo wants a password without a terminal'
fi

echo "edged: installing $packages: $names"
# An installation that was cut off is finished first; apt refuses otherwise.
$root dpkg --configure -a || give_up 'dpkg cannot finish an installation'
for arch in $arches; do
    $root dpkg --add-architecture "$arch" ||
        give_up "dpkg cannot add the architecture $arch"
done
$root apt-get update || echo 'edged: apt-get update failed; going on' >&2
# shellcheck disable=SC2086
$root env DEBIAN_FRONTEND=noninteractive apt-get install -y \
    --no-install-recommends -o DPkg::Lock::Timeout=300 $names ||
    give_up 'apt-get failed, see above'
[ -z "$(missing)" ] || give_up 'apt-get did not install all of them'
