#include "dataset/pixels.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "image/decode.h"

#include <string.h>

int pixels_init(struct pixels *pixels, const struct dataset *set)
{
    pixels->n = set->kind == DATASET_RAW ? dataset_sample_bytes(set) : 0;
    pixels->places = pixels->n == 0 ? NULL : mem_array(uint64_t, pixels->n);
    return pixels->n > 0 && pixels->places == NULL ? EDGE_ENOMEM : 0;
}

void pixels_deinit(struct pixels *pixels)
{
    mem_free(pixels->places);
    pixels->places = NULL;
}

/* Levels of one channel, `step` bytes apart. */
static void sum(const uint8_t *p, size_t n, size_t step, uint64_t *levels,
                uint64_t *squares)
{
    uint64_t s = 0;
    uint64_t q = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t v = p[i * step];

        s += v;
        q += (uint64_t)v * v;
    }
    *levels += s;
    *squares += q;
}

/* `channels` planes, `apart` bytes from one to the next, whose levels lie
 * `step` bytes apart. */
static int add_levels(struct dataset_levels *all, const uint8_t *p, size_t n,
                      uint32_t channels, size_t apart, size_t step,
                      struct err *err)
{
    if (n > LIMIT_DATA_PIXELS - all->pixels) {
        return err_set(err, EDGE_ETOOBIG,
                       "the data have more than %llu pixels. Make the "
                       "pictures smaller first",
                       (unsigned long long)LIMIT_DATA_PIXELS);
    }
    all->pixels += n;
    for (uint32_t c = 0; c < DATASET_CHANNELS; c++) {
        sum(channels == 1 ? p : p + c * apart, n, step, &all->sums[c],
            &all->squares[c]);
    }
    return 0;
}

static int add_raw(struct pixels *pixels, struct dataset *set,
                   const struct origin_sample *sample, struct err *err)
{
    size_t plane = (size_t)set->shape.height * set->shape.width;

    for (size_t i = 0; i < pixels->n; i++) {
        pixels->places[i] += sample->data[i];
    }
    return add_levels(&set->levels, sample->data, plane, set->shape.channels,
                      plane, 1, err);
}

static int add_picture(struct dataset *set, const struct origin_sample *sample,
                       struct err *err)
{
    const char *format = image_format_name(sample->data, sample->size);
    struct image image = {0};
    int rc;

    if (strcmp(format, "JPEG") != 0 && strcmp(format, "PNG") != 0) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "\"%s\" is neither JPEG nor PNG but %s. Convert it, or "
                       "move it out of its class's folder",
                       sample->name, format);
    }
    rc = image_decode(sample->name, sample->data, sample->size, &image, err);
    if (rc == 0) {
        rc = add_levels(&set->levels, image.pixels,
                        (size_t)image.width * (size_t)image.height,
                        (uint32_t)image.channels, 1, (size_t)image.channels,
                        err);
    }
    image_deinit(&image);
    return rc;
}

int pixels_add(struct pixels *pixels, struct dataset *set,
               const struct origin_sample *sample, struct err *err)
{
    return set->kind == DATASET_RAW ? add_raw(pixels, set, sample, err)
                                    : add_picture(set, sample, err);
}

int pixels_finish(struct pixels *pixels, struct store *store,
                  struct dataset *set, struct err *err)
{
    uint8_t *mean;
    int rc;

    if (set->kind != DATASET_RAW) {
        return 0;
    }
    mean = mem_array(uint8_t, 4 * pixels->n);
    if (mean == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory to pack the data");
    }
    for (size_t i = 0; i < pixels->n; i++) {
        float level = (float)((double)pixels->places[i] / (double)set->samples);
        uint32_t bits;

        memcpy(&bits, &level, sizeof(bits));
        bytes_put32(mean + 4 * i, bits);
    }
    rc = store_put(store, mean, 4 * pixels->n, &set->mean, err);
    mem_free(mean);
    return rc;
}
