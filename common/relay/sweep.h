/*
 * A store does not grow for ever: now and then, on the disk strand, what the
 * owner does not name goes, the longest unused first. Some of it stays as a
 * cache (LIMIT_STORE_SPARE), and so does all that was used lately
 * (STORE_YOUNG_S), which somebody may be about to name. Loop thread only.
 */
#ifndef EDGE_RELAY_SWEEP_H
#define EDGE_RELAY_SWEEP_H

#include "base/store.h"
#include "net/io.h"

struct sweep_job;

struct sweep {
    struct io *io;
    struct store *store;
    /* Names what is needed, with sweep_keep(). */
    void (*name)(void *arg, struct sweep *sweep);
    void *arg;
    struct io_timer timer;
    struct sweep_job *job; /* private: being made, or with the strand */
};

/* After the store is open; the first sweep is STORE_SWEEP_MS from now. */
void sweep_start(struct sweep *sweep, struct io *io, struct store *store,
                 void (*name)(void *arg, struct sweep *sweep), void *arg);
/* Inside `name` only. */
void sweep_keep(struct sweep *sweep, const struct digest *digest);
/* The same for a digest in a message; one that is none is passed over. */
void sweep_keep_bytes(struct sweep *sweep, const ProtobufCBinaryData *digest);
/* Those of a shard that is trained. NULL is fine, for these two as well. */
void sweep_keep_ref(struct sweep *sweep, const Edged__BlobRef *ref);
void sweep_keep_recipe(struct sweep *sweep, const Edged__Recipe *recipe);
/* Inside `name`: what is needed cannot be said now, so nothing goes this time.
 */
void sweep_not_now(struct sweep *sweep);
void sweep_stop(struct sweep *sweep); /* fine on one that never began */
/* After the io has stopped: no job may be running. */
void sweep_deinit(struct sweep *sweep);

#endif
