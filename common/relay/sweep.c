#include "relay/sweep.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct sweep_job {
    struct io_work work;
    struct sweep *sweep;
    struct store *store;
    struct digest *kept; /* sorted */
    size_t n;
    size_t room;
    bool is_partial; /* not all of it could be named: nothing goes */
    uint64_t freed;
};

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct digest));
}

static bool is_kept(void *arg, const struct digest *digest)
{
    const struct sweep_job *job = arg;

    return job->n > 0 &&
           bsearch(digest, job->kept, job->n, sizeof(*digest), compare) != NULL;
}

void sweep_keep(struct sweep *sweep, const struct digest *digest)
{
    struct sweep_job *job = sweep->job;

    if (job->n == job->room) {
        size_t room = job->room > 0 ? 2 * job->room : 256;
        struct digest *kept =
            mem_resize(job->kept, room, sizeof(struct digest));

        if (kept == NULL) {
            job->is_partial = true;
            return;
        }
        job->kept = kept;
        job->room = room;
    }
    job->kept[job->n++] = *digest;
}

void sweep_keep_bytes(struct sweep *sweep, const ProtobufCBinaryData *from)
{
    struct digest digest;

    if (from->len == sizeof(digest.bytes)) {
        memcpy(digest.bytes, from->data, sizeof(digest.bytes));
        sweep_keep(sweep, &digest);
    }
}

void sweep_keep_ref(struct sweep *sweep, const Edged__BlobRef *ref)
{
    if (ref != NULL) {
        sweep_keep_bytes(sweep, &ref->digest);
    }
}

static void keep_data(struct sweep *sweep, const Edged__DataSpec *data)
{
    if (data != NULL) {
        sweep_keep_ref(sweep, data->manifest);
        for (size_t i = 0; i < data->n_files; i++) {
            sweep_keep_ref(sweep, data->files[i]);
        }
    }
}

void sweep_keep_recipe(struct sweep *sweep, const Edged__Recipe *recipe)
{
    if (recipe != NULL) {
        keep_data(sweep, recipe->train);
        keep_data(sweep, recipe->test);
        sweep_keep_ref(sweep, recipe->state);
    }
}

void sweep_not_now(struct sweep *sweep)
{
    sweep->job->is_partial = true;
}

static void on_run(struct io_work *work)
{
    struct sweep_job *job = container_of(work, struct sweep_job, work);

    job->freed =
        store_sweep(job->store, is_kept, job, LIMIT_STORE_SPARE, STORE_YOUNG_S);
}

static void end(struct sweep *sweep)
{
    if (sweep->job != NULL) {
        mem_free(sweep->job->kept);
        mem_free(sweep->job);
        sweep->job = NULL;
    }
}

static void on_done(struct io_work *work)
{
    struct sweep_job *job = container_of(work, struct sweep_job, work);
    struct sweep *sweep = job->sweep;

    if (job->freed > 0) {
        log_event(sweep->io->log, LOG_INFO, "store.swept", "mib=%llu",
                  (unsigned long long)(job->freed >> 20));
    }
    end(sweep);
}

static void on_timer(struct io_timer *timer)
{
    struct sweep *sweep = container_of(timer, struct sweep, timer);

    io_timer_start(sweep->io, timer, STORE_SWEEP_MS);
    if (sweep->job != NULL) {
        return; /* the disk takes its time */
    }
    sweep->job = mem_new(struct sweep_job);
    if (sweep->job == NULL) {
        return;
    }
    sweep->job->sweep = sweep;
    sweep->job->store = sweep->store;
    sweep->name(sweep->arg, sweep);
    if (sweep->job->is_partial) {
        end(sweep);
        return;
    }
    if (sweep->job->n > 1) {
        qsort(sweep->job->kept, sweep->job->n, sizeof(struct digest), compare);
    }
    sweep->job->work.run = on_run;
    sweep->job->work.done = on_done;
    sweep->job->work.cost_us = 1000;
    io_work(sweep->io, IO_DISK, &sweep->job->work);
}

void sweep_start(struct sweep *sweep, struct io *io, struct store *store,
                 void (*name)(void *arg, struct sweep *sweep), void *arg)
{
    sweep->io = io;
    sweep->store = store;
    sweep->name = name;
    sweep->arg = arg;
    io_timer_init(&sweep->timer, on_timer);
    io_timer_start(io, &sweep->timer, STORE_SWEEP_MS);
}

void sweep_stop(struct sweep *sweep)
{
    if (sweep->io != NULL) {
        io_timer_stop(sweep->io, &sweep->timer);
    }
}

void sweep_deinit(struct sweep *sweep)
{
    end(sweep);
}
