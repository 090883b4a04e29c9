/* What is known of the boards and links, row by row, to edgectl. */
#include "coordinator/profile.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static void send_row(struct profiling *p, Edged__ProfileRow *row,
                     const struct kept_profile *kept)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    struct io_payload payload = {0};

    env.body_case = EDGED__ENVELOPE__BODY_PROFILE_ROW;
    env.profile_row = row;
    if (p->wants_ops && kept != NULL) {
        payload.size = kept->n_ops * sizeof(kept->op_s[0]);
        payload.blob = blob_copy(kept->op_s, payload.size);
        payload.size = payload.blob != NULL ? payload.size : 0;
    }
    if (p->client != NULL &&
        admin_send(p->client, &env, payload.size > 0 ? &payload : NULL) < 0) {
        p->client = NULL;
    }
    blob_unref(payload.blob);
}

static void fill_times(Edged__ProfileBoard *board,
                       const struct kept_profile *row)
{
    board->measured_on = (char *)(uintptr_t)row->node;
    board->age_ms = profile_wall_ms() - row->at_ms;
    board->n_ops = (uint32_t)row->n_ops;
    board->note = (char *)(uintptr_t)row->note;
    for (size_t i = 0; i < row->n_ops; i++) {
        board->total_s += row->op_s[i];
        board->n_measured += row->op_s[i] > 0 ? 1 : 0;
    }
}

/* Of any link that begins there. */
static void fill_sending(Edged__ProfileBoard *board, const struct kept *kept)
{
    for (size_t i = 0; i < kept->n_links; i++) {
        const struct kept_link *link = &kept->links[i];

        if (strcmp(link->from, board->name) == 0 && link->send_s > 0) {
            board->send_s = link->send_s;
            board->send_bytes_per_s = link->send_bytes_per_s;
        }
    }
}

static const char *why_not(const struct member *m, const struct sitting *s)
{
    if (!members_is_ready(m)) {
        return "it is not connected";
    }
    return m->speed.kind[0] == '\0' ? "it does not say how fast it is: an "
                                      "older edged, or one that has just begun"
                                    : s->made.note;
}

static void reply_board(struct profiling *p, const struct sitting *s)
{
    Edged__ProfileBoard board = EDGED__PROFILE_BOARD__INIT;
    Edged__ProfileRow row = EDGED__PROFILE_ROW__INIT;
    const struct member *m = members_find(p->c, s->name);
    const struct kept_profile *kept =
        m == NULL ? NULL : profile_row_of(&p->kept, s->name, m->speed.kind);

    board.name = (char *)(uintptr_t)s->name;
    if (m != NULL) {
        board.kind = (char *)(uintptr_t)m->speed.kind;
        board.threads = m->speed.threads;
        board.macs_per_s = m->speed.macs_per_s;
        board.bytes_per_s = m->speed.bytes_per_s;
        board.run_s = m->speed.run_s;
        board.free_bytes = m->memory_used < m->memory_budget
                               ? m->memory_budget - m->memory_used
                               : 0;
        board.note = (char *)(uintptr_t)why_not(m, s);
    }
    if (kept != NULL) {
        fill_times(&board, kept);
    }
    if (s->state == SITTING_DONE && !s->is_made) {
        board.note = (char *)(uintptr_t)s->made.note; /* why not this time */
    }
    fill_sending(&board, &p->kept);
    row.board = &board;
    send_row(p, &row, kept);
}

static bool is_end(const struct profiling *p, const char *name)
{
    for (size_t i = 0; i < p->n_boards; i++) {
        if (strcmp(p->boards[i].name, name) == 0) {
            return true;
        }
    }
    return strcmp(name, PROFILE_COORDINATOR) == 0;
}

static void reply_link(struct profiling *p, const struct kept_link *kept)
{
    Edged__ProfileLink link = EDGED__PROFILE_LINK__INIT;
    Edged__ProfileRow row = EDGED__PROFILE_ROW__INIT;

    link.a = (char *)(uintptr_t)kept->from;
    link.b = (char *)(uintptr_t)kept->to;
    link.rtt_s = kept->rtt_s;
    link.bytes_per_s = kept->bytes_per_s;
    link.age_ms = profile_wall_ms() - kept->at_ms;
    row.link = &link;
    send_row(p, &row, NULL);
}

void profile_reply_all(struct profiling *p)
{
    for (size_t i = 0; i < p->n_boards; i++) {
        reply_board(p, &p->boards[i]);
    }
    for (size_t i = 0; i < p->kept.n_links; i++) {
        const struct kept_link *link = &p->kept.links[i];

        if (is_end(p, link->from) && is_end(p, link->to)) {
            reply_link(p, link);
        }
    }
}
