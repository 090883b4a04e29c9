#include "tests/lib/sets.h"

#include "base/mem.h"
#include "base/rng.h"
#include "dataset/pack.h"
#include "tests/lib/golden.h"
#include "tests/lib/unit.h"

#include <lzma.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static void ok(int rc, const struct err *err)
{
    if (rc < 0) {
        fail_msg("%s: %s", err_name(rc), err->text);
    }
}

static void fill(uint8_t *p, size_t n, uint64_t seed)
{
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)rng_next(&rng);
    }
}

void sets_cifar10(struct tmp *tmp, const char *name, size_t n, uint64_t seed)
{
    uint8_t *data = mem_array(uint8_t, n * SETS_CIFAR_RECORD);

    assert_non_null(data);
    fill(data, n * SETS_CIFAR_RECORD, seed);
    for (size_t i = 0; i < n; i++) {
        data[i * SETS_CIFAR_RECORD] = (uint8_t)(i % 10);
    }
    (void)tmp_write(tmp, name, data, n * SETS_CIFAR_RECORD);
    mem_free(data);
}

static void put(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (24 - 8 * i));
    }
}

void sets_idx(struct tmp *tmp, const char *prefix, uint32_t n, uint32_t height,
              uint32_t width, uint64_t seed)
{
    size_t size = (size_t)n * height * width;
    uint8_t *data = mem_array(uint8_t, 16 + size);
    char name[128];

    assert_non_null(data);
    put(data, 0x803);
    put(data + 4, n);
    put(data + 8, height);
    put(data + 12, width);
    fill(data + 16, size, seed);
    (void)snprintf(name, sizeof(name), "%s-images-idx3-ubyte", prefix);
    (void)tmp_write(tmp, name, data, 16 + size);
    put(data, 0x801);
    for (uint32_t i = 0; i < n; i++) {
        data[8 + i] = (uint8_t)(i % 10);
    }
    (void)snprintf(name, sizeof(name), "%s-labels-idx1-ubyte", prefix);
    (void)tmp_write(tmp, name, data, 8 + (size_t)n);
    mem_free(data);
}

void sets_mkdir(struct tmp *tmp, const char *name)
{
    assert_int_equal(mkdir(tmp_path(tmp, name), 0700), 0);
}

void sets_picture(struct tmp *tmp, const char *name, const char *golden)
{
    struct blob *file = golden_file("image", golden);

    (void)tmp_write(tmp, name, file->data, file->size);
    blob_unref(file);
}

void sets_folder(struct tmp *tmp, const char *folder)
{
    static const struct {
        const char *name;
        const char *golden;
    } files[] = {{"b/2.PNG", "rgb.png"},
                 {"b/10.jpeg", "420.jpg"},
                 {"b/1.jpg", "gray.jpg"},
                 {"a/x.png", "palette.png"},
                 {"a/y.jpg", "exif6.jpg"}};
    char name[128];

    sets_mkdir(tmp, folder);
    for (const char *const *class = (const char *const[]){"b", "a", NULL};
         *class != NULL; class ++) {
        (void)snprintf(name, sizeof(name), "%s/%s", folder, *class);
        sets_mkdir(tmp, name);
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(name, sizeof(name), "%s/%s", folder, files[i].name);
        sets_picture(tmp, name, files[i].golden);
    }
}

static struct blob *take(struct tmp *tmp, const char *name)
{
    struct blob *file = NULL;
    struct err err = {""};

    ok(blob_read(tmp_path(tmp, name), SIZE_MAX, &file, &err), &err);
    assert_int_equal(unlink(tmp_path(tmp, name)), 0);
    return file;
}

void sets_gzip(struct tmp *tmp, const char *name)
{
    struct blob *file = take(tmp, name);
    char packed[128];
    gzFile out;

    (void)snprintf(packed, sizeof(packed), "%s.gz", name);
    out = gzopen(tmp_path(tmp, packed), "wb");
    assert_non_null(out);
    assert_int_equal(gzwrite(out, file->data, (unsigned)file->size),
                     file->size);
    assert_int_equal(gzclose(out), Z_OK);
    blob_unref(file);
}

void sets_xz(struct tmp *tmp, const char *name)
{
    struct blob *file = take(tmp, name);
    size_t bound = lzma_stream_buffer_bound(file->size);
    uint8_t *out = mem_array(uint8_t, bound);
    char packed[128];
    size_t n = 0;

    (void)snprintf(packed, sizeof(packed), "%s.xz", name);
    assert_non_null(out);
    assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL,
                                             file->data, file->size, out, &n,
                                             bound),
                     LZMA_OK);
    (void)tmp_write(tmp, packed, out, n);
    mem_free(out);
    blob_unref(file);
}

void sets_pack(struct tmp *tmp, const struct origin_place *place,
               struct sets_packed *packed)
{
    struct origin *origin = NULL;
    struct pack *pack = NULL;
    struct err err = {""};
    int rc;

    ok(origin_open(place, &origin, &err), &err);
    ok(store_open(tmp_path(tmp, "store"), STORE_NO_SYNC, &packed->store, &err),
       &err);
    ok(pack_new(origin, packed->store, &pack, &err), &err);
    do {
        rc = pack_more(pack, 1000, &err);
        ok(rc, &err);
    } while (rc > 0);
    ok(pack_finish(pack, &packed->set, &packed->name, &err), &err);
    pack_free(pack);
    origin_free(origin);
}

void sets_unpack(struct sets_packed *packed)
{
    dataset_deinit(&packed->set);
    store_free(packed->store);
    packed->store = NULL;
}

struct blob *sets_blob(struct sets_packed *packed, const struct digest *name)
{
    struct blob *blob = NULL;
    struct err err = {""};

    ok(store_map(packed->store, name, true, &blob, &err), &err);
    return blob;
}

struct loader *sets_loader(struct sets_packed *packed,
                           const struct loader_spec *spec)
{
    struct loader *loader = NULL;
    struct err err = {""};
    struct blob *blob;

    ok(loader_new(spec, &packed->set, &loader, &err), &err);
    for (size_t i = 0; i < packed->set.n_shards; i++) {
        blob = sets_blob(packed, &packed->set.shards[i].digest);
        ok(loader_give_shard(loader, i, blob, &err), &err);
        blob_unref(blob);
    }
    blob = sets_blob(packed, &packed->set.labels);
    ok(loader_give_labels(loader, blob, &err), &err);
    blob_unref(blob);
    return loader;
}
