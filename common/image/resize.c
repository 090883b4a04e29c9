#include "image/resize.h"

#include "base/limits.h"
#include "base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <zimg.h>

/*
 * zimg mirrors a picture at its borders; the reference leaves out what lies
 * beyond and lets the pixels inside weigh more. So zimg gets a window with
 * zeros around the picture and, if it reaches beyond the picture, resizes a
 * second one, white inside and black outside, in the same way: that is the
 * weight which fell inside, and dividing by it gives the reference's pixels.
 */
struct window {
    int left; /* of the picture's pixel (0, 0); may be negative */
    int top;
    int width;
    int height;
};

/* Along one axis: all pixels that the filter may touch, and one more. */
static void window_axis(double from, double length, int out, int *start, int *n)
{
    double scale = length / out;
    double reach = fmax(scale, 1) - scale / 2;

    *start = (int)floor(from - reach) - 1;
    *n = (int)ceil(from + length + reach) + 1 - *start;
}

static bool window_is_inside(const struct window *w, const struct image *in)
{
    return w->left >= 0 && w->top >= 0 && w->left + w->width <= in->width &&
           w->top + w->height <= in->height;
}

/* Everything of one resize; planes have rows of `stride` samples. */
struct job {
    const struct image *in;
    struct image *out;
    struct window window;
    zimg_filter_graph *graph;
    void *scratch;
    uint8_t *from; /* a channel's window */
    size_t from_stride;
    uint16_t *to;     /* 0..65535 */
    uint16_t *weight; /* NULL: 65535 everywhere */
    size_t to_stride;
};

static size_t aligned_stride(int width)
{
    return ((size_t)width + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

/* Fills the window from channel `c`, or with white for c = -1; outside the
 * picture it stays as it was allocated, black. */
static void job_take(struct job *job, int c)
{
    const struct image *in = job->in;
    const struct window *w = &job->window;
    int x0 = w->left > 0 ? w->left : 0;
    int y0 = w->top > 0 ? w->top : 0;
    int x1 = w->left + w->width < in->width ? w->left + w->width : in->width;
    int y1 = w->top + w->height < in->height ? w->top + w->height : in->height;

    for (int y = y0; y < y1; y++) {
        size_t at = (size_t)y * (size_t)in->width + (size_t)x0;
        const uint8_t *p =
            in->pixels + at * (size_t)in->channels + (c > 0 ? c : 0);
        uint8_t *row = job->from + (size_t)(y - w->top) * job->from_stride;

        for (int x = x0 - w->left; x < x1 - w->left; x++) {
            row[x] = c < 0 ? 255 : *p;
            p += in->channels;
        }
    }
}

/* 16 bits to 8, rounded, over the weight inside. */
static void job_give(const struct job *job, int c)
{
    struct image *out = job->out;
    uint8_t *p = out->pixels + c;

    for (int y = 0; y < out->height; y++) {
        size_t at = (size_t)y * job->to_stride;

        for (int x = 0; x < out->width; x++) {
            uint32_t v = job->to[at + (size_t)x];
            uint32_t whole = 65535;

            if (job->weight != NULL) {
                whole = job->weight[at + (size_t)x];
                whole = whole > 0 ? whole : 1;
            }
            v = (v * 255 + whole / 2) / whole;
            *p = (uint8_t)(v < 255 ? v : 255);
            p += out->channels;
        }
    }
}

static zimg_image_format plane_format(int width, int height,
                                      zimg_pixel_type_e type)
{
    zimg_image_format f;

    zimg_image_format_default(&f, ZIMG_API_VERSION);
    f.width = (unsigned)width;
    f.height = (unsigned)height;
    f.pixel_type = type;
    f.color_family = ZIMG_COLOR_GREY;
    f.pixel_range = ZIMG_RANGE_FULL;
    return f;
}

/* zimg 3.0.4 gives wrong pixels where its vector code meets rows shorter than
 * a vector (32 samples at most). Its plain code gives the same pixels as the
 * vector code elsewhere, only slower, which narrow pictures do not mind. */
static zimg_cpu_type_e cpu_for(const struct job *job)
{
    const int narrow = 64;

    return job->window.width < narrow || job->out->width < narrow
               ? ZIMG_CPU_NONE
               : ZIMG_CPU_AUTO;
}

static zimg_filter_graph *graph_new(const struct job *job,
                                    const struct resize_box *box)
{
    const struct window *w = &job->window;
    zimg_image_format from = plane_format(w->width, w->height, ZIMG_PIXEL_BYTE);
    zimg_image_format to =
        plane_format(job->out->width, job->out->height, ZIMG_PIXEL_WORD);
    zimg_graph_builder_params params;

    from.active_region.left = box->left - w->left;
    from.active_region.top = box->top - w->top;
    from.active_region.width = box->width;
    from.active_region.height = box->height;
    zimg_graph_builder_params_default(&params, ZIMG_API_VERSION);
    params.resample_filter = ZIMG_RESIZE_BILINEAR;
    params.dither_type = ZIMG_DITHER_NONE;
    params.cpu_type = cpu_for(job);
    return zimg_filter_graph_build(&from, &to, &params);
}

/* zimg's code says which of its two failures it was. */
static int zimg_failed(struct err *err)
{
    char why[256] = "";
    int code = zimg_get_last_error(why, sizeof(why));

    return err_set(err,
                   code == ZIMG_ERROR_OUT_OF_MEMORY ? EDGE_ENOMEM : EDGE_EINVAL,
                   "resize the picture: %s", why);
}

static int job_run(const struct job *job, uint16_t *to, struct err *err)
{
    zimg_image_buffer_const in = {.version = ZIMG_API_VERSION};
    zimg_image_buffer out = {.version = ZIMG_API_VERSION};

    in.plane[0].data = job->from;
    in.plane[0].stride = (ptrdiff_t)job->from_stride;
    in.plane[0].mask = ZIMG_BUFFER_MAX;
    out.plane[0].data = to;
    out.plane[0].stride = (ptrdiff_t)(job->to_stride * sizeof(*to));
    out.plane[0].mask = ZIMG_BUFFER_MAX;
    if (zimg_filter_graph_process(job->graph, &in, &out, job->scratch, NULL,
                                  NULL, NULL, NULL) != ZIMG_ERROR_SUCCESS) {
        return zimg_failed(err);
    }
    return 0;
}

static uint16_t *job_plane(const struct job *job)
{
    return mem_aligned(job->to_stride * (size_t)job->out->height *
                       sizeof(uint16_t));
}

static int job_open(struct job *job, const struct resize_box *box,
                    struct err *err)
{
    struct window *w = &job->window;
    size_t scratch = 0;
    size_t bytes;

    window_axis(box->left, box->width, job->out->width, &w->left, &w->width);
    window_axis(box->top, box->height, job->out->height, &w->top, &w->height);
    job->graph = graph_new(job, box);
    if (job->graph == NULL || zimg_filter_graph_get_tmp_size(
                                  job->graph, &scratch) != ZIMG_ERROR_SUCCESS) {
        return zimg_failed(err);
    }
    job->from_stride = aligned_stride(w->width);
    job->to_stride = aligned_stride(job->out->width);
    bytes = job->from_stride * (size_t)w->height;
    job->scratch = mem_aligned(scratch);
    job->from = mem_aligned(bytes);
    job->to = job_plane(job);
    if (job->scratch == NULL || job->from == NULL || job->to == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory to resize the picture");
    }
    memset(job->from, 0, bytes);
    return 0;
}

static int job_weigh(struct job *job, struct err *err)
{
    if (window_is_inside(&job->window, job->in)) {
        return 0;
    }
    job->weight = job_plane(job);
    if (job->weight == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory to resize the picture");
    }
    job_take(job, -1);
    return job_run(job, job->weight, err);
}

static int resize_planes(const struct image *in, const struct resize_box *box,
                         struct image *out, struct err *err)
{
    struct job job = {.in = in, .out = out};
    int rc;

    rc = job_open(&job, box, err);
    if (rc < 0) {
        goto out;
    }
    rc = job_weigh(&job, err);
    if (rc < 0) {
        goto out;
    }
    for (int c = 0; c < in->channels; c++) {
        job_take(&job, c);
        rc = job_run(&job, job.to, err);
        if (rc < 0) {
            goto out;
        }
        job_give(&job, c);
    }
out:
    mem_free(job.from);
    mem_free(job.to);
    mem_free(job.weight);
    mem_free(job.scratch);
    zimg_filter_graph_free(job.graph);
    return rc;
}

/* Rounding may put the far edge a hair beyond the picture's. */
static bool box_is_within(const struct resize_box *box, const struct image *in)
{
    const double hair = 1e-6;

    return box->left >= 0 && box->top >= 0 && box->width > 0 &&
           box->height > 0 && box->left + box->width <= in->width + hair &&
           box->top + box->height <= in->height + hair;
}

int resize_box(const struct image *in, const struct resize_box *box, int width,
               int height, struct image *out, struct err *err)
{
    struct image made = {0};
    int rc;

    if (!box_is_within(box, in)) {
        return err_set(err, EDGE_EINVAL,
                       "resize the picture: the part lies outside it");
    }
    rc = image_init(&made, width, height, in->channels);
    if (rc < 0) {
        return err_set(err, rc, "resize the picture to %dx%d: %s", width,
                       height, err_text(rc));
    }
    rc = resize_planes(in, box, &made, err);
    if (rc < 0) {
        image_deinit(&made);
        return rc;
    }
    *out = made;
    return 0;
}

int resize_stretch(const struct image *in, int width, int height,
                   struct image *out, struct err *err)
{
    const struct resize_box whole = {0, 0, in->width, in->height};

    return resize_box(in, &whole, width, height, out, err);
}

/* The reference scales one side to `target`, the other in proportion, rounded
 * down (but never below what covers), and only then cuts, half a pixel going
 * to the even side. Cutting the same place out of the source first gives the
 * same pixels and never makes the large picture, which for a narrow one could
 * be huge. */
static struct resize_box crop_box(const struct image *in, int width, int height,
                                  double fraction)
{
    double target_w = round(width / fraction);
    double target_h = round(height / fraction);
    double scale = fmax(target_w / in->width, target_h / in->height);
    double full_w = fmax(floor(in->width * scale), target_w);
    double full_h = fmax(floor(in->height * scale), target_h);

    return (struct resize_box){
        .left = rint((full_w - width) / 2) * in->width / full_w,
        .top = rint((full_h - height) / 2) * in->height / full_h,
        .width = width * in->width / full_w,
        .height = height * in->height / full_h,
    };
}

int resize_crop(const struct image *in, int width, int height, double fraction,
                struct image *out, struct err *err)
{
    struct resize_box box;

    if (!(fraction > 0 && fraction <= 1)) {
        return err_set(err, EDGE_EINVAL,
                       "resize the picture: a crop of %g is not in 0..1",
                       fraction);
    }
    box = crop_box(in, width, height, fraction);
    return resize_box(in, &box, width, height, out, err);
}

static void letterbox_place(const struct image *in, uint8_t fill,
                            struct image *out)
{
    size_t channels = (size_t)in->channels;
    size_t in_row = (size_t)in->width * channels;
    size_t out_row = (size_t)out->width * channels;

    memset(out->pixels, fill, (size_t)out->height * out_row);
    for (int y = 0; y < in->height; y++) {
        memcpy(out->pixels + (size_t)y * out_row,
               in->pixels + (size_t)y * in_row, in_row);
    }
}

int resize_letterbox(const struct image *in, int width, int height,
                     uint8_t fill, struct image *out, struct err *err)
{
    double scale = fmin((double)width / in->width, (double)height / in->height);
    struct image small = {0};
    struct image made = {0};
    int rc;

    rc = resize_stretch(in, (int)fmax(in->width * scale, 1),
                        (int)fmax(in->height * scale, 1), &small, err);
    if (rc < 0) {
        return rc;
    }
    rc = image_init(&made, width, height, in->channels);
    if (rc < 0) {
        rc = err_set(err, rc, "resize the picture to %dx%d: %s", width, height,
                     err_text(rc));
        goto out;
    }
    letterbox_place(&small, fill, &made);
    *out = made;
out:
    image_deinit(&small);
    return rc;
}

/* ---- not at all -----------------------------------------------------------
 */

struct span { /* of one axis: from where to where, how many */
    int from;
    int to;
    int n;
};

static struct span span_of(int in, int out)
{
    return in > out ? (struct span){(in - out) / 2, 0, out}
                    : (struct span){0, (out - in) / 2, in};
}

int resize_pad(const struct image *in, int width, int height, struct image *out,
               struct err *err)
{
    size_t channels = (size_t)in->channels;
    struct span x = span_of(in->width, width);
    struct span y = span_of(in->height, height);
    struct image made = {0};
    int rc = image_init(&made, width, height, in->channels);

    if (rc < 0) {
        return err_set(err, rc, "put the picture into %dx%d: %s", width, height,
                       err_text(rc));
    }
    memset(made.pixels, 0, (size_t)width * (size_t)height * channels);
    for (int i = 0; i < y.n; i++) {
        size_t to = (size_t)(y.to + i) * (size_t)width + (size_t)x.to;
        size_t from = (size_t)(y.from + i) * (size_t)in->width + (size_t)x.from;

        memcpy(made.pixels + to * channels, in->pixels + from * channels,
               (size_t)x.n * channels);
    }
    *out = made;
    return 0;
}
