/*
 * The blobs that an epoch still lacks. They are asked for in batches that fit
 * a message; when the last of a batch is here the next one is asked for.
 */
#include "daemon/parts.h"
#include "daemon/train.h"

#include "base/mem.h"
#include "wire/convert.h"

#define NEED_MAX 512 /* blobs of one Need: some 25 KiB */

static bool is_listed(const struct epoch *epoch, const struct digest *digest)
{
    for (size_t i = 0; i < epoch->n_lacks; i++) {
        if (digest_equal(&epoch->lacks[i].digest, digest)) {
            return true;
        }
    }
    return false;
}

static void add(struct epoch *epoch, const struct digest *digest, uint64_t size)
{
    if (!is_listed(epoch, digest) &&
        !store_has(epoch->daemon->store, digest, NULL)) {
        epoch->lacks[epoch->n_lacks++] = (struct lack){*digest, size};
    }
}

static void add_ref(struct epoch *epoch, const Edged__BlobRef *ref)
{
    struct digest digest;

    if (ref != NULL && convert_digest_in(&ref->digest, &digest, NULL) == 0) {
        add(epoch, &digest, ref->size);
    }
}

static void add_data(struct epoch *epoch, const Edged__DataSpec *data)
{
    if (data == NULL) {
        return;
    }
    add_ref(epoch, data->manifest);
    for (size_t i = 0; i < data->n_files; i++) {
        add_ref(epoch, data->files[i]);
    }
}

/* Of a shard that is trained: its samples, and what it has learnt so far. */
static void add_recipe(struct epoch *epoch, const Edged__Recipe *recipe)
{
    add_data(epoch, recipe->train);
    add_data(epoch, recipe->test);
    add_ref(epoch, recipe->state);
}

static size_t count_recipe(const Edged__Recipe *recipe)
{
    size_t n = 0;

    if (recipe != NULL) {
        n = 3; /* two manifests and a state */
        n += recipe->train != NULL ? recipe->train->n_files : 0;
        n += recipe->test != NULL ? recipe->test->n_files : 0;
    }
    return n;
}

int need_init(struct epoch *epoch, const Edged__Install *from)
{
    size_t most = 0;

    for (size_t i = 0; i < epoch->n_shards; i++) {
        most += 1 + epoch->shards[i].n_blobs +
                count_recipe(from->shards[i]->recipe);
    }
    epoch->lacks = mem_array(struct lack, most);
    if (epoch->lacks == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < epoch->n_shards; i++) {
        const struct hosted *shard = &epoch->shards[i];

        add(epoch, &shard->model, from->shards[i]->model->size);
        for (size_t k = 0; k < shard->n_blobs; k++) {
            add(epoch, &shard->blobs[k], from->shards[i]->weights[k]->size);
        }
        if (shard->train != NULL) {
            add_recipe(epoch, from->shards[i]->recipe);
        }
    }
    return 0;
}

void need_ask(struct epoch *epoch, struct io_peer *peer)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Need need = EDGED__NEED__INIT;
    Edged__BlobRef refs[NEED_MAX];
    Edged__BlobRef *list[NEED_MAX];

    need.epoch = epoch->number;
    need.blobs = list;
    for (size_t i = 0; i < epoch->n_lacks && i < NEED_MAX; i++) {
        edged__blob_ref__init(&refs[i]);
        refs[i].digest = convert_digest_out(&epoch->lacks[i].digest);
        refs[i].size = epoch->lacks[i].size;
        list[i] = &refs[i];
        need.n_blobs = i + 1;
    }
    epoch->n_asked = need.n_blobs;
    env.body_case = EDGED__ENVELOPE__BODY_NEED;
    env.need = &need;
    (void)io_send(peer, &env, NULL); /* lost: Install comes again */
}

/* Those that are asked for are the first ones of the list. */
bool need_arrived(struct epoch *epoch, const struct digest *digest)
{
    for (size_t i = 0; i < epoch->n_lacks; i++) {
        if (!digest_equal(&epoch->lacks[i].digest, digest)) {
            continue;
        }
        if (i < epoch->n_asked) {
            epoch->lacks[i] = epoch->lacks[--epoch->n_asked];
            i = epoch->n_asked;
        }
        epoch->lacks[i] = epoch->lacks[--epoch->n_lacks];
        break;
    }
    if (epoch->n_asked == 0 && epoch->n_lacks > 0 && epoch->asked_by != NULL) {
        need_ask(epoch, epoch->asked_by);
    }
    return epoch->n_lacks == 0;
}

static void name_shard(struct sweep *sweep, const struct hosted *shard)
{
    sweep_keep(sweep, &shard->model);
    for (size_t i = 0; i < shard->n_blobs; i++) {
        sweep_keep(sweep, &shard->blobs[i]);
    }
    if (shard->train != NULL) {
        sweep_keep_recipe(sweep, shard->train->recipe);
    }
}

void need_name(void *daemon, struct sweep *sweep)
{
    struct daemon *d = daemon;

    list_each(&d->epochs, it, after)
    {
        const struct epoch *epoch = list_entry(it, struct epoch, link);

        for (size_t i = 0; i < epoch->n_shards; i++) {
            name_shard(sweep, &epoch->shards[i]);
        }
    }
}
