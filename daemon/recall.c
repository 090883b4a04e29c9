/*
 * Work that its sender takes back: another replica did it, or nobody waits
 * for it any more. What somebody else has sent too goes on, and so does what
 * is computed already. What is being computed is finished and kept for a
 * while (run.c), for it may be asked for again.
 */
#include "daemon/parts.h"

static void drop_sender(struct run *run, const struct io_peer *peer,
                        uint32_t from)
{
    size_t kept = 0;

    for (size_t i = 0; i < run->n_senders; i++) {
        if (run->senders[i].peer != peer || run->senders[i].from != from) {
            run->senders[kept++] = run->senders[i];
        }
    }
    run->n_senders = kept;
}

/* Work that nobody waits for is dropped, unless it is done. */
static void take_back(struct daemon *d, const struct io_peer *peer,
                      const struct relay_key *key)
{
    struct epoch *epoch = install_find(d, key->epoch);
    struct hosted *shard =
        epoch != NULL ? install_shard(epoch, key->shard) : NULL;
    struct run *run = shard != NULL ? run_find(shard, key->request) : NULL;

    if (run == NULL || run->ended ||
        (run->state == RUN_HOLDING && !exits_is_idle(run))) {
        return;
    }
    drop_sender(run, peer, key->from);
    if (run->n_senders == 0 && run->state == RUN_COMPUTING) {
        run->unwanted = true;
    } else if (run->n_senders == 0) {
        run_finish(run, EDGE_ECLOSED, "its sender has taken it back");
    }
}

void run_on_cancel(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    const Edged__Cancel *cancel = msg->env->cancel;
    struct relay_key key = {cancel->request, cancel->epoch, cancel->shard,
                            cancel->from};

    take_back(d, peer, &key);
}

void run_on_recall(void *daemon, const struct relay_key *key)
{
    take_back(daemon, NULL, key);
}
