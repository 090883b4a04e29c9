#include "coordinator/plan/again.h"

#include "base/mem.h"

#include <string.h>

struct desk {
    struct again *again;
    uint64_t *left; /* bytes, of each device */
    size_t *load;   /* firm stages, of each device */
};

static size_t at(const struct again *a, size_t stage, size_t device)
{
    return stage * a->n_devices + device;
}

static size_t count(const struct again *a, const uint8_t *role, size_t stage,
                    enum again_role want)
{
    size_t n = 0;

    for (size_t d = 0; d < a->n_devices; d++) {
        n += role[at(a, stage, d)] == (uint8_t)want;
    }
    return n;
}

/* A firm shard that is there has its memory already, and keeps it until its
 * epoch ends, whatever becomes of it. */
static uint64_t cost(const struct again *a, size_t stage, size_t device)
{
    return a->now[at(a, stage, device)] == AGAIN_FIRM
               ? 0
               : a->stages[stage].needs_bytes;
}

static bool fits(const struct desk *desk, size_t stage, size_t device)
{
    const struct again *a = desk->again;

    return a->devices[device].usable &&
           a->role[at(a, stage, device)] == AGAIN_NONE &&
           cost(a, stage, device) <= desk->left[device];
}

static void take(struct desk *desk, size_t stage, size_t device,
                 enum again_role role)
{
    struct again *a = desk->again;

    a->role[at(a, stage, device)] = (uint8_t)role;
    desk->left[device] -= cost(a, stage, device);
    desk->load[device] += role == AGAIN_FIRM;
}

/* ---- firm ones ----------------------------------------------------------- */

static void keep_firm(struct desk *desk)
{
    struct again *a = desk->again;

    for (size_t s = 0; s < a->n_stages; s++) {
        for (size_t d = 0; d < a->n_devices; d++) {
            if (a->now[at(a, s, d)] == AGAIN_FIRM && fits(desk, s, d)) {
                take(desk, s, d, AGAIN_FIRM);
            }
        }
    }
}

/* Where it is ready before where it is not, then the least busy, then the
 * emptiest. */
static bool is_preferred(const struct desk *desk, size_t stage, size_t x,
                         size_t y)
{
    const struct again *a = desk->again;
    bool x_is = a->now[at(a, stage, x)] != AGAIN_NONE;
    bool y_is = a->now[at(a, stage, y)] != AGAIN_NONE;

    if (x_is != y_is) {
        return x_is;
    }
    if (desk->load[x] != desk->load[y]) {
        return desk->load[x] < desk->load[y];
    }
    return desk->left[x] > desk->left[y];
}

static bool add_firm(struct desk *desk, size_t stage, bool anywhere)
{
    struct again *a = desk->again;
    size_t best = a->n_devices;

    for (size_t d = 0; d < a->n_devices; d++) {
        if (fits(desk, stage, d) && (anywhere || a->may[at(a, stage, d)]) &&
            (best == a->n_devices || is_preferred(desk, stage, d, best))) {
            best = d;
        }
    }
    if (best < a->n_devices) {
        take(desk, stage, best, AGAIN_FIRM);
    }
    return best < a->n_devices;
}

/* The largest stage that no device has yet. */
static size_t find_bare(const struct again *a)
{
    size_t found = a->n_stages;

    for (size_t s = 0; s < a->n_stages; s++) {
        if (a->stages[s].wanted > 0 && count(a, a->role, s, AGAIN_FIRM) == 0 &&
            (found == a->n_stages ||
             a->stages[s].needs_bytes > a->stages[found].needs_bytes)) {
            found = s;
        }
    }
    return found;
}

/* Spares that are ready first: they cost nothing and need no time. */
static void promote(struct desk *desk)
{
    struct again *a = desk->again;

    for (size_t s = 0; s < a->n_stages; s++) {
        size_t best = a->n_devices;

        for (size_t d = 0; d < a->n_devices; d++) {
            if (a->now[at(a, s, d)] == AGAIN_SPARE && fits(desk, s, d) &&
                (best == a->n_devices || is_preferred(desk, s, d, best))) {
                best = d;
            }
        }
        if (count(a, a->role, s, AGAIN_FIRM) == 0 && best < a->n_devices) {
            take(desk, s, best, AGAIN_FIRM);
        }
    }
}

static int place_bare(struct desk *desk)
{
    struct again *a = desk->again;
    size_t s;

    promote(desk);
    while ((s = find_bare(a)) < a->n_stages) {
        if (!add_firm(desk, s, false) && !add_firm(desk, s, true)) {
            a->failed_stage = s;
            return EDGE_ENOFIT;
        }
    }
    return 0;
}

static void add_missing(struct desk *desk)
{
    struct again *a = desk->again;

    for (size_t s = 0; s < a->n_stages; s++) {
        while (count(a, a->role, s, AGAIN_FIRM) < a->stages[s].wanted &&
               add_firm(desk, s, false)) {
            /* as many as fit */
        }
    }
}

/* ---- moves --------------------------------------------------------------- */

/* The stage stays behind as a spare, for it is there. */
static void move(struct desk *desk, size_t stage, size_t from, size_t to)
{
    struct again *a = desk->again;

    take(desk, stage, to, AGAIN_FIRM);
    a->role[at(a, stage, from)] = AGAIN_SPARE;
    desk->load[from]--;
}

/* A device that may have it, instead of one that only helps out. */
static bool move_home(struct desk *desk, size_t stage, size_t from)
{
    const struct again *a = desk->again;

    for (size_t d = 0; d < a->n_devices; d++) {
        if (a->may[at(a, stage, d)] && fits(desk, stage, d)) {
            move(desk, stage, from, d);
            return true;
        }
    }
    return false;
}

/* A device with two fewer firm stages takes one over: it came back. */
static bool move_aside(struct desk *desk, size_t stage, size_t from)
{
    const struct again *a = desk->again;

    for (size_t d = 0; d < a->n_devices; d++) {
        if (a->may[at(a, stage, d)] && fits(desk, stage, d) &&
            desk->load[from] >= desk->load[d] + 2) {
            move(desk, stage, from, d);
            return true;
        }
    }
    return false;
}

static void even_out(struct desk *desk)
{
    struct again *a = desk->again;

    for (size_t s = 0; s < a->n_stages; s++) {
        for (size_t d = 0; d < a->n_devices; d++) {
            if (a->role[at(a, s, d)] != AGAIN_FIRM) {
                continue;
            }
            if (a->may[at(a, s, d)]) {
                (void)move_aside(desk, s, d);
            } else {
                (void)move_home(desk, s, d);
            }
        }
    }
}

/* ---- spares -------------------------------------------------------------- */

static size_t count_roles(const struct again *a, size_t device)
{
    size_t n = 0;

    for (size_t s = 0; s < a->n_stages; s++) {
        n += a->role[at(a, s, device)] != AGAIN_NONE;
    }
    return n;
}

static bool add_spare(struct desk *desk, size_t stage, bool new_ones)
{
    struct again *a = desk->again;
    size_t best = a->n_devices;

    for (size_t d = 0; d < a->n_devices; d++) {
        bool is_here = a->now[at(a, stage, d)] != AGAIN_NONE;

        if (is_here == new_ones || !fits(desk, stage, d)) {
            continue;
        }
        if (best == a->n_devices || count_roles(a, d) < count_roles(a, best) ||
            (count_roles(a, d) == count_roles(a, best) &&
             desk->left[d] > desk->left[best])) {
            best = d;
        }
    }
    if (best < a->n_devices) {
        take(desk, stage, best, AGAIN_SPARE);
    }
    return best < a->n_devices;
}

/* Those that are there first; a spare displaces nobody's spare. */
static void add_spares(struct desk *desk, bool new_ones)
{
    const struct again *a = desk->again;

    for (size_t s = 0; s < a->n_stages; s++) {
        while (count(a, a->role, s, AGAIN_SPARE) < a->stages[s].spares &&
               add_spare(desk, s, new_ones)) {
            /* as many as fit */
        }
    }
}

static void take_back_loans(struct desk *desk)
{
    const struct again *a = desk->again;

    for (size_t d = 0; d < a->n_devices; d++) {
        uint64_t loan = a->devices[d].loan;

        desk->left[d] -= loan < desk->left[d] ? loan : desk->left[d];
    }
}

/* ---- all of it ----------------------------------------------------------- */

/* Own spares make way too, so their memory is there to be given out. */
static void count_left(struct desk *desk)
{
    const struct again *a = desk->again;

    for (size_t d = 0; d < a->n_devices; d++) {
        desk->left[d] = a->devices[d].free_bytes + a->devices[d].loan;
        for (size_t s = 0; s < a->n_stages; s++) {
            desk->left[d] += a->now[at(a, s, d)] == AGAIN_SPARE
                                 ? a->stages[s].needs_bytes
                                 : 0;
        }
    }
}

static int place(struct desk *desk)
{
    struct again *a = desk->again;
    int rc;

    memset(a->role, AGAIN_NONE, a->n_stages * a->n_devices);
    count_left(desk);
    keep_firm(desk);
    rc = place_bare(desk);
    if (rc < 0) {
        return rc;
    }
    if (!a->only_needs) {
        add_missing(desk);
        even_out(desk);
    }
    take_back_loans(desk);
    add_spares(desk, false);
    if (!a->only_needs) {
        add_spares(desk, true);
    }
    return 0;
}

int again_place(struct again *again)
{
    struct desk desk = {.again = again};
    int rc = EDGE_ENOMEM;

    desk.left = mem_array(uint64_t, again->n_devices);
    desk.load = mem_array(size_t, again->n_devices);
    if (desk.left != NULL && desk.load != NULL) {
        rc = place(&desk);
    }
    mem_free(desk.left);
    mem_free(desk.load);
    return rc;
}

/* ---- how good ------------------------------------------------------------ */

struct again_score again_score(const struct again *a, const uint8_t *role)
{
    struct again_score score = {0};

    for (size_t s = 0; s < a->n_stages; s++) {
        size_t firm = count(a, role, s, AGAIN_FIRM);
        size_t spares = count(a, role, s, AGAIN_SPARE);
        size_t wanted = a->stages[s].wanted;

        score.missing += firm < wanted ? wanted - firm : 0;
        score.spares +=
            spares < a->stages[s].spares ? a->stages[s].spares - spares : 0;
    }
    for (size_t d = 0; d < a->n_devices; d++) {
        size_t load = 0;

        for (size_t s = 0; s < a->n_stages; s++) {
            bool is_firm = role[at(a, s, d)] == AGAIN_FIRM;

            load += is_firm;
            score.misplaced += is_firm && !a->may[at(a, s, d)];
        }
        score.crowd += load * load;
    }
    return score;
}

bool again_is_better(const struct again_score *a, const struct again_score *b)
{
    if (a->missing != b->missing) {
        return a->missing < b->missing;
    }
    if (a->misplaced != b->misplaced) {
        return a->misplaced < b->misplaced;
    }
    return a->crowd != b->crowd ? a->crowd < b->crowd : a->spares < b->spares;
}
