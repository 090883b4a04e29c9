/* What a cluster at rest must not hold any more. */
#include "tests/lib/fleet.h"

#include "coordinator/parts.h"
#include "daemon/parts.h"

#include <stdio.h>
#include <string.h>

static size_t count(const struct list *list)
{
    size_t n = 0;

    for (const struct list *it = list->next; it != list; it = it->next) {
        n++;
    }
    return n;
}

static size_t count_holds(const struct relay *relay)
{
    size_t n = 0;

    for (size_t i = 0; i < RELAY_BUCKETS; i++) {
        n += count(&relay->buckets[i]);
    }
    return n + count(&relay->sent) + count(&relay->waiting) +
           count(&relay->local);
}

/* Of the deployments in force; EPOCHS_MAX of them is plenty. */
#define EPOCHS_MAX 64

struct known {
    uint32_t epochs[EPOCHS_MAX];
    size_t n;
};

static void note_known(const struct coordinator *c, struct known *known)
{
    for (const struct list *it = c->deployments.next; it != &c->deployments;
         it = it->next) {
        const struct deployment *d = container_of(it, struct deployment, link);

        if (d->current != NULL && known->n < EPOCHS_MAX) {
            known->epochs[known->n++] = d->current->epoch;
        }
    }
}

static bool is_known(const struct known *known, uint32_t epoch)
{
    for (size_t i = 0; i < known->n; i++) {
        if (known->epochs[i] == epoch) {
            return true;
        }
    }
    return false;
}

static bool check_loads(const struct relay *relay, const struct known *known,
                        const char *who, char *text, size_t size)
{
    for (const struct list *it = relay->nodes.next; it != &relay->nodes;
         it = it->next) {
        const struct relay_node *node =
            container_of(it, struct relay_node, link);

        for (size_t i = 0; i < node->n_loads; i++) {
            const struct relay_load *load = &node->loads[i];

            if (load->unacked > 0 || !is_known(known, load->epoch)) {
                (void)snprintf(
                    text, size, "%s reckons %u holds on %s for %u/%u", who,
                    load->unacked, node->name, load->epoch, load->shard);
                return false;
            }
        }
    }
    return true;
}

static bool check_head(const struct coordinator *c, const struct known *known,
                       char *text, size_t size)
{
    size_t placements = count(&c->placements);

    if (c->n_requests > 0 || !list_is_empty(&c->requests)) {
        (void)snprintf(text, size, "the coordinator has %zu requests",
                       c->n_requests);
    } else if (count_holds(&c->relay) > 0) {
        (void)snprintf(text, size, "the coordinator has %zu holds",
                       count_holds(&c->relay));
    } else if (placements != known->n) {
        (void)snprintf(text, size, "%zu placements, %zu in force", placements,
                       known->n);
    } else if (!list_is_empty(&c->rollouts) || !list_is_empty(&c->undeploys)) {
        (void)snprintf(text, size, "a rollout or undeploy is under way");
    } else if (!list_is_empty(&c->intake.pieces)) {
        (void)snprintf(text, size, "the coordinator takes in blobs");
    } else {
        return check_loads(&c->relay, known, "the coordinator", text, size);
    }
    return false;
}

static bool check_member(const struct member *m, char *text, size_t size)
{
    if (!list_is_empty(&m->pushes) || m->in_window != 0) {
        (void)snprintf(text, size, "%s is being pushed to, %zu in the window",
                       m->name, m->in_window);
        return false;
    }
    return true;
}

static bool check_node(const struct daemon *d, const struct known *known,
                       char *text, size_t size)
{
    for (const struct list *it = d->epochs.next; it != &d->epochs;
         it = it->next) {
        const struct epoch *epoch = container_of(it, struct epoch, link);

        if (!is_known(known, epoch->number) || epoch->state != EPOCH_READY) {
            (void)snprintf(text, size, "%s has epoch %u in state %d", d->name,
                           epoch->number, (int)epoch->state);
            return false;
        }
        for (size_t i = 0; i < epoch->n_shards; i++) {
            if (epoch->shards[i].waiting != 0) {
                (void)snprintf(text, size, "%s: %u wait for shard %u", d->name,
                               epoch->shards[i].waiting, epoch->shards[i].id);
                return false;
            }
        }
    }
    if (d->n_live > 0 || d->on_strand > 0 || !list_is_empty(&d->runnable)) {
        (void)snprintf(text, size, "%s has %zu runs, %zu on the strand",
                       d->name, d->n_live, d->on_strand);
    } else if (count_holds(&d->relay) > 0) {
        (void)snprintf(text, size, "%s has %zu holds", d->name,
                       count_holds(&d->relay));
    } else if (!list_is_empty(&d->intake.pieces) ||
               !list_is_empty(&d->forgets)) {
        (void)snprintf(text, size, "%s is busy with files", d->name);
    } else {
        return check_loads(&d->relay, known, d->name, text, size);
    }
    return false;
}

bool fleet_is_at_rest(struct fleet *fleet, char *text, size_t size)
{
    struct known known = {.n = 0};

    if (fleet->coordinator != NULL) {
        note_known(fleet->coordinator, &known);
        if (!check_head(fleet->coordinator, &known, text, size)) {
            return false;
        }
        list_each(&fleet->coordinator->members, it, after)
        {
            if (!check_member(list_entry(it, struct member, link), text,
                              size)) {
                return false;
            }
        }
    }
    for (size_t i = 0; i < fleet->n_nodes; i++) {
        if (fleet->nodes[i].daemon != NULL &&
            !check_node(fleet->nodes[i].daemon, &known, text, size)) {
            return false;
        }
    }
    return true;
}

uint64_t fleet_pushed(const struct fleet *fleet)
{
    uint64_t bytes = 0;

    list_each(&fleet->coordinator->placements, it, after)
    {
        const struct placement *p = list_entry(it, struct placement, link);

        for (size_t i = 0; i < p->n_seats; i++) {
            bytes += p->seats[i].pushed;
        }
    }
    return bytes;
}

/* ---- for people ---------------------------------------------------------- */

static void print_holds(const char *who, const struct relay *relay)
{
    for (size_t i = 0; i < RELAY_BUCKETS; i++) {
        for (const struct list *it = relay->buckets[i].next;
             it != &relay->buckets[i]; it = it->next) {
            const struct hold *h = container_of(it, struct hold, hash);

            (void)printf("  %s holds %llu epoch %u shard %u from %u attempt %u "
                         "%s %s\n",
                         who, (unsigned long long)h->request, h->epoch,
                         h->shard, h->from, h->attempt,
                         h->sent_to != NULL ? "sent to" : "waits",
                         h->sent_to != NULL ? h->sent_to->name : "");
        }
    }
}

static void print_loads(const char *who, const struct relay *relay)
{
    for (const struct list *it = relay->nodes.next; it != &relay->nodes;
         it = it->next) {
        const struct relay_node *n = container_of(it, struct relay_node, link);

        (void)printf("  %s: node %s up %d suspect %d:", who, n->name, n->up,
                     n->suspect);
        for (size_t i = 0; i < n->n_loads; i++) {
            (void)printf(" %u/%u ready %d unacked %u", n->loads[i].epoch,
                         n->loads[i].shard, n->loads[i].ready,
                         n->loads[i].unacked);
        }
        (void)printf("\n");
    }
}

static void print_node(const struct daemon *d)
{
    print_loads(d->name, &d->relay);
    print_holds(d->name, &d->relay);
    for (const struct list *it = d->epochs.next; it != &d->epochs;
         it = it->next) {
        const struct epoch *epoch = container_of(it, struct epoch, link);

        (void)printf("  %s: epoch %u state %d\n", d->name, epoch->number,
                     (int)epoch->state);
        for (size_t i = 0; i < epoch->n_shards; i++) {
            const struct hosted *shard = &epoch->shards[i];

            for (const struct list *at = shard->runs.next; at != &shard->runs;
                 at = at->next) {
                const struct run *run = container_of(at, struct run, link);

                (void)printf("  %s: run %llu shard %u state %d has %zu, %zu "
                             "senders\n",
                             d->name, (unsigned long long)run->request,
                             shard->id, (int)run->state, run->n_have,
                             run->n_senders);
            }
        }
    }
}

void fleet_print(const struct fleet *fleet)
{
    if (fleet->coordinator != NULL) {
        print_loads("coordinator", &fleet->coordinator->relay);
        print_holds("coordinator", &fleet->coordinator->relay);
    }
    for (size_t i = 0; i < fleet->n_nodes; i++) {
        if (fleet->nodes[i].daemon != NULL) {
            print_node(fleet->nodes[i].daemon);
        }
    }
}
