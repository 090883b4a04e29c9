/*
 * Exits: where an answer leaves if it is sure enough, and who waits for that.
 *
 *   the exit's shard has computed its scores:
 *     sure       they go to the gateway, nothing else goes anywhere
 *     not sure   what it has for later tiers goes there; its senders hear
 *                that the request passed (Computed.passed), and theirs
 *   a shard that holds outputs for a tier behind an exit:
 *     passed     sends them
 *     an Ack     of anything that it sent: the request is answered; what was
 *                held goes, and who still works on it hears Cancel
 *     nobody     is there to decide, or has within its time: as if it passed,
 *                so that the loss of an exit's tier is no outage. Without tiers
 *                (wait_ms 0) the request needs that shard anyway: it waits
 *                until another board has it, which decides the same
 *
 * A shard that let a request pass and has nothing to send keeps its run until
 * its senders take theirs back or the deadline comes: who asks again hears the
 * same again.
 */
#include "daemon/parts.h"

#include "tensor/doubt.h"

#include <math.h>

/* ---- what an Install says ------------------------------------------------ */

static int read_rule(const Edged__Shard *from, struct hosted *shard,
                     struct err *err)
{
    const Edged__Exit *exit = from->exit;

    if (exit == NULL) {
        return 0;
    }
    if (exit->number == 0 || exit->number > LIMIT_PORTS ||
        exit->port >= from->n_outputs || !isfinite(exit->below)) {
        return err_set(err, EDGE_EPROTO,
                       "shard %u: its exit is not well formed", from->id);
    }
    shard->exit = (struct exit_rule){.number = exit->number,
                                     .port = exit->port,
                                     .by_entropy = exit->by_entropy,
                                     .of_probabilities = exit->probabilities,
                                     .below = exit->below};
    shard->is_tiered = true;
    return 0;
}

int exits_read(const Edged__Shard *from, struct hosted *shard, struct err *err)
{
    for (size_t i = 0; i < shard->n_links; i++) {
        shard->links[i].after = from->links[i]->after;
        shard->is_tiered = shard->is_tiered || from->links[i]->after > 0;
    }
    shard->wait_ms = from->wait_ms;
    return read_rule(from, shard, err);
}

/* ---- how sure ------------------------------------------------------------ */

void exits_judge(struct run *run)
{
    const struct exit_rule *rule = &run->shard->exit;
    const struct tensor *scores;

    if (rule->number == 0) {
        return;
    }
    scores = &run->outputs[rule->port];
    run->views.confidence = 1; /* of what are no scores nothing is sure */
    if (scores->dtype == DTYPE_F32 && tensor_count(scores) > 0) {
        enum doubt_kind kind = rule->by_entropy ? DOUBT_ENTROPY : DOUBT_TOP;

        run->views.confidence =
            rule->of_probabilities
                ? doubt_of_shares(kind, scores->data, tensor_count(scores))
                : doubt_of(kind, scores->data, tensor_count(scores));
    }
    run->leaves = !run->views.through && run->views.confidence < rule->below;
    run->passed = run->leaves ? 0 : rule->number;
}

/* ---- who goes ------------------------------------------------------------ */

bool exits_allow(const struct run *run, const struct run_hold *rh)
{
    if (run->shard->exit.number > 0 && (rh->hold.shard == 0) != run->leaves) {
        return false;
    }
    return run->leaves || rh->after <= run->passed;
}

bool exits_is_idle(const struct run *run)
{
    if (run->state != RUN_HOLDING || run->parked || run->passed == 0) {
        return false;
    }
    for (size_t i = 0; i < run->n_holds; i++) {
        if (run->holds[i].hold.active) {
            return false;
        }
    }
    return true;
}

static void pass(struct run *run, uint32_t passed)
{
    run->passed = passed;
    hand_more(run);
}

void exits_on_computed(struct daemon *d, const Edged__Computed *computed)
{
    struct epoch *epoch = install_find(d, computed->epoch);
    struct hosted *shard =
        epoch != NULL ? install_shard(epoch, computed->from) : NULL;
    struct run *run = shard != NULL ? run_find(shard, computed->request) : NULL;

    if (run == NULL || run->ended || run->state != RUN_HOLDING || run->leaves ||
        computed->passed <= run->passed) {
        return;
    }
    run->views.absent |= computed->absent;
    pass(run, computed->passed);
    hand_computed(run); /* those before it wait, too */
}

/* ---- nobody decides ------------------------------------------------------ */

/* The exit that the next of its outputs waits for; 0: none does. */
static uint32_t next_exit(const struct run *run)
{
    uint32_t next = 0;

    for (size_t i = 0; i < run->n_holds; i++) {
        uint32_t after = run->holds[i].after;

        if (!run->holds[i].is_started && after > run->passed &&
            (next == 0 || after < next)) {
            next = after;
        }
    }
    return next;
}

static bool is_stranded(const struct run *run)
{
    for (size_t i = 0; i < run->n_holds; i++) {
        const struct hold *hold = &run->holds[i].hold;

        if (hold->active && !hold_is_stranded(hold)) {
            return false;
        }
    }
    return true;
}

void exits_look(struct run *run)
{
    uint64_t now = io_now_us(run->daemon->io);
    uint32_t next = 0;

    if (run->state == RUN_HOLDING && !run->ended && !run->leaves &&
        !run->parked && run->shard->wait_ms > 0) {
        next = next_exit(run);
    }
    if (next > 0 &&
        (is_stranded(run) ||
         now - run->given_us > (uint64_t)run->shard->wait_ms * 1000)) {
        run->given_us = now;
        pass(run, next);
    }
}

void exits_look_all(struct daemon *d)
{
    list_each(&d->epochs, it, after)
    {
        struct epoch *epoch = list_entry(it, struct epoch, link);

        for (size_t i = 0; i < epoch->n_shards; i++) {
            list_each(&epoch->shards[i].runs, at, next)
            {
                exits_look(list_entry(at, struct run, link));
            }
        }
    }
}
