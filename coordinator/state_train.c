/* Trainings in state.db: a row each, so that a checkpoint is whole or not at
 * all. */
#include "coordinator/state_inner.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "coordinator/train/train.h"

int state_put_training(struct state *state, const char *name, const void *body,
                       size_t size, struct err *err)
{
    size_t sealed_size = 0;
    uint8_t *sealed = state_seal(body, size, &sealed_size);
    sqlite3_stmt *stmt;
    int rc;

    if (sealed == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = state_prepare(
        state, "INSERT OR REPLACE INTO trainings VALUES (?1, ?2)", &stmt, err);
    if (rc == 0) {
        (void)sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
        (void)sqlite3_bind_blob64(stmt, 2, sealed, sealed_size, SQLITE_STATIC);
        FAILPOINT("state.training.before");
        rc = state_finish(state, stmt, "keep a checkpoint", err);
        FAILPOINT("state.training.after");
    }
    mem_free(sealed);
    return rc;
}

int state_drop_training(struct state *state, const char *name, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(state, "DELETE FROM trainings WHERE name = ?1",
                           &stmt, err);

    if (rc == 0) {
        (void)sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
        rc = state_finish(state, stmt, "forget a training", err);
    }
    return rc;
}

int state_load_trainings(struct state *state, state_each_training each,
                         void *arg, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = state_prepare(state, "SELECT body FROM trainings ORDER BY name",
                           &stmt, err);

    if (rc < 0) {
        return rc;
    }
    while (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
        const void *body = sqlite3_column_blob(stmt, 0);
        size_t size = (size_t)sqlite3_column_bytes(stmt, 0);

        if (state_unseal(body, &size)) {
            rc = each(arg, body, size, err);
        }
    }
    (void)sqlite3_finalize(stmt);
    return rc;
}
