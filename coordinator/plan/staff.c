#include "coordinator/plan/staff.h"

#include "base/mem.h"

struct boards {
    size_t *uses; /* stages that each works on */
    size_t *free; /* those that no stage names, in order */
    size_t n_free;
};

static bool has(const struct staff_stage *stage, size_t board)
{
    for (size_t i = 0; i < stage->n; i++) {
        if (stage->boards[i] == board) {
            return true;
        }
    }
    return false;
}

static void add(struct staff_stage *stage, size_t board)
{
    if (stage->n < LIMIT_REPLICAS && !has(stage, board)) {
        stage->boards[stage->n++] = board;
    }
}

static void take_off(struct staff_stage *stage, size_t board)
{
    size_t n = 0;

    for (size_t i = 0; i < stage->n; i++) {
        if (stage->boards[i] != board) {
            stage->boards[n++] = stage->boards[i];
        }
    }
    stage->n = n;
}

/* ---- what is wished ------------------------------------------------------ */

static void find_free(const struct staff_ask *ask, struct boards *boards)
{
    for (size_t b = 0; b < ask->n_boards; b++) {
        bool is_given = false;

        for (size_t s = 0; s < ask->n_stages; s++) {
            is_given = is_given || has(&ask->given[s], b);
        }
        if (!is_given) {
            boards->free[boards->n_free++] = b;
        }
    }
    if (boards->n_free == 0) { /* all have work: some have more of it */
        for (size_t b = 0; b < ask->n_boards; b++) {
            boards->free[boards->n_free++] = b;
        }
    }
}

/* Stages that nobody wrote down share the boards that are free: in turn, or
 * neighbours on one board where there are fewer of these. */
static void wish(const struct staff_ask *ask, const struct boards *boards,
                 struct staff_stage *stages)
{
    size_t n_open = 0;
    size_t k = 0;

    for (size_t s = 0; s < ask->n_stages; s++) {
        stages[s] = ask->given[s];
        n_open += ask->given[s].n == 0;
    }
    for (size_t s = 0; s < ask->n_stages; s++) {
        if (ask->given[s].n > 0) {
            continue;
        }
        if (boards->n_free < n_open) {
            add(&stages[s], boards->free[k * boards->n_free / n_open]);
        }
        for (size_t j = k; boards->n_free >= n_open && j < boards->n_free;
             j += n_open) {
            add(&stages[s], boards->free[j]);
        }
        k++;
    }
}

/* ---- what can be --------------------------------------------------------- */

static void drop_missing(const struct staff_ask *ask, struct boards *boards,
                         struct staff_stage *stages)
{
    for (size_t s = 0; s < ask->n_stages; s++) {
        for (size_t b = 0; b < ask->n_boards; b++) {
            if (!ask->there[b]) {
                take_off(&stages[s], b);
            } else {
                boards->uses[b] += has(&stages[s], b);
            }
        }
    }
}

/* A stage that can do without it, or n_stages. */
static size_t find_giver(const struct staff_ask *ask,
                         const struct staff_stage *stages, size_t board)
{
    size_t giver = ask->n_stages;

    for (size_t s = 0; s < ask->n_stages; s++) {
        if (stages[s].n > 1 && has(&stages[s], board) &&
            (giver == ask->n_stages || stages[s].n > stages[giver].n)) {
            giver = s;
        }
    }
    return giver;
}

/* An idle one, or else one that a stage can do without, or else the one with
 * the fewest stages. */
static size_t find_help(const struct staff_ask *ask,
                        const struct boards *boards,
                        const struct staff_stage *stages)
{
    size_t best = ask->n_boards;
    size_t least = 0;

    for (size_t b = 0; b < ask->n_boards; b++) {
        size_t cost =
            2 * boards->uses[b] -
            (boards->uses[b] > 0 && find_giver(ask, stages, b) < ask->n_stages);

        if (ask->there[b] && (best == ask->n_boards || cost < least)) {
            best = b;
            least = cost;
        }
    }
    return best;
}

static int fill(const struct staff_ask *ask, struct boards *boards,
                struct staff_stage *stages, struct err *err)
{
    for (size_t s = 0; s < ask->n_stages; s++) {
        size_t b;
        size_t giver;

        if (stages[s].n > 0) {
            continue;
        }
        b = find_help(ask, boards, stages);
        if (b == ask->n_boards) {
            return err_set(err, EDGE_EUNAVAILABLE, "no board is there");
        }
        giver = find_giver(ask, stages, b);
        if (giver < ask->n_stages) {
            take_off(&stages[giver], b);
            boards->uses[b]--;
        }
        add(&stages[s], b);
        boards->uses[b]++;
    }
    return 0;
}

int staff_choose(const struct staff_ask *ask, struct staff_stage *stages,
                 struct err *err)
{
    struct boards boards = {
        .uses = mem_array(size_t, ask->n_boards + 1),
        .free = mem_array(size_t, ask->n_boards + 1),
    };
    int rc = boards.uses == NULL || boards.free == NULL
                 ? err_set(err, EDGE_ENOMEM, "out of memory")
                 : 0;

    if (rc == 0) {
        find_free(ask, &boards);
        wish(ask, &boards, stages);
        drop_missing(ask, &boards, stages);
        rc = fill(ask, &boards, stages, err);
    }
    mem_free(boards.uses);
    mem_free(boards.free);
    return rc;
}
