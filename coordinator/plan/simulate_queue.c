#include "coordinator/plan/simulate_queue.h"

#include "base/err.h"
#include "base/mem.h"

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->time < b->time || (a->time <= b->time && a->order < b->order);
}

int sim_queue_put(struct sim_queue *queue, struct sim_event event)
{
    size_t at = queue->n;

    if (mem_grow(&queue->events, &queue->capacity, queue->n,
                 sizeof(queue->events[0])) < 0) {
        return EDGE_ENOMEM;
    }
    queue->n++;
    event.order = queue->order++;
    while (at > 0 && is_before(&event, &queue->events[(at - 1) / 2])) {
        queue->events[at] = queue->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->events[at] = event;
    return 0;
}

bool sim_queue_take(struct sim_queue *queue, struct sim_event *event)
{
    struct sim_event last;
    size_t at = 0;

    if (queue->n == 0) {
        return false;
    }
    *event = queue->events[0];
    last = queue->events[--queue->n];
    for (size_t child = 1; child < queue->n; child = 2 * at + 1) {
        if (child + 1 < queue->n &&
            is_before(&queue->events[child + 1], &queue->events[child])) {
            child++;
        }
        if (!is_before(&queue->events[child], &last)) {
            break;
        }
        queue->events[at] = queue->events[child];
        at = child;
    }
    queue->events[at] = last;
    return true;
}

void sim_queue_deinit(struct sim_queue *queue)
{
    mem_free(queue->events);
    *queue = (struct sim_queue){0};
}
