/*
 * Any messages, in any order, from a coordinator and another node to a daemon
 * that hosts a shard: every handler behind the trust boundary. Peers that are
 * hung up on go and come back; time passes; jobs are done. What must hold: no
 * crash, every queue bounded, and an honest request is answered afterwards.
 */
#include "base/mem.h"
#include "tests/lib/lone.h"
#include "tests/lib/steps.h"
#include "wire/convert.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 64
#define LIVE_MAX (LIMIT_SHARD_QUEUE * 32)

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static struct io_fake_peer **place_of(struct lone *l, unsigned who)
{
    return who % 2 == 0 ? &l->coordinator : &l->other;
}

static void leave(struct lone *l, struct io_fake_peer **place)
{
    struct io_fake_peer *peer = *place;

    *place = NULL;
    peer->base.up = false;
    l->fake.io.events.on_down(l->fake.io.arg, &peer->base, EDGE_ECLOSED, "");
    io_fake_drop(peer);
}

static void come(struct lone *l, struct io_fake_peer **place)
{
    bool head = place == &l->coordinator;

    *place = io_fake_peer(&l->fake, head ? "coordinator" : "n1",
                          head ? EDGED__ROLE__ROLE_COORDINATOR
                               : EDGED__ROLE__ROLE_NODE);
    l->fake.io.events.on_up(l->fake.io.arg, &(*place)->base);
}

static void check(const struct lone *l)
{
    require(l->daemon->n_live <= LIVE_MAX);
    for (const struct list *it = l->daemon->epochs.next;
         it != &l->daemon->epochs; it = it->next) {
        const struct epoch *epoch = container_of(it, struct epoch, link);

        for (size_t i = 0; i < epoch->n_shards; i++) {
            require(epoch->shards[i].waiting <= epoch->policy.queue);
        }
    }
}

static void act(struct lone *l, const struct step *step)
{
    struct io_fake_peer **place = place_of(l, step->who);

    if (step->kind == STEPS_TIME) {
        io_fake_run_for(&l->fake, step->ms);
    } else if (step->kind == STEPS_WORK) {
        (void)io_fake_work(&l->fake);
    } else if (step->kind == STEPS_COME && *place == NULL) {
        come(l, place);
    } else if (*place != NULL &&
               (step->kind == STEPS_LEAVE ||
                (step->kind == STEPS_MESSAGE && !steps_give(*place, step)))) {
        leave(l, place);
    }
}

/* Whatever was said, what is asked for properly is done. */
static void ask_honestly(struct lone *l)
{
    if (l->coordinator != NULL) {
        leave(l, &l->coordinator);
    }
    (void)io_fake_work(&l->fake);
    come(l, &l->coordinator);
    lone_ask(l, 77);
    (void)io_fake_work(&l->fake);
    io_fake_run_for(&l->fake, 1000);
    (void)io_fake_work(&l->fake);
    require(io_fake_count(l->coordinator, EDGED__ENVELOPE__BODY_DATA) +
                io_fake_count(l->coordinator, EDGED__ENVELOPE__BODY_NACK) +
                io_fake_count(l->coordinator, EDGED__ENVELOPE__BODY_ACK) >
            0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct steps steps = {data, data + size};
    struct step step;
    struct lone l;

    lone_init(&l);
    lone_install(&l);
    for (size_t i = 0; i < STEPS_MAX && steps_next(&steps, &step); i++) {
        act(&l, &step);
        check(&l);
    }
    ask_honestly(&l);
    lone_deinit(&l);
    return 0;
}
