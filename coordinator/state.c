/*
 * What outlives the coordinator: deployments, nodes, the epoch counter (and,
 * in state_members.c, tokens and certificates). WAL, synchronous FULL: a
 * transaction that returned is on the disk. Calls block: they run on the disk
 * strand, or before the loop.
 */
#include "coordinator/state_inner.h"

#include "base/failpoint.h"
#include "base/mem.h"

#include <string.h>

static const char schema[] =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE IF NOT EXISTS deployments ("
    " name TEXT PRIMARY KEY, generation INTEGER, epoch INTEGER,"
    " yaml BLOB, model BLOB, labels BLOB, model_name TEXT,"
    " deployed_at_ms INTEGER, placement BLOB);"
    "CREATE TABLE IF NOT EXISTS nodes ("
    " name TEXT PRIMARY KEY, host TEXT, port INTEGER);"
    "CREATE TABLE IF NOT EXISTS drained (name TEXT PRIMARY KEY);"
    "CREATE TABLE IF NOT EXISTS tokens ("
    " hash BLOB PRIMARY KEY, expires_s INTEGER, used_by BLOB);"
    "CREATE TABLE IF NOT EXISTS certs ("
    " spki BLOB PRIMARY KEY, node TEXT, not_after_s INTEGER, denied INTEGER);"
    "CREATE TABLE IF NOT EXISTS profiles ("
    " model BLOB, node TEXT, kind TEXT, at_ms INTEGER, body BLOB,"
    " PRIMARY KEY (model, node));"
    "CREATE TABLE IF NOT EXISTS links ("
    " a TEXT, b TEXT, at_ms INTEGER, rtt_s REAL, bytes_per_s REAL,"
    " send_s REAL, send_bytes_per_s REAL, PRIMARY KEY (a, b));"
    "CREATE TABLE IF NOT EXISTS trainings ("
    " name TEXT PRIMARY KEY, body BLOB);"
    "CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, n INTEGER);"
    "INSERT OR IGNORE INTO counters VALUES ('epoch', 0);";

int state_fail(struct state *state, const char *what, struct err *err)
{
    return err_set(err, EDGE_EIO, "state.db: %s: %s", what,
                   sqlite3_errmsg(state->db));
}

static bool is_damage(int rc)
{
    return rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT;
}

static int fail_open(struct state *state, const char *path, int rc,
                     struct err *err)
{
    const char *why =
        state->db != NULL ? sqlite3_errmsg(state->db) : "out of memory";

    if (is_damage(rc)) {
        rc = err_set(err, EDGE_ECORRUPT,
                     "%s is damaged (%s); move it away and deploy again", path,
                     why);
    } else {
        rc = err_set(err, EDGE_EIO, "cannot open %s: %s", path, why);
    }
    state_close(state);
    return rc;
}

int state_open(const char *path, int flags, struct state **out, struct err *err)
{
    struct state *state = mem_new(struct state);
    int rc;

    if (state == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = sqlite3_open(path, &state->db);
    if (rc == SQLITE_OK && (flags & STORE_NO_SYNC) != 0) {
        rc = sqlite3_exec(state->db, "PRAGMA synchronous=OFF;", NULL, NULL,
                          NULL);
    } else if (rc == SQLITE_OK) {
        rc = sqlite3_exec(state->db, "PRAGMA synchronous=FULL;", NULL, NULL,
                          NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(state->db, schema, NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK) {
        return fail_open(state, path, rc, err);
    }
    *out = state;
    return 0;
}

void state_close(struct state *state)
{
    if (state != NULL) {
        (void)sqlite3_close(state->db);
        mem_free(state);
    }
}

int state_prepare(struct state *state, const char *sql, sqlite3_stmt **stmt,
                  struct err *err)
{
    if (sqlite3_prepare_v2(state->db, sql, -1, stmt, NULL) != SQLITE_OK) {
        return state_fail(state, "prepare", err);
    }
    return 0;
}

int state_finish(struct state *state, sqlite3_stmt *stmt, const char *what,
                 struct err *err)
{
    int rc =
        sqlite3_step(stmt) == SQLITE_DONE ? 0 : state_fail(state, what, err);

    (void)sqlite3_finalize(stmt);
    return rc;
}

void state_bind_digest(sqlite3_stmt *stmt, int at, const struct digest *d)
{
    (void)sqlite3_bind_blob(stmt, at, d->bytes, (int)sizeof(d->bytes),
                            SQLITE_STATIC);
}

/* Pages have no checksum in SQLite, and a flipped bit in a placement would
 * send a request the wrong way: its SHA-256 goes behind it. */
#define SEAL sizeof(struct digest)

uint8_t *state_seal(const void *body, size_t size, size_t *sealed_size)
{
    uint8_t *sealed = mem_resize(NULL, size + SEAL, 1);
    struct digest digest;

    if (sealed != NULL) {
        digest_of(body, size, &digest);
        if (size > 0) {
            memcpy(sealed, body, size);
        }
        memcpy(sealed + size, digest.bytes, SEAL);
        *sealed_size = size + SEAL;
    }
    return sealed;
}

bool state_unseal(const void *sealed, size_t *size)
{
    struct digest digest;

    if (sealed == NULL || *size < SEAL) {
        return false;
    }
    *size -= SEAL;
    digest_of(sealed, *size, &digest);
    return memcmp((const uint8_t *)sealed + *size, digest.bytes, SEAL) == 0;
}

int state_put(struct state *state, const struct state_row *row, struct err *err)
{
    size_t size = 0;
    uint8_t *sealed = state_seal(row->placement, row->placement_size, &size);
    sqlite3_stmt *stmt;
    int rc;

    if (sealed == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = state_prepare(state,
                       "INSERT OR REPLACE INTO deployments VALUES "
                       "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                       &stmt, err);
    if (rc < 0) {
        mem_free(sealed);
        return rc;
    }
    (void)sqlite3_bind_text(stmt, 1, row->name, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 2, row->generation);
    (void)sqlite3_bind_int64(stmt, 3, row->epoch);
    state_bind_digest(stmt, 4, &row->yaml);
    state_bind_digest(stmt, 5, &row->model);
    if (row->has_labels) {
        state_bind_digest(stmt, 6, &row->labels);
    }
    (void)sqlite3_bind_text(stmt, 7, row->model_name, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 8, (sqlite3_int64)row->deployed_at_ms);
    (void)sqlite3_bind_blob64(stmt, 9, sealed, size, SQLITE_STATIC);
    FAILPOINT("state.put.before");
    rc = state_finish(state, stmt, "keep a deployment", err);
    FAILPOINT("state.put.after");
    mem_free(sealed);
    return rc;
}

int state_delete(struct state *state, const char *name, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(state, "DELETE FROM deployments WHERE name = ?1",
                           &stmt, err);

    if (rc < 0) {
        return rc;
    }
    (void)sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    FAILPOINT("state.delete.before");
    rc = state_finish(state, stmt, "forget a deployment", err);
    FAILPOINT("state.delete.after");
    return rc;
}

int state_put_node(struct state *state, const struct state_node *node,
                   struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(
        state, "INSERT OR REPLACE INTO nodes VALUES (?1, ?2, ?3)", &stmt, err);

    if (rc < 0) {
        return rc;
    }
    (void)sqlite3_bind_text(stmt, 1, node->name, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, 2, node->host, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int(stmt, 3, node->port);
    FAILPOINT("state.node.before");
    return state_finish(state, stmt, "keep a node", err);
}

int state_next_epoch(struct state *state, uint32_t *epoch, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(state,
                           "UPDATE counters SET n = n + 1 WHERE name = 'epoch' "
                           "RETURNING n",
                           &stmt, err);

    if (rc < 0) {
        return rc;
    }
    FAILPOINT("state.epoch.before");
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        *epoch = (uint32_t)sqlite3_column_int64(stmt, 0);
        rc = state_finish(state, stmt, "count epochs", err);
        FAILPOINT("state.epoch.after");
        return rc;
    }
    (void)sqlite3_finalize(stmt);
    return state_fail(state, "count epochs", err);
}

bool state_read_digest(sqlite3_stmt *stmt, int at, struct digest *d)
{
    if (sqlite3_column_bytes(stmt, at) != (int)sizeof(d->bytes)) {
        return false;
    }
    memcpy(d->bytes, sqlite3_column_blob(stmt, at), sizeof(d->bytes));
    return true;
}

static int read_row(sqlite3_stmt *stmt, struct state_row *row, struct err *err)
{
    *row = (struct state_row){
        .name = (const char *)sqlite3_column_text(stmt, 0),
        .generation = (uint32_t)sqlite3_column_int64(stmt, 1),
        .epoch = (uint32_t)sqlite3_column_int64(stmt, 2),
        .model_name = (const char *)sqlite3_column_text(stmt, 6),
        .deployed_at_ms = (uint64_t)sqlite3_column_int64(stmt, 7),
        .placement = sqlite3_column_blob(stmt, 8),
        .placement_size = (size_t)sqlite3_column_bytes(stmt, 8),
    };
    row->has_labels = state_read_digest(stmt, 5, &row->labels);
    if (row->name == NULL || row->model_name == NULL ||
        !state_read_digest(stmt, 3, &row->yaml) ||
        !state_read_digest(stmt, 4, &row->model) ||
        !state_unseal(row->placement, &row->placement_size)) {
        return err_set(err, EDGE_ECORRUPT, "state.db: a torn deployment");
    }
    return 0;
}

int state_load(struct state *state, state_each each, void *arg, struct err *err)
{
    struct state_row row;
    sqlite3_stmt *stmt;
    int rc = state_prepare(state, "SELECT * FROM deployments ORDER BY name",
                           &stmt, err);

    if (rc < 0) {
        return rc;
    }
    while (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
        rc = read_row(stmt, &row, err);
        if (rc == 0) {
            rc = each(arg, &row, err);
        }
    }
    (void)sqlite3_finalize(stmt);
    return rc;
}

int state_load_nodes(struct state *state, state_each_node each, void *arg,
                     struct err *err)
{
    sqlite3_stmt *stmt;
    int rc =
        state_prepare(state, "SELECT * FROM nodes ORDER BY name", &stmt, err);

    if (rc < 0) {
        return rc;
    }
    while (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
        struct state_node node = {
            .name = (const char *)sqlite3_column_text(stmt, 0),
            .host = (const char *)sqlite3_column_text(stmt, 1),
            .port = sqlite3_column_int(stmt, 2),
        };

        rc = node.name == NULL || node.host == NULL ? 0 : each(arg, &node, err);
    }
    (void)sqlite3_finalize(stmt);
    return rc;
}

/* One statement about one name. */
static int run_named(struct state *state, const char *sql, const char *name,
                     const char *what, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(state, sql, &stmt, err);

    if (rc < 0) {
        return rc;
    }
    (void)sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    return state_finish(state, stmt, what, err);
}

int state_put_drained(struct state *state, const char *name, bool on,
                      struct err *err)
{
    FAILPOINT("state.drained.before");
    return run_named(state,
                     on ? "INSERT OR REPLACE INTO drained VALUES (?1)"
                        : "DELETE FROM drained WHERE name = ?1",
                     name, "keep who is drained", err);
}

int state_delete_node(struct state *state, const char *name, struct err *err)
{
    int rc = state_put_drained(state, name, false, err);

    return rc < 0 ? rc
                  : run_named(state, "DELETE FROM nodes WHERE name = ?1", name,
                              "forget a node", err);
}

int state_load_drained(struct state *state, state_each_name each, void *arg,
                       struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(state, "SELECT name FROM drained", &stmt, err);

    if (rc < 0) {
        return rc;
    }
    while (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);

        rc = name == NULL ? 0 : each(arg, name, err);
    }
    (void)sqlite3_finalize(stmt);
    return rc;
}
