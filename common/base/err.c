#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int rc, const char *format, ...)
{
    va_list args;

    if (err == NULL) {
        return rc;
    }
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    return rc;
}

int err_wrap(struct err *err, int rc, const char *format, ...)
{
    char inner[sizeof(err->text)];
    va_list args;
    size_t used;

    if (err == NULL) {
        return rc;
    }
    memcpy(inner, err->text, sizeof(inner));
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    used = strlen(err->text);
    if (inner[0] != '\0') {
        (void)snprintf(err->text + used, sizeof(err->text) - used, ": %s",
                       inner);
    }
    return rc;
}

const char *err_name(int rc)
{
    switch (rc) {
#define X(n, name, text) \
    case EDGE_##name: return #name;
        EDGE_ERRORS(X)
#undef X
    default: return rc == 0 ? "OK" : "EUNKNOWN";
    }
}

const char *err_text(int rc)
{
    switch (rc) {
#define X(n, name, text) \
    case EDGE_##name: return text;
        EDGE_ERRORS(X)
#undef X
    default: return rc == 0 ? "ok" : "unknown error";
    }
}

int err_from_errno(int number)
{
    switch (number) {
    case 0: return 0;
    case ENOMEM: return EDGE_ENOMEM;
    case ENOENT: return EDGE_ENOENT;
    case EEXIST: return EDGE_EEXIST;
    case EINVAL: return EDGE_EINVAL;
    case ETIMEDOUT: return EDGE_ETIMEOUT;
    case ECONNREFUSED: /* by nobody: no rule of ours said no */
    case EHOSTUNREACH:
    case ENETUNREACH: return EDGE_EUNREACHABLE;
    default: return EDGE_EIO;
    }
}
