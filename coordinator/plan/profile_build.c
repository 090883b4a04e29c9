#include "coordinator/plan/profile_build.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CLASSES 12 /* of ends of links: 78 links among them fit link_of */
#define LINKS 250  /* all in all */

struct builder {
    const struct profile_sources *from;
    struct profile profile; /* with as many boards as devices */
    size_t n_boards;
    double *total_s;    /* by board: of the model; 0: not measured */
    const char **kinds; /* by board */
};

static bool are_within(double a, double b, double factor)
{
    return (a <= 0 && b <= 0) ||
           (a > 0 && b > 0 && a < b * factor && b < a * factor);
}

static bool are_alike(double a, double b)
{
    return are_within(a, b, PROFILE_ALIKE);
}

/* ---- boards ---------------------------------------------------------------
 */

/* Its own times, or those of its kind. */
static const struct profile_times *times_of(const struct profile_sources *from,
                                            const struct profile_known *device)
{
    const struct profile_times *of_kind = NULL;

    for (size_t i = 0; i < from->n_times; i++) {
        const struct profile_times *t = &from->times[i];

        if (t->n_ops != from->n_ops || device->kind[0] == '\0' ||
            strcmp(t->kind, device->kind) != 0) {
            continue;
        }
        if (strcmp(t->device, device->name) == 0) {
            return t;
        }
        of_kind = of_kind != NULL ? of_kind : t;
    }
    return of_kind;
}

static double total_of(const struct profile_times *times)
{
    double s = 0;

    for (size_t i = 0; times != NULL && i < times->n_ops; i++) {
        s += times->op_s[i];
    }
    return s;
}

static struct profile_board board_of(const struct profile_known *device)
{
    struct profile_board board = profile_default_board();

    if (device->kind[0] != '\0') {
        (void)snprintf(board.name, sizeof(board.name), "%.*s", LIMIT_NAME,
                       device->kind);
    }
    board.macs_per_s =
        device->macs_per_s > 0 ? device->macs_per_s : board.macs_per_s;
    board.bytes_per_s =
        device->bytes_per_s > 0 ? device->bytes_per_s : board.bytes_per_s;
    board.run_s = device->run_s > 0 ? device->run_s : board.run_s;
    board.threads = device->threads > 0 ? device->threads : board.threads;
    return board;
}

/* A board that this device may share, or n_boards. */
static size_t find_board(const struct builder *b,
                         const struct profile_known *device, double total_s)
{
    struct profile_board board = board_of(device);

    for (size_t i = 0; i < b->n_boards; i++) {
        const struct profile_board *other = &b->profile.boards[i];

        if (strcmp(b->kinds[i], device->kind) == 0 &&
            are_alike(b->total_s[i], total_s) &&
            (total_s > 0 ||
             (are_within(board.macs_per_s, other->macs_per_s, PROFILE_NOISE) &&
              are_within(board.bytes_per_s, other->bytes_per_s,
                         PROFILE_NOISE)))) {
            return i;
        }
    }
    return b->n_boards;
}

static int add_board(struct builder *b, const struct profile_known *device,
                     const struct profile_times *times)
{
    struct profile_board *board = &b->profile.boards[b->n_boards];

    *board = board_of(device);
    if (times != NULL) {
        if (profile_board_set_ops(board, b->from->n_ops) < 0) {
            return EDGE_ENOMEM;
        }
        memcpy(board->op_s, times->op_s,
               b->from->n_ops * sizeof(board->op_s[0]));
        board->is_measured = true;
    }
    b->total_s[b->n_boards] = total_of(times);
    b->kinds[b->n_boards] = device->kind;
    b->n_boards++;
    return 0;
}

/* Other work can only have made what was found out at the start slower. */
static void join_board(struct builder *b, size_t i,
                       const struct profile_known *device)
{
    struct profile_board *board = &b->profile.boards[i];
    struct profile_board own = board_of(device);

    if (!board->is_measured) {
        board->macs_per_s = fmax(board->macs_per_s, own.macs_per_s);
        board->bytes_per_s = fmax(board->bytes_per_s, own.bytes_per_s);
        board->run_s = fmin(board->run_s, own.run_s);
    }
}

static int make_boards(struct builder *b)
{
    int rc = 0;

    for (size_t i = 0; i < b->from->n_devices && rc == 0; i++) {
        const struct profile_known *device = &b->from->devices[i];
        const struct profile_times *times = times_of(b->from, device);
        struct profile_device *to = &b->profile.devices[i];

        (void)snprintf(to->name, sizeof(to->name), "%s", device->name);
        to->free_bytes = device->free_bytes;
        to->board = find_board(b, device, total_of(times));
        if (to->board == b->n_boards) {
            rc = add_board(b, device, times);
        } else {
            join_board(b, to->board, device);
        }
    }
    return rc;
}

/* ---- ends of links --------------------------------------------------------
 */

struct end { /* the best that was seen with it; 0: nothing was */
    double rtt_s;
    double bytes_per_s;
    size_t class;
};

static bool is_end(const char *name, const struct profile_sources *from,
                   size_t i)
{
    return i == from->n_devices
               ? name == NULL
               : name != NULL && strcmp(name, from->devices[i].name) == 0;
}

/* The index of a device; n_devices: the gateway; after it: neither. */
static size_t find_end(const struct profile_sources *from, const char *name)
{
    size_t i = 0;

    while (i <= from->n_devices && !is_end(name, from, i)) {
        i++;
    }
    return i;
}

static void note_end(struct end *end, const struct profile_pair *pair)
{
    if (end->rtt_s <= 0 || pair->rtt_s < end->rtt_s) {
        end->rtt_s = pair->rtt_s;
    }
    if (pair->bytes_per_s > end->bytes_per_s) {
        end->bytes_per_s = pair->bytes_per_s;
    }
}

/* What nothing was seen of is as the average of the others. */
static void fill_ends(struct end *ends, size_t n)
{
    struct profile_link link = profile_default_link();
    struct end sum = {0};
    size_t seen = 0;

    for (size_t i = 0; i < n; i++) {
        if (ends[i].rtt_s > 0) { /* geometric: of rates, not of sizes */
            sum.rtt_s += log(ends[i].rtt_s);
            sum.bytes_per_s += log(ends[i].bytes_per_s);
            seen++;
        }
    }
    if (seen > 0) {
        link.rtt_s = exp(sum.rtt_s / (double)seen);
        link.bytes_per_s = exp(sum.bytes_per_s / (double)seen);
    }
    for (size_t i = 0; i < n; i++) {
        if (ends[i].rtt_s <= 0) {
            ends[i].rtt_s = link.rtt_s;
            ends[i].bytes_per_s = link.bytes_per_s;
        }
    }
}

/* The first of each class stands for it; what finds no room joins the last. */
static size_t class_ends(struct end *ends, size_t n, size_t heads[CLASSES])
{
    size_t n_classes = 0;

    for (size_t i = 0; i < n; i++) {
        size_t c = 0;

        while (c < n_classes &&
               !(are_alike(ends[i].rtt_s, ends[heads[c]].rtt_s) &&
                 are_alike(ends[i].bytes_per_s, ends[heads[c]].bytes_per_s))) {
            c++;
        }
        if (c == n_classes && n_classes < CLASSES) {
            heads[n_classes++] = i;
        }
        ends[i].class = c < n_classes ? c : n_classes - 1;
    }
    return n_classes;
}

/* ---- links ----------------------------------------------------------------
 */

static struct profile_link worse_of(const struct end *a, const struct end *b,
                                    bool is_measured)
{
    return (struct profile_link){
        .rtt_s = fmax(a->rtt_s, b->rtt_s),
        .bytes_per_s = fmin(a->bytes_per_s, b->bytes_per_s),
        .is_measured = is_measured,
    };
}

/* Of classes a <= b. */
static size_t link_between(size_t a, size_t b)
{
    return a < b ? b * (b + 1) / 2 + a : a * (a + 1) / 2 + b;
}

static void link_classes(struct builder *b, const struct end *ends,
                         const size_t *heads, size_t n_classes)
{
    size_t side = b->from->n_devices + 1;

    for (size_t i = 0; i < n_classes; i++) {
        for (size_t k = 0; k <= i; k++) {
            b->profile.links[link_between(i, k)] = worse_of(
                &ends[heads[i]], &ends[heads[k]], b->from->n_pairs > 0);
        }
    }
    for (size_t i = 0; i < side; i++) {
        for (size_t k = 0; k < i; k++) {
            b->profile.link_of[i * side + k] =
                b->profile.link_of[k * side + i] =
                    (uint8_t)link_between(ends[i].class, ends[k].class);
        }
    }
}

/* A pair that is much worse than its ends allow has a link of its own. */
static void link_pair(struct builder *b, const struct profile_pair *pair)
{
    size_t side = b->from->n_devices + 1;
    size_t i = find_end(b->from, pair->from);
    size_t k = find_end(b->from, pair->to);
    const struct profile_link *is;

    if (i >= side || k >= side || i == k || b->profile.n_links >= LINKS) {
        return;
    }
    is = &b->profile.links[b->profile.link_of[i * side + k]];
    if (pair->rtt_s < is->rtt_s * PROFILE_WORSE &&
        pair->bytes_per_s * PROFILE_WORSE > is->bytes_per_s) {
        return;
    }
    b->profile.links[b->profile.n_links] =
        (struct profile_link){pair->rtt_s, pair->bytes_per_s, true};
    b->profile.link_of[i * side + k] = b->profile.link_of[k * side + i] =
        (uint8_t)b->profile.n_links++;
}

static int make_links(struct builder *b)
{
    size_t n = b->from->n_devices + 1;
    struct end *ends = mem_array(struct end, n);
    size_t heads[CLASSES];
    size_t n_classes;

    if (ends == NULL || profile_set_pairs(&b->profile) < 0) {
        mem_free(ends);
        return EDGE_ENOMEM;
    }
    for (size_t p = 0; p < b->from->n_pairs; p++) {
        size_t i = find_end(b->from, b->from->pairs[p].from);
        size_t k = find_end(b->from, b->from->pairs[p].to);

        if (i < n && k < n) {
            note_end(&ends[i], &b->from->pairs[p]);
            note_end(&ends[k], &b->from->pairs[p]);
        }
    }
    fill_ends(ends, n);
    n_classes = class_ends(ends, n, heads);
    b->profile.n_links = n_classes * (n_classes + 1) / 2;
    link_classes(b, ends, heads, n_classes);
    for (size_t p = 0; p < b->from->n_pairs; p++) {
        link_pair(b, &b->from->pairs[p]);
    }
    mem_free(ends);
    return 0;
}

/* What sending costs, by the links that begin at a device of the board. */
static void note_sending(struct builder *b)
{
    for (size_t p = b->from->n_pairs; p > 0; p--) {
        const struct profile_pair *pair = &b->from->pairs[p - 1];
        size_t i = find_end(b->from, pair->from);
        struct profile_board *board;

        if (i >= b->from->n_devices) {
            continue;
        }
        board = &b->profile.boards[b->profile.devices[i].board];
        board->send_s = pair->send_s > 0 ? pair->send_s : board->send_s;
        board->send_bytes_per_s = pair->send_bytes_per_s > 0
                                      ? pair->send_bytes_per_s
                                      : board->send_bytes_per_s;
    }
}

/* ---- all of it ------------------------------------------------------------
 */

int profile_build(struct profile *profile,
                  const struct profile_sources *sources)
{
    struct builder b = {.from = sources};
    int rc =
        profile_init(&b.profile, sources->n_devices, sources->n_devices, LINKS);

    b.total_s = mem_array(double, sources->n_devices + 1);
    b.kinds =
        (const char **)mem_zalloc(sources->n_devices + 1, sizeof(b.kinds[0]));
    if (rc == 0 && (b.total_s == NULL || b.kinds == NULL)) {
        rc = EDGE_ENOMEM;
    }
    if (rc == 0) {
        rc = make_boards(&b);
    }
    if (rc == 0) {
        b.profile.n_boards = b.n_boards > 0 ? b.n_boards : 1;
        rc = make_links(&b);
    }
    if (rc == 0) {
        note_sending(&b);
        *profile = b.profile;
    } else {
        profile_deinit(&b.profile);
    }
    mem_free(b.total_s);
    mem_free((void *)b.kinds);
    return rc;
}
