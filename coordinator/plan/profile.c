#include "coordinator/plan/profile.h"

#include "base/err.h"
#include "base/mem.h"

#include <float.h>
#include <stdio.h>

/* A small board of today, and the wire between two of them; measured ones
 * take their place. */
#define DEFAULT_MACS_PER_S 10e9
#define DEFAULT_BYTES_PER_S 4e9
#define DEFAULT_RUN_S 20e-6
#define DEFAULT_SEND_S 50e-6
#define DEFAULT_SEND_BYTES_PER_S 1e9
#define DEFAULT_RTT_S 200e-6
#define DEFAULT_LINK_BYTES_PER_S 100e6

struct profile_board profile_default_board(void)
{
    struct profile_board board = {
        .macs_per_s = DEFAULT_MACS_PER_S,
        .bytes_per_s = DEFAULT_BYTES_PER_S,
        .run_s = DEFAULT_RUN_S,
        .send_s = DEFAULT_SEND_S,
        .send_bytes_per_s = DEFAULT_SEND_BYTES_PER_S,
        .threads = 1,
    };

    (void)snprintf(board.name, sizeof(board.name), "board");
    return board;
}

struct profile_link profile_default_link(void)
{
    return (struct profile_link){DEFAULT_RTT_S, DEFAULT_LINK_BYTES_PER_S,
                                 false};
}

int profile_init(struct profile *profile, size_t n_devices, size_t n_boards,
                 size_t n_links)
{
    *profile = (struct profile){
        .n_devices = n_devices,
        .n_boards = n_boards > 0 ? n_boards : 1,
        .n_links = n_links > 0 ? n_links : 1,
    };
    profile->boards = mem_array(struct profile_board, profile->n_boards);
    profile->devices = mem_array(struct profile_device, n_devices);
    profile->links = mem_array(struct profile_link, profile->n_links);
    if (profile->boards == NULL || profile->devices == NULL ||
        profile->links == NULL) {
        profile->n_boards = 0;
        profile_deinit(profile);
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < profile->n_boards; i++) {
        profile->boards[i] = profile_default_board();
    }
    for (size_t i = 0; i < profile->n_links; i++) {
        profile->links[i] = profile_default_link();
    }
    return 0;
}

int profile_default(struct profile *profile, size_t n_devices)
{
    return profile_init(profile, n_devices, 1, 1);
}

void profile_deinit(struct profile *profile)
{
    for (size_t i = 0; i < profile->n_boards; i++) {
        mem_free(profile->boards[i].op_s);
    }
    mem_free(profile->boards);
    mem_free(profile->devices);
    mem_free(profile->links);
    mem_free(profile->link_of);
    *profile = (struct profile){0};
}

int profile_board_set_ops(struct profile_board *board, size_t n_ops)
{
    double *op_s = mem_array(double, n_ops);

    if (op_s == NULL) {
        return EDGE_ENOMEM;
    }
    mem_free(board->op_s);
    board->op_s = op_s;
    board->n_ops = n_ops;
    return 0;
}

int profile_set_pairs(struct profile *profile)
{
    size_t side = profile->n_devices + 1;

    mem_free(profile->link_of);
    profile->link_of = mem_array(uint8_t, side * side);
    return profile->link_of == NULL ? EDGE_ENOMEM : 0;
}

/* ---- slower than was said ------------------------------------------------ */

struct scaled { /* a board that was added */
    size_t from;
    double factor;
};

static int add_scaled(struct profile *profile, size_t from, double factor)
{
    struct profile_board *boards =
        mem_resize(profile->boards, profile->n_boards + 1, sizeof(*boards));
    struct profile_board *to;

    if (boards == NULL) {
        return EDGE_ENOMEM;
    }
    profile->boards = boards;
    to = &boards[profile->n_boards];
    *to = boards[from];
    to->op_s = NULL;
    to->n_ops = 0;
    profile->n_boards++;
    if (boards[from].op_s != NULL &&
        profile_board_set_ops(to, boards[from].n_ops) < 0) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < to->n_ops; i++) {
        to->op_s[i] = boards[from].op_s[i] * factor;
    }
    to->macs_per_s /= factor;
    to->bytes_per_s /= factor;
    to->run_s *= factor;
    return 0;
}

static bool is_near(double a, double b)
{
    return a < b * PROFILE_STEP && b < a * PROFILE_STEP;
}

int profile_scale(struct profile *profile, const double *factors)
{
    struct scaled *scaled = mem_array(struct scaled, profile->n_devices);
    size_t before = profile->n_boards;
    int rc = scaled == NULL ? EDGE_ENOMEM : 0;

    for (size_t d = 0; d < profile->n_devices && rc == 0; d++) {
        size_t from = profile->devices[d].board;
        size_t n = profile->n_boards - before;
        size_t at = 0;

        if (is_near(factors[d], 1)) {
            continue;
        }
        while (at < n && (scaled[at].from != from ||
                          !is_near(scaled[at].factor, factors[d]))) {
            at++;
        }
        if (at == n) {
            rc = add_scaled(profile, from, factors[d]);
            scaled[at] = (struct scaled){from, factors[d]};
        }
        profile->devices[d].board = before + at;
    }
    mem_free(scaled);
    return rc;
}

static size_t end_of(const struct profile *profile, size_t a)
{
    return a == PROFILE_GATEWAY ? profile->n_devices : a;
}

void profile_set_link(struct profile *profile, size_t a, size_t b, size_t link)
{
    size_t side = profile->n_devices + 1;

    a = end_of(profile, a);
    b = end_of(profile, b);
    profile->link_of[a * side + b] = (uint8_t)link;
    profile->link_of[b * side + a] = (uint8_t)link;
}

const struct profile_link *profile_link(const struct profile *profile, size_t a,
                                        size_t b)
{
    static const struct profile_link itself = {0, DBL_MAX, true};

    if (a == b) {
        return &itself;
    }
    if (profile->link_of == NULL) {
        return &profile->links[0];
    }
    return &profile->links[profile->link_of[end_of(profile, a) *
                                                (profile->n_devices + 1) +
                                            end_of(profile, b)]];
}
