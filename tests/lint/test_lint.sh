#!/bin/bash
# Proves that each rule of lint.sh fires: a small tree with one violation is
# checked and must be refused with the right words, and pass without it.
set -u
lint=$(cd "$(dirname "$0")" && pwd)/lint.sh
format=$(cd "$(dirname "$0")/../.." && pwd)/.clang-format
tables=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0

fresh() {
    rm -rf "$work/tree" "$work/tables"
    mkdir -p "$work/tree" "$work/tables"
    cp "$format" "$work/tree/.clang-format"
    cp "$tables"/arrows.txt "$tables"/doors.txt "$work/tables/"
    : >"$work/tables/exceptions.txt"
}

put() { # PATH, content on stdin
    mkdir -p "$work/tree/$(dirname "$1")"
    cat >"$work/tree/$1"
}

run() {
    output=$(LINT_TABLES=$work/tables "$lint" "$work/tree" 2>&1)
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

# refuse NAME PATH WORDS: the content on stdin at PATH must be refused.
refuse() {
    fresh
    put "$2"
    run
    local rc=$?
    [ $rc != 0 ] && printf '%s\n' "$output" | grep -qF -- "$3"
    report $? "refused: $1"
}

accept() { # NAME PATH
    fresh
    put "$2"
    run
    report $? "accepted: $1"
}

lines() { # COUNT
    for ((i = 0; i < $1; i++)); do
        echo "    x += $i;"
    done
}

accept 'a clean file' common/graph/a.c <<'C'
#include "graph/a.h"

#include "base/err.h"
#include "tensor/shape.h"

#include <string.h>

static const char *const names[] = {"strcpy(a, b)", "/* \" */"};
static const int numbers[2] = {1, 2};

struct pair {
    int a;
    int b;
};

enum kind { KIND_A, KIND_B };

/* system("rm"), malloc(3) and gets() in a comment harm nobody */
int a_of(const struct pair *pair, void (*free_it)(int))
{
    static const int table[] = {1, 2};

    free_it(pair->a); // sprintf(
    return table[0] + numbers[1] + (int)strlen(names[0]);
}
C

refuse 'an arrow the wrong way' common/base/a.c \
    'arrow: common/base may not include tensor' <<<'#include "tensor/shape.h"'
refuse 'net that knows a graph' common/net/a.c \
    'arrow: common/net may not include graph' <<<'#include "graph/graph.h"'
refuse 'an engine that knows a peer' common/engine/a.c \
    'arrow: common/engine may not include net' <<<'#include "net/io.h"'
refuse 'a daemon that sees the coordinator' daemon/a.c \
    'arrow: daemon may not include coordinator' <<<'#include "coordinator/b.h"'
refuse 'a coordinator that sees the daemon' coordinator/a.c \
    'arrow: coordinator may not include daemon' <<<'#include "daemon/b.h"'
refuse 'a planner that does I/O' coordinator/plan/a.c \
    'arrow: coordinator/plan may not include net' <<<'#include "net/io.h"'
refuse 'common that sees a program' common/net/a.c \
    'arrow: common/net may not include daemon' <<<'#include "daemon/b.h"'
refuse 'a control tool that sees a daemon' coordinator/ctl/a.c \
    'arrow: coordinator/ctl may not include daemon' <<<'#include "daemon/b.h"'
accept 'a control tool over the planner' coordinator/ctl/a.c \
    <<<'#include "coordinator/plan/cut.h"'
refuse 'an include without its folder' common/base/a.c \
    'include: "err.h" does not name its folder' <<<'#include "err.h"'

while read -r header right wrong; do
    accept "$header in $right" "$right" <<<"#include <$header>"
    refuse "$header in $wrong" "$wrong" "door: $header" \
        <<<"#include <$header>"
done <<'DOORS'
cblas.h common/kernels/gemm.c common/kernels/conv.c
yaml.h common/config/doc.c common/config/cluster.c
onnx.pb-c.h common/onnx/import.c common/graph/graph.c
envelope.pb-c.h common/wire/msg.c common/net/conn.c
data.pb-c.h daemon/dispatch.c common/engine/run.c
openssl/ssl.h common/net/tls.c common/base/store.c
openssl/evp.h common/base/store.c daemon/install.c
sqlite3.h coordinator/state.c coordinator/admin.c
microhttpd.h coordinator/http/api.c coordinator/admin.c
uv.h common/net/io_uv.c daemon/daemon.c
uv.h daemon/main.c common/engine/run.c
turbojpeg.h common/image/jpeg.c daemon/source.c
zimg.h common/image/resize.c common/tensor/tensor.c
zstd.h common/codec/zstd.c common/wire/frame.c
libsmartcols/libsmartcols.h coordinator/ctl/output.c coordinator/main.c
pthread.h common/net/strand.c daemon/run.c
DOORS
refuse 'uv.h in io.h' common/net/io.h 'door: uv.h' <<<'#include <uv.h>'

for word in strcpy strcat sprintf gets alloca atoi strtok system popen \
    malloc free sleep; do
    refuse "$word()" common/base/a.c "banned: $word() is not used here" <<C
void a_do(char *p)
{
    $word(p);
}
C
done
refuse 'a lock outside net' daemon/a.c 'lock: pthread_mutex_lock()' <<'C'
void a_do(void *m)
{
    pthread_mutex_lock(m);
}
C
accept 'a lock in net' common/net/a.c <<'C'
void a_do(void *m)
{
    pthread_mutex_lock(m);
}
C

refuse 'a static variable' common/base/a.c 'global: a variable for all' \
    <<<'static int count;'
refuse 'a variable with a value' common/base/a.c 'global: a variable' \
    <<<'struct log *the_log = NULL;'
refuse 'a pointer to constants that moves' common/base/a.c 'global:' \
    <<<'static const char *name = "a";'
refuse 'a static inside a function' common/base/a.c 'state that lives on' <<'C'
int a_next(void)
{
    static int n;

    return n++;
}
C
refuse 'recursion' common/base/a.c 'recursion: a_down calls itself' <<'C'
int a_down(int n)
{
    return n > 0 ? a_down(n - 1) : 0;
}
C
refuse 'a typedef of a struct' common/base/a.h 'typedef: a typedef' <<'C'
typedef struct pair pair_t;
C
accept 'a typedef of a function' common/base/a.h <<'C'
typedef void (*pair_each)(void *arg);
C

{
    printf 'int a_sum(int x)\n{\n' && lines 66 && printf '    return x;\n}\n'
} >"$work/f70"
accept 'a function of 70 lines' common/base/a.c <"$work/f70"
{
    printf 'int a_sum(int x)\n{\n' && lines 67 && printf '    return x;\n}\n'
} >"$work/f71"
refuse 'a function of 71 lines' common/base/a.c \
    'function: a_sum has 71 lines' <"$work/f71"
yes '/* a line */' | head -600 >"$work/l600"
accept 'a file of 600 lines' common/base/a.c <"$work/l600"
yes '/* a line */' | head -601 >"$work/l601"
refuse 'a file of 601 lines' common/base/a.c 'file: a file of 601 lines' \
    <"$work/l601"
refuse 'a line of 81 characters' common/base/a.c 'width: a line of 81' \
    <<<"/* $(printf 'x%.0s' {1..75}) */"
refuse 'layout that clang-format would change' common/base/a.c \
    'clang-format-violations' <<<'int  a_of( int x );'

fresh
put common/base/a.c <"$work/f71"
echo 'function common/base/a.c:a_sum a table of cases' \
    >"$work/tables/exceptions.txt"
run
report $? 'accepted: a long function that is listed with its reason'

fresh
put common/base/a.c <"$work/f70"
echo 'function common/base/a.c:a_sum a table of cases' \
    >"$work/tables/exceptions.txt"
! run && [[ $output == *'nothing needs this any more'* ]]
report $? 'refused: an exception that nothing needs'

fresh
put common/base/a.c <"$work/f71"
echo 'function common/base/a.c:a_sum' >"$work/tables/exceptions.txt"
! run && [[ $output == *'no reason'* ]]
report $? 'refused: an exception without a reason'

echo "1..$n"
