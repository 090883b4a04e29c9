/* Tokens and certificates in state.db. */
#include "coordinator/state_inner.h"

#include "base/failpoint.h"
#include "coordinator/authority.h"
#include <string.h>

#define REMEMBER_S 86400 /* a token that is over, to say why it is refused */

static int run(struct state *state, const char *sql, struct err *err)
{
    return sqlite3_exec(state->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : state_fail(state, sql, err);
}

/* One statement with a digest, a text and a number, each where it is used. */
static int change(struct state *state, const char *sql,
                  const struct digest *digest, const char *text, int64_t number,
                  struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(state, sql, &stmt, err);

    if (rc < 0) {
        return rc;
    }
    if (digest != NULL) {
        state_bind_digest(stmt, 1, digest);
    }
    if (text != NULL) {
        (void)sqlite3_bind_text(stmt, 2, text, -1, SQLITE_STATIC);
    }
    (void)sqlite3_bind_int64(stmt, 3, number);
    return state_finish(state, stmt, "keep a certificate", err);
}

/* Begins, runs, and ends a transaction, as a whole or not at all. */
static int end_transaction(struct state *state, int rc, struct err *err)
{
    if (rc == 0) {
        FAILPOINT("state.members.commit.before");
        rc = run(state, "COMMIT", err);
        FAILPOINT("state.members.commit.after");
    }
    if (rc < 0) {
        (void)sqlite3_exec(state->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return rc;
}

/* ---- tokens -------------------------------------------------------------- */

static int count_tokens(struct state *state, int64_t *n, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(state, "SELECT count(*) FROM tokens", &stmt, err);

    if (rc < 0) {
        return rc;
    }
    *n = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_finalize(stmt);
    return 0;
}

int state_put_token(struct state *state, const struct digest *hash,
                    int64_t now_s, int64_t expires_s, struct err *err)
{
    int64_t n = 0;
    int rc = change(state, "DELETE FROM tokens WHERE expires_s < ?3", NULL,
                    NULL, now_s - REMEMBER_S, err);

    if (rc == 0) {
        rc = count_tokens(state, &n, err);
    }
    if (rc == 0 && n >= LIMIT_TOKENS) {
        return err_set(err, EDGE_EBUSY,
                       "%d tokens were made in the last day; that is enough",
                       LIMIT_TOKENS);
    }
    return rc < 0 ? rc
                  : change(state,
                           "INSERT INTO tokens (hash, expires_s) "
                           "VALUES (?1, ?3)",
                           hash, NULL, expires_s, err);
}

struct kept_token {
    bool is_there;
    bool is_used;
    int64_t expires_s;
    struct digest used_by;
};

/* Looks at all of them, each in the same time, so that how long it takes says
 * nothing about any. */
static int find_token(struct state *state, const struct digest *hash,
                      struct kept_token *found, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(state, "SELECT hash, expires_s, used_by FROM tokens",
                           &stmt, err);

    memset(found, 0, sizeof(*found));
    while (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
        struct digest it;

        if (state_read_digest(stmt, 0, &it) && token_hash_equal(&it, hash)) {
            found->is_there = true;
            found->expires_s = sqlite3_column_int64(stmt, 1);
            found->is_used = state_read_digest(stmt, 2, &found->used_by);
        }
    }
    if (rc == 0) {
        (void)sqlite3_finalize(stmt);
    }
    return rc;
}

/* Whether a key has a certificate of that name. */
static bool is_of_name(struct state *state, const struct digest *spki,
                       const char *name)
{
    sqlite3_stmt *stmt;
    bool is_it;

    if (state_prepare(state,
                      "SELECT count(*) FROM certs WHERE spki = ?1 AND "
                      "node = ?2",
                      &stmt, NULL) < 0) {
        return false;
    }
    state_bind_digest(stmt, 1, spki);
    (void)sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
    is_it =
        sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) == 1;
    (void)sqlite3_finalize(stmt);
    return is_it;
}

static int say_unknown(struct err *err)
{
    return err_set(err, EDGE_ENOENT,
                   "this coordinator has not made that token, or has made it "
                   "long ago. Make one here:  edgectl token create");
}

int state_knows_token(struct state *state, const struct digest *hash,
                      struct err *err)
{
    struct kept_token token;
    int rc = find_token(state, hash, &token, err);

    return rc < 0 || token.is_there ? rc : say_unknown(err);
}

/* A board whose answer was lost asks again with the same key for the same name:
 * it is the one that the token was used for. */
static int check_token(struct state *state, const struct kept_token *token,
                       const struct state_admit *admit, struct err *err)
{
    if (!token->is_there) {
        return say_unknown(err);
    }
    if (token->is_used &&
        (!digest_equal(&token->used_by, &admit->spki) ||
         !is_of_name(state, &admit->spki, admit->node.name))) {
        return err_set(err, EDGE_EREFUSED,
                       "that token was used already, and each is good for one "
                       "board. Make another:  edgectl token create");
    }
    if (admit->now_s >= token->expires_s) {
        return err_set(err, EDGE_EREFUSED,
                       "that token expired %lld s ago. Make another:  edgectl "
                       "token create",
                       (long long)(admit->now_s - token->expires_s));
    }
    return 0;
}

static int look_up_token(struct state *state, const struct state_admit *admit,
                         struct err *err)
{
    struct kept_token token;
    int rc = find_token(state, &admit->hash, &token, err);

    return rc < 0 ? rc : check_token(state, &token, admit, err);
}

static int use_token(struct state *state, const struct state_admit *admit,
                     struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(
        state, "UPDATE tokens SET used_by = ?2 WHERE hash = ?1", &stmt, err);

    if (rc < 0) {
        return rc;
    }
    state_bind_digest(stmt, 1, &admit->hash);
    state_bind_digest(stmt, 2, &admit->spki);
    return state_finish(state, stmt, "use a token", err);
}

/* ---- members ------------------------------------------------------------- */

/* An older certificate of the key may be good for longer than the new one. */
int state_put_cert(struct state *state, const struct digest *spki,
                   const char *node, int64_t not_after_s, struct err *err)
{
    return change(state,
                  "INSERT INTO certs VALUES (?1, ?2, ?3, 0) ON CONFLICT(spki) "
                  "DO UPDATE SET not_after_s = max(not_after_s, ?3)",
                  spki, node, not_after_s, err);
}

static int count_one(struct state *state, const char *sql,
                     const struct digest *digest, int64_t number, int64_t *n,
                     struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(state, sql, &stmt, err);

    if (rc < 0) {
        return rc;
    }
    if (digest != NULL) {
        state_bind_digest(stmt, 1, digest);
    }
    (void)sqlite3_bind_int64(stmt, 3, number);
    rc = sqlite3_step(stmt) == SQLITE_ROW ? 0 : state_fail(state, sql, err);
    *n = rc == 0 ? sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_finalize(stmt);
    return rc;
}

int state_may_renew(struct state *state, const struct digest *spki,
                    struct err *err)
{
    int64_t n = 0;
    int rc = count_one(
        state, "SELECT count(*) FROM certs WHERE spki = ?1 AND denied = 1",
        spki, 0, &n, err);

    return rc < 0 || n == 0
               ? rc
               : err_set(err, EDGE_EREFUSED,
                         "the certificate of that key was revoked: it needs "
                         "another key and a token. Make one:  edgectl token "
                         "create");
}

/* More than the list can hold would be some that are let in again. */
static int check_room(struct state *state, int64_t now_s, struct err *err)
{
    int64_t n = 0;
    int rc = count_one(state,
                       "SELECT count(*) FROM certs WHERE denied = 1 AND "
                       "not_after_s >= ?3",
                       NULL, now_s, &n, err);

    return rc < 0 || n <= LIMIT_DENIED
               ? rc
               : err_set(err, EDGE_ETOOBIG,
                         "%d certificates are revoked that have not expired, "
                         "and more cannot be. Wait until some have, or begin "
                         "the cluster's certificates anew",
                         LIMIT_DENIED);
}

static int admit_now(struct state *state, const struct state_admit *admit,
                     struct err *err)
{
    int rc = look_up_token(state, admit, err);

    if (rc == 0) {
        rc = state_may_renew(state, &admit->spki, err);
    }
    if (rc == 0) {
        rc = use_token(state, admit, err);
    }
    if (rc == 0) { /* a name has one key */
        rc = change(state,
                    "UPDATE certs SET denied = 1 WHERE node = ?2 AND spki <> "
                    "?1",
                    &admit->spki, admit->node.name, 0, err);
    }
    if (rc == 0) {
        rc = check_room(state, admit->now_s, err);
    }
    if (rc == 0) {
        rc = state_put_cert(state, &admit->spki, admit->node.name,
                            admit->not_after_s, err);
    }
    return rc < 0 ? rc : state_put_node(state, &admit->node, err);
}

int state_may_admit(struct state *state, const struct state_admit *admit,
                    struct err *err)
{
    return look_up_token(state, admit, err);
}

int state_admit(struct state *state, const struct state_admit *admit,
                struct err *err)
{
    int rc = run(state, "BEGIN IMMEDIATE", err);

    return rc < 0 ? rc
                  : end_transaction(state, admit_now(state, admit, err), err);
}

static int deny_now(struct state *state, const char *node,
                    const struct digest *spki, int64_t now_s, int64_t until_s,
                    size_t *n, struct err *err)
{
    int rc = 0;

    if (spki != NULL) { /* one that this coordinator did not issue */
        rc = change(state, "INSERT OR IGNORE INTO certs VALUES (?1, ?2, ?3, 1)",
                    spki, node, until_s, err);
    }
    if (rc == 0) {
        rc = change(state,
                    "UPDATE certs SET denied = 1 WHERE spki = ?1 OR node = ?2 "
                    "OR node = '" STATE_CLIENT "' || ?2",
                    spki, node, 0, err);
        *n = rc == 0 ? (size_t)sqlite3_changes(state->db) : 0;
    }
    return rc < 0 ? rc : check_room(state, now_s, err);
}

int state_deny(struct state *state, const char *node, const struct digest *spki,
               int64_t now_s, int64_t until_s, size_t *n, struct err *err)
{
    int rc = run(state, "BEGIN IMMEDIATE", err);

    return rc < 0
               ? rc
               : end_transaction(
                     state, deny_now(state, node, spki, now_s, until_s, n, err),
                     err);
}

bool state_is_denied(struct state *state, const char *node)
{
    sqlite3_stmt *stmt;
    bool is_denied;

    if (state_prepare(state,
                      "SELECT count(*) > 0 AND min(denied) = 1 FROM certs "
                      "WHERE node = ?1",
                      &stmt, NULL) < 0) {
        return false; /* then its certificate is refused when it is dialed */
    }
    (void)sqlite3_bind_text(stmt, 1, node, -1, SQLITE_STATIC);
    is_denied =
        sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) == 1;
    (void)sqlite3_finalize(stmt);
    return is_denied;
}

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

/* By number and not by time alone: under a clock that is years ahead all have
 * expired, and would be let in again when it is set right. */
static int forget_old(struct state *state, int64_t now_s, struct err *err)
{
    return change(state,
                  "DELETE FROM certs WHERE not_after_s < ?3 AND spki NOT IN "
                  "(SELECT spki FROM certs ORDER BY denied DESC, not_after_s "
                  "DESC LIMIT " TEXT(LIMIT_CERTS) ")",
                  NULL, NULL, now_s, err);
}

int state_load_denied(struct state *state, int64_t now_s,
                      struct digest denied[LIMIT_DENIED], size_t *n,
                      struct err *err)
{
    sqlite3_stmt *stmt;
    int step;
    int rc = forget_old(state, now_s, err);

    if (rc == 0) {
        rc = state_prepare(state,
                           "SELECT spki FROM certs WHERE denied = 1 ORDER BY "
                           "not_after_s DESC",
                           &stmt, err);
    }
    *n = 0;
    if (rc < 0) {
        return rc;
    }
    do {
        step = sqlite3_step(stmt);
        if (step == SQLITE_ROW && state_read_digest(stmt, 0, &denied[*n])) {
            (*n)++;
        }
    } while (step == SQLITE_ROW && *n < LIMIT_DENIED);
    if (step != SQLITE_ROW && step != SQLITE_DONE) {
        rc = state_fail(state, "read who is revoked", err);
    }
    (void)sqlite3_finalize(stmt);
    return rc; /* a list that is not whole would let some in again */
}
