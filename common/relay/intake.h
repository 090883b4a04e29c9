/*
 * Blobs coming in, piece by piece, into a store. Each Chunk becomes a job on
 * the disk strand, which keeps them in order; its ChunkAck says how much of
 * the blob is safe. What a broken connection leaves is kept, so that a push
 * goes on where it was. Coordinator (from clients) and daemons (from the
 * coordinator) take in blobs through the same door. Loop thread only.
 */
#ifndef EDGE_RELAY_INTAKE_H
#define EDGE_RELAY_INTAKE_H

#include "base/store.h"
#include "net/io.h"

struct intake {
    struct io *io;
    struct store *store; /* set by the owner, who outlives the intake */
    /* A blob is whole and durable. May be NULL. */
    void (*on_arrived)(void *arg, const struct digest *digest);
    void *arg;
    struct list stages; /* private: struct incoming */
    struct list pieces; /* private: struct piece, with the disk strand */
};

void intake_init(struct intake *intake, struct io *io);
/* After the io has stopped: no job may be running. */
void intake_deinit(struct intake *intake);

void intake_on_chunk(struct intake *intake, struct io_peer *peer,
                     struct msg *msg);
void intake_peer_gone(struct intake *intake, struct io_peer *peer);

#endif
