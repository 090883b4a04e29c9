/*
 * Any messages, in any order, from two nodes and a client to a coordinator
 * with a deployment in force: every handler behind the trust boundary.
 */
#include "tests/lib/desk.h"
#include "tests/lib/steps.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 64

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void client_leaves(struct desk *d)
{
    struct io_fake_peer *client = d->client;

    client->base.up = false;
    d->fake.io.events.on_down(d->fake.io.arg, &client->base, EDGE_ECLOSED, "");
    io_fake_drop(client);
    d->client = desk_client(d);
}

static void give(struct desk *d, const struct step *step)
{
    static const char *const names[] = {"n0", "n1"};
    struct io_fake_peer *node;

    if (step->who % 3 == 2) {
        if (!steps_give(d->client, step)) {
            client_leaves(d);
        }
        return;
    }
    node = desk_node(d, names[step->who % 3]);
    if (node != NULL && node->base.up && !steps_give(node, step)) {
        desk_down(d, names[step->who % 3]);
    }
}

static void turn(struct desk *d, const struct step *step)
{
    const char *name = step->who % 2 == 0 ? "n0" : "n1";
    struct io_fake_peer *node = desk_node(d, name);

    if (step->kind == STEPS_LEAVE && step->who % 3 == 2) {
        client_leaves(d);
    } else if (node != NULL && step->kind == STEPS_LEAVE && node->base.up) {
        desk_down(d, name);
    } else if (node != NULL && step->kind == STEPS_COME && !node->base.up) {
        desk_up(d, name, step->who / 2);
    }
}

static void act(struct desk *d, const struct step *step)
{
    switch (step->kind) {
    case STEPS_MESSAGE: give(d, step); break;
    case STEPS_TIME: io_fake_run_for(&d->fake, step->ms); break;
    case STEPS_WORK: (void)io_fake_work(&d->fake); break;
    case STEPS_LEAVE:
    case STEPS_COME: turn(d, step); break;
    }
    require(d->c->n_requests <= LIMIT_GATEWAY_WINDOW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct steps steps = {data, data + size};
    struct step step;
    struct desk d;

    desk_init(&d, 1);
    (void)desk_whole(&d, "n0, n1");
    desk_ask(&d, d.client, 5, 30000);
    for (size_t i = 0; i < STEPS_MAX && steps_next(&steps, &step); i++) {
        act(&d, &step);
    }
    client_leaves(&d);
    desk_ask(&d, d.client, 6, 1000);
    (void)io_fake_work(&d.fake);
    io_fake_run_for(&d.fake, 3000);
    require(desk_answer_of(d.client, 6) != NULL); /* an answer or an error */
    desk_deinit(&d);
    return 0;
}
