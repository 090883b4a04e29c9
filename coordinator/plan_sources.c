/* What a view's board is told of where the view comes from. */
#include "coordinator/model_input.h"
#include "coordinator/plan_job.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <string.h>

#define STALE_MS 2000 /* at least: what was seen longer ago is nothing */

static const struct cluster_view *view_of(const struct cluster *cluster,
                                          const char *input)
{
    for (size_t i = 0; i < cluster->n_views; i++) {
        if (strcmp(cluster->views[i].name, input) == 0) {
            return &cluster->views[i];
        }
    }
    return NULL;
}

static double *copy_numbers(const float *from, size_t n)
{
    double *to = mem_array(double, n);

    for (size_t i = 0; i < n && to != NULL; i++) {
        to[i] = (double)from[i];
    }
    return to;
}

static int fill(const struct cluster *cluster, const struct cluster_view *view,
                const struct cluster_input *input, bool may_lack,
                Edged__ViewSource *to)
{
    to->stale_ms =
        cluster->deadline_ms > STALE_MS ? cluster->deadline_ms : STALE_MS;
    to->resize = input->resize;
    to->crop = input->crop;
    to->color = input->color;
    to->range = input->range;
    to->blank_absent = may_lack && input->blank == CLUSTER_BLANK_ABSENT;
    to->mean = copy_numbers(input->mean, input->n);
    to->n_mean = to->mean != NULL ? input->n : 0;
    to->std = copy_numbers(input->std, input->n);
    to->n_std = to->std != NULL ? input->n : 0;
    return to->mean == NULL || to->std == NULL
               ? EDGE_ENOMEM
               : convert_set_text(&to->from, view->from);
}

static int set_source(const struct working *w, size_t input_index,
                      const struct cluster_input *input, Edged__Shard *shard)
{
    const char *name = w->graph->values[w->graph->inputs[input_index]].name;
    const struct cluster_view *view = view_of(w->job->cluster, name);
    Edged__ViewSource *source;

    if (view == NULL || view->from == NULL) {
        return 0;
    }
    source = mem_new(Edged__ViewSource);
    if (source == NULL) {
        return EDGE_ENOMEM;
    }
    edged__view_source__init(source);
    shard->source = source;
    return fill(w->job->cluster, view, input, w->tiers.has_present, source);
}

/* Pictures become what the model takes, or nothing is deployed. */
static int check(const struct working *w, size_t view,
                 const struct cluster_input *input, struct err *err)
{
    const struct value *v = &w->graph->values[w->graph->inputs[view]];
    bool is_gray = input->color == CLUSTER_COLOR_GRAY;
    int64_t channels = v->shape.rank == 4 ? v->shape.dims[1] : 0;

    if (v->dtype == DTYPE_F32 && (channels == 1 || channels == 3) &&
        !(channels == 3 && is_gray) && v->shape.dims[0] == 1 &&
        v->shape.dims[2] <= LIMIT_IMAGE_SIDE &&
        v->shape.dims[3] <= LIMIT_IMAGE_SIDE) {
        return 0;
    }
    return err_set(err, EDGE_ECONFIG,
                   "no picture becomes the view \"%.200s\": it has %lld "
                   "channels, and model.input says %s. Views with a \"from\" "
                   "are float32 pictures of 1 or 3 channels",
                   v->name, (long long)channels,
                   is_gray ? "color: gray" : "color: rgb or bgr");
}

int plan_sources(const struct working *w, Edged__Placement *spec,
                 struct err *err)
{
    struct cluster_input input = w->job->cluster->model.input;
    int rc =
        spec->input[0] != '\0'
            ? model_input_parse(spec->input, w->job->model_name, &input, err)
            : 0;

    for (size_t i = 0; i < w->parts.n && rc == 0; i++) {
        int view = tiers_view(&w->tiers, w->pieces[i].stage);

        if (view < 0) {
            continue;
        }
        if (set_source(w, (size_t)view, &input, spec->shards[i]) < 0) {
            rc = err_set(err, EDGE_ENOMEM, "out of memory");
        } else if (spec->shards[i]->source != NULL) {
            rc = check(w, (size_t)view, &input, err);
        }
    }
    return rc;
}
