#include "tests/lib/school_inner.h"

#include "base/rng.h"
#include "dataset/dataset.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

/* ---- files --------------------------------------------------------------- */

struct school_file *school_find_file(const struct school *s,
                                     const struct digest *digest)
{
    for (size_t i = 0; i < s->n_files; i++) {
        if (digest_equal(&s->files[i].digest, digest)) {
            return (struct school_file *)&s->files[i];
        }
    }
    return NULL;
}

const struct blob *school_file(const struct school *s,
                               const struct digest *digest)
{
    const struct school_file *file = school_find_file(s, digest);

    assert_non_null(file);
    assert_int_equal(file->have, file->blob->size);
    return file->blob;
}

struct school_file *school_new_file(struct school *s,
                                    const struct digest *digest, size_t size)
{
    struct school_file *file = &s->files[s->n_files++];

    assert_true(s->n_files <= SCHOOL_FILES);
    *file = (struct school_file){.digest = *digest, .blob = blob_new(size)};
    assert_non_null(file->blob);
    return file;
}

struct digest school_add_file(struct school *s, const void *data, size_t size)
{
    struct digest digest;
    struct school_file *file;

    digest_of(data, size, &digest);
    if (school_find_file(s, &digest) == NULL) {
        file = school_new_file(s, &digest, size);
        memcpy(file->blob->data, data, size);
        file->have = size;
    }
    return digest;
}

void school_set_ref(const struct school *s, const struct digest *digest,
                    Edged__BlobRef *ref)
{
    edged__blob_ref__init(ref);
    ref->digest = convert_digest_out(&school_find_file(s, digest)->digest);
    ref->size = school_file(s, digest)->size;
}

/* ---- samples ------------------------------------------------------------- */

static struct digest add_levels(struct school *s, size_t n, uint64_t seed,
                                const uint8_t *labels)
{
    static uint8_t levels[SCHOOL_SAMPLES * 3 * SIDE * SIDE];
    const size_t each = (size_t)3 * SIDE * SIDE;
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t i = 0; i < n * each; i++) {
        levels[i] = (uint8_t)(rng_below(&rng, 128) +
                              (uint64_t)20 * labels[2 * (i / each)]);
    }
    return school_add_file(s, levels, n * each);
}

static struct digest add_manifest(struct school *s, size_t n,
                                  const struct digest *levels,
                                  const struct digest *labels)
{
    static const float mean[3 * SIDE * SIDE];
    struct dataset_shard shard = {*levels, n * 3 * SIDE * SIDE, (uint32_t)n};
    char names[CLASSES][8];
    char *classes[CLASSES];
    struct dataset set = {.kind = DATASET_RAW,
                          .shape = {3, SIDE, SIDE},
                          .samples = n,
                          .classes = classes,
                          .n_classes = CLASSES,
                          .labels = *labels,
                          .mean = school_add_file(s, mean, sizeof(mean)),
                          .levels = {.pixels = n * SIDE * SIDE},
                          .shards = &shard,
                          .n_shards = 1};
    struct blob *text = NULL;
    struct digest digest;
    struct err err;

    for (int i = 0; i < CLASSES; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "c%d", i);
        classes[i] = names[i];
    }
    assert_int_equal(dataset_print(&set, &text, &err), 0);
    digest = school_add_file(s, text->data, text->size);
    blob_unref(text);
    return digest;
}

void school_make_data(struct school *s)
{
    uint8_t labels[2 * SCHOOL_SAMPLES] = {0};

    for (size_t i = 0; i < SCHOOL_SAMPLES; i++) {
        labels[2 * i] = (uint8_t)(i * 7 % CLASSES);
    }
    s->labels = school_add_file(s, labels, sizeof(labels));
    s->samples = add_levels(s, SCHOOL_SAMPLES, 1, labels);
    s->manifest = add_manifest(s, SCHOOL_SAMPLES, &s->samples, &s->labels);
}

/* Its levels and labels are found through its manifest alone. */
void school_make_test(struct school *s, struct digest files[2])
{
    uint8_t labels[2 * SCHOOL_TESTS] = {0};

    for (size_t i = 0; i < SCHOOL_TESTS; i++) {
        labels[2 * i] = (uint8_t)(i * 3 % CLASSES);
    }
    files[0] = school_add_file(s, labels, sizeof(labels));
    files[1] = add_levels(s, SCHOOL_TESTS, 2, labels);
    s->test = add_manifest(s, SCHOOL_TESTS, &files[1], &files[0]);
}
