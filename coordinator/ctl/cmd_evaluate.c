/* edgectl evaluate, exits tune. */
#include "coordinator/ctl/deploy.h"
#include "coordinator/ctl/evaluate.h"
#include "coordinator/ctl/model_file.h"
#include "coordinator/ctl/show.h"

#include "base/limits.h"
#include "base/mem.h"
#include "graph/infer.h"
#include "onnx/export.h"
#include "onnx/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETS_MAX 128
#define ALL_VIEWS_MAX 6 /* of which all sets are measured */

enum { WORK_ONE, WORK_TABLE, WORK_TUNE };

struct evaluate {
    struct train_ask ask;
    int work;
    bool is_grey;
    bool has_all;        /* of the table: every set */
    const char *missing; /* numbers with commas between; NULL: none */
    const char *out;     /* the model with what was measured; NULL: none */
    double points;       /* that a threshold may lose */
    struct graph *graph; /* the model, for one sample */
    struct views views;
    uint64_t sets[SETS_MAX];
    size_t n_sets;
    struct exit_tally *tallies; /* by set */
};

/* ---- the model ------------------------------------------------------------
 */

static int read_model(struct evaluate *e, struct err *err)
{
    int rc =
        import_blob(e->ask.files.model, cluster_files_model_name(&e->ask.files),
                    NULL, NULL, &e->graph, err);

    if (rc == 0) {
        rc = infer_bind_batch(e->graph, 1, err);
    }
    if (rc == 0) {
        rc = infer_graph(e->graph, err);
    }
    if (rc == 0) {
        rc = views_find(e->graph, &e->views, NULL) < 0 ? 0 : rc;
    }
    return rc;
}

static int check_views(const struct evaluate *e, struct err *err)
{
    bool asks = e->work == WORK_TABLE || e->missing != NULL || e->is_grey;

    if (asks && e->views.n == 0) {
        return err_set(err, EDGE_EINVAL,
                       "%s has a single input: there are no views to be "
                       "missing",
                       cluster_files_model_name(&e->ask.files));
    }
    return asks && !e->views.has_present && !e->is_grey
               ? err_set(err, EDGE_EINVAL,
                         "%s has no input \"" VIEWS_PRESENT
                         "\" that says which "
                         "views are there, so it cannot be without any. As the "
                         "pictures of missing views can be grey: --grey",
                         cluster_files_model_name(&e->ask.files))
               : 0;
}

/* ---- sets of missing views ------------------------------------------------
 */

static void add_set(struct evaluate *e, uint64_t set)
{
    if (e->n_sets < SETS_MAX) {
        e->sets[e->n_sets++] = set;
    }
}

static int read_missing(struct evaluate *e, uint64_t *set, struct err *err)
{
    const char *text = e->missing;

    *set = 0;
    while (text != NULL && *text != '\0') {
        char *end;
        unsigned long k = strtoul(text, &end, 10);

        if (end == text || (*end != ',' && *end != '\0') || k >= e->views.n) {
            return err_set(
                err, EDGE_EINVAL,
                "--missing: cannot read \"%.32s\"; numbers of views, "
                "0 to %zu, as 0,3",
                text, e->views.n - 1);
        }
        *set |= (uint64_t)1 << k;
        text = *end == ',' ? end + 1 : end;
    }
    return *set == ((uint64_t)1 << e->views.n) - 1 && e->views.n > 0
               ? err_set(err, EDGE_EINVAL,
                         "--missing: without any view there is no answer")
               : 0;
}

/* None, each alone, and ever more from the last one on: as the prototype's
 * table has it; or all that there are. */
static void add_table(struct evaluate *e)
{
    size_t n = e->views.n;
    uint64_t all = ((uint64_t)1 << n) - 1;

    add_set(e, 0);
    for (size_t k = 0; k < n && n > 1; k++) {
        add_set(e, (uint64_t)1 << k);
    }
    for (size_t k = n - 1; k-- > 1;) {
        add_set(e, all & ~(((uint64_t)1 << k) - 1));
    }
    for (uint64_t set = 1; set < all && e->has_all; set++) {
        bool is_there = false;

        for (size_t i = 0; i < e->n_sets; i++) {
            is_there = is_there || e->sets[i] == set;
        }
        if (!is_there) {
            add_set(e, set);
        }
    }
}

static int choose_sets(struct evaluate *e, struct err *err)
{
    uint64_t set = 0;
    int rc = read_missing(e, &set, err);

    if (rc < 0) {
        return rc;
    }
    if (e->has_all && e->views.n > ALL_VIEWS_MAX) {
        return err_set(err, EDGE_ETOOBIG,
                       "--all: of %zu views there are too many sets; of %d "
                       "all are measured",
                       e->views.n, ALL_VIEWS_MAX);
    }
    if (e->work == WORK_TABLE) {
        add_table(e);
    } else {
        add_set(e, set);
    }
    e->tallies = mem_array(struct exit_tally, e->n_sets);
    return e->tallies != NULL ? 0 : err_set(err, EDGE_ENOMEM, "out of memory");
}

/* ---- asking ---------------------------------------------------------------
 */

static int measure(struct evaluate *e, size_t i, struct err *err)
{
    struct msg msg;
    int rc = train_ask_begin(&e->ask, e->sets[i], e->is_grey, err);

    if (rc == 0) {
        rc = train_ask_await(&e->ask, &msg, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = msg.env->train_reply->code < 0
             ? train_ask_refuse(msg.env->train_reply, err)
             : 0;
    if (rc == 0) {
        exit_tally_read(msg.env->train_reply, &e->tallies[i]);
    }
    if (rc == 0 && e->work == WORK_ONE) {
        rc = train_print_end(&e->ask.print, msg.env->train_reply, NULL, NULL,
                             err);
    }
    msg_deinit(&msg);
    return rc;
}

static int measure_all(struct evaluate *e, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < e->n_sets && rc == 0; i++) {
        rc = measure(e, i, err);
        progress_step(&e->ask.progress, "evaluate", "", 0, 0);
    }
    progress_end(&e->ask.progress);
    train_print_clear(&e->ask.print);
    return rc;
}

/* ---- the model that knows what it is worth --------------------------------
 */

static int write_model(struct evaluate *e, struct err *err)
{
    struct graph *graph = NULL;
    char *text = NULL;
    int rc =
        import_blob(e->ask.files.model, cluster_files_model_name(&e->ask.files),
                    NULL, NULL, &graph, err);

    if (rc == 0) {
        text = evaluate_measured(e->sets, e->tallies, e->n_sets);
        graph_drop_meta(graph, EVALUATE_MEASURED);
        rc = text != NULL ? graph_add_meta(graph, EVALUATE_MEASURED, text)
                          : EDGE_ENOMEM;
        rc = rc < 0 ? err_set(err, rc, "out of memory")
                    : export_file(graph, e->out, err);
    }
    mem_free(text);
    graph_free(graph);
    return rc;
}

/* ---- the verbs ------------------------------------------------------------
 */

static int print(const struct evaluate *e, struct err *err)
{
    const struct ctl *ctl = e->ask.print.ctl;

    switch (e->work) {
    case WORK_TABLE:
        return evaluate_print_table(ctl, e->sets, e->tallies, e->n_sets, err);
    case WORK_TUNE:
        return evaluate_print_sweep(ctl, e->ask.files.cluster, e->graph,
                                    &e->views, e->tallies, e->points, err);
    default: return evaluate_print_outputs(ctl, e->tallies, err);
    }
}

static int run(struct ctl *ctl, struct evaluate *e, struct err *err)
{
    int rc = train_ask_read(&e->ask, err);

    if (rc == 0) {
        rc = read_model(e, err);
    }
    if (rc == 0) {
        rc = check_views(e, err);
    }
    if (rc == 0) {
        rc = choose_sets(e, err);
    }
    if (rc == 0) {
        rc = ctl_connect(ctl, &e->ask.client, err);
    }
    if (rc == 0) {
        rc = train_ask_put(&e->ask, err);
    }
    if (rc == 0) {
        rc = measure_all(e, err);
    }
    if (rc == 0) {
        rc = print(e, err);
    }
    return rc == 0 && e->out != NULL ? write_model(e, err) : rc;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct evaluate *e = state->input;

    switch (key) {
    case 'x': e->missing = arg; return 0;
    case 'T': e->work = WORK_TABLE; return 0;
    case 'A':
        e->work = WORK_TABLE;
        e->has_all = true;
        return 0;
    case 'G': e->is_grey = true; return 0;
    case 'f': e->out = arg; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static int go(struct ctl *ctl, struct evaluate *e, const char *path)
{
    struct err err;
    int rc;

    e->ask.files.path = path;
    e->ask.files.outcome = "nothing was changed";
    e->ask.evaluates = true;
    ctl_limit(ctl);
    ctl_catch_interrupt();
    progress_init(&e->ask.progress, ctl);
    train_print_init(&e->ask.print, ctl);
    e->ask.print.is_mute = e->work != WORK_ONE;
    rc = run(ctl, e, &err);
    graph_free(e->graph);
    mem_free(e->tallies);
    train_ask_release(&e->ask);
    return rc < 0 ? deploy_fail(&err, rc) : CTL_OK;
}

int cmd_evaluate(struct ctl *ctl, int argc, char **argv)
{
    struct evaluate e = {.work = WORK_ONE};
    int first;
    int rc;

    ctl_parse(ctl, parse, &e, argc, argv, &first);
    rc = show_check_format(ctl);
    if (rc != CTL_OK) {
        return rc;
    }
    if (e.work == WORK_TABLE && e.missing != NULL) {
        (void)fputs("edgectl evaluate: --missing is one row of "
                    "--missing-table; give one of them.\n",
                    stderr);
        return CTL_USAGE;
    }
    if (e.out != NULL && e.work != WORK_TABLE) {
        (void)fputs("edgectl evaluate: --file is for --missing-table, whose "
                    "figures it keeps.\n",
                    stderr);
        return CTL_USAGE;
    }
    return deploy_one_file(ctl, argc, first) ? go(ctl, &e, argv[first])
                                             : CTL_USAGE;
}

static error_t parse_tune(int key, char *arg, struct argp_state *state)
{
    struct evaluate *e = state->input;
    char *end;

    if (key != 'l') {
        return ARGP_ERR_UNKNOWN;
    }
    e->points = strtod(arg, &end);
    if (end == arg || *end != '\0' || !(e->points >= 0 && e->points <= 100)) {
        argp_error(state, "--loss takes points of accuracy, 0 to 100, not %s",
                   arg);
    }
    return 0;
}

int cmd_exits(struct ctl *ctl, int argc, char **argv)
{
    struct evaluate e = {.work = WORK_TUNE, .points = 0.5};
    int first;
    int rc;

    ctl_parse(ctl, parse_tune, &e, argc, argv, &first);
    rc = show_check_format(ctl);
    if (rc != CTL_OK) {
        return rc;
    }
    if (first >= argc || strcmp(argv[first], "tune") != 0) {
        (void)fputs("edgectl exits: there is one thing to do: edgectl exits "
                    "tune CLUSTER.yaml\n",
                    stderr);
        return CTL_USAGE;
    }
    return deploy_one_file(ctl, argc, first + 1) ? go(ctl, &e, argv[first + 1])
                                                 : CTL_USAGE;
}
