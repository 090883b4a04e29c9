#include "dataset/pack.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "dataset/pixels.h"

#include <assert.h>
#include <string.h>

#define AT_FIRST KIB(64)

struct pack {
    struct origin *origin;
    struct store *store;
    struct dataset set;
    struct pixels pixels;
    size_t shard_capacity; /* of set.shards */
    uint8_t *labels;       /* two bytes a sample */
    size_t labels_capacity;
    uint8_t *buffer; /* of the shard at hand */
    size_t capacity;
    size_t used;
    uint32_t *starts; /* of its files, for DATASET_PICTURES */
    size_t starts_capacity;
    uint32_t n; /* samples in it */
};

static int fail_memory(struct err *err)
{
    return err_set(err, EDGE_ENOMEM, "no memory to pack the data");
}

/* Room for `size` bytes in an array that doubles. */
static int reserve(uint8_t **array, size_t *capacity, size_t size)
{
    size_t wanted = *capacity > 0 ? *capacity : AT_FIRST;
    uint8_t *p;

    if (size <= *capacity) {
        return 0;
    }
    while (wanted < size) {
        wanted *= 2;
    }
    p = mem_resize(*array, wanted, 1);
    if (p == NULL) {
        return EDGE_ENOMEM;
    }
    *array = p;
    *capacity = wanted;
    return 0;
}

static int copy_classes(struct pack *pack)
{
    size_t n;
    const char *const *names = origin_classes(pack->origin, &n);

    pack->set.classes = mem_array(char *, n);
    if (pack->set.classes == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        pack->set.classes[i] = mem_strdup(names[i]);
        if (pack->set.classes[i] == NULL) {
            return EDGE_ENOMEM;
        }
        pack->set.n_classes++;
    }
    return 0;
}

int pack_new(struct origin *origin, struct store *store, struct pack **pack,
             struct err *err)
{
    struct pack *made = mem_new(struct pack);

    if (made == NULL) {
        return fail_memory(err);
    }
    made->origin = origin;
    made->store = store;
    made->set.kind = origin_kind(origin);
    made->set.shape = origin_shape(origin);
    if (copy_classes(made) < 0 || pixels_init(&made->pixels, &made->set) < 0) {
        pack_free(made);
        return fail_memory(err);
    }
    *pack = made;
    return 0;
}

void pack_free(struct pack *pack)
{
    if (pack == NULL) {
        return;
    }
    dataset_deinit(&pack->set);
    pixels_deinit(&pack->pixels);
    mem_free(pack->labels);
    mem_free(pack->buffer);
    mem_free(pack->starts);
    mem_free(pack);
}

uint64_t pack_done(const struct pack *pack)
{
    return pack->set.samples;
}

/* Bytes of the table before `n` files. */
static size_t table_bytes(const struct pack *pack, uint32_t n)
{
    return pack->set.kind == DATASET_RAW ? 0 : 4 * ((size_t)n + 1);
}

static int write_table(struct pack *pack)
{
    size_t table = table_bytes(pack, pack->n);
    uint32_t n = pack->n;

    if (table == 0) {
        return 0;
    }
    if (reserve(&pack->buffer, &pack->capacity, table + pack->used) < 0) {
        return EDGE_ENOMEM;
    }
    memmove(pack->buffer + table, pack->buffer, pack->used);
    for (uint32_t i = 0; i < n; i++) {
        bytes_put32(pack->buffer + 4 * (size_t)i, pack->starts[i]);
    }
    bytes_put32(pack->buffer + 4 * (size_t)n, (uint32_t)pack->used);
    return 0;
}

/* The shard at hand into the store. */
static int close_shard(struct pack *pack, struct err *err)
{
    struct dataset *set = &pack->set;
    struct dataset_shard shard = {.samples = pack->n};
    int rc;

    if (pack->n == 0) {
        return 0;
    }
    if (set->n_shards == LIMIT_DATA_SHARDS) {
        return err_set(err, EDGE_ETOOBIG,
                       "the data have more than %d blobs of %zu MiB. Make the "
                       "pictures smaller first",
                       LIMIT_DATA_SHARDS, LIMIT_DATA_SHARD >> 20);
    }
    if (write_table(pack) < 0 || mem_grow(&set->shards, &pack->shard_capacity,
                                          set->n_shards, sizeof(shard)) < 0) {
        return fail_memory(err);
    }
    shard.bytes = table_bytes(pack, pack->n) + pack->used;
    rc = store_put(pack->store, pack->buffer, (size_t)shard.bytes,
                   &shard.digest, err);
    if (rc == 0) {
        set->shards[set->n_shards++] = shard;
        pack->n = 0;
        pack->used = 0;
    }
    return rc;
}

static bool is_full(const struct pack *pack, size_t size)
{
    return pack->used + size + table_bytes(pack, pack->n + 1) >
           LIMIT_DATA_SHARD;
}

static int append(struct pack *pack, const struct origin_sample *sample,
                  struct err *err)
{
    struct dataset *set = &pack->set;
    size_t label = dataset_label_bytes(set);
    int rc = is_full(pack, sample->size) ? close_shard(pack, err) : 0;

    if (rc < 0) {
        return rc;
    }
    if (reserve(&pack->buffer, &pack->capacity, pack->used + sample->size) <
            0 ||
        reserve(&pack->labels, &pack->labels_capacity, label + 2) < 0 ||
        mem_grow(&pack->starts, &pack->starts_capacity, pack->n,
                 sizeof(*pack->starts)) < 0) {
        return fail_memory(err);
    }
    memcpy(pack->buffer + pack->used, sample->data, sample->size);
    pack->starts[pack->n] = (uint32_t)pack->used;
    pack->labels[label] = (uint8_t)sample->label;
    pack->labels[label + 1] = (uint8_t)(sample->label >> 8);
    pack->used += sample->size;
    pack->n++;
    set->samples++;
    return 0;
}

static int add(struct pack *pack, const struct origin_sample *sample,
               struct err *err)
{
    int rc;

    if (pack->set.samples == LIMIT_DATA_SAMPLES) {
        return err_set(err, EDGE_ETOOBIG,
                       "the data have more than %llu samples",
                       (unsigned long long)LIMIT_DATA_SAMPLES);
    }
    rc = pixels_add(&pack->pixels, &pack->set, sample, err);
    return rc < 0 ? rc : append(pack, sample, err);
}

int pack_more(struct pack *pack, uint64_t samples, struct err *err)
{
    for (uint64_t i = 0; i < samples; i++) {
        struct origin_sample sample;
        int rc = origin_next(pack->origin, &sample, err);

        if (rc <= 0) {
            return rc;
        }
        rc = add(pack, &sample, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 1;
}

static int put_text(struct pack *pack, struct digest *name, struct err *err)
{
    struct blob *text = NULL;
    int rc = dataset_print(&pack->set, &text, err);

    if (rc == 0) {
        rc = store_put(pack->store, text->data, text->size, name, err);
    }
    blob_unref(text);
    return rc;
}

int pack_finish(struct pack *pack, struct dataset *set, struct digest *name,
                struct err *err)
{
    int rc;

    if (pack->set.samples == 0) {
        return err_set(err, EDGE_ENOENT,
                       "the data have no samples. Check data: in the file");
    }
    rc = close_shard(pack, err);
    if (rc == 0) {
        rc = store_put(pack->store, pack->labels,
                       dataset_label_bytes(&pack->set), &pack->set.labels, err);
    }
    if (rc == 0) {
        rc = pixels_finish(&pack->pixels, pack->store, &pack->set, err);
    }
    if (rc == 0) {
        rc = put_text(pack, name, err);
    }
    if (rc == 0) {
        *set = pack->set;
        pack->set = (struct dataset){0};
    }
    return rc;
}

/* ---- reading it again ---- */

static int bad_shard(size_t i, const char *why, struct err *err)
{
    return err_set(err, EDGE_ECORRUPT,
                   "shard %zu of the data is not what its manifest says: %s. "
                   "Start the training again, which packs the data anew",
                   i, why);
}

int pack_check_shard(const struct dataset *set, size_t i,
                     const struct blob *blob, struct err *err)
{
    uint32_t n = set->shards[i].samples;
    size_t table = 4 * ((size_t)n + 1);
    uint32_t before = 0;

    if (blob->size != set->shards[i].bytes) {
        return bad_shard(i, "its size", err);
    }
    if (set->kind == DATASET_RAW) {
        return 0;
    }
    for (uint32_t k = 0; k <= n; k++) {
        uint32_t start = bytes_get32(blob->data + 4 * (size_t)k);

        if (k == 0 ? start != 0 : start <= before) {
            return bad_shard(i, "where its files lie", err);
        }
        before = start;
    }
    return before == blob->size - table ? 0
                                        : bad_shard(i, "where it ends", err);
}

int pack_check_labels(const struct dataset *set, const struct blob *blob,
                      struct err *err)
{
    if (blob->size != dataset_label_bytes(set)) {
        return err_set(err, EDGE_ECORRUPT,
                       "the labels of the data have %zu bytes, their manifest "
                       "says %zu. Start the training again, which packs the "
                       "data anew",
                       blob->size, dataset_label_bytes(set));
    }
    for (uint64_t i = 0; i < set->samples; i++) {
        if (pack_label(blob, i) >= set->n_classes) {
            return err_set(err, EDGE_ECORRUPT,
                           "label %u of sample %llu is none of %zu classes. "
                           "Start the training again, which packs the data "
                           "anew",
                           pack_label(blob, i), (unsigned long long)i,
                           set->n_classes);
        }
    }
    return 0;
}

const uint8_t *pack_sample(const struct dataset *set, size_t i,
                           const struct blob *blob, uint32_t k, size_t *size)
{
    const struct dataset_shard *shard = &set->shards[i];
    uint32_t start;

    assert(k < shard->samples);
    if (set->kind == DATASET_RAW) {
        *size = dataset_sample_bytes(set);
        return blob->data + k * *size;
    }
    start = bytes_get32(blob->data + 4 * (size_t)k);
    *size = bytes_get32(blob->data + 4 * ((size_t)k + 1)) - start;
    return blob->data + 4 * ((size_t)shard->samples + 1) + start;
}

uint32_t pack_label(const struct blob *labels, uint64_t sample)
{
    const uint8_t *p = labels->data + 2 * sample;

    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}
