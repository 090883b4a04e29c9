/* What a plan is, for people: the message that `edgectl plan` prints. */
#include "coordinator/parts.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define REPORT_BYTES (LIMIT_HEAD * 3 / 4)

static const Edged__Placement *placement_of(const struct deployment *d)
{
    return d != NULL && d->current != NULL ? d->current->spec : NULL;
}

/* Spares come and go: a plan is about the others. */
static size_t firm_nodes(const Edged__Place *place)
{
    return place->n_nodes - place->spares;
}

static bool is_on(const Edged__Place *place, const char *node)
{
    for (size_t i = 0; i < place->n_nodes; i++) {
        if (strcmp(place->nodes[i], node) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_blob(const Edged__Shard *shard, const Edged__BlobRef *ref)
{
    if (memcmp(shard->model->digest.data, ref->digest.data, 32) == 0) {
        return true;
    }
    for (size_t i = 0; i < shard->n_weights; i++) {
        if (memcmp(shard->weights[i]->digest.data, ref->digest.data, 32) == 0) {
            return true;
        }
    }
    return false;
}

/* Does the device hold this blob for what is in force now? */
static bool is_there(const Edged__Placement *old, const char *node,
                     const Edged__BlobRef *ref)
{
    for (size_t i = 0; old != NULL && i < old->n_shards; i++) {
        if (is_on(old->places[i], node) && has_blob(old->shards[i], ref)) {
            return true;
        }
    }
    return false;
}

static uint64_t push_bytes(const Edged__Placement *old, const char *node,
                           const Edged__Shard *shard)
{
    uint64_t bytes = is_there(old, node, shard->model) ? 0 : shard->model->size;

    for (size_t i = 0; i < shard->n_weights; i++) {
        bytes += is_there(old, node, shard->weights[i])
                     ? 0
                     : shard->weights[i]->size;
    }
    return bytes;
}

/* The stage of that name as it is now, or NULL. */
static const Edged__Place *old_place(const Edged__Placement *old,
                                     const char *name)
{
    for (size_t i = 0; old != NULL && i < old->n_places; i++) {
        if (strcmp(old->places[i]->name, name) == 0) {
            return old->places[i];
        }
    }
    return NULL;
}

static int copy_names(char **from, size_t n, char ***to, size_t *n_to)
{
    *to = mem_array(char *, n);
    for (size_t i = 0; i < n && *to != NULL; i++) {
        (*to)[i] = mem_strdup(from[i]);
        if ((*to)[i] == NULL) {
            return EDGE_ENOMEM;
        }
        *n_to = i + 1;
    }
    return *to == NULL ? EDGE_ENOMEM : 0;
}

/* The output that may leave behind it. */
static const char *exit_of(const Edged__Shard *shard)
{
    return shard->exit != NULL ? shard->outputs[shard->exit->port]->name : "";
}

static int fill_stage(Edged__PlanStage *stage, const Edged__Placement *spec,
                      size_t i, const Edged__Placement *old)
{
    const Edged__Place *was = old_place(old, spec->places[i]->name);

    stage->name = mem_strdup(spec->shards[i]->name);
    stage->first = mem_strdup(spec->texts[i]->first);
    stage->last = mem_strdup(spec->texts[i]->last);
    stage->weight_bytes = spec->shards[i]->weight_bytes;
    stage->arena_bytes = spec->shards[i]->arena_bytes;
    stage->link_bytes = spec->texts[i]->link_bytes;
    stage->macs = spec->texts[i]->macs;
    stage->exit = mem_strdup(exit_of(spec->shards[i]));
    if (was != NULL && copy_names(was->nodes, firm_nodes(was),
                                  &stage->old_nodes, &stage->n_old_nodes) < 0) {
        return EDGE_ENOMEM;
    }
    return copy_names(spec->places[i]->nodes, spec->places[i]->n_nodes,
                      &stage->nodes, &stage->n_nodes);
}

static int fill_device(Edged__PlanDevice *device,
                       const struct plan_device *from,
                       const Edged__Placement *spec,
                       const Edged__Placement *old)
{
    device->name = mem_strdup(from->name);
    device->free_bytes = from->free_bytes;
    for (size_t i = 0; i < spec->n_shards; i++) {
        if (is_on(spec->places[i], from->name)) {
            device->needs_bytes +=
                spec->shards[i]->weight_bytes + spec->shards[i]->arena_bytes;
            device->push_bytes += push_bytes(old, from->name, spec->shards[i]);
        }
    }
    if (device->needs_bytes == 0) {
        device->note = mem_strdup("takes no part");
    }
    return device->name == NULL ? EDGE_ENOMEM : 0;
}

static int fill_lists(Edged__PlanReport *report, const struct plan_job *job,
                      const Edged__Placement *old)
{
    const Edged__Placement *spec = job->spec;

    report->stages = mem_array(Edged__PlanStage *, spec->n_shards);
    report->devices = mem_array(Edged__PlanDevice *, job->n_devices);
    if (report->stages == NULL || report->devices == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < spec->n_shards; i++) {
        report->stages[i] = mem_new(Edged__PlanStage);
        if (report->stages[i] == NULL) {
            return EDGE_ENOMEM;
        }
        edged__plan_stage__init(report->stages[i]);
        report->n_stages = i + 1;
        if (fill_stage(report->stages[i], spec, i, old) < 0) {
            return EDGE_ENOMEM;
        }
    }
    for (size_t i = 0; i < job->n_devices; i++) {
        report->devices[i] = mem_new(Edged__PlanDevice);
        if (report->devices[i] == NULL) {
            return EDGE_ENOMEM;
        }
        edged__plan_device__init(report->devices[i]);
        report->n_devices = i + 1;
        if (fill_device(report->devices[i], &job->devices[i], spec, old) < 0) {
            return EDGE_ENOMEM;
        }
    }
    return 0;
}

static uint32_t count_survives(const Edged__Placement *spec)
{
    size_t least = LIMIT_REPLICAS;

    for (size_t i = 0; i < spec->n_places; i++) {
        least =
            spec->places[i]->n_nodes < least ? spec->places[i]->n_nodes : least;
    }
    return (uint32_t)(least > 0 ? least - 1 : 0);
}

static bool is_changed(const Edged__PlanReport *report,
                       const struct deployment *old, const struct plan_job *job)
{
    if (old == NULL || old->current == NULL ||
        !digest_equal(&old->model, &job->model) ||
        old->current->spec->n_shards != report->n_stages) {
        return true;
    }
    for (size_t i = 0; i < report->n_stages; i++) {
        const Edged__PlanStage *stage = report->stages[i];

        if (stage->n_nodes != stage->n_old_nodes) {
            return true;
        }
        for (size_t k = 0; k < stage->n_nodes; k++) {
            if (strcmp(stage->nodes[k], stage->old_nodes[k]) != 0) {
                return true;
            }
        }
    }
    return false;
}

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 0x100000001b3u; /* FNV-1a */
    }
    return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    return mix(hash, text, strlen(text) + 1);
}

/* The same plan has the same number, whenever it is made; short enough to be
 * typed. */
static uint64_t number_of(const Edged__PlanReport *report,
                          const Edged__Placement *spec)
{
    uint64_t hash = mix_text(0xcbf29ce484222325u, report->deployment);

    hash = mix(hash, report->model.data, report->model.len);
    hash = mix_text(hash, spec->input);
    for (size_t i = 0; i < report->n_stages; i++) {
        const Edged__PlanStage *stage = report->stages[i];

        hash = mix_text(hash, stage->name);
        hash = mix_text(hash, stage->first);
        hash = mix_text(hash, stage->last);
        for (size_t k = 0; k < stage->n_nodes; k++) {
            hash = mix_text(hash, stage->nodes[k]);
        }
        hash = mix(hash, &i, sizeof(i)); /* where one ends */
    }
    return hash % 999999 + 1;
}

/* One board alone is what every plan has to beat. */
static char *why_not_alone(const struct plan_job *job)
{
    const struct choice_other *alone = &job->choices.others[CHOICE_ALONE];
    const char *name = choice_shape_name(CHOICE_ALONE);

    if (job->choices.shape == CHOICE_ALONE) {
        return mem_strdup("");
    }
    if (!alone->is_possible) {
        return mem_printf("%s: %s", name, alone->why);
    }
    return mem_printf("%s: %.3g ms, %.3g images/s: %s", name,
                      alone->choice.latency_s * 1e3, alone->choice.throughput,
                      alone->why);
}

/* Devices that take no part are counted, not listed, where they are too many
 * for one message. */
static void fit(Edged__PlanReport *report)
{
    size_t size = edged__plan_report__get_packed_size(report);
    size_t n = 0;

    for (size_t i = 0; i < report->n_devices; i++) {
        Edged__PlanDevice *device = report->devices[i];

        if (size > REPORT_BYTES && device->needs_bytes == 0) {
            size -= edged__plan_device__get_packed_size(device);
            edged__plan_device__free_unpacked(device, NULL);
            report->more_devices++;
        } else {
            report->devices[n++] = device;
        }
    }
    report->n_devices = n;
}

int report_new(const struct coordinator *c, const struct deployment *old,
               const struct plan_job *job, Edged__PlanReport **out)
{
    Edged__PlanReport *report = mem_new(Edged__PlanReport);

    (void)c;
    if (report == NULL) {
        return EDGE_ENOMEM;
    }
    edged__plan_report__init(report);
    *out = report;
    report->deployment = mem_strdup(job->spec->deployment);
    report->model_name = mem_strdup(job->model_name);
    report->model.data = mem_dup(job->model.bytes, sizeof(job->model.bytes));
    report->model.len = report->model.data != NULL ? 32 : 0;
    report->parameters = job->parameters;
    report->weight_bytes = job->weight_bytes;
    report->latency_ms = job->total_s * 1e3;
    report->throughput = job->slowest_s > 0 ? 1 / job->slowest_s : 0;
    report->rejected = why_not_alone(job);
    report->survives = count_survives(job->spec);
    if (fill_lists(report, job, placement_of(old)) < 0) {
        return EDGE_ENOMEM;
    }
    fit(report);
    report->changed = is_changed(report, old, job);
    report->number = number_of(report, job->spec);
    return 0;
}

void report_free(Edged__PlanReport *report)
{
    if (report != NULL) {
        edged__plan_report__free_unpacked(report, NULL);
    }
}
