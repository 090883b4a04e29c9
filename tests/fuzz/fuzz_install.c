/* Any bytes as an Install, from the wire or as it was kept. */
#include "daemon/train.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* What the rest of the daemon relies on. */
static void check(const struct epoch *epoch)
{
    require(epoch->number != 0 && epoch->n_shards > 0 &&
            epoch->n_shards <= LIMIT_SHARDS &&
            epoch->policy.queue <= LIMIT_SHARD_QUEUE &&
            epoch->deployment[0] != '\0');
    for (size_t i = 0; i < epoch->n_shards; i++) {
        const struct hosted *shard = &epoch->shards[i];

        require(shard->id != 0 && shard->n_inputs > 0 &&
                shard->n_inputs <= LIMIT_PORTS && shard->n_outputs > 0 &&
                shard->n_outputs <= LIMIT_PORTS && shard->n_links > 0);
        require((shard->train != NULL) == (epoch->recipes != NULL));
        require(shard->train == NULL ||
                (shard->train->replica < shard->train->n_replicas &&
                 shard->train->recipe->stage < shard->train->recipe->stages &&
                 shard->train->recipe->slots <= STEP_SLOTS));
        for (size_t k = 0; k < shard->n_links; k++) {
            require(shard->links[k].port < shard->n_outputs &&
                    shard->links[k].to_port < LIMIT_PORTS &&
                    shard->links[k].to_shard != shard->id);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct daemon daemon = {.name = "n0"};
    Edged__Install *from = NULL;
    struct epoch *epoch = NULL;
    struct err err = {""};

    if (msg_unpack_alone(&edged__install__descriptor, data, size, LIMIT_UNPACK,
                         &from, &err) < 0) {
        require(err.text[0] != '\0');
        return 0;
    }
    if (spec_read(&daemon, from, &epoch, &err) == 0) {
        check(epoch);
        require(spec_is_same(epoch, from));
        spec_free(epoch);
    } else {
        require(err.text[0] != '\0');
    }
    msg_free_alone(from);
    return 0;
}
