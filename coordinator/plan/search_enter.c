/* What it takes to come from one stage to the next. */
#include "coordinator/plan/search_inner.h"

double enter_wire_s(const struct profile_link *link, double bytes)
{
    return link->rtt_s / 2 + bytes / link->bytes_per_s;
}

double enter_bytes(const struct searching *s, size_t point)
{
    double bytes = s->m->cross_bytes[s->points[point]];

    return point > 0 && point + 1 < s->n_points ? bytes * s->spec->bytes_factor
                                                : bytes;
}

/* What joins or slices on its own is one hop more. */
static double hop_s(const struct searching *s, size_t kind,
                    const struct profile_link *link, size_t point)
{
    const struct profile_board *board =
        &s->m->profile->boards[s->kinds[kind].board];
    double bytes = enter_bytes(s, point);

    return enter_wire_s(link, bytes) + board->run_s +
           2 * (board->send_s + bytes / board->send_bytes_per_s);
}

double enter_s(const struct searching *s, const struct option *o,
               enum mode mode, const struct profile_link *link)
{
    bool from_whole = o->from > 0 && mode != MODE_CUT;

    if (o->is_cut) {
        double s_in =
            enter_wire_s(link, o->in_bytes) + o->inner_s +
            enter_wire_s(kinds_link(s, o->kind, o->kind), o->out_bytes);

        return !from_whole && (o->slices || o->from > 0)
                   ? s_in + hop_s(s, o->kind, link, o->from)
                   : s_in;
    }
    return mode == MODE_CUT ? 0 : enter_wire_s(link, enter_bytes(s, o->from));
}

double enter_gateway_s(const struct searching *s, size_t kind, enum mode mode)
{
    const struct profile_link *link = kinds_link(s, kind, SEARCH_KINDS);
    size_t end = s->n_points - 1;

    return mode == MODE_CUT ? hop_s(s, kind, link, end)
                            : enter_wire_s(link, enter_bytes(s, end));
}
