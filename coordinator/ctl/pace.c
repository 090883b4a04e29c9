#include "coordinator/ctl/pace.h"

#include <limits.h>

bool pace_wants_more(const struct pace *pace, uint64_t now_us)
{
    if (pace->is_stopped ||
        (pace->requests > 0 && pace->n_sent >= pace->requests)) {
        return false;
    }
    return pace->for_us == 0 || now_us - pace->start_us < pace->for_us;
}

uint64_t pace_due_us(const struct pace *pace)
{
    return pace->start_us + pace->n_sent * 1000000 / pace->rate;
}

bool pace_is_due(const struct pace *pace, uint64_t now_us)
{
    return pace->rate > 0 && pace_wants_more(pace, now_us) &&
           pace_due_us(pace) <= now_us;
}

bool pace_is_done(const struct pace *pace, uint64_t now_us)
{
    return pace->n_landed >= pace->n_sent &&
           (pace->rate == 0 || !pace_wants_more(pace, now_us));
}

int pace_wait_ms(const struct pace *pace, uint64_t now_us)
{
    uint64_t due;
    uint64_t ms;

    if (pace->rate == 0 || !pace_wants_more(pace, now_us)) {
        return -1;
    }
    due = pace_due_us(pace);
    ms = due > now_us ? (due - now_us + 999) / 1000 : 1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}
