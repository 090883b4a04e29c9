#include "coordinator/ctl/color.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_set(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0';
}

bool color_has_terminal(FILE *out)
{
    const char *term = getenv("TERM");

    return isatty(fileno(out)) == 1 && term != NULL && term[0] != '\0' &&
           strcmp(term, "dumb") != 0;
}

bool color_is_on(const struct ctl *ctl, FILE *out)
{
    if (ctl->color != CTL_AUTO) {
        return ctl->color == CTL_ALWAYS;
    }
    if (is_set("NO_COLOR")) {
        return false;
    }
    if (is_set("CLICOLOR_FORCE") &&
        strcmp(getenv("CLICOLOR_FORCE"), "0") != 0) {
        return true;
    }
    return color_has_terminal(out);
}

const char *color_of(const struct ctl *ctl, FILE *out, const char *state)
{
    if (!color_is_on(ctl, out)) {
        return "";
    }
    if (strcmp(state, "ready") == 0) {
        return "\033[32m";
    }
    if (strcmp(state, "degraded") == 0 || strcmp(state, "rolling") == 0) {
        return "\033[33m";
    }
    return "\033[31m";
}

const char *color_end(const struct ctl *ctl, FILE *out)
{
    return color_is_on(ctl, out) ? "\033[0m" : "";
}
