/* The schedule of a trial: what goes wrong, and when it ends. */
#include "tests/lib/trial.h"

bool trial_later(struct trial_play *p, uint64_t ms,
                 void (*act)(struct trial *t, size_t i, size_t k), size_t i,
                 size_t k)
{
    for (size_t u = 0; u < TRIAL_UNDOS; u++) {
        if (p->undos[u].at_us == 0) {
            p->undos[u] = (struct trial_undo){
                sim_now_us(p->trial->fleet.sim) + ms * 1000, act, i, k};
            return true;
        }
    }
    return false;
}

static void act_due(struct trial_play *p)
{
    for (size_t u = 0; u < TRIAL_UNDOS; u++) {
        struct trial_undo undo = p->undos[u];

        if (undo.at_us != 0 && undo.at_us <= sim_now_us(p->trial->fleet.sim)) {
            p->undos[u].at_us = 0;
            undo.act(p->trial, undo.i, undo.k);
        }
    }
}

static bool is_quiet(const struct trial_play *p)
{
    for (size_t u = 0; u < TRIAL_UNDOS; u++) {
        if (p->undos[u].at_us != 0) {
            return false;
        }
    }
    return true;
}

struct fleet_process *trial_process(struct trial *t, size_t i)
{
    return i < t->fleet.n_nodes ? &t->fleet.nodes[i].process : &t->fleet.head;
}

/* ---- ends ---------------------------------------------------------------- */

static void start_node(struct trial *t, size_t i, size_t k)
{
    (void)k;
    if (t->fleet.nodes[i].daemon == NULL) {
        trial_say(t, "n%zu starts", i);
        fleet_start_node(&t->fleet, i);
    }
}

static void start_head(struct trial *t, size_t i, size_t k)
{
    (void)i;
    (void)k;
    if (t->fleet.coordinator == NULL) {
        trial_say(t, "the coordinator starts");
        fleet_start_head(&t->fleet);
    }
}

static void resume(struct trial *t, size_t i, size_t k)
{
    (void)k;
    trial_say(t, "%s goes on", trial_process(t, i)->name);
    fleet_pause(trial_process(t, i), false);
}

static void full_speed(struct trial *t, size_t i, size_t k)
{
    (void)k;
    if (trial_process(t, i)->io != NULL) {
        sim_speed(trial_process(t, i)->io, 100);
    }
}

static void unstick(struct trial *t, size_t i, size_t k)
{
    if (trial_process(t, i)->io != NULL) {
        trial_say(t, "%s: strand %zu moves again", trial_process(t, i)->name,
                  k);
        sim_stick(trial_process(t, i)->io, (enum io_strand)k, false);
    }
}

/* ---- beginnings ---------------------------------------------------------- */

static void kill_node(struct trial_play *p)
{
    struct trial *t = p->trial;
    size_t i = (size_t)trial_random(t, t->fleet.n_nodes);
    char text[400];

    if (t->fleet.nodes[i].daemon == NULL ||
        !trial_later(p, trial_between(t, 50, 3000), start_node, i, 0)) {
        return;
    }
    if (trial_random(t, 4) == 0) {
        trial_say(t, "n%zu is stopped", i);
        fleet_stop_node(&t->fleet, i);
    } else {
        trial_say(t, "n%zu is killed", i);
        fleet_kill_node(&t->fleet, i);
    }
    if (trial_random(t, 4) == 0 &&
        fleet_damage(&t->fleet, i, trial_random(t, UINT64_MAX), text,
                     sizeof(text))) {
        trial_say(t, "n%zu: %s", i, text);
    }
}

static void kill_head(struct trial_play *p)
{
    struct trial *t = p->trial;

    if (t->fleet.coordinator != NULL &&
        trial_later(p, trial_between(t, 50, 2000), start_head, 0, 0)) {
        trial_say(t, "the coordinator is killed");
        fleet_kill_head(&t->fleet);
    }
}

static void pause(struct trial_play *p)
{
    struct trial *t = p->trial;
    size_t i = (size_t)trial_random(t, t->fleet.n_nodes + (t->mild ? 0 : 1));
    uint64_t ms = trial_random(t, 4) == 0 ? trial_between(t, 2500, 6000)
                                          : trial_between(t, 20, 2500);

    if (trial_process(t, i)->io != NULL && !trial_process(t, i)->paused &&
        trial_later(p, ms, resume, i, 0)) {
        trial_say(t, "%s stands still for %llu ms", trial_process(t, i)->name,
                  (unsigned long long)ms);
        fleet_pause(trial_process(t, i), true);
    }
}

static void slow_down(struct trial_play *p)
{
    struct trial *t = p->trial;
    size_t i = (size_t)trial_random(t, t->fleet.n_nodes);

    if (trial_process(t, i)->io != NULL &&
        trial_later(p, trial_between(t, 500, 4000), full_speed, i, 0)) {
        sim_speed(trial_process(t, i)->io,
                  (unsigned)trial_between(t, 150, 2000));
    }
}

static void stick(struct trial_play *p)
{
    struct trial *t = p->trial;
    size_t i = (size_t)trial_random(t, t->fleet.n_nodes + (t->mild ? 0 : 1));
    size_t k = (size_t)trial_random(t, IO_STRANDS);

    if (trial_process(t, i)->io != NULL &&
        trial_later(p, trial_between(t, 200, 8000), unstick, i, k)) {
        trial_say(t, "%s: strand %zu is stuck", trial_process(t, i)->name, k);
        sim_stick(trial_process(t, i)->io, (enum io_strand)k, true);
    }
}

static void hang_up_client(struct trial_play *p)
{
    struct trial *t = p->trial;
    size_t i = (size_t)trial_random(t, t->n_clients);

    if (t->fleet.head.io != NULL) {
        sim_reset(t->fleet.sim, t->clients[i].client.io, t->fleet.head.io);
    }
}

static struct trial_home *draw_home(struct trial *t)
{
    return &t->homes[trial_random(t, t->n_homes)];
}

static void deploy_next(struct trial_play *p)
{
    trial_begin_deploy(draw_home(p->trial),
                       (unsigned)trial_random(p->trial, TRIAL_GENERATIONS));
}

static void stop_head(struct trial *t, size_t i, size_t k)
{
    (void)i;
    (void)k;
    if (t->fleet.coordinator != NULL) {
        trial_say(t, "the coordinator is killed");
        fleet_kill_head(&t->fleet);
    }
}

/* At any moment of a deploy. */
static void deploy_and_kill(struct trial_play *p)
{
    uint64_t ms = trial_between(p->trial, 0, 1500);

    if (trial_later(p, ms + trial_between(p->trial, 50, 4000), start_head, 0,
                    0)) {
        deploy_next(p);
        (void)trial_later(p, ms, stop_head, 0, 0);
    }
}

static void undeploy(struct trial_play *p)
{
    trial_begin_undeploy(draw_home(p->trial));
}

struct fault {
    unsigned weight;
    void (*act)(struct trial_play *p);
};

static const struct fault storm[] = {
    {6, kill_node},       {2, kill_head},     {4, pause},
    {2, slow_down},       {3, stick},         {3, trial_reset},
    {3, trial_cut},       {2, trial_cut_off}, {1, trial_split},
    {1, trial_swizzle},   {1, trial_flap},    {2, trial_bad_link},
    {4, deploy_next},     {1, undeploy},      {1, hang_up_client},
    {2, deploy_and_kill},
};

static const struct fault mild[] = {
    {6, kill_node},      {4, pause},       {2, slow_down},     {3, stick},
    {3, trial_reset},    {3, trial_cut},   {4, trial_cut_off}, {2, trial_flap},
    {2, trial_bad_link}, {3, deploy_next},
};

static void draw_fault(struct trial_play *p, const struct fault *faults,
                       size_t n)
{
    unsigned all = 0;
    uint64_t at;

    for (size_t i = 0; i < n; i++) {
        all += faults[i].weight;
    }
    at = trial_random(p->trial, all);
    for (size_t i = 0; i < n; i++) {
        if (at < faults[i].weight) {
            faults[i].act(p);
            p->trial->n_faults++;
            return;
        }
        at -= faults[i].weight;
    }
}

/* ---- a schedule ---------------------------------------------------------- */

/* Ends every fault that is still there. */
static void heal_all(struct trial_play *p)
{
    struct trial *t = p->trial;

    for (size_t u = 0; u < TRIAL_UNDOS; u++) {
        p->undos[u].at_us = 0;
    }
    trial_say(t, "the faults are over");
    sim_heal_all(t->fleet.sim);
    start_head(t, 0, 0);
    for (size_t i = 0; i < t->fleet.n_nodes; i++) {
        start_node(t, i, 0);
    }
    for (size_t i = 0; i <= t->fleet.n_nodes; i++) {
        struct fleet_process *process = trial_process(t, i);

        fleet_pause(process, false);
        full_speed(t, i, 0);
        for (int k = 0; k < IO_STRANDS; k++) {
            sim_stick(process->io, (enum io_strand)k, false);
        }
        for (size_t j = 0; j < i; j++) {
            sim_reset_path(t->fleet.sim, process->io, trial_process(t, j)->io);
        }
    }
    trial_run_for(t, 1000); /* until what is broken is known */
}

static bool may_begin(const struct trial_play *p)
{
    char text[200];

    return !p->trial->mild ||
           (is_quiet(p) &&
            fleet_is_ready(&p->trial->fleet, text, sizeof(text)));
}

static void begin_fault(struct trial_play *p)
{
    if (p->trial->mild) {
        draw_fault(p, mild, sizeof(mild) / sizeof(mild[0]));
    } else {
        draw_fault(p, storm, sizeof(storm) / sizeof(storm[0]));
    }
}

static void deploy_again(struct trial_play *p)
{
    struct trial *t = p->trial;
    struct trial_home *home = draw_home(t);

    if (!home->is_deployed && !home->busy && trial_random(t, 50) == 0) {
        trial_begin_deploy(home, (unsigned)trial_random(t, TRIAL_GENERATIONS));
    }
}

void trial_play(struct trial *t)
{
    struct trial_play p = {.trial = t};
    uint64_t ms = trial_between(t, 3000, 12000) * (t->mild ? 4 : 1);
    uint64_t end_us = sim_now_us(t->fleet.sim) + ms * 1000;
    uint64_t next_us = 0;

    while (sim_now_us(t->fleet.sim) < end_us && t->why[0] == '\0') {
        trial_run_for(t, trial_between(t, 1, 20));
        act_due(&p);
        if (sim_now_us(t->fleet.sim) >= next_us && may_begin(&p)) {
            begin_fault(&p);
            next_us =
                sim_now_us(t->fleet.sim) + trial_between(t, 50, 1500) * 1000;
        }
        deploy_again(&p);
    }
    heal_all(&p);
}
