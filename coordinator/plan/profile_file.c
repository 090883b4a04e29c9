#include "coordinator/plan/profile_file.h"

#include "coordinator/plan/cut.h"
#include "graph/infer.h"

#include "base/mem.h"

#include <float.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define NO_LIMIT ((uint64_t)1 << 40)

struct making {
    struct profile *profile;
    const struct profiles *file;
    const char *label;
    const struct cluster *cluster;
    const struct graph *graph;
    int *order; /* ops by position */
    size_t n_ops;
    struct err *err;
};

static int refuse(const struct making *m, const struct config_at *at,
                  const char *text)
{
    return err_set(m->err, EDGE_ECONFIG, "%s:%u:%u: %s", m->label, at->line,
                   at->column, text);
}

/* ---- times of layers ----------------------------------------------------- */

/* What a layer's share of a range goes by: its multiply-accumulates, or where
 * none of the range has any its other arithmetic, or what it touches. */
static double work_of(const struct making *m, int position, int by)
{
    struct op_cost cost;

    infer_cost(m->graph, &m->graph->ops[m->order[position]], &cost);
    switch (by) {
    case 0: return cost.macs;
    case 1: return cost.flops;
    case 2: return cost.bytes_in + cost.bytes_out;
    default: return 1;
    }
}

static double work_in(const struct making *m, const struct cut_layers *layers,
                      int by)
{
    double sum = 0;

    for (int p = layers->first; p < layers->end; p++) {
        sum += work_of(m, p, by);
    }
    return sum;
}

static int find_range(const struct making *m, const struct profiles_layer *from,
                      struct cut_layers *layers)
{
    char *text = mem_printf("%s..%s", from->first, from->last);
    char why[LIMIT_NAME * 4];
    int rc = text == NULL ? EDGE_ENOMEM
                          : cut_find_layers(m->graph, text, layers, m->err);

    mem_free(text);
    if (rc == EDGE_ENOENT) {
        (void)snprintf(why, sizeof(why),
                       "the model has no layer \"%.100s\"; are these times of "
                       "another model? Names are shown by: edgectl model "
                       "inspect",
                       layers->missing);
        return refuse(m, &from->at, why);
    }
    return rc == EDGE_EINVAL ? refuse(m, &from->at, "it ends before it begins")
                             : rc;
}

/* op_s is -1 where there is no time yet. */
static int take_layer(const struct making *m, struct profile_board *board,
                      const struct profiles_layer *from, double *macs)
{
    struct cut_layers layers;
    double all = 0;
    int by = -1;
    int rc = find_range(m, from, &layers);

    if (rc < 0) {
        return rc;
    }
    while (!(all > 0)) {
        all = work_in(m, &layers, ++by);
    }
    *macs += work_in(m, &layers, 0);
    for (int p = layers.first; p < layers.end; p++) {
        if (board->op_s[p] >= 0) {
            return refuse(m, &from->at,
                          "another time was given for a layer of this range");
        }
        board->op_s[p] = from->seconds * work_of(m, p, by) / all;
    }
    return 0;
}

static int take_layers(const struct making *m, struct profile_board *board,
                       const struct profiles_kind *kind)
{
    double seconds = 0;
    double macs = 0;

    if (profile_board_set_ops(board, m->n_ops) < 0) {
        return err_set(m->err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t p = 0; p < m->n_ops; p++) {
        board->op_s[p] = -1;
    }
    for (size_t i = 0; i < kind->n_layers; i++) {
        int rc = take_layer(m, board, &kind->layers[i], &macs);

        if (rc < 0) {
            return rc;
        }
        seconds += kind->layers[i].seconds;
    }
    if (kind->macs_per_s <= 0) {
        if (!(seconds > 0 && macs > 0)) {
            return refuse(m, &kind->at,
                          "its \"layers\" give no rate of "
                          "multiply-accumulates; \"macs\" does");
        }
        board->macs_per_s = macs / seconds;
    }
    return 0;
}

static int make_board(const struct making *m, size_t i)
{
    struct profile_board *board = &m->profile->boards[i];
    const struct profiles_kind *kind = &m->file->kinds[i];

    (void)snprintf(board->name, sizeof(board->name), "%s", kind->name);
    board->macs_per_s = kind->macs_per_s;
    board->bytes_per_s = kind->bytes_per_s > 0 ? kind->bytes_per_s : DBL_MAX;
    board->run_s = kind->run_s;
    board->send_s = kind->message_s;
    board->send_bytes_per_s =
        kind->message_bytes_per_s > 0 ? kind->message_bytes_per_s : DBL_MAX;
    board->free_bytes = kind->memory > 0 ? kind->memory : NO_LIMIT;
    board->threads = kind->threads;
    board->is_measured = true; /* by whoever wrote the file */
    return kind->n_layers > 0 ? take_layers(m, board, kind) : 0;
}

/* ---- devices ------------------------------------------------------------- */

static bool has_label(const struct cluster_device *device,
                      const struct config_pair *label)
{
    for (size_t i = 0; i < device->n_labels; i++) {
        if (strcmp(device->labels[i].name, label->name) == 0) {
            return strcmp(device->labels[i].value, label->value) == 0;
        }
    }
    return false;
}

static bool fits(const struct profiles_boards *boards,
                 const struct cluster_device *device)
{
    bool by_name = boards->n_devices == 0;

    if (boards->count > 0) {
        return false;
    }
    for (size_t i = 0; i < boards->n_devices && !by_name; i++) {
        by_name = fnmatch(boards->devices[i], device->name, 0) == 0;
    }
    for (size_t i = 0; i < boards->n_labels && by_name; i++) {
        by_name = has_label(device, &boards->labels[i]);
    }
    return by_name;
}

/* The entry of a device; n_boards: none fits. */
static size_t entry_of(const struct making *m,
                       const struct cluster_device *device)
{
    size_t i = 0;

    while (i < m->file->n_boards && !fits(&m->file->boards[i], device)) {
        i++;
    }
    return i;
}

static void add_device(const struct making *m, size_t kind, const char *name,
                       uint64_t memory)
{
    struct profile *p = m->profile;
    struct profile_device *device = &p->devices[p->n_devices++];

    (void)snprintf(device->name, sizeof(device->name), "%s", name);
    device->board = kind;
    device->free_bytes = memory > 0 ? memory : p->boards[kind].free_bytes;
}

static bool is_there(const struct making *m, const char *name)
{
    for (size_t i = 0; i < m->profile->n_devices; i++) {
        if (strcmp(m->profile->devices[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int add_boards(const struct making *m,
                      const struct profiles_boards *boards)
{
    for (uint32_t i = 1; i <= boards->count; i++) {
        char name[LIMIT_NAME + 16];

        (void)snprintf(name, sizeof(name), "%s-%u", boards->name, i);
        if (strlen(name) > LIMIT_NAME) {
            return refuse(m, &boards->at, "the boards' names are too long");
        }
        if (is_there(m, name)) {
            char why[LIMIT_NAME * 3];

            (void)snprintf(why, sizeof(why),
                           "there is a board \"%s\" already; give these "
                           "another \"name\"",
                           name);
            return refuse(m, &boards->at, why);
        }
        if (m->profile->n_devices == LIMIT_NODES) {
            return refuse(m, &boards->at,
                          "with those of cluster.yaml these are too many");
        }
        add_device(m, boards->kind_index, name, 0);
    }
    return 0;
}

static int take_devices(const struct making *m, bool *is_used, size_t *left_out)
{
    *left_out = 0;
    for (size_t i = 0; i < m->cluster->n_devices; i++) {
        const struct cluster_device *device = &m->cluster->devices[i];
        size_t entry = entry_of(m, device);

        if (m->file->n_boards == 0) {
            add_device(m, 0, device->name, device->memory);
        } else if (entry < m->file->n_boards) {
            add_device(m, m->file->boards[entry].kind_index, device->name,
                       device->memory);
            is_used[entry] = true;
        } else {
            (*left_out)++;
        }
    }
    for (size_t i = 0; i < m->file->n_boards; i++) {
        const struct profiles_boards *boards = &m->file->boards[i];
        int rc = 0;

        if (boards->count > 0) {
            rc = add_boards(m, boards);
        } else if (!is_used[i]) {
            rc = refuse(m, &boards->at,
                        "this fits no device of cluster.yaml that no entry "
                        "before it does");
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int make_devices(const struct making *m, size_t *left_out)
{
    bool *is_used = mem_array(bool, m->file->n_boards + 1);
    int rc = is_used == NULL ? err_set(m->err, EDGE_ENOMEM, "out of memory")
                             : take_devices(m, is_used, left_out);

    mem_free(is_used);
    if (rc == 0 && m->profile->n_devices == 0) {
        rc = err_set(m->err, EDGE_ECONFIG, "%s leaves no board to use",
                     m->label);
    }
    return rc;
}

/* ---- links --------------------------------------------------------------- */

static void set_link(struct profile_link *link, const struct profiles_link *a,
                     const struct profiles_link *b)
{
    double delay = a->delay_s > b->delay_s ? a->delay_s : b->delay_s;

    link->rtt_s = 2 * delay;
    link->bytes_per_s = (a->bit_s < b->bit_s ? a->bit_s : b->bit_s) / 8;
    link->is_measured = true;
}

static bool links_are_alike(const struct profiles *file)
{
    for (size_t i = 1; i < file->n_kinds; i++) {
        const struct profiles_link *link = &file->kinds[i].link;

        if (memcmp(link, &file->kinds[0].link, sizeof(*link)) != 0) {
            return false;
        }
    }
    return true;
}

/* One for each pair of kinds; the gateway counts as another of either. */
static int make_links(const struct making *m)
{
    struct profile *p = m->profile;
    size_t k = m->file->n_kinds;

    for (size_t i = 0; i < k * k && i < p->n_links; i++) {
        set_link(&p->links[i], &m->file->kinds[i / k].link,
                 &m->file->kinds[i % k].link);
    }
    if (p->n_links == 1) {
        return 0;
    }
    if (profile_set_pairs(p) < 0) {
        return err_set(m->err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t a = 0; a < p->n_devices; a++) {
        size_t kind = p->devices[a].board;

        profile_set_link(p, a, PROFILE_GATEWAY, kind * k + kind);
        for (size_t b = 0; b < a; b++) {
            size_t other = p->devices[b].board;

            profile_set_link(
                p, a, b, kind < other ? kind * k + other : other * k + kind);
        }
    }
    return 0;
}

/* ---- all of it ----------------------------------------------------------- */

static_assert(PROFILES_KINDS_MAX * PROFILES_KINDS_MAX <= UINT8_MAX + 1,
              "a pair of kinds is a byte");

static int make(struct making *m, size_t *left_out)
{
    size_t k = m->file->n_kinds;
    int rc = cut_order(m->graph, &m->order, &m->n_ops, m->err);

    if (rc < 0) {
        return rc;
    }
    if (profile_init(m->profile, LIMIT_NODES, k,
                     links_are_alike(m->file) ? 1 : k * k) < 0) {
        return err_set(m->err, EDGE_ENOMEM, "out of memory");
    }
    m->profile->n_devices = 0;
    for (size_t i = 0; i < k && rc == 0; i++) {
        rc = make_board(m, i);
    }
    rc = rc == 0 ? make_devices(m, left_out) : rc;
    return rc == 0 ? make_links(m) : rc;
}

int profile_from_file(struct profile *profile, const struct profiles *file,
                      const char *label, const struct cluster *cluster,
                      const struct graph *graph, size_t *left_out,
                      struct err *err)
{
    struct making m = {.profile = profile,
                       .file = file,
                       .label = label,
                       .cluster = cluster,
                       .graph = graph,
                       .err = err};
    int rc;

    *profile = (struct profile){0};
    rc = make(&m, left_out);
    mem_free(m.order);
    if (rc < 0) {
        profile_deinit(profile);
    }
    return rc;
}
