/*
 * A rollout that no user asked for: the same generation in a new epoch, on
 * other devices (recovery.c says when and where).
 *
 *   PLANNING    only the epoch's number is drawn: nothing is cut again
 *   INSTALLING  and so on as for a deploy; whoever is lost fails it at once,
 *               for the next plan can do without
 *
 * The switch of an urgent one ends the old epoch at once: its requests wait
 * for a stage that is nowhere, and begin again from the inputs that the
 * gateway holds.
 */
#include "coordinator/rollout.h"

static void on_number(struct io_work *work)
{
    struct rollout *r = container_of(work, struct rollout, work);

    r->keep_rc = state_next_epoch(r->c->state, &r->spec->epoch, &r->keep_err);
}

static void on_numbered(struct io_work *work)
{
    struct rollout *r = container_of(work, struct rollout, work);
    struct err err;
    int rc = r->keep_rc;

    if (rc < 0) {
        rollout_finish(r, rc, r->keep_err.text);
        return;
    }
    if (r->yields || r->deployment->is_leaving || r->c->closing) {
        rollout_finish(r, EDGE_ESTALE, "it gave way");
        return;
    }
    rc = placement_new(r->c, r->deployment, r->spec, &r->next, &err);
    if (rc < 0) {
        rollout_finish(r, rc, err.text);
        return;
    }
    r->spec = NULL; /* the placement's now */
    r->next->is_quiet = !r->is_urgent;
    r->step = ROLLOUT_INSTALLING;
    r->step_us = io_now_us(r->c->io);
    placement_install(r->next);
    rollout_poke(r->c);
}

int rollout_again(struct deployment *d, Edged__Placement *spec, bool is_urgent)
{
    struct rollout *r = rollout_new_again(d);

    if (r == NULL) {
        return EDGE_ENOMEM;
    }
    r->is_urgent = is_urgent;
    r->spec = spec;
    r->work.run = on_number;
    r->work.done = on_numbered;
    r->work.cost_us = 5000;
    io_work(d->c->io, IO_DISK, &r->work);
    return 0;
}

/* What a strand has cannot be taken back: it is looked at when it returns. */
void rollout_yield(struct rollout *r, const char *why)
{
    r->yields = true;
    if (r->step == ROLLOUT_INSTALLING) {
        rollout_finish(r, EDGE_ESTALE, why);
    } else if (r->step == ROLLOUT_GOLDEN) {
        gateway_leave(r->next); /* their ends end the rollout */
    }
}
