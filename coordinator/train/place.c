/*
 * Where a training's stages are: chosen anew, from whoever is there, each time
 * that somebody comes, goes or fails. The cuts stay, since the states of a
 * checkpoint are those of the stages.
 */
#include "coordinator/train/trainer.h"

#include "base/mem.h"
#include "wire/frame.h"
#include "wire/msg.h"

#include <stdio.h>
#include <string.h>

#define GATHER_MS 2000 /* for all to come, before some begin */
#define STEADY_MS 2000 /* up for so long: it may be taken in */
#define SHUN_MS 30000
#define AGAIN_MS 250 /* and twice as long each time */
#define AGAIN_DOUBLINGS 5
#define FAILS_MAX 12 /* without a checkpoint between them */

static size_t n_boards(const struct trainer *t)
{
    return t->cluster->n_devices;
}

static struct member *member_at(const struct trainer *t, size_t board)
{
    return members_find(t->c, t->cluster->devices[board].name);
}

/* What replicas send each other has to be cut alike on all of them. */
static bool is_other(const struct member *m)
{
    return m->peer != NULL && m->peer->up && m->peer->minor != FRAME_MINOR;
}

static bool is_there(const struct trainer *t, size_t board)
{
    const struct member *m = member_at(t, board);

    return m != NULL && members_state(t->c, m) == MEMBER_UP &&
           m->next == NULL && !m->drained && !is_other(m) &&
           (!t->shunned[board] || io_now_us(t->c->io) >= t->shunned_us[board]);
}

static bool is_steady(const struct trainer *t, size_t board)
{
    const struct member *m = member_at(t, board);

    return m != NULL && m->steady.up_us != 0 &&
           io_now_us(t->c->io) - m->steady.up_us >= (uint64_t)STEADY_MS * 1000;
}

/* ---- who works on what --------------------------------------------------- */

static size_t n_stages(const struct trainer *t)
{
    return t->kept->plan->n_shards;
}

static void read_given(const struct trainer *t, struct staff_stage *given)
{
    for (size_t s = 0; s < t->cluster->n_stages && s < n_stages(t); s++) {
        const struct cluster_stage *from = &t->cluster->stages[s];

        for (size_t i = 0; i < from->n_replicas; i++) {
            for (size_t b = 0; b < n_boards(t); b++) {
                if (strcmp(t->cluster->devices[b].name, from->replicas[i]) ==
                    0) {
                    given[s].boards[given[s].n++] = b;
                }
            }
        }
    }
}

/* For mem_free(). With `steady`, those that have just come do not count unless
 * they work already. */
static int choose(const struct trainer *t, bool steady,
                  struct staff_stage **stages, struct err *err)
{
    struct staff_stage *given = mem_array(struct staff_stage, n_stages(t));
    bool *there = mem_array(bool, n_boards(t));
    int rc = EDGE_ENOMEM;

    *stages = mem_array(struct staff_stage, n_stages(t));
    if (given == NULL || there == NULL || *stages == NULL) {
        (void)err_set(err, rc, "out of memory");
    } else {
        struct staff_ask ask = {.n_stages = n_stages(t),
                                .n_boards = n_boards(t),
                                .there = there,
                                .given = given};

        for (size_t b = 0; b < n_boards(t); b++) {
            const struct member *m = member_at(t, b);

            there[b] = is_there(t, b) && (!steady || is_steady(t, b) ||
                                          (t->placement != NULL && m != NULL &&
                                           seat_of(t->placement, m) != NULL));
        }
        read_given(t, given);
        rc = staff_choose(&ask, *stages, err);
    }
    mem_free(given);
    mem_free(there);
    if (rc < 0) {
        mem_free(*stages);
        *stages = NULL;
    }
    return rc;
}

static bool is_same(const struct staff_stage *a, const struct staff_stage *b,
                    size_t n)
{
    for (size_t s = 0; s < n; s++) {
        if (a[s].n != b[s].n || memcmp(a[s].boards, b[s].boards,
                                       a[s].n * sizeof(a[s].boards[0])) != 0) {
            return false;
        }
    }
    return true;
}

bool trainer_has_others(const struct trainer *t)
{
    struct staff_stage *stages;
    struct err err;
    bool others = false;

    if (t->staff != NULL && choose(t, true, &stages, &err) == 0) {
        others = !is_same(stages, t->staff, n_stages(t));
        mem_free(stages);
    }
    return others;
}

size_t trainer_lanes(const struct trainer *t)
{
    size_t lanes = 1;

    for (size_t s = 0; s < n_stages(t); s++) {
        lanes = t->staff[s].n > lanes ? t->staff[s].n : lanes;
    }
    return lanes;
}

/* ---- the placement ------------------------------------------------------- */

static Edged__Place *place_new(const struct trainer *t, size_t stage,
                               const Edged__Shard *shard)
{
    const struct staff_stage *staff = &t->staff[stage];
    Edged__Place *place = mem_new(Edged__Place);

    if (place == NULL) {
        return NULL;
    }
    edged__place__init(place);
    place->shard = shard->id;
    place->name = mem_strdup(shard->name);
    place->nodes = mem_array(char *, staff->n);
    place->n_inputs = (uint32_t)shard->n_inputs;
    place->wanted = (uint32_t)staff->n;
    place->sources = 1;
    for (size_t i = 0; i < staff->n && place->nodes != NULL; i++) {
        place->nodes[i] =
            mem_strdup(t->cluster->devices[staff->boards[i]].name);
        place->n_nodes += place->nodes[i] != NULL;
    }
    if (place->name == NULL || place->n_nodes != staff->n) {
        edged__place__free_unpacked(place, NULL);
        return NULL;
    }
    return place;
}

/* Micro-batches that may be forward and not yet back at once, on the busiest
 * replica of a stage. */
static uint32_t slots_of(const struct trainer *t, size_t stage)
{
    size_t lanes = trainer_lanes(t);
    size_t share = (lanes + t->staff[stage].n - 1) / t->staff[stage].n;
    size_t depth = t->settings.one_f_one_b ? n_stages(t) - stage
                                           : 2 * t->settings.per_lane;

    return (uint32_t)(share * depth);
}

static int fill_recipe(const struct trainer *t, size_t stage,
                       Edged__Shard *shard)
{
    const Edged__KeptCheckpoint *from = trainer_newest(t);
    Edged__Recipe *recipe = shard->recipe;

    recipe->step = from->step;
    recipe->micro_max = ways_micro_max(t->settings.batch, trainer_lanes(t),
                                       t->settings.per_lane);
    recipe->slots = slots_of(t, stage);
    if (stage < from->n_states) {
        recipe->state = train_ref_copy(from->states[stage]);
        return recipe->state != NULL ? 0 : EDGE_ENOMEM;
    }
    return 0;
}

static Edged__Placement *copy_plan(const Edged__Placement *plan)
{
    size_t size = edged__placement__get_packed_size(plan);
    uint8_t *packed = mem_resize(NULL, size, 1);
    Edged__Placement *copy = NULL;
    struct err err;

    if (packed != NULL) {
        (void)edged__placement__pack(plan, packed);
        if (msg_unpack_alone(&edged__placement__descriptor, packed, size,
                             LIMIT_KEPT_UNPACK, &copy, &err) < 0) {
            copy = NULL;
        }
    }
    mem_free(packed);
    return copy;
}

static Edged__Placement *spec_new(const struct trainer *t)
{
    Edged__Placement *spec = copy_plan(t->kept->plan);
    int rc = 0;

    if (spec == NULL) {
        return NULL;
    }
    spec->places = mem_array(Edged__Place *, spec->n_shards);
    for (size_t i = 0; i < spec->n_shards && rc == 0; i++) {
        Edged__Place *place =
            spec->places != NULL ? place_new(t, i, spec->shards[i]) : NULL;

        rc = place == NULL ? EDGE_ENOMEM : fill_recipe(t, i, spec->shards[i]);
        if (place != NULL) {
            spec->places[spec->n_places++] = place;
        }
    }
    if (rc < 0) {
        edged__placement__free_unpacked(spec, NULL);
        return NULL;
    }
    return spec;
}

/* ---- its number ---------------------------------------------------------- */

static void on_number(struct io_work *work)
{
    struct trainer *t = container_of(work, struct trainer, number_work);

    t->number_rc = state_next_epoch(t->c->state, &t->epoch, &t->number_err);
}

static int make_parts(struct trainer *t)
{
    size_t n = 0;

    for (size_t s = 0; s < n_stages(t); s++) {
        n += t->staff[s].n;
    }
    t->parts = mem_array(struct trainer_part, n);
    t->speeds = mem_array(double, n);
    if (t->parts == NULL || t->speeds == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t s = 0; s < n_stages(t); s++) {
        for (size_t r = 0; r < t->staff[s].n; r++) {
            t->parts[t->n_parts++] = (struct trainer_part){
                .member = member_at(t, t->staff[s].boards[r]),
                .stage = s,
                .replica = r,
            };
        }
    }
    return 0;
}

static void say_placed(struct trainer *t)
{
    size_t boards = t->placement->n_seats;

    log_event(t->c->log, LOG_INFO, "training.placed",
              "name=%s epoch=%u boards=%zu stages=%zu step=%llu", t->kept->name,
              t->epoch, boards, n_stages(t),
              (unsigned long long)trainer_newest(t)->steps);
    trainer_say(t, "install", "");
}

static void on_numbered(struct io_work *work)
{
    struct trainer *t = container_of(work, struct trainer, number_work);
    Edged__Placement *spec = t->spec;
    struct err err = t->number_err;
    int rc = t->number_rc;

    t->is_numbering = false;
    t->spec = NULL;
    if (t->phase != TRAINER_NUMBERING || t->c->closing) {
        edged__placement__free_unpacked(spec, NULL);
        return;
    }
    spec->epoch = t->epoch;
    if (rc == 0) {
        rc = placement_new(t->c, NULL, spec, &t->placement, &err);
    }
    if (rc < 0) {
        edged__placement__free_unpacked(spec, NULL);
        t->placement = NULL;
        trainer_again(t, rc, NULL, err.text);
        return;
    }
    if (make_parts(t) < 0) {
        trainer_again(t, EDGE_ENOMEM, NULL, "out of memory");
        return;
    }
    trainer_to(t, TRAINER_INSTALLING);
    say_placed(t);
    placement_install(t->placement);
    train_poke(t->c);
}

/* Once for each, or who looks on would not know what is waited for. */
static void say_others(struct trainer *t)
{
    char why[400];

    for (size_t b = 0; b < n_boards(t); b++) {
        const struct member *m = member_at(t, b);
        bool other = m != NULL && is_other(m);

        if (other && !t->is_other[b]) {
            (void)snprintf(
                why, sizeof(why),
                "%s runs edged %s, which speaks version %u.%u of the "
                "protocol and not %u.%u: it takes no part in training. "
                "Update it",
                m->name, m->peer->version, FRAME_MAJOR, m->peer->minor,
                FRAME_MAJOR, FRAME_MINOR);
            event_note(t->c, EVENT_RECOVERY, m->name, "%s", why);
            trainer_say(t, "install", why);
        }
        t->is_other[b] = other;
    }
}

static void begin(struct trainer *t)
{
    struct err err;

    say_others(t);
    mem_free(t->staff);
    t->staff = NULL;
    if (choose(t, false, &t->staff, &err) < 0) {
        return; /* nobody is there: looked at again with the next beat */
    }
    t->spec = spec_new(t);
    if (t->spec == NULL) {
        trainer_again(t, EDGE_ENOMEM, NULL, "out of memory");
        return;
    }
    trainer_to(t, TRAINER_NUMBERING);
    t->is_numbering = true;
    t->number_work.run = on_number;
    t->number_work.done = on_numbered;
    t->number_work.cost_us = 5000;
    io_work(t->c->io, IO_DISK, &t->number_work);
}

/* ---- looking ------------------------------------------------------------- */

static bool are_all_there(const struct trainer *t)
{
    for (size_t b = 0; b < n_boards(t); b++) {
        const struct member *m = member_at(t, b);

        if (!is_there(t, b) && (m == NULL || !m->drained) && !t->shunned[b]) {
            return false;
        }
    }
    return true;
}

void trainer_look_waiting(struct trainer *t)
{
    uint64_t now = io_now_us(t->c->io);
    bool is_first = t->epoch == 0;
    bool waits = t->settings.on_loss == CLUSTER_ON_LOSS_WAIT;

    if (t->is_numbering || t->is_keeping || now < t->retry_us) {
        return; /* a strand has what is needed */
    }
    if ((is_first || waits) && !are_all_there(t) &&
        (waits || now - t->phase_us < (uint64_t)GATHER_MS * 1000)) {
        return;
    }
    begin(t);
}

const struct member *trainer_find_lost(const struct trainer *t)
{
    const struct placement *p = t->placement;

    for (size_t i = 0; i < p->n_seats; i++) {
        const struct member *m = p->seats[i].member;

        if (members_state(t->c, m) != MEMBER_UP || m->drained) {
            return m;
        }
        if (t->phase == TRAINER_STEPPING && p->seats[i].state != SEAT_READY) {
            return m; /* its daemon began anew */
        }
    }
    return NULL;
}

void trainer_lost(struct trainer *t, const struct member *m)
{
    char why[400];

    (void)snprintf(why, sizeof(why), "%s %s", m->name,
                   m->drained ? "was drained" : "was lost");
    if (t->settings.on_loss == CLUSTER_ON_LOSS_STOP) {
        trainer_finish(t, EDGE_EUNAVAILABLE, why); /* as the file says */
    } else {
        trainer_move(t, why);
    }
}

void trainer_look_installing(struct trainer *t)
{
    const struct seat *failed = placement_failed(t->placement);
    const struct member *lost = trainer_find_lost(t);
    uint64_t quiet = io_now_us(t->c->io) - t->placement->progress_us;
    char why[400];

    if (lost != NULL) {
        trainer_lost(t, lost);
    } else if (failed != NULL) {
        (void)snprintf(why, sizeof(why), "%s: %.300s", failed->member->name,
                       failed->why);
        trainer_again(t, failed->rc, failed->member, why);
    } else if (placement_is_ready(t->placement)) {
        trainer_begin_steps(t);
    } else if (quiet > (uint64_t)INSTALL_MS * 1000) {
        trainer_again(t, EDGE_ETIMEOUT, NULL,
                      "a device has not got ready. Try: edgectl nodes");
    }
}

/* ---- again --------------------------------------------------------------- */

void trainer_drop_placement(struct trainer *t)
{
    struct placement *p = t->placement;

    trainer_drop_step(t);
    trainer_drop_saving(t);
    t->placement = NULL;
    if (p != NULL) {
        placement_retire(p);
    }
    mem_free(t->parts);
    mem_free(t->speeds);
    t->parts = NULL;
    t->speeds = NULL;
    t->n_parts = 0;
}

static void shun(struct trainer *t, const struct member *m)
{
    for (size_t b = 0; b < n_boards(t); b++) {
        if (member_at(t, b) == m) {
            t->shunned[b] = true;
            t->shunned_us[b] = io_now_us(t->c->io) + (uint64_t)SHUN_MS * 1000;
        }
    }
}

/* With all of them left out none would be left. */
static void forgive(struct trainer *t)
{
    for (size_t b = 0; b < n_boards(t); b++) {
        const struct member *m = member_at(t, b);

        if (!t->shunned[b] && m != NULL &&
            members_state(t->c, m) == MEMBER_UP) {
            return;
        }
    }
    for (size_t b = 0; b < n_boards(t); b++) {
        t->shunned[b] = false;
    }
}

static void note(struct trainer *t, const char *why)
{
    (void)snprintf(t->why, sizeof(t->why), "%s", why);
    log_event(t->c->log, LOG_WARN, "training.again",
              "name=%s step=%llu err=\"%s\"", t->kept->name,
              (unsigned long long)trainer_newest(t)->steps, t->why);
    event_note(t->c, EVENT_RECOVERY, "",
               "training %s goes on from step %llu: %s", t->kept->name,
               (unsigned long long)trainer_newest(t)->steps, t->why);
}

static void wait_again(struct trainer *t)
{
    trainer_drop_placement(t);
    trainer_to(t, TRAINER_WAITING);
    trainer_say(t, "resume", t->why);
}

void trainer_move(struct trainer *t, const char *why)
{
    note(t, why);
    wait_again(t);
    t->retry_us = 0;
    trainer_look_waiting(t);
}

void trainer_again(struct trainer *t, int rc, struct member *blamed,
                   const char *why)
{
    uint32_t n = t->fails < AGAIN_DOUBLINGS ? t->fails : AGAIN_DOUBLINGS;
    char text[500];

    note(t, why);
    if (blamed != NULL) {
        shun(t, blamed);
        forgive(t);
    }
    wait_again(t);
    t->retry_us = io_now_us(t->c->io) + (((uint64_t)AGAIN_MS * 1000) << n);
    if (++t->fails >= FAILS_MAX) {
        (void)snprintf(text, sizeof(text),
                       "it failed %u times without getting on; the last time: "
                       "%s",
                       t->fails, t->why);
        trainer_finish(t, rc, text);
    }
}
