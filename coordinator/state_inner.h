/* What the files of state.db share: the only users of SQLite. */
#ifndef EDGE_COORDINATOR_STATE_INNER_H
#define EDGE_COORDINATOR_STATE_INNER_H

#include "coordinator/parts.h"

#include <sqlite3.h>

struct state {
    sqlite3 *db;
};

int state_fail(struct state *state, const char *what, struct err *err);
int state_prepare(struct state *state, const char *sql, sqlite3_stmt **stmt,
                  struct err *err);
/* Runs a statement that returns no rows, and ends it. */
int state_finish(struct state *state, sqlite3_stmt *stmt, const char *what,
                 struct err *err);
void state_bind_digest(sqlite3_stmt *stmt, int at, const struct digest *d);
bool state_read_digest(sqlite3_stmt *stmt, int at, struct digest *d);
/* `body` with its SHA-256 behind it, for mem_free(); NULL: out of memory. And
 * the other way round: false if it is damaged. */
uint8_t *state_seal(const void *body, size_t size, size_t *sealed_size);
bool state_unseal(const void *sealed, size_t *size);

#endif
