#include "tests/lib/fleet_inner.h"

#include "base/mem.h"
#include "daemon/parts.h"
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- what passes through ------------------------------------------------- */

/* As a board with a broken memory would: one value of each output is wrong. */
static void run_spoiled(struct io_work *work)
{
    struct run *run = container_of(work, struct run, work);
    struct fleet_process *process = fleet_process_of(run->daemon->io);

    process->run(work);
    for (size_t i = 0; i < run->shard->n_outputs; i++) {
        struct tensor *t = &run->outputs[i];

        if (t->dtype == DTYPE_F32 && tensor_count(t) > 0) {
            ((float *)t->data)[0] += 1000;
        }
    }
}

/* An exit that has nothing to send on is let go once nobody waits for it, and
 * says the same if somebody asks again. */
static bool is_let_go(const struct hosted *shard)
{
    bool is_end = shard->exit.number > 0;

    for (size_t i = 0; i < shard->n_links; i++) {
        is_end = is_end && shard->links[i].to_shard == 0;
    }
    return is_end;
}

/* P5: what was run and kept is not run again in one life of a process. */
static void note_run(struct fleet_process *process, const struct run *run)
{
    struct fleet_ran *at = &process->ran[process->n_ran % FLEET_RAN];
    struct fleet_ran ran = {run->request, run->shard->epoch->number,
                            run->shard->id};
    size_t n = process->n_ran < FLEET_RAN ? process->n_ran : FLEET_RAN;

    if (is_let_go(run->shard)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct fleet_ran *old = &process->ran[i];

        if (old->request == ran.request && old->epoch == ran.epoch &&
            old->shard == ran.shard && process->fleet->rerun_by[0] == '\0') {
            process->fleet->rerun = ran;
            (void)snprintf(process->fleet->rerun_by,
                           sizeof(process->fleet->rerun_by), "%s",
                           process->name);
        }
    }
    *at = ran;
    process->n_ran++;
}

/* There are jobs of other kinds on that strand. */
static struct run *run_of(struct io_work *work)
{
    return work->run == run_compute ? container_of(work, struct run, work)
                                    : NULL;
}

static void op_work(struct io *io, enum io_strand strand, struct io_work *work)
{
    struct fleet_process *process = fleet_process_of(io);
    struct run *run = run_of(work);

    if (run != NULL) {
        note_run(process, run);
    }
    if (run != NULL && process->fleet->run_us != NULL) {
        work->cost_us = process->fleet->run_us(
            process, run->shard->epoch->number, run->shard->id);
    }
    if (run != NULL && process->forgets_runs) {
        run->shard->finished = (struct seen){.n_added = 0};
    }
    if (run != NULL && process->spoils) {
        process->run = work->run;
        work->run = run_spoiled;
    }
    process->real->work(io, strand, work);
}

static int op_send(struct io_peer *peer, const Edged__Envelope *env,
                   const struct io_payload *payload)
{
    struct fleet_process *process = fleet_process_of(peer->io);

    if (process->swallows_resends &&
        env->body_case == EDGED__ENVELOPE__BODY_DATA &&
        env->data->attempt > 0) {
        return 0;
    }
    return process->real->send(peer, env, payload);
}

/* ---- logs ---------------------------------------------------------------- */

static void print_log(struct fleet *fleet, struct fleet_process *process)
{
    char text[65536];
    ssize_t n;

    if (process->log_fds[0] < 0) {
        return;
    }
    while ((n = read(process->log_fds[0], text, sizeof(text) - 1)) > 0) {
        char *line = text;

        text[n] = '\0';
        while (*line != '\0') {
            char *end = line + strcspn(line, "\n");
            char *rest = strchr(line, ' '); /* behind the wall clock */
            char after = *end;

            *end = '\0';
            (void)printf("%10.6f %-6s %s\n",
                         (double)sim_now_us(fleet->sim) / 1e6, process->name,
                         rest != NULL ? rest + 1 : line);
            line = after != '\0' ? end + 1 : end;
        }
    }
}

static void print_logs(struct fleet *fleet)
{
    if (fleet->verbose) {
        print_log(fleet, &fleet->head);
        for (size_t i = 0; i < fleet->n_nodes; i++) {
            print_log(fleet, &fleet->nodes[i].process);
        }
    }
}

static void open_log(struct fleet_process *process)
{
    process->log_fds[0] = -1;
    process->log_fds[1] = -1;
    if (process->fleet->verbose) {
        assert_int_equal(pipe2(process->log_fds, O_NONBLOCK | O_CLOEXEC), 0);
        process->log =
            log_new(process->log_fds[1], LOG_TRACE, "run,rollout,push");
        assert_non_null(process->log);
    }
}

/* ---- processes ----------------------------------------------------------- */

static void start_io(struct fleet_process *process, int port)
{
    struct fleet *fleet = process->fleet;

    process->id.instance = sim_random(fleet->sim, UINT64_MAX);
    process->io =
        sim_node(fleet->sim, &process->id, "127.0.0.1", port, process->log);
    assert_non_null(process->io);
    process->real = process->io->ops;
    process->ops = *process->real;
    process->ops.work = op_work;
    process->ops.send = op_send;
    process->io->ops = &process->ops;
}

/* The io outlives its process in the simulation, so it gets its own back. */
static void end_io(struct fleet_process *process)
{
    process->n_ran = 0;
    process->io->ops = process->real;
    process->io = NULL;
    process->paused = false;
}

static void must(struct fleet_process *process, int rc, const struct err *err)
{
    if (rc < 0) {
        fail_msg("%s: %s", process->name, err->text);
    }
}

void fleet_start_node(struct fleet *fleet, size_t i)
{
    struct fleet_node *node = &fleet->nodes[i];
    struct daemon_config config = {
        .name = node->process.name,
        .folder = node->process.folder,
        .memory_budget = node->memory,
        .store_flags = STORE_NO_SYNC,
        .board = &fleet->board,
    };
    struct err err;

    start_io(&node->process, node->port);
    must(&node->process,
         daemon_new(node->process.io, &config, &node->daemon, &err), &err);
    fleet_noise_start(&node->process);
    daemon_start(node->daemon);
}

void fleet_kill_node(struct fleet *fleet, size_t i)
{
    struct fleet_node *node = &fleet->nodes[i];

    if (node->daemon != NULL) {
        fleet_noise_end(&node->process);
        sim_kill(node->process.io);
        daemon_free(node->daemon);
        node->daemon = NULL;
        end_io(&node->process);
    }
}

void fleet_stop_node(struct fleet *fleet, size_t i)
{
    struct fleet_node *node = &fleet->nodes[i];

    if (node->daemon != NULL) {
        fleet_noise_end(&node->process);
        daemon_close(node->daemon);
        sim_stop(node->process.io);
        daemon_free(node->daemon);
        node->daemon = NULL;
        end_io(&node->process);
    }
}

void fleet_start_head(struct fleet *fleet)
{
    struct coordinator_config config = {
        .folder = fleet->head.folder,
        .store_flags = STORE_NO_SYNC,
        .insecure = true,
    };
    struct err err;

    start_io(&fleet->head, 6999);
    must(&fleet->head,
         coordinator_new(fleet->head.io, &config, &fleet->coordinator, &err),
         &err);
    fleet_noise_start(&fleet->head);
    must(&fleet->head, coordinator_start(fleet->coordinator, &err), &err);
    sim_listen_path(fleet->head.io, FLEET_SOCKET);
}

void fleet_kill_head(struct fleet *fleet)
{
    if (fleet->coordinator != NULL) {
        fleet_noise_end(&fleet->head);
        sim_kill(fleet->head.io);
        coordinator_free(fleet->coordinator);
        fleet->coordinator = NULL;
        end_io(&fleet->head);
    }
}

void fleet_pause(struct fleet_process *process, bool paused)
{
    if (process->io != NULL && process->paused != paused) {
        process->paused = paused;
        if (paused) {
            sim_pause(process->io);
        } else {
            sim_resume(process->io);
        }
    }
}

static void init_process(struct fleet *fleet, struct fleet_process *process,
                         Edged__Role role, const char *name)
{
    process->fleet = fleet;
    (void)snprintf(process->name, sizeof(process->name), "%s", name);
    (void)snprintf(process->folder, sizeof(process->folder), "%s", name);
    process->id = (struct io_identity){
        .role = role,
        .name = process->name,
        .cluster = "home",
        .version = "test",
    };
    open_log(process);
}

void fleet_init(struct fleet *fleet, uint64_t seed, size_t n_nodes,
                bool verbose)
{
    memset(fleet, 0, sizeof(*fleet));
    assert_true(n_nodes <= FLEET_NODES);
    tmp_init(&fleet->tmp);
    fleet->home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fleet->home >= 0);
    assert_int_equal(chdir(fleet->tmp.path), 0);
    fleet->sim = sim_new(seed);
    fleet->verbose = verbose;
    fleet->board =
        (struct board){.free_bytes = (uint64_t)1 << 32, .macs_per_s = 2e9};
    fleet->n_nodes = n_nodes;
    init_process(fleet, &fleet->head, EDGED__ROLE__ROLE_COORDINATOR,
                 "coordinator");
    fleet_start_head(fleet);
    for (size_t i = 0; i < n_nodes; i++) {
        char name[] = {'n', (char)('0' + i), '\0'};

        init_process(fleet, &fleet->nodes[i].process, EDGED__ROLE__ROLE_NODE,
                     name);
        fleet->nodes[i].port = FLEET_PORT + (int)i;
        fleet->nodes[i].memory = MIB(256);
        fleet_start_node(fleet, i);
    }
}

static void end_process(struct fleet_process *process)
{
    print_log(process->fleet, process);
    if (process->log != NULL) {
        log_free(process->log);
        (void)close(process->log_fds[0]);
        (void)close(process->log_fds[1]);
    }
}

void fleet_deinit(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->n_nodes; i++) {
        fleet_kill_node(fleet, i);
        end_process(&fleet->nodes[i].process);
    }
    fleet_kill_head(fleet);
    end_process(&fleet->head);
    sim_free(fleet->sim);
    assert_int_equal(fchdir(fleet->home), 0);
    (void)close(fleet->home);
    tmp_deinit(&fleet->tmp);
}

/* ---- time ---------------------------------------------------------------- */

void fleet_run_for(struct fleet *fleet, uint64_t ms)
{
    if (!fleet->verbose) {
        sim_run_for(fleet->sim, ms);
        return;
    }
    for (uint64_t i = 0; i < ms; i++) {
        sim_run_for(fleet->sim, 1);
        print_logs(fleet);
    }
}

bool fleet_run_until(struct fleet *fleet, bool (*condition)(void *arg),
                     void *arg, uint64_t limit_ms)
{
    for (uint64_t i = 0; i < limit_ms; i++) {
        if (condition(arg)) {
            return true;
        }
        fleet_run_for(fleet, 1);
    }
    return condition(arg);
}
