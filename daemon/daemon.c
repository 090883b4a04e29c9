#include "daemon/train.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "net/threads.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void on_up(void *arg, struct io_peer *peer)
{
    if (peer->role != EDGED__ROLE__ROLE_CLIENT) { /* who only asks to join */
        route_peer_up(arg, peer);
        fault_peer_up(arg, peer);
    }
}

static void on_down(void *arg, struct io_peer *peer, int rc, const char *why)
{
    struct daemon *d = arg;

    member_peer_gone(d, peer);
    if (peer->role == EDGED__ROLE__ROLE_CLIENT) {
        return;
    }
    log_event(d->log, LOG_INFO, "peer.lost", "peer=%s rc=%s err=\"%s\"",
              peer->name, err_name(rc), why);
    route_peer_down(d, peer);
}

static int make_folder(const char *path, struct err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        return err_set(err, err_from_errno(errno), "cannot make %s: %s", path,
                       strerror(errno));
    }
    return 0;
}

static int open_state(struct daemon *d, int store_flags, struct err *err)
{
    char *blobs = mem_printf("%s/blobs", d->folder);
    char *epochs = mem_printf("%s/epochs", d->folder);
    int rc = EDGE_ENOMEM;

    if (blobs == NULL || epochs == NULL) {
        (void)err_set(err, rc, "out of memory");
        goto out;
    }
    rc = make_folder(d->folder, err);
    if (rc == 0) {
        rc = make_folder(epochs, err);
    }
    if (rc == 0) {
        rc = store_open(blobs, store_flags, &d->store, err);
    }
    d->intake.store = d->store;
    d->intake.on_arrived = install_blob_arrived;
    d->intake.arg = d;
out:
    mem_free(blobs);
    mem_free(epochs);
    return rc;
}

static int add_fixed_nodes(struct daemon *d)
{
    struct relay_node *self = relay_node(&d->relay, d->name);

    d->gateway = relay_node(&d->relay, GATEWAY_NAME);
    if (self == NULL || d->gateway == NULL) {
        return EDGE_ENOMEM;
    }
    self->self = true;
    self->up = true;
    d->gateway->always = true;
    d->relay.deliver = run_on_local;
    d->relay.recall = run_on_recall;
    d->relay.arg = d;
    return 0;
}

static void init_lists(struct daemon *d)
{
    list_init(&d->peers);
    list_init(&d->epochs);
    list_init(&d->forgets);
    list_init(&d->neighbours);
    list_init(&d->runnable);
    list_init(&d->probes);
    list_init(&d->sources);
}

int daemon_new(struct io *io, const struct daemon_config *config,
               struct daemon **daemon, struct err *err)
{
    struct daemon *d = mem_new(struct daemon);
    int rc;

    if (d == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    d->io = io;
    io->payload_max = LIMIT_CHUNK; /* and what its shards take */
    d->log = io->log;
    (void)snprintf(d->name, sizeof(d->name), "%s", config->name);
    d->memory_budget = config->memory_budget;
    d->board = config->board;
    if (d->board == NULL) {
        heat_find(&d->heat, "/sys");
    }
    d->pace = config->pace;
    d->allow_exec = config->allow_exec;
    d->store_flags = config->store_flags;
    d->process = config->process;
    d->left = config->left;
    d->left_arg = config->left_arg;
    d->member.tls = config->tls;
    init_lists(d);
    train_post_init(d);
    relay_init(&d->relay, io);
    intake_init(&d->intake, io);
    d->folder = mem_strdup(config->folder);
    rc = d->folder == NULL || add_fixed_nodes(d) < 0 || fault_init(d) < 0
             ? err_set(err, EDGE_ENOMEM, "out of memory")
             : open_state(d, config->store_flags, err);
    if (rc == 0 && config->threads > 1) {
        rc = threads_start(config->threads, &d->threads, err);
    }
    if (rc < 0) {
        daemon_free(d);
        return rc;
    }
    io->events = (struct io_events){
        .on_up = on_up,
        .on_down = on_down,
        .on_message = daemon_on_message,
    };
    io->arg = d;
    *daemon = d;
    return 0;
}

void daemon_start(struct daemon *d)
{
    views_init(d);
    beat_start(d);
    member_start(d);
    kept_load(d);
    speed_start(d);
    sweep_start(&d->sweep, d->io, d->store, need_name, d);
}

void daemon_close(struct daemon *d)
{
    d->closing = true;
    leave_stop(d);
    io_timer_stop(d->io, &d->beat);
    io_timer_stop(d->io, &d->posting);
    views_stop(d);
    sweep_stop(&d->sweep);
    fault_end_all(d);
    list_each(&d->epochs, it, after)
    {
        struct epoch *epoch = list_entry(it, struct epoch, link);

        route_close(epoch);
        run_end_all(epoch);
        train_end_all(epoch);
    }
}

void daemon_free(struct daemon *d)
{
    if (d == NULL) {
        return;
    }
    fault_free(d);
    member_free(d);
    intake_deinit(&d->intake);
    sweep_deinit(&d->sweep);
    install_free_all(d);
    source_free_all(d);
    relay_deinit(&d->relay);
    probe_free_all(d);
    speed_free(d);
    measure_free(d);
    link_free(d);
    list_each(&d->peers, it, after)
    {
        mem_free(list_entry(it, struct visitor, link));
    }
    threads_stop(d->threads);
    store_free(d->store);
    mem_free(d->folder);
    mem_free(d);
}

/* What counts is that runs come back, not how many wait. A micro-batch of a
 * training may take its time. */
bool daemon_is_well(struct daemon *d)
{
    uint64_t now_ms = io_now_ms(d->io);

    if (d->on_strand == 0 || d->training || d->progress != d->seen_progress) {
        d->seen_progress = d->progress;
        d->seen_ms = now_ms;
    }
    return now_ms - d->seen_ms < STALL_MS || DEFENCE_OFF("progress");
}

static double runs_per_second(struct daemon *d)
{
    uint64_t now_us = io_now_us(d->io);
    uint64_t n = d->progress - d->said_progress;
    uint64_t us = now_us - d->said_us;

    d->said_progress = d->progress;
    d->said_us = now_us;
    return us > 0 ? (double)n * 1e6 / (double)us : 0;
}

void daemon_summary(struct daemon *d, char *out, size_t size)
{
    size_t shards = 0;

    list_each(&d->epochs, it, after)
    {
        shards += list_entry(it, struct epoch, link)->n_shards;
    }
    (void)snprintf(out, size, "%zu shards, %llu MiB, %.1f runs/s", shards,
                   (unsigned long long)(beat_memory_used(d) >> 20),
                   runs_per_second(d));
}
