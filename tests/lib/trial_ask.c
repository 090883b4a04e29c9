/* Requests, deploys and undeploys of a trial, and what their answers must be.
 */
#include "tests/lib/trial.h"

#include <stdio.h>
#include <string.h>

#define DEADLINE_MS 60000

/* ---- requests ------------------------------------------------------------ */

/* Every request to this deployment that is under way. */
static void each_ask(struct trial_home *home,
                     void (*each)(struct trial_ask *ask, unsigned arg),
                     unsigned arg)
{
    struct trial *t = home->trial;

    for (size_t i = 0; i < t->n_clients; i++) {
        for (size_t k = 0; k < t->clients[i].width; k++) {
            struct trial_ask *ask = &t->clients[i].asks[k];

            if (ask->under_way && ask->home == home) {
                each(ask, arg);
            }
        }
    }
}

static void ask_now(struct trial_ask *ask);

static void on_pause(struct io_timer *timer)
{
    ask_now(container_of(timer, struct trial_ask, pause));
}

static void ask_later(struct trial_ask *ask)
{
    struct trial *t = ask->trial;

    io_timer_start(ask->ask.client->io, &ask->pause,
                   trial_between(t, t->least_pause_ms, t->most_pause_ms));
}

/* The one generation whose answer this is; -1: of none. */
static int generation_of(const struct trial_ask *ask)
{
    for (unsigned g = 0; g < TRIAL_GENERATIONS; g++) {
        if (fleet_model_gives(&ask->home->models[g], ask->ask.set,
                              ask->ask.outputs, ask->ask.n_outputs)) {
            return (int)g;
        }
    }
    return -1;
}

static void check_answer(struct trial_ask *ask)
{
    struct trial *t = ask->trial;
    int g = generation_of(ask);

    if (g < 0) {
        trial_fail(t, "request %llu of %s is answered wrongly",
                   (unsigned long long)ask->ask.number, ask->ask.client->name);
    } else if ((ask->generations & 1u << g) == 0) {
        trial_fail(t,
                   "request %llu of %s is answered by generation %d, which "
                   "was not in force",
                   (unsigned long long)ask->ask.number, ask->ask.client->name,
                   g);
    } else {
        t->n_right++;
    }
}

/* In a storm a shard may lose every holder for a while, or there is too much
 * to be sent again; then an error says so. In a mild trial and in a calm no
 * request may fail. */
static bool is_excused(const struct trial_ask *ask, int rc)
{
    const struct trial *t = ask->trial;

    return !t->mild && (!t->calm || ask->started_us < t->calm_us) &&
           (rc == EDGE_EUNAVAILABLE || rc == EDGE_EBUSY);
}

static bool is_absence(int rc)
{
    return rc == EDGE_ENOENT || rc == EDGE_EUNAVAILABLE || rc == EDGE_ESTALE;
}

static void on_answered(struct fleet_ask *base)
{
    struct trial_ask *ask = container_of(base, struct trial_ask, ask);
    struct trial *t = ask->trial;
    uint64_t took_us = sim_now_us(t->fleet.sim) - ask->started_us;

    ask->under_way = false;
    if (took_us > t->slowest_us) {
        t->slowest_us = took_us;
    }
    if (base->rc == 0) {
        check_answer(ask);
    } else if (base->rc == EDGE_ECLOSED) {
        t->n_cut++;
    } else if (ask->may_be_gone && is_absence(base->rc)) {
        t->n_refused++;
    } else if (is_excused(ask, base->rc)) {
        t->n_failed++;
    } else {
        trial_fail(t, "request %llu of %s failed after %llu ms: %s (%s)",
                   (unsigned long long)base->number, base->client->name,
                   (unsigned long long)took_us / 1000, base->text,
                   err_name(base->rc));
    }
    ask_later(ask);
}

static void ask_now(struct trial_ask *ask)
{
    struct trial *t = ask->trial;
    struct fleet_client *client = ask->ask.client;

    if (t->draining) {
        return;
    }
    if (!fleet_client_is_up(client)) {
        ask_later(ask);
        return;
    }
    ask->ask.set = (size_t)trial_random(t, FLEET_INPUTS);
    ask->ask.done = on_answered;
    ask->home = &t->homes[trial_random(t, t->n_homes)];
    ask->generations = ask->home->in_force;
    ask->may_be_gone = !ask->home->is_deployed;
    ask->started_us = sim_now_us(t->fleet.sim);
    ask->under_way = true;
    if (fleet_ask(client, ask->home->name, &ask->home->models[0], DEADLINE_MS,
                  &ask->ask) < 0) {
        ask->under_way = false;
        ask_later(ask);
        return;
    }
    t->n_asked++;
}

void trial_start_clients(struct trial *t)
{
    for (size_t i = 0; i < t->n_clients; i++) {
        struct trial_client *c = &t->clients[i];
        char name[] = {'c', (char)('0' + i), '\0'};

        fleet_client_init(&c->client, &t->fleet, name);
        c->width = 1 + (size_t)trial_random(t, TRIAL_WIDTH);
        for (size_t k = 0; k < c->width; k++) {
            c->asks[k].trial = t;
            c->asks[k].ask.client = &c->client;
            io_timer_init(&c->asks[k].pause, on_pause);
            ask_later(&c->asks[k]);
        }
    }
}

static bool is_asking(const struct trial_client *c)
{
    bool found = false;

    for (size_t k = 0; k < c->width; k++) {
        found = found || c->asks[k].under_way;
    }
    return found;
}

bool trial_is_asking(const struct trial *t)
{
    bool found = false;

    for (size_t i = 0; i < t->n_clients; i++) {
        found = found || is_asking(&t->clients[i]);
    }
    return found;
}

bool trial_is_busy(const struct trial *t)
{
    bool found = false;

    for (size_t i = 0; i < t->n_homes; i++) {
        found = found || t->homes[i].busy;
    }
    return found;
}

/* ---- deploys ------------------------------------------------------------- */

static void allow(struct trial_ask *ask, unsigned bits)
{
    ask->generations |= bits;
}

static void allow_absence(struct trial_ask *ask, unsigned arg)
{
    (void)arg;
    ask->may_be_gone = true;
}

/* What is not known for sure may be so: the connection that would have told
 * was lost. */
static void on_deployed(struct fleet_deploy *deploy)
{
    struct trial_home *home = container_of(deploy, struct trial_home, deploy);
    struct trial *t = home->trial;
    unsigned bit = 1u << home->target;

    home->busy = false;
    trial_say(t, "deploy of %s %u: %s %s", home->name, home->target,
              err_name(deploy->rc), deploy->text);
    if (deploy->rc == 0) {
        home->in_force = bit;
        home->is_deployed = true;
        t->n_deploys++;
    } else if (deploy->rc != EDGE_ECLOSED && !home->was_allowed) {
        home->in_force &= ~bit; /* nothing was changed */
    }
}

void trial_begin_deploy(struct trial_home *home, unsigned generation)
{
    if (home->busy || !fleet_client_is_up(&home->admin)) {
        return;
    }
    home->deploy = (struct fleet_deploy){
        .files = {home->yaml, home->models[generation].file},
        .done = on_deployed,
    };
    home->target = generation;
    if (fleet_deploy(&home->admin, &home->deploy) < 0) {
        return;
    }
    home->busy = true;
    trial_say(home->trial, "deploy of %s %u begins", home->name, generation);
    home->was_allowed = (home->in_force & 1u << generation) != 0;
    home->in_force |= 1u << generation;
    each_ask(home, allow, home->in_force);
}

static void on_undeployed(struct fleet_undeploy *undeploy)
{
    struct trial_home *home =
        container_of(undeploy, struct trial_home, undeploy);

    home->busy = false;
    trial_say(home->trial, "undeploy of %s: %s %s", home->name,
              err_name(undeploy->rc), undeploy->text);
    if (undeploy->rc == 0) {
        home->in_force = 0;
    }
}

void trial_begin_undeploy(struct trial_home *home)
{
    if (home->busy || !fleet_client_is_up(&home->admin)) {
        return;
    }
    home->undeploy = (struct fleet_undeploy){.done = on_undeployed};
    if (fleet_undeploy(&home->admin, home->name, &home->undeploy) == 0) {
        trial_say(home->trial, "undeploy of %s begins", home->name);
        home->busy = true;
        home->is_deployed = false;
        each_ask(home, allow_absence, 0);
    }
}
