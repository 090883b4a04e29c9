#include "image/decode.h"

#include "base/blob.h"
#include "base/limits.h"
#include "image/decode_formats.h"

#include <string.h>

enum format { FORMAT_OTHER, FORMAT_JPEG, FORMAT_PNG, FORMAT_PPM, FORMAT_NPY };

/* A row matches if `magic` stands at `offset`. The first that does wins. */
struct signature {
    size_t offset;
    size_t length;
    const char *magic;
    const char *name;
    enum format format;
};

#define MAGIC(text) sizeof(text) - 1, text

static const struct signature signatures[] = {
    {0, MAGIC("\xff\xd8\xff"), "JPEG", FORMAT_JPEG},
    {0, MAGIC("\x89PNG\r\n\x1a\n"), "PNG", FORMAT_PNG},
    {0, MAGIC("P6"), "PPM", FORMAT_PPM},
    {0, MAGIC("P5"), "PGM", FORMAT_PPM},
    {0, MAGIC("\x93NUMPY"), ".npy", FORMAT_NPY},
    {0, MAGIC("P1\n"), "plain PBM", FORMAT_OTHER},
    {0, MAGIC("P2\n"), "plain PGM", FORMAT_OTHER},
    {0, MAGIC("P3\n"), "plain PPM", FORMAT_OTHER},
    {0, MAGIC("P4\n"), "PBM", FORMAT_OTHER},
    {0, MAGIC("P7\n"), "PAM", FORMAT_OTHER},
    {4, MAGIC("ftypavi"), "AVIF", FORMAT_OTHER},
    {4, MAGIC("ftyphe"), "HEIC", FORMAT_OTHER},
    {4, MAGIC("ftypmif1"), "HEIC", FORMAT_OTHER},
    {4, MAGIC("ftypmsf1"), "HEIC", FORMAT_OTHER},
    {4, MAGIC("ftyp"), "MP4 or another film", FORMAT_OTHER},
    {8, MAGIC("WEBP"), "WebP", FORMAT_OTHER},
    {0, MAGIC("RIFF"), "RIFF", FORMAT_OTHER},
    {0, MAGIC("GIF8"), "GIF", FORMAT_OTHER},
    {0, MAGIC("BM"), "BMP", FORMAT_OTHER},
    {0, MAGIC("II*\0"), "TIFF or a camera's raw format", FORMAT_OTHER},
    {0, MAGIC("MM\0*"), "TIFF or a camera's raw format", FORMAT_OTHER},
    {0, MAGIC("\0\0\0\x0cjP  "), "JPEG 2000", FORMAT_OTHER},
    {0, MAGIC("\xff\x4f\xff\x51"), "JPEG 2000", FORMAT_OTHER},
    {0, MAGIC("\0\0\0\x0cJXL "), "JPEG XL", FORMAT_OTHER},
    {0, MAGIC("\xff\x0a"), "JPEG XL", FORMAT_OTHER},
    {0, MAGIC("qoif"), "QOI", FORMAT_OTHER},
    {0, MAGIC("8BPS"), "PSD", FORMAT_OTHER},
    {0, MAGIC("\0\0\1\0"), "ICO", FORMAT_OTHER},
    {0, MAGIC("%PDF"), "PDF", FORMAT_OTHER},
    {0, MAGIC("<svg"), "SVG", FORMAT_OTHER},
    {0, MAGIC("<?xml"), "XML or SVG", FORMAT_OTHER},
    {0, MAGIC("<!DOCTYPE"), "a web page", FORMAT_OTHER},
    {0, MAGIC("<html"), "a web page", FORMAT_OTHER},
    {0, MAGIC("PK\3\4"), "ZIP", FORMAT_OTHER},
    {0, MAGIC("\x1f\x8b"), "gzip", FORMAT_OTHER},
    {0,
     MAGIC("\xfd"
           "7zXZ"),
     "xz", FORMAT_OTHER},
};

static const struct signature *find_signature(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
        const struct signature *s = &signatures[i];

        if (s->offset + s->length <= size &&
            memcmp(data + s->offset, s->magic, s->length) == 0) {
            return s;
        }
    }
    return NULL;
}

/* Printable ASCII, or UTF-8, as far as one looks. */
static bool looks_like_text(const uint8_t *data, size_t size)
{
    size_t n = size < 256 ? size : 256;

    for (size_t i = 0; i < n; i++) {
        bool space = data[i] >= '\t' && data[i] <= '\r';

        if ((data[i] < ' ' && !space) || data[i] == 0x7f || data[i] >= 0xf8) {
            return false;
        }
    }
    return true;
}

const char *image_format_name(const uint8_t *data, size_t size)
{
    const struct signature *s = find_signature(data, size);

    if (s != NULL) {
        return s->name;
    }
    if (size == 0) {
        return "empty";
    }
    return looks_like_text(data, size) ? "text" : "a file of unknown format";
}

bool image_is_npy(const uint8_t *data, size_t size)
{
    const struct signature *s = find_signature(data, size);

    return s != NULL && s->format == FORMAT_NPY;
}

int decode_damaged(const struct decode_input *in, const char *format,
                   const char *why, struct err *err)
{
    return err_set(err, EDGE_ECORRUPT,
                   "\"%s\" is a damaged %s: %s. Copy it again, or save it "
                   "anew with an image editor",
                   in->name, format, why);
}

int decode_allocate(const struct decode_input *in, const char *format,
                    uint64_t width, uint64_t height, int channels,
                    struct image *image, struct err *err)
{
    if (width == 0 || height == 0) {
        return decode_damaged(in, format, "its header says it has no pixels",
                              err);
    }
    if (width > LIMIT_IMAGE_SIDE || height > LIMIT_IMAGE_SIDE) {
        return err_set(err, EDGE_ETOOBIG,
                       "\"%s\" has %llux%llu pixels; edged reads pictures of "
                       "up to %dx%d. Make it smaller first",
                       in->name, (unsigned long long)width,
                       (unsigned long long)height, LIMIT_IMAGE_SIDE,
                       LIMIT_IMAGE_SIDE);
    }
    if (image_init(image, (int)width, (int)height, channels) < 0) {
        return err_set(err, EDGE_ENOMEM, "\"%s\": no memory for %dx%d pixels",
                       in->name, (int)width, (int)height);
    }
    return 0;
}

static int decode_format(enum format format, const struct decode_input *in,
                         struct image *image, struct err *err)
{
    int orientation = 1;
    int rc;

    switch (format) {
    case FORMAT_JPEG: rc = decode_jpeg(in, image, &orientation, err); break;
    case FORMAT_PNG: rc = decode_png(in, image, &orientation, err); break;
    case FORMAT_PPM: rc = decode_ppm(in, image, err); break;
    default:
        return err_set(err, EDGE_EUNSUPPORTED,
                       "\"%s\" is not an image edged reads (%s). Supported: "
                       "JPEG, PNG, PPM, .npy",
                       in->name, image_format_name(in->data, in->size));
    }
    if (rc == 0) {
        rc = image_orient(image, orientation);
        if (rc < 0) {
            (void)err_set(err, rc, "\"%s\": no memory to turn it", in->name);
        }
    }
    return rc;
}

int image_decode(const char *name, const uint8_t *data, size_t size,
                 struct image *image, struct err *err)
{
    const struct decode_input in = {name, data, size};
    const struct signature *s = find_signature(data, size);
    struct image decoded = {0};
    int rc;

    if (size > LIMIT_IMAGE_FILE) {
        return err_set(err, EDGE_ETOOBIG,
                       "\"%s\" has %zu bytes; edged reads pictures of up to "
                       "%zu. Make it smaller first",
                       name, size, LIMIT_IMAGE_FILE);
    }
    rc =
        decode_format(s == NULL ? FORMAT_OTHER : s->format, &in, &decoded, err);
    if (rc < 0) {
        image_deinit(&decoded);
        return rc;
    }
    *image = decoded;
    return 0;
}

int image_read(const char *path, struct image *image, struct err *err)
{
    struct blob *file = NULL;
    int rc;

    rc = blob_read(path, LIMIT_IMAGE_FILE, &file, err);
    if (rc < 0) {
        return rc;
    }
    rc = image_decode(strcmp(path, "-") == 0 ? "standard input" : path,
                      file->data, file->size, image, err);
    blob_unref(file);
    return rc;
}
