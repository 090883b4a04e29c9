/*
 * Ctrl-C as something to poll for, so that a verb can end with its report.
 */
#ifndef EDGE_CTL_INTERRUPT_H
#define EDGE_CTL_INTERRUPT_H

#include "base/err.h"

/* From now on Ctrl-C makes *fd readable instead of ending the program. */
int interrupt_open(int *fd, struct err *err);
/* Takes the first one and closes `fd`; the next ends the program as usual. */
void interrupt_take(int fd);

#endif
