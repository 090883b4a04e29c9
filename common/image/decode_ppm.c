/*
 * Binary PPM (P6) and PGM (P5): three numbers in text, one white space, then
 * the samples, of two bytes (high first) if the largest is above 255. A '#'
 * begins a comment up to the end of its line.
 */
#include "image/decode_formats.h"

#include <stdbool.h>

struct ppm {
    const struct decode_input *in;
    size_t at;
};

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void ppm_skip(struct ppm *p)
{
    bool comment = false;

    for (; p->at < p->in->size; p->at++) {
        uint8_t c = p->in->data[p->at];

        if (comment) {
            comment = c != '\n' && c != '\r';
        } else if (c == '#') {
            comment = true;
        } else if (!is_space(c)) {
            return;
        }
    }
}

/* The next number of the header; false: none, or one beyond any sense. */
static bool ppm_number(struct ppm *p, uint32_t *value)
{
    size_t start;

    ppm_skip(p);
    start = p->at;
    for (*value = 0; p->at < p->in->size; p->at++) {
        uint8_t c = p->in->data[p->at];

        if (c < '0' || c > '9') {
            break;
        }
        *value = *value * 10 + (uint32_t)(c - '0');
        if (*value > 99999999) {
            return false;
        }
    }
    return p->at > start;
}

/* To 0..255, rounded; samples above the file's own largest are cut to it. */
static void ppm_samples(const uint8_t *data, uint32_t max, uint8_t *out,
                        size_t n)
{
    size_t wide = max > 255 ? 2 : 1;

    for (size_t i = 0; i < n; i++) {
        uint32_t v = data[i * wide];

        if (wide == 2) {
            v = v << 8 | data[i * wide + 1];
        }
        v = v < max ? v : max;
        out[i] = (uint8_t)((v * 255 + max / 2) / max);
    }
}

int decode_ppm(const struct decode_input *in, struct image *image,
               struct err *err)
{
    struct ppm p = {in, 2};
    int channels = in->data[1] == '6' ? 3 : 1;
    const char *format = channels == 3 ? "PPM" : "PGM";
    uint32_t width;
    uint32_t height;
    uint32_t max;
    size_t n;
    int rc;

    if (!ppm_number(&p, &width) || !ppm_number(&p, &height) ||
        !ppm_number(&p, &max) || max < 1 || max > 65535 || p.at >= in->size ||
        !is_space(in->data[p.at])) {
        return decode_damaged(in, format, "its header makes no sense", err);
    }
    p.at++;
    rc = decode_allocate(in, format, width, height, channels, image, err);
    if (rc < 0) {
        return rc;
    }
    n = (size_t)width * height * (size_t)channels;
    if (in->size - p.at < n * (max > 255 ? 2 : 1)) {
        return decode_damaged(in, format, "it is cut off", err);
    }
    ppm_samples(in->data + p.at, max, image->pixels, n);
    return 0;
}
