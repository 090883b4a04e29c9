/*
 * Profiles and links in state.db: what was measured is known after a restart,
 * and for boards of the same kind. What is there is looked at as if it came
 * from outside.
 */
#include "coordinator/state_inner.h"

#include "base/mem.h"
#include "profile.pb-c.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SECONDS_MAX 3600.0
#define RATE_MAX 1e18

bool kept_is_seconds(double value)
{
    return isfinite(value) && value > 0 && value <= SECONDS_MAX;
}

bool kept_is_rate(double value)
{
    return isfinite(value) && value > 0 && value <= RATE_MAX;
}

/* ---- out ------------------------------------------------------------------
 */

static uint8_t *pack(const struct kept_profile *row, size_t *size)
{
    Edged__KeptProfile body = EDGED__KEPT_PROFILE__INIT;
    uint8_t *bytes;

    body.macs = row->macs;
    body.op_s = row->op_s;
    body.n_op_s = row->n_ops;
    body.note = (char *)(uintptr_t)row->note;
    *size = edged__kept_profile__get_packed_size(&body);
    bytes = mem_resize(NULL, *size + 1, 1);
    if (bytes != NULL) {
        (void)edged__kept_profile__pack(&body, bytes);
    }
    return bytes;
}

/* Of either table: the oldest make room. */
static int make_room(struct state *state, const char *sql, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(state, sql, &stmt, err);

    if (rc < 0) {
        return rc;
    }
    (void)sqlite3_bind_int(stmt, 1, LIMIT_PROFILES);
    return state_finish(state, stmt, "forget old profiles", err);
}

int state_put_profile(struct state *state, const struct digest *model,
                      const struct kept_profile *row, struct err *err)
{
    sqlite3_stmt *stmt;
    size_t size;
    uint8_t *body = pack(row, &size);
    int rc;

    if (body == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = state_prepare(
        state, "INSERT OR REPLACE INTO profiles VALUES (?1, ?2, ?3, ?4, ?5)",
        &stmt, err);
    if (rc == 0) {
        state_bind_digest(stmt, 1, model);
        (void)sqlite3_bind_text(stmt, 2, row->node, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(stmt, 3, row->kind, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(stmt, 4, (sqlite3_int64)row->at_ms);
        (void)sqlite3_bind_blob64(stmt, 5, body, size, SQLITE_STATIC);
        rc = state_finish(state, stmt, "keep a profile", err);
    }
    mem_free(body);
    return rc < 0 ? rc
                  : make_room(state,
                              "DELETE FROM profiles WHERE rowid NOT IN (SELECT "
                              "rowid FROM profiles ORDER BY at_ms DESC LIMIT "
                              "?1)",
                              err);
}

int state_put_link(struct state *state, const struct kept_link *link,
                   struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(
        state,
        "INSERT OR REPLACE INTO links VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &stmt, err);

    if (rc < 0) {
        return rc;
    }
    (void)sqlite3_bind_text(stmt, 1, link->from, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, 2, link->to, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 3, (sqlite3_int64)link->at_ms);
    (void)sqlite3_bind_double(stmt, 4, link->rtt_s);
    (void)sqlite3_bind_double(stmt, 5, link->bytes_per_s);
    (void)sqlite3_bind_double(stmt, 6, link->send_s);
    (void)sqlite3_bind_double(stmt, 7, link->send_bytes_per_s);
    rc = state_finish(state, stmt, "keep a link", err);
    return rc < 0 ? rc
                  : make_room(state,
                              "DELETE FROM links WHERE rowid NOT IN (SELECT "
                              "rowid FROM links ORDER BY at_ms DESC LIMIT ?1)",
                              err);
}

/* ---- in -------------------------------------------------------------------
 */

static bool column_text(sqlite3_stmt *stmt, int at, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(stmt, at);

    return text != NULL && (size_t)snprintf(out, size, "%s", text) < size;
}

static bool are_times(const Edged__KeptProfile *body)
{
    if (body->n_op_s == 0 || body->n_op_s > LIMIT_GRAPH_OPS ||
        !(isfinite(body->macs) && body->macs >= 0)) {
        return false;
    }
    for (size_t i = 0; i < body->n_op_s; i++) {
        if (body->op_s[i] != 0 && !kept_is_seconds(body->op_s[i])) {
            return false;
        }
    }
    return true;
}

static int read_body(const Edged__KeptProfile *body, struct kept_profile *row)
{
    row->op_s = mem_dup(body->op_s, body->n_op_s * sizeof(body->op_s[0]));
    row->n_ops = body->n_op_s;
    row->macs = body->macs;
    (void)snprintf(row->note, sizeof(row->note), "%s", body->note);
    return row->op_s == NULL ? EDGE_ENOMEM : 0;
}

/* 0 too if the row is no good: then it is not there. */
static int read_row(sqlite3_stmt *stmt, struct kept *kept)
{
    struct kept_profile row = {.at_ms =
                                   (uint64_t)sqlite3_column_int64(stmt, 2)};
    const void *bytes = sqlite3_column_blob(stmt, 3);
    size_t size = (size_t)sqlite3_column_bytes(stmt, 3);
    Edged__KeptProfile *body =
        bytes != NULL ? edged__kept_profile__unpack(NULL, size, bytes) : NULL;
    int rc = 0;

    if (body != NULL && are_times(body) &&
        column_text(stmt, 0, row.node, sizeof(row.node)) &&
        column_text(stmt, 1, row.kind, sizeof(row.kind))) {
        rc = mem_grow(&kept->rows, &kept->room, kept->n, sizeof(row));
        rc = rc < 0 ? rc : read_body(body, &row);
        if (rc == 0) {
            kept->rows[kept->n++] = row;
        }
    }
    edged__kept_profile__free_unpacked(body, NULL);
    return rc;
}

static int load_rows(struct state *state, const struct digest *model,
                     struct kept *kept, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(state,
                           "SELECT node, kind, at_ms, body FROM profiles WHERE "
                           "model = ?1 ORDER BY at_ms DESC",
                           &stmt, err);

    if (rc < 0) {
        return rc;
    }
    state_bind_digest(stmt, 1, model);
    while (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
        rc = read_row(stmt, kept);
    }
    (void)sqlite3_finalize(stmt);
    return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

static int read_link(sqlite3_stmt *stmt, struct kept *kept)
{
    struct kept_link link = {
        .at_ms = (uint64_t)sqlite3_column_int64(stmt, 2),
        .rtt_s = sqlite3_column_double(stmt, 3),
        .bytes_per_s = sqlite3_column_double(stmt, 4),
        .send_s = sqlite3_column_double(stmt, 5),
        .send_bytes_per_s = sqlite3_column_double(stmt, 6),
    };

    if (!column_text(stmt, 0, link.from, sizeof(link.from)) ||
        !column_text(stmt, 1, link.to, sizeof(link.to)) ||
        !kept_is_seconds(link.rtt_s) || !kept_is_rate(link.bytes_per_s)) {
        return 0;
    }
    link.send_s = kept_is_seconds(link.send_s) ? link.send_s : 0;
    link.send_bytes_per_s =
        kept_is_rate(link.send_bytes_per_s) ? link.send_bytes_per_s : 0;
    if (mem_grow(&kept->links, &kept->links_room, kept->n_links, sizeof(link)) <
        0) {
        return EDGE_ENOMEM;
    }
    kept->links[kept->n_links++] = link;
    return 0;
}

static int load_links(struct state *state, struct kept *kept, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(state,
                           "SELECT a, b, at_ms, rtt_s, bytes_per_s, send_s, "
                           "send_bytes_per_s FROM links ORDER BY a, b",
                           &stmt, err);

    if (rc < 0) {
        return rc;
    }
    while (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
        rc = read_link(stmt, kept);
    }
    (void)sqlite3_finalize(stmt);
    return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

int state_load_kept(struct state *state, const struct digest *model,
                    struct kept *kept, struct err *err)
{
    int rc;

    *kept = (struct kept){0};
    rc = load_rows(state, model, kept, err);
    if (rc == 0) {
        rc = load_links(state, kept, err);
    }
    if (rc < 0) {
        kept_deinit(kept);
    }
    return rc;
}

void kept_deinit(struct kept *kept)
{
    for (size_t i = 0; i < kept->n; i++) {
        mem_free(kept->rows[i].op_s);
    }
    mem_free(kept->rows);
    mem_free(kept->links);
    *kept = (struct kept){0};
}
