#include "base/failpoint.h"

#ifdef EDGE_FAILPOINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The number behind "site:" in a variable; 0: it is about another site. */
static unsigned long asked(const char *variable, const char *site)
{
    const char *text = getenv(variable);
    size_t n = strlen(site);

    if (text == NULL || strncmp(text, site, n) != 0 || text[n] != ':') {
        return 0;
    }
    return strtoul(text + n + 1, NULL, 10);
}

void failpoint_reach(const char *site)
{
    static atomic_ulong reached; /* EDGED_FP names one site alone */
    unsigned long ms = asked("EDGED_STALL", site);
    unsigned long at = asked("EDGED_FP", site);

    if (ms > 0) {
        struct timespec t = {(time_t)(ms / 1000),
                             (long)(ms % 1000) * 1000 * 1000};

        (void)nanosleep(&t, NULL);
    }
    if (at > 0 && atomic_fetch_add(&reached, 1) + 1 == at) {
        (void)kill(getpid(), SIGKILL);
    }
}

bool failpoint_off(const char *defence)
{
    const char *text = getenv("EDGED_OFF");
    size_t n = strlen(defence);

    while (text != NULL && *text != '\0') {
        size_t word = strcspn(text, ",");

        if (word == n && memcmp(text, defence, n) == 0) {
            return true;
        }
        text += word + (text[word] == ',');
    }
    return false;
}

#else

/* ISO C wants something in a file. */
extern int failpoint_none;

#endif
