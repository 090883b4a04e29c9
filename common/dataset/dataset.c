#include "dataset/dataset.h"

#include "base/limits.h"
#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

size_t dataset_sample_bytes(const struct dataset *set)
{
    const struct dataset_shape *s = &set->shape;

    return (size_t)s->channels * s->height * s->width;
}

size_t dataset_label_bytes(const struct dataset *set)
{
    return (size_t)set->samples * 2;
}

void dataset_deinit(struct dataset *set)
{
    for (size_t i = 0; i < set->n_classes; i++) {
        mem_free(set->classes[i]);
    }
    mem_free(set->classes);
    mem_free(set->shards);
    *set = (struct dataset){0};
}

int dataset_check_class(const char *name, struct err *err)
{
    size_t size = strlen(name);

    if (size == 0 || size > LIMIT_DATA_CLASS) {
        return err_set(err, EDGE_EINVAL,
                       "a class's name of %zu bytes is not within 1 and %d",
                       size, LIMIT_DATA_CLASS);
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f) {
            return err_set(err, EDGE_EINVAL,
                           "a class's name holds a control character");
        }
    }
    return 0;
}

int dataset_check_pair(const struct dataset *train, const struct dataset *test,
                       struct err *err)
{
    if (test->n_classes > train->n_classes) {
        return err_set(err, EDGE_EINVAL,
                       "the test data have %zu classes and the training data "
                       "%zu. Give both the same ones",
                       test->n_classes, train->n_classes);
    }
    for (size_t i = 0; i < test->n_classes; i++) {
        if (strcmp(train->classes[i], test->classes[i]) != 0) {
            return err_set(err, EDGE_EINVAL,
                           "class %zu is \"%s\" in the test data and \"%s\" "
                           "in the training data. Give both the same ones",
                           i, test->classes[i], train->classes[i]);
        }
    }
    if (train->kind == DATASET_RAW && test->kind == DATASET_RAW &&
        train->shape.channels != test->shape.channels) {
        return err_set(err, EDGE_EINVAL,
                       "the test data have %u channels and the training data "
                       "%u. Give both the same",
                       test->shape.channels, train->shape.channels);
    }
    return 0;
}

void dataset_normal(const struct dataset *set, float mean[DATASET_CHANNELS],
                    float std[DATASET_CHANNELS])
{
    double n = (double)set->levels.pixels;

    for (int c = 0; c < DATASET_CHANNELS; c++) {
        double m = n > 0 ? (double)set->levels.sums[c] / n : 0;
        double s = n > 0 ? (double)set->levels.squares[c] / n - m * m : 0;

        mean[c] = (float)(m / 255);
        /* All levels the same: nothing to scale by. */
        std[c] = s > 1e-6 ? (float)(sqrt(s) / 255) : 1;
    }
}

/* ---- the text ---- */

static void print_lines(const struct dataset *set, FILE *out)
{
    char hex[DIGEST_HEX];

    (void)fprintf(out, "edged dataset 1\nkind %s\n",
                  set->kind == DATASET_RAW ? "raw" : "pictures");
    if (set->kind == DATASET_RAW) {
        (void)fprintf(out, "shape %u %u %u\n", set->shape.channels,
                      set->shape.height, set->shape.width);
    }
    (void)fprintf(out, "samples %" PRIu64 "\nlevels %" PRIu64 "\n",
                  set->samples, set->levels.pixels);
    for (int c = 0; c < DATASET_CHANNELS; c++) {
        (void)fprintf(out, "sums %" PRIu64 " %" PRIu64 "\n",
                      set->levels.sums[c], set->levels.squares[c]);
    }
    for (size_t i = 0; i < set->n_classes; i++) {
        (void)fprintf(out, "class %s\n", set->classes[i]);
    }
    digest_hex(&set->labels, hex);
    (void)fprintf(out, "labels %s\n", hex);
    if (set->kind == DATASET_RAW) {
        digest_hex(&set->mean, hex);
        (void)fprintf(out, "mean %s\n", hex);
    }
    for (size_t i = 0; i < set->n_shards; i++) {
        digest_hex(&set->shards[i].digest, hex);
        (void)fprintf(out, "shard %s %" PRIu64 " %u\n", hex,
                      set->shards[i].bytes, set->shards[i].samples);
    }
    (void)fprintf(out, "end\n");
}

/* Bytes of the text at most: numbers have up to 20 digits. */
static size_t text_bound(const struct dataset *set)
{
    size_t bytes = 1024 + set->n_shards * (DIGEST_HEX + 64);

    for (size_t i = 0; i < set->n_classes; i++) {
        bytes += strlen(set->classes[i]) + sizeof("class \n");
    }
    return bytes;
}

int dataset_print(const struct dataset *set, struct blob **text,
                  struct err *err)
{
    size_t bound = text_bound(set);
    char *buffer = mem_zalloc(bound, 1);
    FILE *out = buffer == NULL ? NULL : fmemopen(buffer, bound, "w");
    int rc = out == NULL ? EDGE_ENOMEM : 0;

    if (out != NULL) {
        print_lines(set, out);
        rc = fclose(out) == 0 ? 0 : EDGE_ENOMEM;
    }
    if (rc == 0) {
        *text = blob_copy(buffer, strlen(buffer));
        rc = *text == NULL ? EDGE_ENOMEM : 0;
    }
    mem_free(buffer);
    return rc == 0 ? 0 : err_set(err, rc, "no memory for a manifest");
}
