/* edgectl simulate: a cluster.yaml on paper, for boards that are not there. */
#include "coordinator/ctl/simulate.h"

#include "base/limits.h"
#include "base/mem.h"
#include "coordinator/ctl/model_sum.h"
#include "coordinator/plan/profile_file.h"
#include "coordinator/plan/choose.h"
#include "engine/fold.h"
#include "onnx/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REQUESTS 2000 /* measured, where no time is given */
#define ALONE 20
#define SECONDS_MOST 1e7
#define RATE_MOST 1e6

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- options ------------------------------------------------------------- */

static double real_in(struct argp_state *state, const char *name,
                      const char *text, double most)
{
    char *end = NULL;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value > 0 && value <= most)) {
        argp_error(state, "--%s: \"%s\" is not a number up to %g", name, text,
                   most);
    }
    return value;
}

/* "90", "90s", "10m", "2h" */
static double time_of(struct argp_state *state, const char *text)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"m", 60}, {"h", 3600}};
    char *end = NULL;
    double value = strtod(text, &end);

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        double s = value * units[i].factor;

        if (end != text && strcmp(end, units[i].unit) == 0 && s > 0 &&
            s <= SECONDS_MOST) {
            return s;
        }
    }
    argp_error(state, "--for: \"%s\" is not a time such as 90s, 10m or 2h",
               text);
    return 0;
}

static enum simulate_policy policy_of(struct argp_state *state,
                                      const char *text)
{
    if (strcmp(text, "round-robin") == 0) {
        return SIMULATE_ROUND_ROBIN;
    }
    if (strcmp(text, "expected-finish") != 0) {
        argp_error(state,
                   "--policy: \"%s\" is not expected-finish or round-robin",
                   text);
    }
    return SIMULATE_LEAST_EXPECTED;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct simulation *s = state->input;

    switch (key) {
    case 'P': s->profiles = arg; return 0;
    case 'C':
        s->options.clients =
            (size_t)ctl_number(state, arg, 1, LIMIT_GATEWAY_WINDOW);
        return 0;
    case 'R':
        s->options.rate = real_in(state, "rate", arg, RATE_MOST);
        return 0;
    case 'F': s->options.for_s = time_of(state, arg); return 0;
    case 'O': s->options.policy = policy_of(state, arg); return 0;
    case 's':
        s->options.seed = (uint64_t)ctl_number(state, arg, 0, INT32_MAX);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- files --------------------------------------------------------------- */

/* What is wrong with it is on stderr then, and `err` empty. */
static int read_profiles(struct simulation *s, struct err *err)
{
    struct config_errors *errors = mem_new(struct config_errors);
    int rc;

    if (errors == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = profiles_load(s->profiles, &s->file, errors, err);
    if (rc == 0 || errors->n_errors > 0) {
        config_errors_print(errors, s->files.outcome, stderr);
    }
    if (rc < 0 && errors->n_errors > 0) {
        err->text[0] = '\0';
    }
    mem_free(errors);
    return rc;
}

static int read_yaml(struct simulation *s, struct err *err)
{
    int rc = cluster_files_yaml(&s->files, err);

    return rc == 0 && s->profiles != NULL ? read_profiles(s, err) : rc;
}

static int read_model(struct simulation *s, struct err *err)
{
    int rc = cluster_files_resolve(&s->files, err);

    if (rc < 0) {
        return rc;
    }
    rc = guard_import_file(s->files.model_path, &s->graph, err);
    if (rc == 0) {
        rc = fold_prepare(s->graph, 1, NULL, 0, err);
    }
    return rc < 0 ? err_wrap(err, EDGE_ECONFIG, "%s", s->files.path)
                  : model_sum_check(&s->files, err);
}

/* Boards that nothing is known of are taken to be as the planner does. */
static int take_devices(struct simulation *s, struct err *err)
{
    const struct cluster *cluster = s->files.cluster;

    if (profile_default(&s->profile, cluster->n_devices) < 0) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < cluster->n_devices; i++) {
        struct profile_device *device = &s->profile.devices[i];
        uint64_t memory = cluster->devices[i].memory;

        (void)snprintf(device->name, sizeof(device->name), "%s",
                       cluster->devices[i].name);
        device->free_bytes = memory > 0 ? memory : (uint64_t)1 << 40;
    }
    return 0;
}

static int read_profile(struct simulation *s, struct err *err)
{
    return s->file == NULL ? take_devices(s, err)
                           : profile_from_file(&s->profile, s->file,
                                               s->profiles, s->files.cluster,
                                               s->graph, &s->left_out, err);
}

/* As the coordinator does for a deployment. */
static int choose(struct simulation *s, struct err *err)
{
    const struct cluster *cluster = s->files.cluster;
    struct leaving leaving = {.n = 0};
    int rc = cluster->n_exits > 0 && cluster->n_views == 0
                 ? leaving_arrange(s->graph, cluster, &leaving, err)
                 : 0;

    if (rc < 0) {
        return rc;
    }
    rc = cost_model_init(&s->model, s->graph, &s->profile,
                         choose_queue(cluster));
    return rc < 0 ? err_set(err, rc, "out of memory")
                  : choose_plan(&s->choices, &s->model, cluster,
                                &(struct choose_how){.leaving = &leaving}, err);
}

/* ---- the run ------------------------------------------------------------- */

static size_t boards_used(const struct simulation *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->choices.best.n_stages; i++) {
        n += s->choices.best.stages[i].n_devices;
    }
    return n;
}

/* Without a word on it: as many clients as keep every board busy. */
static void fill_options(struct simulation *s)
{
    struct simulate_options *o = &s->options;

    if (o->clients == 0 && !(o->rate > 0)) {
        size_t n = 2 * boards_used(s);

        o->clients = n < LIMIT_GATEWAY_WINDOW ? n : LIMIT_GATEWAY_WINDOW;
    }
    o->requests = o->for_s > 0 ? 0 : REQUESTS;
    o->warm_up = o->clients > 0 ? 2 * o->clients : REQUESTS / 10;
}

static int simulate(struct simulation *s, struct err *err)
{
    struct simulate_options alone = {
        .clients = 1, .requests = ALONE, .seed = s->options.seed};
    int rc;

    fill_options(s);
    rc = simulate_run(&s->paper.model, &alone, &s->alone, err);
    return rc == 0 ? simulate_run(&s->paper.model, &s->options, &s->result, err)
                   : rc;
}

static int run(struct simulation *s, struct err *err)
{
    double start;
    int rc = read_yaml(s, err);

    rc = rc == 0 ? read_model(s, err) : rc;
    rc = rc == 0 ? read_profile(s, err) : rc;
    start = now_s();
    rc = rc == 0 ? choose(s, err) : rc;
    s->plan_s = now_s() - start;
    start = now_s();
    rc = rc == 0 ? paper_make(&s->paper, &s->model, &s->choices.best, err) : rc;
    rc = rc == 0 ? simulate(s, err) : rc;
    s->run_s = now_s() - start;
    return rc;
}

static void release(struct simulation *s)
{
    simulate_deinit(&s->result);
    simulate_deinit(&s->alone);
    paper_deinit(&s->paper);
    choices_deinit(&s->choices);
    cost_model_deinit(&s->model);
    profile_deinit(&s->profile);
    profiles_free(s->file);
    cluster_files_release(&s->files);
    graph_free(s->graph);
}

int cmd_simulate(struct ctl *ctl, int argc, char **argv)
{
    struct simulation s = {.files.outcome = "nothing was simulated",
                           .options = {.seed = 1}};
    struct err err = {""};
    int first;
    int rc;

    ctl_parse(ctl, parse, &s, argc, argv, &first);
    ctl_limit(ctl);
    if (argc - first != 1) {
        (void)fprintf(stderr, "edgectl simulate: give one file, such as "
                              "cluster.yaml.  See: edgectl simulate --help\n");
        return CTL_USAGE;
    }
    if (s.options.clients > 0 && s.options.rate > 0) {
        (void)fprintf(stderr, "edgectl simulate: --clients wait for their "
                              "answers, --rate does not; give one of them.  "
                              "See: edgectl simulate --help\n");
        return CTL_USAGE;
    }
    s.files.path = argv[first];
    rc = run(&s, &err);
    if (rc == 0) {
        simulate_print(ctl, &s);
    }
    release(&s);
    if (rc < 0) {
        return err.text[0] == '\0' ? ctl_exit_code(rc) : ctl_fail(&err, rc);
    }
    return CTL_OK;
}
