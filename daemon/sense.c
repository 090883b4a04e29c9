/*
 * A view's own board, asked by the gateway for what it saw at an instant.
 *
 *   Data with a time and no tensor   its source is asked; what it saw is the
 *                                    run's input as if a client had sent it
 *   it saw nothing then              nothing is computed: who gathers hears so
 *                                    at once, by Data without a tensor
 *   such Data comes to who gathers   that view is not waited for; if nobody saw
 *                                    anything the request has failed
 *
 * The same question again, after a loss, has the same time in it.
 */
#include "daemon/parts.h"

#include "base/mem.h"
#include "config/source.h"
#include "image/grid.h"
#include "wire/convert.h"

#include <string.h>

/* ---- what an Install says ------------------------------------------------ */

static void fill_channels(float *to, const double *from, size_t n, float other)
{
    for (size_t i = 0; i < 3; i++) {
        to[i] = n == 0 ? other : (float)from[n == 3 ? i : 0];
    }
}

/* `spec` is compared byte by byte: its gaps are 0. */
static int read_spec(const Edged__ViewSource *how, const struct shape *shape,
                     struct image_spec *spec, struct err *err)
{
    struct image_spec usual;

    if (shape->rank != 4 || shape->dims[0] != 1 ||
        shape->dims[2] > LIMIT_IMAGE_SIDE ||
        shape->dims[3] > LIMIT_IMAGE_SIDE) {
        return err_set(err, EDGE_EPROTO, "its view is no picture");
    }
    usual = image_spec_default((int)shape->dims[3], (int)shape->dims[2]);
    spec->width = usual.width;
    spec->height = usual.height;
    spec->fill = usual.fill;
    spec->fit = (enum image_fit)how->resize;
    spec->crop = how->crop > 0 ? how->crop : usual.crop;
    spec->color =
        shape->dims[1] == 1 ? IMAGE_COLOR_GRAY : (enum image_color)how->color;
    spec->range = (enum image_range)how->range;
    fill_channels(spec->mean, how->mean, how->n_mean, 0);
    fill_channels(spec->std, how->std, how->n_std, 1);
    return image_spec_channels(spec) != shape->dims[1]
               ? err_set(err, EDGE_EPROTO, "its view has no such channels")
               : image_spec_check(spec, err);
}

/* Whoever may deploy may not run programs by that alone. */
static int check_form(const struct daemon *d, const char *from, struct err *err)
{
    struct source_form form;
    const char *why = source_form_read(from, &form);

    if (why != NULL) {
        return err_set(err, EDGE_EPROTO, "%s", why);
    }
    if (form.kind == SOURCE_EXEC && !d->allow_exec) {
        return err_set(err, EDGE_EREFUSED,
                       "%s runs no commands (\"%.200s\"): who may deploy "
                       "could run any program there. To allow that, start its "
                       "edged with --allow-exec",
                       d->name, from);
    }
    return 0;
}

static int read_source(const struct daemon *d, const Edged__Shard *from,
                       struct sensing *sensing, struct err *err)
{
    const Edged__ViewSource *how = from->source;
    struct tensor input;
    int rc;

    if (from->view == 0 || from->n_inputs != 1 || how->stale_ms == 0 ||
        how->resize > (uint32_t)IMAGE_FIT_PAD ||
        how->color > (uint32_t)IMAGE_COLOR_GRAY ||
        how->range > (uint32_t)IMAGE_RANGE_BYTE || how->n_mean > 3 ||
        how->n_std > 3 || from->inputs[0]->tensor == NULL) {
        return err_set(err, EDGE_EPROTO, "it is not well formed");
    }
    rc = check_form(d, how->from, err);
    if (rc == 0) {
        rc = convert_meta_in(from->inputs[0]->tensor, NULL, &input, err);
    }
    if (rc == 0) {
        rc = read_spec(how, &input.shape, &sensing->spec, err);
    }
    sensing->stale_us = (uint64_t)how->stale_ms * 1000;
    sensing->blank_absent = how->blank_absent;
    sensing->from = mem_strdup(how->from);
    return rc == 0 && sensing->from == NULL
               ? err_set(err, EDGE_ENOMEM, "out of memory")
               : rc;
}

int sense_read(const Edged__Shard *from, struct hosted *shard, struct err *err)
{
    int rc;

    if (from->source == NULL) {
        return 0;
    }
    shard->sensing = mem_new(struct sensing);
    if (shard->sensing == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = read_source(shard->epoch->daemon, from, shard->sensing, err);
    return rc < 0 ? err_wrap(err, rc, "shard %s: its source", shard->name) : 0;
}

int sense_start(struct epoch *epoch, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < epoch->n_shards && rc == 0; i++) {
        struct sensing *s = epoch->shards[i].sensing;

        if (s != NULL && s->source == NULL) {
            rc = source_open(epoch->daemon, s->from, &s->spec, &s->source, err);
        }
    }
    return rc;
}

void sense_free(struct hosted *shard)
{
    if (shard->sensing != NULL) {
        source_close(shard->sensing->source);
        mem_free(shard->sensing->from);
        mem_free(shard->sensing);
    }
}

/* ---- Data without values ------------------------------------------------- */

const char *sense_refuses(const struct hosted *shard,
                          const struct relay_data *data)
{
    const struct gather *gather = shard->gather;

    if (data->at_us > 0) {
        return shard->sensing == NULL || shard->sensing->source == NULL
                   ? "this view has no source here"
                   : NULL;
    }
    if (gather == NULL) {
        return "one of the views was not seen at that time, and the model "
               "needs all of them: it has no input \"present\"";
    }
    return gather->views[data->port] == 0 ||
                   (data->views.absent >> (gather->views[data->port] - 1) &
                    1) == 0
               ? "Data without values of a view that is there"
               : NULL;
}

static void see(struct run *run, const struct tensor *seen)
{
    run->inputs[0] = tensor_ref(seen);
    run->n_have = 1;
    run_queue(run);
}

static bool is_blank(const struct sensing *sensing, const struct tensor *seen)
{
    const struct shape *shape = &seen->shape;
    float black[GRID_CHANNELS];

    image_spec_black(&sensing->spec, black);
    return sensing->blank_absent &&
           grid_is_blank(seen->data, (size_t)shape->dims[1],
                         (size_t)(shape->dims[2] * shape->dims[3]), black);
}

static void on_seen(struct source_ask *ask, const struct tensor *seen)
{
    struct run *run = container_of(ask, struct run, ask);
    struct daemon *d = run->daemon;

    run->asks = false;
    if (seen != NULL && !is_blank(run->shard->sensing, seen)) {
        see(run, seen);
        run_pump(d);
    } else {
        run->views.absent |= UINT32_C(1) << (run->shard->view - 1);
        run_skip(run);
    }
}

static void ask(struct run *run, const struct relay_data *data)
{
    const struct sensing *sensing = run->shard->sensing;

    run->began_us = io_now_us(run->daemon->io);
    run->asks = true;
    run->ask = (struct source_ask){
        .at_us = data->at_us,
        .stale_us = sensing->stale_us,
        .done = on_seen,
    };
    source_ask(sensing->source, &run->ask);
}

/* Who else is not there is known as if values had come. */
static void go_without(struct run *run, const struct relay_data *data)
{
    struct daemon *d = run->daemon;

    if (run->began_us == 0) {
        run->began_us = io_now_us(d->io);
    }
    views_note(run, data->port);
    views_go_on(run); /* it may end with that */
    run_pump(d);
}

void sense_take(struct run *run, const struct relay_data *data)
{
    if (run->state != RUN_GATHERING || run->asks) {
        return; /* it was asked before, or goes on already */
    }
    relay_views_merge(&run->views, &data->views);
    if (data->at_us > 0) {
        ask(run, data);
    } else {
        go_without(run, data);
    }
}

void sense_stop(struct run *run)
{
    source_cancel(&run->ask);
    run->asks = false;
}
