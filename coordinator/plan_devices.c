/* Which device computes which shard, and whether it has the memory. */
#include "coordinator/plan_job.h"

#include "base/mem.h"

/* A piece has every k-th of the devices of its stage, so that twice as many as
 * pieces make two replicas of each; where there are fewer, some devices have
 * several pieces. What slices and joins is with the first. */
static void give_devices(struct working *w, size_t i)
{
    const struct piece *piece = &w->pieces[i];
    const struct choice_stage *stage =
        &w->job->choices.best.stages[piece->stage];
    struct shard_place *place = &w->places[i];
    size_t k = choice_pieces(stage);
    size_t first = piece->role == PIECE_PART ? (size_t)piece->index : 0;

    place->n_devices = 0;
    for (size_t d = first % stage->n_devices;
         d < stage->n_devices && place->n_devices < LIMIT_REPLICAS; d += k) {
        place->devices[place->n_devices++] = stage->devices[d];
    }
}

static uint64_t needs_on(const struct shard_place *place, size_t device)
{
    uint64_t needs = 0;

    for (size_t k = 0; k < place->n_devices; k++) {
        needs += place->devices[k] == device ? place->needs_bytes : 0;
    }
    return needs;
}

static uint64_t mib_up(uint64_t bytes)
{
    return (bytes >> 20) + 1;
}

/* Several shards on one device count together. */
static int check_device(const struct working *w, const Edged__Placement *spec,
                        size_t device, struct err *err)
{
    const struct plan_device *d = &w->job->devices[device];
    uint64_t needs = 0;

    for (size_t i = 0; i < w->n_places; i++) {
        uint64_t before = needs;

        needs += needs_on(&w->places[i], device);
        if (needs > d->free_bytes && needs > before) {
            uint64_t left = d->free_bytes > before ? d->free_bytes - before : 0;

            return err_set(err, EDGE_ENOFIT,
                           "stage %s needs %llu MiB on %s, which has %llu MiB "
                           "free: %llu MiB short. What would fit: %llu MiB "
                           "free there, or a smaller stage",
                           spec->shards[i]->name,
                           (unsigned long long)mib_up(needs - before), d->name,
                           (unsigned long long)(left >> 20),
                           (unsigned long long)mib_up(needs - d->free_bytes),
                           (unsigned long long)mib_up(needs));
        }
    }
    return 0;
}

int plan_devices(struct working *w, const Edged__Placement *spec,
                 struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < w->n_places; i++) {
        give_devices(w, i);
    }
    for (size_t d = 0; d < w->job->n_devices && rc == 0; d++) {
        rc = check_device(w, spec, d, err);
    }
    return rc;
}

/* What shards of a stage take by measure, for what was reckoned. */
void plan_learn(struct working *w)
{
    const struct choice *best = &w->job->choices.best;

    for (size_t s = 0; s < best->n_stages; s++) {
        const struct choice_stage *stage = &best->stages[s];
        struct cost_shape shape = {stage->kind, stage->axis, stage->halo,
                                   stage->rows, stage->columns};
        struct cost_part part;
        double most = 0;

        for (size_t i = 0; i < w->n_places; i++) {
            if (w->pieces[i].stage == s &&
                (double)w->places[i].needs_bytes > most) {
                most = (double)w->places[i].needs_bytes;
            }
        }
        if (cost_part(&w->model, w->profile.devices[stage->devices[0]].board,
                      stage->first, stage->end, &shape, &part) == 0 &&
            part.weight_bytes + part.arena_bytes > 0 && most > 0) {
            cost_model_scale(&w->model, stage->first, stage->end,
                             most / (part.weight_bytes + part.arena_bytes));
        }
    }
}

/* ---- the placement ------------------------------------------------------- */

/* Shards that send to shard `i`, the gateway among them. */
static uint32_t count_sources(const struct working *w, size_t i)
{
    uint32_t n = 0;
    int last = (int)w->parts.n; /* links are in order of `from` */

    for (size_t k = 0; k < w->parts.n_links; k++) {
        const struct part_link *link = &w->parts.links[k];

        if (link->to == (int)i && link->from != last) {
            last = link->from;
            n++;
        }
    }
    return n;
}

int plan_places(const struct working *w, Edged__Placement *spec)
{
    spec->places = mem_array(Edged__Place *, w->n_places);
    for (size_t i = 0; i < w->n_places && spec->places != NULL; i++) {
        const struct shard_place *from = &w->places[i];
        Edged__Place *place = mem_new(Edged__Place);

        if (place == NULL) {
            return EDGE_ENOMEM;
        }
        edged__place__init(place);
        spec->places[i] = place;
        spec->n_places = i + 1;
        place->shard = spec->shards[i]->id;
        place->name = mem_strdup(spec->shards[i]->name);
        place->sources = count_sources(w, i);
        place->n_inputs = (uint32_t)spec->shards[i]->n_inputs;
        place->nodes = mem_array(char *, from->n_devices);
        for (size_t k = 0; k < from->n_devices && place->nodes != NULL; k++) {
            place->nodes[k] =
                mem_strdup(w->job->devices[from->devices[k]].name);
            place->n_nodes = k + 1;
            if (place->nodes[k] == NULL) {
                return EDGE_ENOMEM;
            }
        }
        place->wanted = (uint32_t)place->n_nodes;
    }
    return spec->places == NULL ? EDGE_ENOMEM : 0;
}
