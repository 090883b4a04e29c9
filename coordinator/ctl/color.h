/*
 * Whether ESC sequences may be written, and those of states. --color counts
 * first, then NO_COLOR, CLICOLOR_FORCE, TERM=dumb, and whether it is a
 * terminal.
 */
#ifndef EDGE_CTL_COLOR_H
#define EDGE_CTL_COLOR_H

#include "coordinator/ctl/ctl.h"

#include <stdio.h>

/* A terminal that can move its cursor. */
bool color_has_terminal(FILE *out);
bool color_is_on(const struct ctl *ctl, FILE *out);
/* What to print before a word such as "ready", and after it; "" if off. */
const char *color_of(const struct ctl *ctl, FILE *out, const char *state);
const char *color_end(const struct ctl *ctl, FILE *out);

#endif
