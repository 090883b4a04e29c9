/*
 * Training data made ready, images a second on one core (`make bench
 * ONLY=data`): CIFAR-10's size with its usual crop and flip, the same with
 * changed colours, and photographs of $EDGE_DATA decoded, cut at random and
 * made 224x224. In CPU time of the thread, so a busy machine disturbs little.
 */
#include "base/mem.h"
#include "base/rng.h"
#include "dataset/loader.h"
#include "dataset/order.h"
#include "dataset/pack.h"
#include "tests/lib/tmp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLES 10000
#define BATCH 100
#define SECONDS 2.0

static void die(const char *what, const struct err *err)
{
    (void)fprintf(stderr, "bench_data: %s: %s\n", what, err->text);
    exit(1);
}

static double cpu_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void figure(FILE *file, const char *name, double value, double target)
{
    char line[160];

    (void)snprintf(line, sizeof(line),
                   "figure data.%s %.0f images/s target %.0f %s", name, value,
                   target, value >= target ? "ok" : "short");
    (void)printf("%s\n", line);
    (void)fflush(stdout);
    if (file != NULL) {
        (void)fprintf(file, "%s\n", line);
    }
}

/* Epochs in batches of BATCH for SECONDS; images a second. */
static double rate(struct loader *loader, uint64_t n)
{
    float *images = mem_array(float, BATCH *loader_image_count(loader));
    const struct loader_batch batch = {.images = images};
    double from = cpu_s();
    double took = 0;
    uint64_t done = 0;
    struct err err = {""};

    if (images == NULL) {
        die("memory", &err);
    }
    for (uint64_t epoch = 0; took < SECONDS; epoch++) {
        struct order order;

        order_init(&order, 1, epoch, n);
        for (uint64_t i = 0; i < order_batches(n, BATCH) && took < SECONDS;
             i++) {
            uint64_t samples[BATCH];
            uint64_t first;
            uint64_t count;

            order_batch(n, BATCH, i, &first, &count);
            for (uint64_t k = 0; k < count; k++) {
                samples[k] = order_at(&order, first + k);
            }
            if (loader_fill(loader, epoch, samples, (size_t)count, &batch,
                            &err) < 0) {
                die("load", &err);
            }
            done += count;
            took = cpu_s() - from;
        }
    }
    mem_free(images);
    return (double)done / took;
}

static struct loader_spec cifar_spec(double colour)
{
    struct loader_spec spec = {.input = image_spec_default(32, 32),
                               .augment = augment_none(),
                               .seed = 1};
    const float mean[] = {0.4914f, 0.4822f, 0.4465f};
    const float std[] = {0.2023f, 0.1994f, 0.2010f};

    memcpy(spec.input.mean, mean, sizeof(mean));
    memcpy(spec.input.std, std, sizeof(std));
    spec.augment.crop = AUGMENT_CROP_PADDED;
    spec.augment.padding = 4;
    spec.augment.flip = 0.5;
    spec.augment.brightness = colour;
    spec.augment.contrast = colour;
    spec.augment.saturation = colour;
    return spec;
}

static double cifar(double colour)
{
    struct loader_spec spec = cifar_spec(colour);
    struct dataset_shard shard = {.bytes = SAMPLES * 3072, .samples = SAMPLES};
    struct dataset set = {.shape = {3, 32, 32},
                          .samples = SAMPLES,
                          .shards = &shard,
                          .n_shards = 1,
                          .n_classes = 10};
    struct blob *blob = blob_new(SAMPLES * 3072);
    struct loader *loader = NULL;
    struct err err = {""};
    struct rng rng;
    double found;

    if (blob == NULL) {
        die("memory", &err);
    }
    rng_init(&rng, 1);
    for (size_t i = 0; i < blob->size; i++) {
        blob->data[i] = (uint8_t)rng_next(&rng);
    }
    if (loader_new(&spec, &set, &loader, &err) < 0 ||
        loader_give_shard(loader, 0, blob, &err) < 0) {
        die("loader", &err);
    }
    found = rate(loader, SAMPLES);
    loader_free(loader);
    blob_unref(blob);
    return found;
}

/* Into a store, as a board gets them. */
static void pack_photos(const char *folder, struct store *store,
                        struct dataset *set)
{
    const struct origin_place place = {.path = folder,
                                       .format = DATASET_FOLDER};
    struct origin *origin = NULL;
    struct pack *pack = NULL;
    struct digest name;
    struct err err = {""};

    if (origin_open(&place, &origin, &err) < 0 ||
        pack_new(origin, store, &pack, &err) < 0 ||
        pack_more(pack, UINT64_MAX, &err) < 0 ||
        pack_finish(pack, set, &name, &err) < 0) {
        die(folder, &err);
    }
    pack_free(pack);
    origin_free(origin);
}

static double photos(const char *folder)
{
    struct loader_spec spec = {.input = image_spec_default(224, 224),
                               .augment = augment_none()};
    struct dataset set = {0};
    struct store *store = NULL;
    struct loader *loader = NULL;
    struct err err = {""};
    struct tmp tmp;
    double found;

    spec.augment.crop = AUGMENT_CROP_RESIZED;
    spec.augment.flip = 0.5;
    tmp_init(&tmp);
    if (store_open(tmp.path, STORE_NO_SYNC, &store, &err) < 0) {
        die("store", &err);
    }
    pack_photos(folder, store, &set);
    if (loader_new(&spec, &set, &loader, &err) < 0) {
        die("loader", &err);
    }
    for (size_t i = 0; i < set.n_shards; i++) {
        struct blob *blob = NULL;

        if (store_map(store, &set.shards[i].digest, true, &blob, &err) < 0 ||
            loader_give_shard(loader, i, blob, &err) < 0) {
            die("shard", &err);
        }
        blob_unref(blob);
    }
    found = rate(loader, set.samples);
    loader_free(loader);
    dataset_deinit(&set);
    store_free(store);
    tmp_deinit(&tmp);
    return found;
}

int main(void)
{
    FILE *file = fopen("build/figures.tsv", "a");
    const char *data = getenv("EDGE_DATA");
    char folder[512];

    figure(file, "cifar10.crop_flip", cifar(0), 20000);
    figure(file, "cifar10.crop_flip_colour", cifar(0.4), 20000);
    if (data != NULL) {
        (void)snprintf(folder, sizeof(folder), "%s/images", data);
        figure(file, "photos.resized_crop", photos(folder), 50);
    } else {
        (void)printf("figure data.photos.resized_crop - images/s target 50 "
                     "skipped no data folder\n");
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return 0;
}
