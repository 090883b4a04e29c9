/* What goes along with the data of a model of several views. */
#include "relay/inner.h"

#include "wire/frame.h"

void relay_views_merge(struct relay_views *views,
                       const struct relay_views *more)
{
    views->absent |= more->absent;
    views->through = views->through || more->through;
    for (size_t i = 0; i < LIMIT_PORTS; i++) {
        if (more->bytes[i] > views->bytes[i]) {
            views->bytes[i] = more->bytes[i];
            views->heads[i] = more->heads[i];
        }
    }
}

void relay_views_read(const Edged__Data *from, struct relay_views *views)
{
    views->absent = from->absent;
    views->through = from->through;
    views->confidence = from->confidence;
    for (size_t i = 0; i < from->n_sent; i++) {
        uint32_t view = from->sent[i]->view;

        if (view < LIMIT_PORTS) {
            views->bytes[view] = from->sent[i]->values;
            views->heads[view] = from->sent[i]->heads;
        }
    }
}

size_t relay_views_sent(const struct relay_views *views,
                        struct relay_views_list *list)
{
    size_t n = 0;

    for (size_t i = 0; i < LIMIT_PORTS; i++) {
        if (views->bytes[i] > 0) {
            edged__view_sent__init(&list->rows[n]);
            list->rows[n].view = (uint32_t)i;
            list->rows[n].values = views->bytes[i];
            list->rows[n].heads = views->heads[i];
            list->pointers[n] = &list->rows[n];
            n++;
        }
    }
    return n;
}

void relay_views_fill(const struct relay_views *views,
                      struct relay_views_list *list, Edged__Data *data)
{
    data->absent = views->absent;
    data->through = views->through;
    data->confidence = views->confidence;
    data->n_sent = relay_views_sent(views, list);
    data->sent = list->pointers;
}

void relay_views_count(const struct hold *hold, struct relay_views_list *list,
                       Edged__Envelope *env, size_t payload)
{
    struct relay_views *views = hold->views;
    size_t own = hold->own_view - 1;

    views->bytes[own] += (uint32_t)payload;
    relay_views_fill(views, list, env->data);
    views->heads[own] +=
        (uint32_t)(FRAME_HEADER + edged__envelope__get_packed_size(env));
    relay_views_fill(views, list, env->data);
}
