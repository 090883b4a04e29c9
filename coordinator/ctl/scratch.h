/*
 * A folder for what only one run of edgectl needs. It goes with
 * scratch_remove(); of a run that was killed, it goes when the next one makes
 * one: whoever uses a folder holds a lock on it, which ends with the process.
 */
#ifndef EDGE_CTL_SCRATCH_H
#define EDGE_CTL_SCRATCH_H

#include "base/err.h"

#define SCRATCH_PATH 64

struct scratch { /* zeroed: there is none */
    char path[SCRATCH_PATH];
    int fd; /* with the lock */
};

/* In TMPDIR, or /tmp. Errors as of mkdtemp(3) and open(2). */
int scratch_make(struct scratch *scratch, struct err *err);
/* And all files in it. */
void scratch_remove(struct scratch *scratch);

#endif
