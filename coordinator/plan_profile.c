/*
 * What the plan reckons with: what was measured and kept, and what the boards
 * said of themselves. On the strand, like the rest of the job.
 */
#include "coordinator/plan_job.h"

#include "base/mem.h"
#include "coordinator/plan/profile_build.h"
#include "coordinator/profile.h"

#include <string.h>

struct borrowed { /* the same, as profile_build() wants it */
    struct profile_known *devices;
    struct profile_times *times;
    struct profile_pair *pairs;
};

static void release(struct borrowed *b)
{
    mem_free(b->devices);
    mem_free(b->times);
    mem_free(b->pairs);
}

static int fill_devices(const struct plan_job *job, struct borrowed *b)
{
    b->devices = mem_array(struct profile_known, job->n_devices + 1);
    for (size_t i = 0; b->devices != NULL && i < job->n_devices; i++) {
        const struct plan_device *from = &job->devices[i];

        b->devices[i] = (struct profile_known){
            .name = from->name,
            .kind = from->speed.kind,
            .macs_per_s = from->speed.macs_per_s,
            .bytes_per_s = from->speed.bytes_per_s,
            .run_s = from->speed.run_s,
            .threads = from->speed.threads,
            .free_bytes = from->free_bytes,
        };
    }
    return b->devices == NULL ? EDGE_ENOMEM : 0;
}

/* NULL: the gateway, which is in the coordinator. */
static const char *end_of(const char *name)
{
    return strcmp(name, PROFILE_COORDINATOR) == 0 ? NULL : name;
}

static int fill_kept(const struct kept *kept, struct borrowed *b)
{
    b->times = mem_array(struct profile_times, kept->n + 1);
    b->pairs = mem_array(struct profile_pair, kept->n_links + 1);
    if (b->times == NULL || b->pairs == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < kept->n; i++) {
        const struct kept_profile *row = &kept->rows[i];

        b->times[i] =
            (struct profile_times){row->node, row->kind, row->op_s, row->n_ops};
    }
    for (size_t i = 0; i < kept->n_links; i++) {
        const struct kept_link *link = &kept->links[i];

        b->pairs[i] = (struct profile_pair){
            end_of(link->from), end_of(link->to), link->rtt_s,
            link->bytes_per_s,  link->send_s,     link->send_bytes_per_s};
    }
    return 0;
}

/* What was measured while the boards served counts for more than how fast
 * they once were. */
static int scale(const struct plan_job *job, struct profile *profile)
{
    double *factors = mem_array(double, job->n_devices + 1);
    int rc = factors == NULL ? EDGE_ENOMEM : 0;

    for (size_t i = 0; i < job->n_devices && rc == 0; i++) {
        double factor = job->devices[i].factor;

        factors[i] = factor > 0 ? factor : 1;
    }
    rc = rc == 0 ? profile_scale(profile, factors) : rc;
    mem_free(factors);
    return rc;
}

/* A board that was profiled since has its slowness in its profile. */
static void forget_factors(struct plan_job *job, const struct kept *kept)
{
    uint64_t since_ms = job->now != NULL ? job->now->planned_at_ms : 0;

    for (size_t i = 0; i < job->n_devices; i++) {
        for (size_t k = 0; k < kept->n; k++) {
            if (kept->rows[k].at_ms > since_ms &&
                strcmp(kept->rows[k].node, job->devices[i].name) == 0) {
                job->devices[i].factor = 0;
            }
        }
    }
}

int plan_profile(struct plan_job *job, size_t n_ops, struct profile *profile)
{
    struct borrowed b = {0};
    struct kept kept = {0};
    struct err err;
    int rc = job->kept != NULL
                 ? state_load_kept(job->kept, &job->model, &kept, &err)
                 : 0;

    if (rc < 0) {
        kept = (struct kept){0}; /* a plan can do without */
    }
    forget_factors(job, &kept);
    rc = fill_devices(job, &b);
    if (rc == 0) {
        rc = fill_kept(&kept, &b);
    }
    if (rc == 0) {
        rc = profile_build(profile, &(struct profile_sources){
                                        .devices = b.devices,
                                        .n_devices = job->n_devices,
                                        .times = b.times,
                                        .n_times = kept.n,
                                        .pairs = b.pairs,
                                        .n_pairs = kept.n_links,
                                        .n_ops = n_ops,
                                    });
    }
    release(&b);
    kept_deinit(&kept);
    return rc == 0 ? scale(job, profile) : rc;
}
