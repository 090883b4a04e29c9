/*
 * The manifest read back. It is text that print_lines() of dataset.c could
 * have written, byte for byte, or it is refused: there is one text for a set,
 * so there is one digest for it.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "dataset/dataset.h"

#include <stdbool.h>
#include <string.h>

struct cursor {
    const char *at;
    const char *end;
    size_t line;
    struct err *err;
};

static int bad(struct cursor *c, const char *why)
{
    return err_set(c->err, EDGE_ECORRUPT,
                   "the manifest of a data set is damaged in line %zu: %s. "
                   "Start the training again, which packs the data anew",
                   c->line, why);
}

/* Steps over `word` if it is there. */
static bool take(struct cursor *c, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) {
        return false;
    }
    c->at += n;
    return true;
}

static int line_end(struct cursor *c)
{
    if (!take(c, "\n")) {
        return bad(c, "something stands where it should end");
    }
    c->line++;
    return 0;
}

/* Digits after a blank, without leading zeros, of at most `most`. */
static int number(struct cursor *c, uint64_t most, uint64_t *value)
{
    const char *first;
    uint64_t v = 0;

    if (!take(c, " ")) {
        return bad(c, "a number is missing");
    }
    first = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        unsigned digit = (unsigned)(*c->at++ - '0');

        if (v > (most - digit) / 10 || most < digit) {
            return bad(c, "a number is larger than allowed");
        }
        v = v * 10 + digit;
    }
    if (c->at == first || (*first == '0' && c->at - first > 1)) {
        return bad(c, "a number is not written as it should be");
    }
    *value = v;
    return 0;
}

static int number32(struct cursor *c, uint64_t most, uint32_t *value)
{
    uint64_t v = 0;
    int rc = number(c, most, &v);

    *value = (uint32_t)v;
    return rc;
}

/* Lower case alone: there is one way to write a digest. */
static int digest(struct cursor *c, struct digest *digest)
{
    char hex[DIGEST_HEX];
    char again[DIGEST_HEX];

    if (!take(c, " ") || (size_t)(c->end - c->at) < DIGEST_HEX - 1) {
        return bad(c, "a digest is missing");
    }
    memcpy(hex, c->at, DIGEST_HEX - 1);
    hex[DIGEST_HEX - 1] = '\0';
    if (!digest_parse(hex, digest)) {
        return bad(c, "a digest is not 64 hexadecimal digits");
    }
    digest_hex(digest, again);
    if (strcmp(hex, again) != 0) {
        return bad(c, "a digest has capital letters");
    }
    c->at += DIGEST_HEX - 1;
    return 0;
}

static int parse_shape(struct cursor *c, struct dataset *set)
{
    struct dataset_shape *s = &set->shape;
    int rc;

    if (!take(c, "shape")) {
        return bad(c, "the shape is missing");
    }
    rc = number32(c, DATASET_CHANNELS, &s->channels);
    if (rc == 0) {
        rc = number32(c, LIMIT_DATA_SIDE, &s->height);
    }
    if (rc == 0) {
        rc = number32(c, LIMIT_DATA_SIDE, &s->width);
    }
    if (rc < 0) {
        return rc;
    }
    if ((s->channels != 1 && s->channels != 3) || s->height == 0 ||
        s->width == 0) {
        return bad(c, "no picture has that shape");
    }
    return line_end(c);
}

static int parse_kind(struct cursor *c, struct dataset *set)
{
    int rc;

    if (!take(c, "edged dataset 1\n")) {
        return err_set(c->err, EDGE_EUNSUPPORTED,
                       "this is not the manifest of a data set, or one of "
                       "another version of edged. Upgrade all boards to the "
                       "same one");
    }
    c->line++;
    if (take(c, "kind raw")) {
        set->kind = DATASET_RAW;
    } else if (take(c, "kind pictures")) {
        set->kind = DATASET_PICTURES;
    } else {
        return bad(c, "the kind is missing or unknown");
    }
    rc = line_end(c);
    return rc < 0 || set->kind == DATASET_PICTURES ? rc : parse_shape(c, set);
}

static int parse_levels(struct cursor *c, struct dataset_levels *levels)
{
    int rc = take(c, "levels") ? number(c, LIMIT_DATA_PIXELS, &levels->pixels)
                               : bad(c, "the levels are missing");

    if (rc == 0) {
        rc = line_end(c);
    }
    for (int i = 0; rc == 0 && i < DATASET_CHANNELS; i++) {
        uint64_t most = levels->pixels * 255;

        rc = take(c, "sums") ? number(c, most, &levels->sums[i])
                             : bad(c, "a channel's sums are missing");
        if (rc == 0) {
            rc = number(c, most * 255, &levels->squares[i]);
        }
        if (rc == 0) {
            rc = line_end(c);
        }
    }
    return rc;
}

static int parse_samples(struct cursor *c, struct dataset *set)
{
    int rc = take(c, "samples") ? number(c, LIMIT_DATA_SAMPLES, &set->samples)
                                : bad(c, "the number of samples is missing");

    if (rc == 0 && set->samples == 0) {
        rc = bad(c, "there are no samples");
    }
    if (rc == 0) {
        rc = line_end(c);
    }
    if (rc == 0) {
        rc = parse_levels(c, &set->levels);
    }
    if (rc == 0 && set->levels.pixels < set->samples) {
        rc = bad(c, "there are more samples than pixels");
    }
    return rc;
}

static int parse_class(struct cursor *c, struct dataset *set, size_t *capacity)
{
    const char *end = memchr(c->at, '\n', (size_t)(c->end - c->at));
    char name[LIMIT_DATA_CLASS + 1];
    size_t size = end == NULL ? 0 : (size_t)(end - c->at);

    if (size == 0 || size > LIMIT_DATA_CLASS) {
        return bad(c, "a class's name is missing or too long");
    }
    memcpy(name, c->at, size);
    name[size] = '\0';
    if (dataset_check_class(name, NULL) < 0 || strlen(name) != size) {
        return bad(c, "a class's name holds a control character");
    }
    if (set->n_classes == LIMIT_DATA_CLASSES) {
        return bad(c, "there are too many classes");
    }
    if (mem_grow(&set->classes, capacity, set->n_classes,
                 sizeof(*set->classes)) < 0) {
        return err_set(c->err, EDGE_ENOMEM, "no memory for a manifest");
    }
    set->classes[set->n_classes] = mem_strdup(name);
    if (set->classes[set->n_classes] == NULL) {
        return err_set(c->err, EDGE_ENOMEM, "no memory for a manifest");
    }
    set->n_classes++;
    c->at = end;
    return line_end(c);
}

static int parse_classes(struct cursor *c, struct dataset *set)
{
    size_t capacity = 0;
    int rc = 0;

    while (rc == 0 && take(c, "class ")) {
        rc = parse_class(c, set, &capacity);
    }
    return rc == 0 && set->n_classes == 0 ? bad(c, "there are no classes") : rc;
}

static int parse_digest(struct cursor *c, const char *word,
                        struct digest *value)
{
    int rc =
        take(c, word) ? digest(c, value) : bad(c, "a blob's digest is missing");

    return rc < 0 ? rc : line_end(c);
}

/* A sample of DATASET_RAW has one size; a picture's place in the shard takes
 * four bytes, and one more closes the table (pack.h). */
static bool shard_is_possible(const struct dataset *set,
                              const struct dataset_shard *shard)
{
    if (shard->samples == 0) {
        return false;
    }
    if (set->kind == DATASET_RAW) {
        return shard->bytes == shard->samples * dataset_sample_bytes(set);
    }
    return shard->bytes > 4 * ((uint64_t)shard->samples + 1);
}

static int parse_shard(struct cursor *c, struct dataset *set, size_t *capacity)
{
    struct dataset_shard shard = {0};
    int rc = digest(c, &shard.digest);

    if (rc == 0) {
        rc = number(c, LIMIT_DATA_SHARD, &shard.bytes);
    }
    if (rc == 0) {
        rc = number32(c, LIMIT_DATA_SHARD, &shard.samples);
    }
    if (rc < 0) {
        return rc;
    }
    if (!shard_is_possible(set, &shard)) {
        return bad(c, "so many samples do not have so many bytes");
    }
    if (set->n_shards == LIMIT_DATA_SHARDS) {
        return bad(c, "there are too many shards");
    }
    if (mem_grow(&set->shards, capacity, set->n_shards, sizeof(shard)) < 0) {
        return err_set(c->err, EDGE_ENOMEM, "no memory for a manifest");
    }
    set->shards[set->n_shards++] = shard;
    return line_end(c);
}

static int parse_shards(struct cursor *c, struct dataset *set)
{
    size_t capacity = 0;
    uint64_t samples = 0;
    int rc = 0;

    while (rc == 0 && take(c, "shard")) {
        rc = parse_shard(c, set, &capacity);
        samples += rc == 0 ? set->shards[set->n_shards - 1].samples : 0;
    }
    if (rc == 0 && samples != set->samples) {
        rc = bad(c, "the shards do not hold all samples");
    }
    if (rc == 0 && (!take(c, "end\n") || c->at != c->end)) {
        rc = bad(c, "it does not end where it should");
    }
    return rc;
}

int dataset_parse(const void *text, size_t size, struct dataset *set,
                  struct err *err)
{
    struct cursor c = {text, (const char *)text + size, 1, err};
    struct dataset made = {0};
    int rc;

    if (size > LIMIT_DATA_MANIFEST) {
        return err_set(err, EDGE_ETOOBIG,
                       "a data set's manifest of %zu bytes is larger than %zu",
                       size, LIMIT_DATA_MANIFEST);
    }
    rc = parse_kind(&c, &made);
    if (rc == 0) {
        rc = parse_samples(&c, &made);
    }
    if (rc == 0) {
        rc = parse_classes(&c, &made);
    }
    if (rc == 0) {
        rc = parse_digest(&c, "labels", &made.labels);
    }
    if (rc == 0 && made.kind == DATASET_RAW) {
        rc = parse_digest(&c, "mean", &made.mean);
    }
    if (rc == 0) {
        rc = parse_shards(&c, &made);
    }
    if (rc < 0) {
        dataset_deinit(&made);
        return rc;
    }
    *set = made;
    return 0;
}
