/*
 * Places where a test may end a process, hold it up, or take a defence away.
 * They exist in builds with MODE=faulty alone; in every other build the
 * macros are nothing and their names are not in the program.
 *
 *   EDGED_FP=site:n       SIGKILL at the n-th time that FAILPOINT(site) is
 *                         reached in this process (n from 1)
 *   EDGED_STALL=site:ms   FAILPOINT(site) sleeps so long, each time
 *   EDGED_OFF=name,name   DEFENCE_OFF(name) is true: a negative control
 *
 * A failpoint's name is a string constant such as "store.rename.before". It
 * may be reached from any thread.
 */
#ifndef EDGE_BASE_FAILPOINT_H
#define EDGE_BASE_FAILPOINT_H

#include <stdbool.h>

#ifdef EDGE_FAILPOINTS

void failpoint_reach(const char *site);
bool failpoint_off(const char *defence);

#define FAILPOINT(site) failpoint_reach(site)
#define DEFENCE_OFF(defence) failpoint_off(defence)

#else

#define FAILPOINT(site) ((void)0)
#define DEFENCE_OFF(defence) false

#endif
#endif
