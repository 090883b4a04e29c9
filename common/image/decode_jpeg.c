/*
 * JPEG through the libjpeg interface of libjpeg-turbo, which unlike its
 * TurboJPEG interface bounds memory and lets us count scans: a progressive
 * file of a few hundred KB can otherwise ask for hundreds of MB, or for
 * minutes. The library reports errors by a callback that must not return, so
 * every call to it runs below the one setjmp() in reader_run().
 */
#include "image/decode_formats.h"

#include "base/limits.h"
#include "base/mem.h"
#include "image/exif.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#include <jerror.h>

#define APP1 (JPEG_APP0 + 1)

/* All state is here: longjmp() spoils local variables. */
struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    int rc;
    const struct decode_input *in;
    struct image *image;
    struct err *err;
    uint8_t *ink; /* one row of CMYK */
};

static struct reader *reader_of(j_common_ptr jpeg)
{
    return jpeg->client_data;
}

static _Noreturn void reader_stop(struct reader *r, int rc)
{
    r->rc = rc;
    longjmp(r->escape, 1);
}

static _Noreturn void on_error(j_common_ptr jpeg)
{
    struct reader *r = reader_of(jpeg);
    char why[JMSG_LENGTH_MAX];

    jpeg->err->format_message(jpeg, why);
    switch (jpeg->err->msg_code) {
    case JERR_OUT_OF_MEMORY:
        reader_stop(r, err_set(r->err, EDGE_ENOMEM,
                               "\"%s\": no memory to decode it", r->in->name));
    case JERR_NO_BACKING_STORE:
        reader_stop(r, err_set(r->err, EDGE_ETOOBIG,
                               "\"%s\" needs more than %zu MiB to decode. Save "
                               "it smaller, or as a baseline JPEG",
                               r->in->name, LIMIT_IMAGE_DECODER >> 20));
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
        reader_stop(r, err_set(r->err, EDGE_EUNSUPPORTED,
                               "\"%s\" is a kind of JPEG edged does not read: "
                               "%s. Save it as an ordinary JPEG or PNG",
                               r->in->name, why));
    default: reader_stop(r, decode_damaged(r->in, "JPEG", why, r->err));
    }
}

/* Level -1 is a warning: the library would go on and invent pixels. Those
 * about lost pixels are errors here; stray bytes between segments, which some
 * cameras write, and odd but harmless headers are not. */
static void on_message(j_common_ptr jpeg, int level)
{
    struct reader *r = reader_of(jpeg);

    if (level >= 0) {
        return;
    }
    switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF:
        reader_stop(r, decode_damaged(r->in, "JPEG", "it is cut off", r->err));
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC: on_error(jpeg);
    default: break;
    }
}

static void on_progress(j_common_ptr jpeg)
{
    struct reader *r = reader_of(jpeg);

    if (r->jpeg.input_scan_number > LIMIT_IMAGE_SCANS) {
        reader_stop(r,
                    err_set(r->err, EDGE_ETOOBIG,
                            "\"%s\" is a JPEG of more than %d scans. Save it "
                            "as a baseline JPEG",
                            r->in->name, LIMIT_IMAGE_SCANS));
    }
}

static void reader_open(struct reader *r)
{
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->jpeg.client_data = r;
    jpeg_create_decompress(&r->jpeg);
    r->progress.progress_monitor = on_progress;
    r->jpeg.progress = &r->progress;
    r->jpeg.mem->max_memory_to_use = (long)LIMIT_IMAGE_DECODER;
    jpeg_mem_src(&r->jpeg, r->in->data, (unsigned long)r->in->size);
    jpeg_save_markers(&r->jpeg, APP1, 0xffff);
}

static int reader_orientation(const struct reader *r)
{
    jpeg_saved_marker_ptr m;

    for (m = r->jpeg.marker_list; m != NULL; m = m->next) {
        int found = exif_orientation_app1(m->data, m->data_length);

        if (found != 1) {
            return found;
        }
    }
    return 1;
}

/* Chooses what the decoder shall give: gray, RGB, or the four inks. */
static void reader_start(struct reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    int inks = jpeg->num_components == 4;
    int rc;

    if (jpeg->num_components == 1) {
        jpeg->out_color_space = JCS_GRAYSCALE;
    } else {
        jpeg->out_color_space = inks ? JCS_CMYK : JCS_RGB;
    }
    rc = decode_allocate(r->in, "JPEG", jpeg->image_width, jpeg->image_height,
                         jpeg->num_components == 1 ? 1 : 3, r->image, r->err);
    if (rc < 0) {
        reader_stop(r, rc);
    }
    if (inks) {
        r->ink = mem_resize(NULL, jpeg->image_width, 4);
        if (r->ink == NULL) {
            ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
        }
    }
    (void)jpeg_start_decompress(jpeg);
}

/* Photo programs store inks inverted (255 is bare paper), which no marker
 * tells reliably, so like other readers we take them so. */
static void ink_to_rgb(const uint8_t *ink, uint8_t *rgb, int width)
{
    for (int x = 0; x < width; x++) {
        for (int c = 0; c < 3; c++) {
            rgb[3 * x + c] =
                (uint8_t)((ink[4 * x + c] * ink[4 * x + 3] + 127) / 255);
        }
    }
}

static void reader_rows(struct reader *r)
{
    struct image *image = r->image;
    size_t bytes = (size_t)image->width * (size_t)image->channels;

    while (r->jpeg.output_scanline < r->jpeg.output_height) {
        uint8_t *out = image->pixels + r->jpeg.output_scanline * bytes;
        JSAMPROW row = r->ink != NULL ? r->ink : out;

        (void)jpeg_read_scanlines(&r->jpeg, &row, 1);
        if (r->ink != NULL) {
            ink_to_rgb(r->ink, out, image->width);
        }
    }
}

/* Called for its setjmp(): *r belongs to the caller, so it is intact after a
 * jump. */
static void reader_run(struct reader *r, int *orientation)
{
    if (setjmp(r->escape) != 0) {
        return;
    }
    reader_open(r);
    (void)jpeg_read_header(&r->jpeg, TRUE);
    *orientation = reader_orientation(r);
    reader_start(r);
    reader_rows(r);
}

int decode_jpeg(const struct decode_input *in, struct image *image,
                int *orientation, struct err *err)
{
    struct reader r = {.in = in, .image = image, .err = err};

    reader_run(&r, orientation);
    jpeg_destroy_decompress(&r.jpeg);
    mem_free(r.ink);
    return r.rc;
}
