#include "net/timers.h"

void timers_init(struct timers *timers)
{
    list_init(&timers->running);
}

static bool is_running(const struct io_timer *timer)
{
    /* A zeroed timer was never started. */
    return timer->link.next != NULL && !list_is_empty(&timer->link);
}

void timers_stop(struct io_timer *timer)
{
    if (is_running(timer)) {
        list_unlink(&timer->link);
    }
}

void timers_start(struct timers *timers, struct io_timer *timer,
                  uint64_t due_us)
{
    struct list *after = timers->running.prev;

    if (is_running(timer)) {
        list_unlink(&timer->link);
        after = timers->running.prev;
    }
    timer->due_us = due_us;
    /* From the end: a new timer is usually among the last to be due. */
    while (after != &timers->running &&
           list_entry(after, struct io_timer, link)->due_us > due_us) {
        after = after->prev;
    }
    list_push(after->next, &timer->link);
}

bool timers_next(const struct timers *timers, uint64_t *due_us)
{
    if (list_is_empty(&timers->running)) {
        return false;
    }
    *due_us = list_entry(timers->running.next, struct io_timer, link)->due_us;
    return true;
}

void timers_take(struct timers *timers, uint64_t now_us, struct list *due)
{
    list_each(&timers->running, it, after)
    {
        if (list_entry(it, struct io_timer, link)->due_us > now_us) {
            return;
        }
        list_unlink(it);
        list_push(due, it);
    }
}

struct io_timer *timers_pop(struct list *due)
{
    struct io_timer *timer;

    if (list_is_empty(due)) {
        return NULL;
    }
    timer = list_entry(due->next, struct io_timer, link);
    list_unlink(&timer->link);
    return timer;
}
