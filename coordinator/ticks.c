/*
 * Samples of what a model's sources see, one after the other, for a client that
 * watches (docs/decisions/0033).
 *
 *   Watch -> every `every_us` a request of an instant a little ago, which each
 *   view's board answers with what it saw then; answers go back as they come
 *
 *   too many under way, no room, or this program was late: the sample is left
 *   out and counted; it has a number all the same
 *   a request that fails is an Answer that says so, and the next one comes
 *   the model is gone, or the coordinator stops: a Result, and that is all
 *   the client goes: so do its samples
 */
#include "coordinator/client.h"
#include "coordinator/recovery.h"

#include "base/mem.h"

#include <stdio.h>

/* Pictures of an instant are on their boards by then, though clocks differ and
 * writing one takes a while. */
#define BEHIND_US (SENSE_BEHIND_MS * 1000)
#define EVERY_MIN_US 4000
#define EVERY_MAX_US 3600000000u
#define UNDER_WAY_MAX 64
#define DONE_MS 5 /* how often it is looked whether all are answered */

struct sample { /* under way */
    struct list link;
    struct ticks *ticks;
    uint64_t number;
    struct request *request;
};

struct ticks { /* of one connection */
    struct client *client;
    char deployment[LIMIT_NAME + 1];
    uint64_t every_us;
    uint64_t most; /* samples to begin; 0: no end */
    uint32_t left_ms;
    uint64_t next_us; /* monotonic */
    uint64_t number;  /* of the newest one, those left out too */
    uint64_t begun;
    uint64_t skipped;
    struct list samples;
    size_t n_samples;
    struct io_timer timer;
};

/* ---- the end ------------------------------------------------------------- */

void ticks_stop(struct client *client)
{
    struct ticks *t = client->ticks;

    if (t == NULL) {
        return;
    }
    io_timer_stop(client->peer->io, &t->timer);
    list_each(&t->samples, it, after)
    {
        struct sample *s = list_entry(it, struct sample, link);

        gateway_cancel(s->request);
        list_unlink(it);
        mem_free(s);
    }
    mem_free(t);
    client->ticks = NULL;
}

static void end(struct ticks *t, int rc, const char *text)
{
    struct io_peer *peer = t->client->peer;

    ticks_stop(t->client);
    admin_reply(peer, rc, text);
}

static bool is_over(const struct ticks *t)
{
    return t->most > 0 && t->begun == t->most;
}

/* ---- one sample ---------------------------------------------------------- */

static void on_answer(void *arg, const struct answer *answer)
{
    struct sample *s = arg;
    struct ticks *t = s->ticks;
    struct answer with = *answer;
    uint64_t number = s->number;

    with.skipped = t->skipped;
    list_unlink(&s->link);
    t->n_samples--;
    mem_free(s);
    reply_send(t->client, number, &with);
}

static void fail(const struct ticks *t, int rc, const char *text)
{
    struct answer answer = {.rc = rc, .text = text, .skipped = t->skipped};

    reply_send(t->client, t->number, &answer);
}

static bool has_room(const struct ticks *t)
{
    const struct client *client = t->client;

    return t->n_samples < UNDER_WAY_MAX &&
           client->bytes + client->peer->queued < LIMIT_CLIENT_BYTES / 2 &&
           client->n_replies < UNDER_WAY_MAX;
}

static int sense(struct ticks *t, struct deployment *d)
{
    struct sample *s = mem_new(struct sample);
    uint64_t at_us = io_wall_us(t->client->peer->io) - BEHIND_US;
    int rc;

    if (s == NULL) {
        return EDGE_ENOMEM;
    }
    s->ticks = t;
    s->number = t->number;
    rc = gateway_sense(d->current, at_us, client_deadline_ms(t->left_ms, d),
                       on_answer, s, &s->request);
    if (rc < 0) {
        mem_free(s);
        return rc;
    }
    list_push(&t->samples, &s->link);
    t->n_samples++;
    return 0;
}

static void begin(struct ticks *t, struct deployment *d)
{
    const char *verdict = recovery_verdict(d);
    int rc = !has_room(t)                            ? EDGE_EBUSY
             : d->current == NULL || verdict != NULL ? EDGE_EUNAVAILABLE
                                                     : sense(t, d);

    if (rc == EDGE_EBUSY) {
        t->skipped++;
        return;
    }
    t->begun++;
    if (rc == EDGE_EUNAVAILABLE) {
        fail(t, rc,
             verdict != NULL ? verdict
                             : "none of the views is there: no device that "
                               "takes one is up. Look at: edgectl nodes");
    } else if (rc < 0) {
        fail(t, rc, err_text(rc));
    }
}

/* ---- time ---------------------------------------------------------------- */

static void wait_for_next(struct ticks *t, uint64_t now)
{
    uint64_t us = t->next_us > now ? t->next_us - now : 0;

    io_timer_start(t->client->peer->io, &t->timer, (us + 999) / 1000);
}

/* Those of which the next one is due as well come too late. */
static void begin_due(struct ticks *t, struct deployment *d, uint64_t now)
{
    while (t->next_us <= now && !is_over(t)) {
        bool is_late = now - t->next_us >= t->every_us;

        t->number++;
        t->next_us += t->every_us;
        if (is_late) {
            t->skipped++;
        } else {
            begin(t, d);
        }
    }
}

static void on_timer(struct io_timer *timer)
{
    struct ticks *t = container_of(timer, struct ticks, timer);
    struct coordinator *c = t->client->c;
    struct io *io = t->client->peer->io;
    struct deployment *d;
    struct err err;
    int rc = deployments_find(c, t->deployment, &d, &err);

    if (rc == 0 && leave_refuses(c)) {
        rc = err_set(&err, EDGE_ECLOSED, "the coordinator is stopping");
    }
    if (rc < 0) {
        end(t, rc, err.text);
        return;
    }
    if (!is_over(t)) {
        begin_due(t, d, io_now_us(io));
        wait_for_next(t, io_now_us(io));
    } else if (t->n_samples == 0 && t->client->n_replies == 0) {
        end(t, 0, "");
    } else {
        io_timer_start(io, timer, DONE_MS);
    }
}

/* ---- asked for ----------------------------------------------------------- */

static bool has_sources(const Edged__Placement *spec)
{
    for (size_t i = 0; i < spec->n_shards; i++) {
        if (spec->shards[i]->source != NULL) {
            return true;
        }
    }
    return false;
}

static int check(const struct client *client, const Edged__Watch *watch,
                 const struct deployment *d, struct err *err)
{
    if (client->ticks != NULL) {
        return err_set(err, EDGE_EBUSY, "this connection watches already");
    }
    if (watch->every_us < EVERY_MIN_US || watch->every_us > EVERY_MAX_US) {
        return err_set(err, EDGE_EINVAL,
                       "samples are taken every 4 ms to 1 h, not every %llu us",
                       (unsigned long long)watch->every_us);
    }
    if (d->current == NULL) {
        return err_set(err, EDGE_EUNAVAILABLE, "%s is not deployed yet",
                       d->name);
    }
    if (!has_sources(d->current->spec)) {
        return err_set(
            err, EDGE_EINVAL,
            "%s has no sources to watch. Say in its file where each view comes "
            "from, and deploy it again:  views: {input_0: {on: DEVICE, from: "
            "\"dir:/var/spool/cam\"}, ...}",
            d->name);
    }
    return 0;
}

static struct ticks *make(struct client *client, const Edged__Watch *watch,
                          const struct deployment *d)
{
    struct ticks *t = mem_new(struct ticks);

    if (t == NULL) {
        return NULL;
    }
    t->client = client;
    (void)snprintf(t->deployment, sizeof(t->deployment), "%s", d->name);
    t->every_us = watch->every_us;
    t->most = watch->samples;
    t->left_ms = watch->left_ms;
    t->next_us = io_now_us(client->peer->io);
    list_init(&t->samples);
    io_timer_init(&t->timer, on_timer);
    return t;
}

void ticks_on_watch(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg)
{
    const Edged__Watch *watch = msg->env->watch;
    struct client *client = peer->user;
    struct deployment *d;
    struct err err;
    int rc = deployments_find(c, watch->deployment, &d, &err);

    if (client == NULL) {
        return;
    }
    if (rc == 0) {
        rc = check(client, watch, d, &err);
    }
    if (rc < 0) {
        admin_reply(peer, rc, err.text);
        return;
    }
    client->ticks = make(client, watch, d);
    if (client->ticks == NULL) {
        admin_reply(peer, EDGE_ENOMEM, "out of memory");
        return;
    }
    io_timer_start(peer->io, &client->ticks->timer, 0);
}
