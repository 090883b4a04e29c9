#include "codec/codec.h"

#include "base/mem.h"
#include "codec/inner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {"fp32", "fp16", "q8",  "q4", "q2",
                                    "q16",  "q12",  "q10", "q6", "bits"};
static const char *const scales[] = {"", "/tensor", "/channel"};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))
#define N_SCALES (sizeof(scales) / sizeof(scales[0]))

/* ---- texts --------------------------------------------------------------- */

static bool is_quantized(const struct codec *c)
{
    return c->kind >= CODEC_Q8 && c->kind != CODEC_BITS;
}

static int check(const struct codec *c, const char *text, struct err *err)
{
    if (c->runs && c->kind != CODEC_Q8 && c->kind != CODEC_Q4) {
        return err_set(err, EDGE_EINVAL,
                       "codec \"%.40s\": runs go with q8 and "
                       "q4",
                       text);
    }
    if (c->kind == CODEC_BITS && c->keep > 0) {
        return err_set(err, EDGE_EINVAL,
                       "codec \"%.40s\": bits are of all values", text);
    }
    if (c->scale != CODEC_BY_BLOCK && (!is_quantized(c) || c->keep > 0)) {
        return err_set(err, EDGE_EINVAL,
                       "codec \"%.40s\": only q16 to q2 "
                       "of all values have steps to choose",
                       text);
    }
    return 0;
}

/* "q8/channel" */
static bool take_kind(const char *word, size_t n, struct codec *c)
{
    for (size_t k = 0; k < N_KINDS; k++) {
        size_t length = strlen(kinds[k]);

        for (size_t s = 0; s < N_SCALES; s++) {
            if (n == length + strlen(scales[s]) &&
                memcmp(word, kinds[k], length) == 0 &&
                memcmp(word + length, scales[s], n - length) == 0) {
                c->kind = (enum codec_kind)k;
                c->scale = (enum codec_scale)s;
                return true;
            }
        }
    }
    return false;
}

/* "sparse:10%", "sparse:10%/haar" */
static bool take_sparse(const char *word, size_t n, struct codec *c)
{
    static const char head[] = "sparse:";
    static const char haar[] = "/haar";
    char *end;
    double share;

    if (n < sizeof(head) || memcmp(word, head, sizeof(head) - 1) != 0) {
        return false;
    }
    share = strtod(word + sizeof(head) - 1, &end) / 100;
    if (*end != '%' || !(share > 0 && share <= 1)) {
        return false;
    }
    n -= (size_t)(end + 1 - word);
    c->haar = n == sizeof(haar) - 1 && memcmp(end + 1, haar, n) == 0;
    c->keep = (float)share;
    return n == 0 || c->haar;
}

static bool take_word(const char *word, size_t n, bool first, struct codec *c)
{
    if (first) {
        return take_kind(word, n, c) || take_sparse(word, n, c);
    }
    if (n == 4 && memcmp(word, "runs", n) == 0 && !c->runs && !c->zstd) {
        c->runs = true;
        return true;
    }
    if (n == 4 && memcmp(word, "zstd", n) == 0 && !c->zstd) {
        c->zstd = true;
        return true;
    }
    return c->keep > 0 && c->kind == CODEC_FP32 && !c->runs && !c->zstd &&
           take_kind(word, n, c);
}

int codec_parse(const char *text, struct codec *codec, struct err *err)
{
    struct codec c = {0};
    const char *word = text;
    int rc;

    while (true) {
        size_t n = strcspn(word, "+");

        if (!take_word(word, n, word == text, &c)) {
            return err_set(
                err, EDGE_EINVAL,
                "codec \"%.40s\": cannot read \"%.*s\"; codecs are "
                "fp32, fp16, q16, q12, q10, q8, q6, q4, q2, "
                "bits, sparse:10%%, sparse:10%%/haar, with /tensor or "
                "/channel, +runs, +zstd",
                text, n < 40 ? (int)n : 40, word);
        }
        if (word[n] == '\0') {
            break;
        }
        word += n + 1;
    }
    rc = check(&c, text, err);
    if (rc == 0) {
        *codec = c;
    }
    return rc;
}

const char *codec_text(const struct codec *codec, char text[CODEC_TEXT])
{
    char head[32] = "";
    const char *kind = kinds[codec->kind];

    if (codec->keep > 0) {
        (void)snprintf(head, sizeof(head), "sparse:%.6g%%%s%s",
                       (double)codec->keep * 100, codec->haar ? "/haar" : "",
                       codec->kind == CODEC_FP32 ? "" : "+");
        kind = codec->kind == CODEC_FP32 ? "" : kind;
    }
    (void)snprintf(text, CODEC_TEXT, "%s%s%s%s%s", head, kind,
                   scales[codec->scale], codec->runs ? "+runs" : "",
                   codec->zstd ? "+zstd" : "");
    return text;
}

/* ---- numbers ------------------------------------------------------------- */

#define ID_RUNS (1u << 6)
#define ID_ZSTD (1u << 7)
#define ID_SPARSE (1u << 8)
#define ID_HAAR (1u << 9)

uint32_t codec_id(const struct codec *codec)
{
    return (uint32_t)codec->kind | (uint32_t)codec->scale << 4 |
           (codec->runs ? ID_RUNS : 0) | (codec->zstd ? ID_ZSTD : 0) |
           (codec->keep > 0 ? ID_SPARSE : 0) | (codec->haar ? ID_HAAR : 0);
}

int codec_from_id(uint32_t id, struct codec *codec)
{
    struct codec c = {.kind = (enum codec_kind)(id & 15),
                      .scale = (enum codec_scale)(id >> 4 & 3),
                      .runs = (id & ID_RUNS) != 0,
                      .zstd = (id & ID_ZSTD) != 0,
                      .haar = (id & ID_HAAR) != 0,
                      .keep = (id & ID_SPARSE) != 0 ? 1.0F : 0.0F};

    if (id >> 10 != 0 || (c.haar && c.keep <= 0) || (id & 15) >= N_KINDS ||
        (id >> 4 & 3) >= N_SCALES || check(&c, "", NULL) < 0) {
        return EDGE_EUNSUPPORTED;
    }
    *codec = c;
    return 0;
}

bool codec_is_plain(const struct codec *codec)
{
    return codec_id(codec) == 0;
}

double codec_error(const struct codec *codec, double least, double most)
{
    double largest = fmax(fabs(least), fabs(most));

    switch (codec->kind) {
    case CODEC_FP32:
    case CODEC_BITS: return 0;
    case CODEC_FP16: return fmax(ldexp(largest, -11), ldexp(1, -25));
    default:
        /* Half a step, and what float arithmetic rounds on the way. */
        return (most - least) / ((1u << quant_bits(codec->kind)) - 1) * 0.5 +
               ldexp(largest, -21);
    }
}

/* ---- layers -------------------------------------------------------------- */

static size_t inner_room(const struct codec *codec, const struct shape *shape)
{
    struct codec_groups g = codec_groups(codec, shape);

    return codec->keep > 0 ? sparse_room(codec, shape) : values_room(codec, &g);
}

size_t codec_room(const struct codec *codec, const struct shape *shape)
{
    size_t size = inner_room(codec, shape);

    return codec->zstd ? zstd_room(size) : size;
}

/* Bytes of a value that zstd finds alike; 0: packed symbols, or mixed. */
static size_t unit_of(const struct codec *codec)
{
    return codec->keep > 0             ? 0
           : codec->kind == CODEC_FP32 ? 4
           : codec->kind == CODEC_FP16 ? 2
                                       : 0;
}

static int encode_inner(const struct codec *codec, const float *values,
                        const struct shape *shape, uint8_t *out, size_t *size)
{
    struct codec_groups g = codec_groups(codec, shape);

    if (codec->keep > 0) {
        return sparse_encode(codec, values, shape, out, size);
    }
    *size = values_encode(codec, &g, values, out);
    return 0;
}

int codec_encode(const struct codec *codec, const float *values,
                 const struct shape *shape, uint8_t *out, size_t *size)
{
    size_t room = inner_room(codec, shape);
    uint8_t *inner;
    size_t n;
    int rc;

    if (!codec->zstd) {
        return encode_inner(codec, values, shape, out, size);
    }
    inner = mem_zalloc(room > 0 ? room : 1, 1);
    if (inner == NULL) {
        return EDGE_ENOMEM;
    }
    rc = encode_inner(codec, values, shape, inner, &n);
    if (rc == 0) {
        rc = zstd_encode(inner, n, unit_of(codec), out, size);
    }
    mem_free(inner);
    return rc;
}

static int decode_inner(const struct codec *codec, const uint8_t *in,
                        size_t size, const struct shape *shape, float *values,
                        struct err *err)
{
    struct codec_groups g = codec_groups(codec, shape);

    return codec->keep > 0 ? sparse_decode(codec, in, size, shape, values, err)
                           : values_decode(codec, &g, in, size, values, err);
}

int codec_unwrap(const struct codec *codec, const uint8_t **in, size_t *size,
                 const struct shape *shape, uint8_t **inner, struct err *err)
{
    struct codec most = *codec; /* as if all had been kept */
    size_t room;
    int rc;

    *inner = NULL;
    if (!codec->zstd) {
        return 0;
    }
    most.keep = codec->keep > 0 ? 1 : 0;
    room = inner_room(&most, shape);
    *inner = mem_zalloc(room > 0 ? room : 1, 1);
    if (*inner == NULL) {
        return err_set(err, EDGE_ENOMEM, "coded values: out of memory");
    }
    rc = zstd_decode(*in, *size, unit_of(codec), *inner, room, size, err);
    if (rc < 0) {
        mem_free(*inner);
        *inner = NULL;
        return rc;
    }
    *in = *inner;
    return 0;
}

int codec_decode(const struct codec *codec, const uint8_t *in, size_t size,
                 const struct shape *shape, float *values, struct err *err)
{
    uint8_t *inner;
    int rc = codec_unwrap(codec, &in, &size, shape, &inner, err);

    if (rc == 0) {
        rc = decode_inner(codec, in, size, shape, values, err);
        mem_free(inner);
    }
    return rc;
}
