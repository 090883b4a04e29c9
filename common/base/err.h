/*
 * Status codes and the sentence that goes with them.
 *
 * A function that can fail returns 0 or one of the negative codes below. If a
 * person may have to act on the failure its last parameter is `struct err *`:
 * untouched on success, otherwise a sentence fit to print. A caller adds what
 * only it knows with err_wrap(), which puts its own words before those that
 * are there: "install shard 3: read weights: no such file". `err` may be NULL.
 */
#ifndef EDGE_BASE_ERR_H
#define EDGE_BASE_ERR_H

#include <stdarg.h>

#define EDGE_ERRORS(X)                         \
    X(1, EINVAL, "invalid argument")           \
    X(2, ENOMEM, "out of memory")              \
    X(3, EBUSY, "busy")                        \
    X(4, ESTALE, "of an epoch that has ended") \
    X(5, ENOENT, "not found")                  \
    X(6, EIO, "input or output failed")        \
    X(7, EPROTO, "protocol violation")         \
    X(8, EUNSUPPORTED, "not supported")        \
    X(9, ETIMEOUT, "timed out")                \
    X(10, ECLOSED, "closed")                   \
    X(11, ETOOBIG, "larger than allowed")      \
    X(12, ECORRUPT, "corrupt")                 \
    X(13, EREFUSED, "refused")                 \
    X(14, EUNAVAILABLE, "unavailable")         \
    X(15, ECANCELED, "canceled")               \
    X(16, EEXIST, "exists already")            \
    X(17, ENOFIT, "does not fit")              \
    X(18, ECONFIG, "invalid configuration")    \
    X(19, EUNREACHABLE, "unreachable")         \
    X(20, EPARTIAL, "partly done")

enum edge_errno {
#define X(n, name, text) EDGE_##name = -(n),
    EDGE_ERRORS(X)
#undef X
};

struct err {
    char text[1024];
};

/* Replaces the sentence; returns `rc`, so that `return err_set(...)` reads. */
int err_set(struct err *err, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "what: " before the sentence that is there; returns `rc`. */
int err_wrap(struct err *err, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "enomem" style name and a short text of a code; never NULL. */
const char *err_name(int rc);
const char *err_text(int rc);

/* The negative code for an errno value of the C library. */
int err_from_errno(int number);

#endif
