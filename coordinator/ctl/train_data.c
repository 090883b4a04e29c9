#include "coordinator/ctl/scratch.h"
#include "coordinator/ctl/train.h"

#include "base/limits.h"
#include "base/mem.h"
#include "dataset/pack.h"

#include <string.h>

#define AT_ONCE 256 /* samples packed before progress is said again */

/* Blobs on their way lie in a store of their own, which goes afterwards. */
struct packing {
    struct client *client;
    struct progress *progress;
    struct scratch scratch;
    struct store *store;
    struct origin *origin;
    struct pack *pack;
    struct dataset set;
    uint64_t sent; /* or there already: whole files, in bytes */
    uint64_t total;
};

static void release(struct packing *p)
{
    pack_free(p->pack);
    origin_free(p->origin);
    dataset_deinit(&p->set);
    store_free(p->store);
    scratch_remove(&p->scratch);
}

static int pack_all(struct packing *p, struct digest *manifest, struct err *err)
{
    int rc = pack_new(p->origin, p->store, &p->pack, err);

    while (rc == 0) {
        rc = pack_more(p->pack, AT_ONCE, err);
        progress_step(p->progress, "pack", "", 0, 0);
        if (rc <= 0) {
            break;
        }
        rc = 0;
    }
    return rc < 0 ? rc : pack_finish(p->pack, &p->set, manifest, err);
}

/* Of the file under way; people are told of all of them. */
static void on_put(void *arg, uint64_t done, uint64_t total)
{
    const struct packing *p = arg;

    (void)total;
    progress_step(p->progress, "send", "data", p->sent + done, p->total);
}

static int put(struct packing *p, const struct digest *digest, uint64_t *size,
               struct err *err)
{
    struct digest again;
    struct blob *blob = NULL;
    int rc = store_map(p->store, digest, false, &blob, err);

    if (rc == 0) {
        *size = blob->size;
        rc = client_put(p->client, blob, &again, NULL, on_put, p, err);
    }
    if (rc == 0) {
        p->sent += *size;
        on_put(p, 0, 0);
    }
    blob_unref(blob);
    return rc;
}

static uint64_t size_of(const struct packing *p, const struct digest *digest)
{
    uint64_t size = 0;

    return store_has(p->store, digest, &size) ? size : 0;
}

static void add_up(struct packing *p, const struct digest *manifest)
{
    p->total = size_of(p, &p->set.labels) + size_of(p, manifest);
    if (p->set.kind == DATASET_RAW) {
        p->total += size_of(p, &p->set.mean);
    }
    for (size_t i = 0; i < p->set.n_shards; i++) {
        p->total += size_of(p, &p->set.shards[i].digest);
    }
}

/* The manifest last, so that it never names what is not there. */
static int put_all(struct packing *p, struct train_set *set, struct err *err)
{
    uint64_t size;
    int rc;

    add_up(p, &set->manifest);
    rc = put(p, &p->set.labels, &size, err);

    if (rc == 0 && p->set.kind == DATASET_RAW) {
        rc = put(p, &p->set.mean, &size, err);
    }
    for (size_t i = 0; i < p->set.n_shards && rc == 0; i++) {
        rc = put(p, &p->set.shards[i].digest, &size, err);
    }
    if (rc == 0) {
        rc = put(p, &set->manifest, &set->size, err);
    }
    set->samples = p->set.samples;
    set->classes = p->set.n_classes;
    return rc;
}

int train_data_send(struct client *client, const struct origin_place *place,
                    struct train_set *set, struct progress *progress,
                    struct err *err)
{
    struct packing p = {.client = client, .progress = progress};
    struct err why;
    int rc = origin_open(place, &p.origin, &why);

    memset(set, 0, sizeof(*set));
    if (rc == EDGE_ENOENT && place->part == DATASET_TEST && !place->is_whole) {
        return 0;
    }
    if (rc < 0) {
        return err_set(err, rc, "training.data: %s", why.text);
    }
    rc = scratch_make(&p.scratch, err);
    if (rc == 0) {
        rc = store_open(p.scratch.path, STORE_NO_SYNC, &p.store, err);
    }
    if (rc == 0) {
        rc = pack_all(&p, &set->manifest, err);
    }
    if (rc == 0) {
        rc = put_all(&p, set, err);
    }
    release(&p);
    return rc;
}
