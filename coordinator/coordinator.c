#include "coordinator/parts.h"

#include "base/mem.h"
#include "coordinator/train/train.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void on_up(void *arg, struct io_peer *peer)
{
    struct coordinator *c = arg;

    if (peer->role == EDGED__ROLE__ROLE_CLIENT) {
        client_up(c, peer);
    } else if (peer->role != EDGED__ROLE__ROLE_NONE) { /* or: it may enrol */
        members_peer_up(c, peer);
    }
}

static void on_down(void *arg, struct io_peer *peer, int rc, const char *why)
{
    struct coordinator *c = arg;

    authority_peer_gone(c, peer);
    admin_peer_gone(c, peer);
    nodes_peer_gone(c, peer);
    profile_peer_gone(c, peer);
    train_client_gone(c, peer);
    if (peer->role == EDGED__ROLE__ROLE_NONE) {
        return;
    }
    if (peer->role == EDGED__ROLE__ROLE_CLIENT) {
        faults_peer_gone(c, peer);
        intake_peer_gone(&c->intake, peer);
        rollout_peer_gone(c, peer);
        client_down(c, peer);
        return;
    }
    (void)rc;
    intake_peer_gone(&c->intake, peer); /* the state of a shard it trains */
    members_peer_down(c, peer, why);
}

static void on_refused(void *arg, struct io_peer *peer, int rc, const char *why)
{
    (void)rc;
    members_refused(arg, peer, why);
}

static int make_folder(const char *path, struct err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        return err_set(err, err_from_errno(errno), "cannot make %s: %s", path,
                       strerror(errno));
    }
    return 0;
}

static int open_state(struct coordinator *c, int store_flags, struct err *err)
{
    char *blobs = mem_printf("%s/blobs", c->folder);
    char *db = mem_printf("%s/state.db", c->folder);
    int rc = EDGE_ENOMEM;

    if (blobs == NULL || db == NULL) {
        (void)err_set(err, rc, "out of memory");
        goto out;
    }
    rc = make_folder(c->folder, err);
    if (rc == 0) {
        rc = store_open(blobs, store_flags, &c->store, err);
    }
    if (rc == 0) {
        rc = state_open(db, store_flags, &c->state, err);
    }
    c->intake.store = c->store;
out:
    mem_free(blobs);
    mem_free(db);
    return rc;
}

static void init_lists(struct coordinator *c)
{
    list_init(&c->members);
    list_init(&c->deployments);
    list_init(&c->placements);
    list_init(&c->clients);
    list_init(&c->requests);
    list_init(&c->codes);
    list_init(&c->rollouts);
    list_init(&c->undeploys);
    list_init(&c->node_asks);
    list_init(&c->trainers);
    list_init(&c->authority.jobs);
}

int coordinator_new(struct io *io, const struct coordinator_config *config,
                    struct coordinator **coordinator, struct err *err)
{
    struct coordinator *c = mem_new(struct coordinator);
    int rc;

    if (c == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    c->io = io;
    c->log = io->log;
    c->insecure = config->insecure;
    c->allow_faults = config->allow_faults;
    c->only_given = config->only_given;
    c->guard = config->guard;
    c->left = config->left;
    c->left_arg = config->left_arg;
    c->authority.tls = config->tls;
    c->authority.store_flags = config->store_flags;
    c->authority.token_ttl_ms =
        config->token_ttl_ms > 0 ? config->token_ttl_ms : TOKEN_TTL_MS;
    c->authority.cert_ttl_ms =
        config->cert_ttl_ms > 0 ? config->cert_ttl_ms : CERT_TTL_MS;
    (void)snprintf(c->authority.cluster, sizeof(c->authority.cluster), "%s",
                   config->cluster != NULL && config->cluster[0] != '\0'
                       ? config->cluster
                       : "home");
    /* Numbers of an earlier life never come again: nodes remember some. */
    c->next_request = io_random(io) >> 1;
    init_lists(c);
    relay_init(&c->relay, io);
    intake_init(&c->intake, io);
    c->folder = mem_strdup(config->folder);
    rc = c->folder == NULL || faults_init(c) < 0
             ? err_set(err, EDGE_ENOMEM, "out of memory")
             : open_state(c, config->store_flags, err);
    if (rc < 0) {
        coordinator_free(c);
        return rc;
    }
    io->events = (struct io_events){
        .on_up = on_up,
        .on_down = on_down,
        .on_message = coordinator_on_message,
        .on_refused = on_refused,
    };
    io->arg = c;
    *coordinator = c;
    return 0;
}

int coordinator_add_node(struct coordinator *c, const char *name,
                         const char *host, int port, struct err *err)
{
    struct member *m;
    int rc = members_add(c, name, host, port, &m, err);

    if (rc == 0) {
        m->given = true;
    }
    return rc;
}

int coordinator_start(struct coordinator *c, struct err *err)
{
    int rc = authority_start(c, err);
    size_t n = 0;

    if (rc < 0) {
        return rc;
    }
    recovery_init(c);
    watch_start(c);
    sweep_start(&c->sweep, c->io, c->store, files_name, c);
    rc = deployments_load(c, err);
    if (rc == 0) {
        rc = train_load(c, err);
    }
    if (rc == 0) {
        rc = nodes_load(c, err);
    }
    list_each(&c->deployments, it, after)
    {
        n++;
    }
    event_note(c, EVENT_COORDINATOR, "", "started with %zu deployments", n);
    return rc;
}

void coordinator_summary(const struct coordinator *c, char *out, size_t size)
{
    size_t n_nodes = 0;
    size_t n_ready = 0;
    size_t n = 0;

    list_each(&c->members, it, after)
    {
        n_nodes++;
        n_ready += members_is_ready(list_entry(it, struct member, link));
    }
    list_each(&c->deployments, at, next)
    {
        n++;
    }
    (void)snprintf(out, size, "%zu of %zu nodes ready, %zu deployments",
                   n_ready, n_nodes, n);
}

void coordinator_close(struct coordinator *c)
{
    c->closing = true;
    io_timer_stop(c->io, &c->leave);
    sweep_stop(&c->sweep);
    gateway_end_all(c);
    io_timer_stop(c->io, &c->beat);
    recovery_stop(c);
}

void coordinator_free(struct coordinator *c)
{
    if (c == NULL) {
        return;
    }
    faults_free(c);
    client_free_all(c);
    gateway_free_all(c);
    admin_free_all(c);
    nodes_free_all(c);
    profile_free(c);
    authority_free(c);
    rollout_free_all(c);
    train_free_all(c);
    list_each(&c->placements, it, after)
    {
        placement_free(list_entry(it, struct placement, link));
    }
    list_each(&c->deployments, it, after)
    {
        deployments_free(list_entry(it, struct deployment, link));
    }
    members_free_all(c);
    intake_deinit(&c->intake);
    sweep_deinit(&c->sweep);
    relay_deinit(&c->relay);
    state_close(c->state);
    store_free(c->store);
    mem_free(c->folder);
    mem_free(c);
}
