/*
 * Files named by the SHA-256 of their content, in one folder.
 *
 * A blob becomes visible only when it is whole: it is staged under a
 * temporary name, verified, fsynced, renamed to its digest, and the folder is
 * fsynced. So a name that exists was right when it was written; store_map()
 * can verify it again. Files are 0600, the folder 0700. Calls block on the
 * disk: on a loop they run as io_work. A store may be used by one thread at a
 * time.
 */
#ifndef EDGE_BASE_STORE_H
#define EDGE_BASE_STORE_H

#include "base/blob.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest {
    uint8_t bytes[32];
};

#define DIGEST_HEX (2 * 32 + 1)

void digest_of(const void *data, size_t size, struct digest *digest);
void digest_hex(const struct digest *digest, char out[DIGEST_HEX]);
bool digest_parse(const char *hex, struct digest *digest);
bool digest_equal(const struct digest *a, const struct digest *b);

struct store;
struct stage; /* one blob on its way in */

enum store_flags { STORE_NO_SYNC = 1 /* tests on simulated time */ };

/* Makes the folder if need be and removes what a crash left staged. */
int store_open(const char *folder, int flags, struct store **store,
               struct err *err);
void store_free(struct store *store);

const char *store_folder(const struct store *store);
/* True if the blob is there, and then it counts as used now; its size goes to
 * *size (may be NULL). */
bool store_has(const struct store *store, const struct digest *digest,
               uint64_t *size);
/* Maps a blob; with `verify` its content is hashed first and a mismatch is
 * EDGE_ECORRUPT, the file removed. */
int store_map(struct store *store, const struct digest *digest, bool verify,
              struct blob **blob, struct err *err);

/* Puts bytes that are in memory; *digest is their name. Present: no write. */
int store_put(struct store *store, const void *data, size_t size,
              struct digest *digest, struct err *err);

/* Pieces in order: begin, append ..., then commit or abort, which both end
 * the stage. commit is EDGE_ECORRUPT unless exactly `size` bytes of content
 * `digest` came. */
int stage_begin(struct store *store, const struct digest *digest, uint64_t size,
                struct stage **stage, struct err *err);
int stage_append(struct stage *stage, const void *data, size_t size,
                 struct err *err);
uint64_t stage_received(const struct stage *stage);
int stage_commit(struct stage *stage, struct err *err);
void stage_abort(struct stage *stage); /* NULL is fine */

/* Removes one blob; fine if it is not there. What is mapped stays readable. */
int store_remove(struct store *store, const struct digest *digest);

/* Makes room: of the blobs for which `keep` says no, those that were not used
 * for longest go until the others of them take `spare` bytes at most; none
 * goes that was used within the last `young_s` seconds (by the wall clock; 0:
 * all may go).
 * Others may use the store meanwhile: what store_has() said yes to stays, and
 * what is mapped stays readable. Returns bytes freed; what cannot be listed
 * or removed stays. */
typedef bool (*store_keep)(void *arg, const struct digest *digest);
uint64_t store_sweep(struct store *store, store_keep keep, void *arg,
                     uint64_t spare, uint64_t young_s);

#endif
