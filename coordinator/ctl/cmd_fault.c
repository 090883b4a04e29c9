/*
 * edgectl fault: break something on purpose for a while, and watch how the
 * cluster takes it; list what is broken, and end it early.
 */
#include "coordinator/ctl/faults.h"
#include "coordinator/ctl/show.h"
#include "coordinator/ctl/table.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/suggest.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_MS 100
#define BACK_MS 60000 /* for the node to be ready after its fault */

struct fault_options {
    struct fault_wish wish;
    bool all;
    bool no_watch;
};

/* ---- arguments ------------------------------------------------------------
 */

/* A number times `unit`, within 0 .. most. */
static uint32_t scaled(struct argp_state *state, const char *text, double unit,
                       double most)
{
    char *end;
    double number;

    errno = 0;
    number = strtod(text, &end);
    if (*end == '%' || *end == 'x') {
        end++;
    }
    if (errno != 0 || end == text || *end != '\0' || !(number > 0) ||
        number > most) {
        argp_error(state, "\"%s\" is not a number up to %g", text, most);
    }
    return (uint32_t)lround(number * unit);
}

static void parse_peers(struct argp_state *state, char *arg,
                        struct fault_wish *wish)
{
    char *rest = arg;

    for (char *name = strsep(&rest, ","); name != NULL;
         name = strsep(&rest, ",")) {
        if (name[0] == '\0' || wish->n_peers == FAULTS_PEERS) {
            argp_error(state, "--from is a list of up to %d names: pi-1,pi-2",
                       FAULTS_PEERS);
        }
        wish->peers[wish->n_peers++] = name;
    }
}

static void parse_way(struct argp_state *state, const char *arg,
                      struct fault_wish *wish)
{
    if (strcmp(arg, "in") == 0) {
        wish->way = EDGED__FAULT_WAY__FAULT_IN;
    } else if (strcmp(arg, "out") == 0) {
        wish->way = EDGED__FAULT_WAY__FAULT_OUT;
    } else if (strcmp(arg, "both") != 0) {
        argp_error(state, "--direction: \"%s\" is not in, out or both", arg);
    }
}

static void parse_for(struct argp_state *state, const char *arg,
                      struct fault_wish *wish)
{
    wish->ms = faults_duration(arg);
    if (wish->ms < FAULT_MIN_MS || wish->ms > FAULT_MAX_MS) {
        argp_error(state,
                   "--for: \"%s\" is not a time from %d ms to %d "
                   "minutes, such as 30s",
                   arg, FAULT_MIN_MS, FAULT_MAX_MS / 60000);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct fault_options *options = state->input;
    struct fault_wish *wish = &options->wish;

    switch (key) {
    case 'F': parse_for(state, arg, wish); return 0;
    case 'x': wish->factor_percent = scaled(state, arg, 100, 1000); return 0;
    case 'e': wish->extra_ms = scaled(state, arg, 1, 10000); return 0;
    case 'r': wish->rate_milli = scaled(state, arg, 1000, 100000); return 0;
    case 'p': wish->permille = scaled(state, arg, 10, 100); return 0;
    case 'f': parse_peers(state, arg, wish); return 0;
    case 'd': parse_way(state, arg, wish); return 0;
    case 'a': options->all = true; return 0;
    case 'W': options->no_watch = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* What was not said. */
static void fill_in(struct fault_wish *wish)
{
    bool is_slow = wish->kind == EDGED__FAULT_KIND__FAULT_SLOW;

    if (wish->ms == 0) {
        wish->ms = 30000;
    }
    if (is_slow && wish->factor_percent == 0 && wish->extra_ms == 0 &&
        wish->rate_milli == 0) {
        wish->factor_percent = 300;
    }
    if (wish->kind == EDGED__FAULT_KIND__FAULT_DROP && wish->permille == 0) {
        wish->permille = 100;
    }
    if (wish->kind == EDGED__FAULT_KIND__FAULT_CORRUPT && wish->permille == 0) {
        wish->permille = 10;
    }
}

/* ---- watching -------------------------------------------------------------
 */

struct watch {
    struct client *client;
    const struct fault_wish *wish;
    uint32_t id;
    uint64_t start_ms;
    char state[32]; /* of the node, as printed last */
    char health[200];
    bool is_over;
    bool is_known; /* the counters below are set */
    uint64_t resent;
    uint64_t failed;
    uint64_t answered;
    uint64_t resent_at; /* in the beginning */
    uint64_t failed_at;
    uint64_t answered_at;
};

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void say(const struct watch *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct watch *w, const char *format, ...)
{
    va_list args;

    (void)printf("%5.1fs  ", (double)(now_ms() - w->start_ms) / 1e3);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)printf("\n");
    (void)fflush(stdout);
}

static void watch_node(struct watch *w, const Edged__StatusReply *reply)
{
    const char *node = w->wish->node;

    for (size_t i = 0; i < reply->n_nodes; i++) {
        const Edged__NodeStatus *n = reply->nodes[i];
        bool is_first = w->state[0] == '\0';

        if (strcmp(n->name, node) != 0 || strcmp(n->state, w->state) == 0 ||
            strcmp(n->state, "never") == 0) { /* being dialed again */
            continue;
        }
        (void)snprintf(w->state, sizeof(w->state), "%s", n->state);
        if (strcmp(n->state, "lost") == 0) {
            char *why = show_copy(n->reason);

            say(w, "%s gone: %s", node, why != NULL ? why : "?");
            mem_free(why);
        } else if (!is_first) {
            say(w, "%s %s", node, n->state);
        }
    }
}

static void watch_counters(struct watch *w, const Edged__StatusReply *reply)
{
    uint64_t resent = 0;
    uint64_t failed = 0;
    uint64_t answered = 0;

    for (size_t i = 0; i < reply->n_deployments; i++) {
        const Edged__DeploymentStatus *d = reply->deployments[i];

        resent = d->resent; /* of the gateway, the same in each */
        failed += d->failed;
        answered += d->requests;
    }
    if (!w->is_known) {
        w->is_known = true;
        w->resent_at = w->resent = resent;
        w->failed_at = w->failed = failed;
        w->answered_at = answered;
    }
    if (resent > w->resent) {
        say(w, "%llu requests in flight sent again",
            (unsigned long long)(resent - w->resent));
    }
    if (failed > w->failed) {
        say(w, "%llu requests failed",
            (unsigned long long)(failed - w->failed));
    }
    w->resent = resent;
    w->failed = failed;
    w->answered = answered;
}

static void watch_health(struct watch *w, const Edged__StatusReply *reply)
{
    char health[200] = "";
    size_t n = 0;

    for (size_t i = 0; i < reply->n_deployments && n < sizeof(health); i++) {
        const Edged__DeploymentStatus *d = reply->deployments[i];

        n += (size_t)snprintf(health + n, sizeof(health) - n, "%s%s %s%s%s%s",
                              n > 0 ? "; " : "", d->name, d->state,
                              d->reason[0] != '\0' ? " (" : "", d->reason,
                              d->reason[0] != '\0' ? ")" : "");
    }
    show_clean(health);
    if (w->health[0] != '\0' && strcmp(health, w->health) != 0) {
        say(w, "%s", health);
    }
    (void)snprintf(w->health, sizeof(w->health), "%s", health);
}

static void print_end(const struct watch *w, const Edged__FaultState *state)
{
    uint64_t answered = w->answered - w->answered_at;
    uint64_t failed = w->failed - w->failed_at;
    uint64_t all = answered + failed;

    say(w, "%s ready again. %llu requests, %.1f %% failed, %llu sent again",
        w->wish->node, (unsigned long long)all,
        all > 0 ? 100.0 * (double)failed / (double)all : 0.0,
        (unsigned long long)(w->resent - w->resent_at));
    if (state->suspect_ms > 0) {
        (void)printf("noticed after %.2f s, ready %.2f s after the fault "
                     "began\n",
                     state->suspect_ms / 1e3, state->back_ms / 1e3);
    }
}

/* 1: the fault is over and the node is back. */
static int look(struct watch *w, struct err *err)
{
    const Edged__FaultState *state;
    struct msg msg;
    int rc = faults_status(w->client, &msg, err);

    if (rc < 0) {
        return rc;
    }
    watch_node(w, msg.env->status_reply);
    watch_counters(w, msg.env->status_reply);
    watch_health(w, msg.env->status_reply);
    msg_deinit(&msg);
    rc = faults_query(w->client, &msg, err);
    if (rc < 0) {
        return rc;
    }
    state = faults_find(msg.env->fault_list, w->id);
    if (!w->is_over && (state == NULL || state->left_ms == 0)) {
        w->is_over = true;
        say(w, "%s is over", faults_name(w->wish->kind));
    }
    if (state != NULL && state->back_ms > 0) {
        print_end(w, state);
        rc = 1;
    }
    msg_deinit(&msg);
    return rc;
}

static int watch(struct watch *w, struct err *err)
{
    int rc = 0;

    while (rc == 0) {
        rc = look(w, err);
        if (rc == 0 && now_ms() - w->start_ms > w->wish->ms + BACK_MS) {
            rc = err_set(err, EDGE_ETIMEOUT,
                         "%s is not ready %d s after its fault. Try: edgectl "
                         "status",
                         w->wish->node, BACK_MS / 1000);
        }
        if (rc == 0) {
            (void)poll(NULL, 0, LOOK_MS);
        }
    }
    return rc < 0 ? rc : 0;
}

/* ---- the verbs of the verb ------------------------------------------------
 */

static void print_begun(const struct ctl *ctl, const struct fault_wish *wish,
                        uint32_t id, bool watched)
{
    double s = wish->ms / 1e3;
    Edged__Fault fault = EDGED__FAULT__INIT;
    char what[300];

    if (ctl->format == CTL_JSON) {
        (void)printf("{\"id\": \"%04x\", \"node\": \"%s\", \"fault\": \"%s\", "
                     "\"for_ms\": %u}\n",
                     id, wish->node, faults_name(wish->kind), wish->ms);
        return;
    }
    fault.kind = wish->kind;
    fault.permille = wish->permille;
    fault.factor_percent = wish->factor_percent;
    fault.extra_ms = wish->extra_ms;
    fault.rate_milli = wish->rate_milli;
    fault.way = wish->way;
    fault.peers = (char **)(uintptr_t)wish->peers;
    fault.n_peers = wish->n_peers;
    faults_describe(&fault, what, sizeof(what));
    if (wish->kind == EDGED__FAULT_KIND__FAULT_KILL) {
        (void)printf("%s: edged killed (SIGKILL); held back for %gs",
                     wish->node, s);
    } else {
        (void)printf("%s: %s %sfor %gs", wish->node, faults_name(wish->kind),
                     what, s);
    }
    (void)printf(watched ? ". Watching:\n" : " (%04x)\n", id);
    (void)fflush(stdout);
}

static int begin(struct ctl *ctl, struct client *client,
                 struct fault_options *options, struct err *err)
{
    struct watch w = {.client = client, .wish = &options->wish};
    bool watched = !options->no_watch && ctl->format != CTL_JSON;
    int rc = 0;

    fill_in(&options->wish);
    if (watched) { /* what counters say before */
        struct msg msg;

        rc = faults_status(client, &msg, err);
        if (rc < 0) {
            return rc;
        }
        w.start_ms = now_ms();
        watch_node(&w, msg.env->status_reply);
        watch_counters(&w, msg.env->status_reply);
        watch_health(&w, msg.env->status_reply);
        msg_deinit(&msg);
    }
    rc = faults_begin(client, &options->wish, &w.id, err);
    if (rc < 0) {
        return rc;
    }
    w.start_ms = now_ms();
    print_begun(ctl, &options->wish, w.id, watched);
    return watched ? watch(&w, err) : 0;
}

static json_t *row_json(const Edged__FaultState *state)
{
    const Edged__Fault *f = state->fault;
    char id[16];
    char what[300];

    (void)snprintf(id, sizeof(id), "%04x", f->id);
    faults_describe(f, what, sizeof(what));
    return json_pack("{s:s,s:o,s:s,s:o,s:i,s:i}", "id", id, "node",
                     show_json(f->node), "fault",
                     faults_name(f->kind) != NULL ? faults_name(f->kind) : "?",
                     "what", show_json(what), "age_ms", (int)state->age_ms,
                     "left_ms", (int)state->left_ms);
}

static void add_row(struct table *table, const Edged__FaultState *state)
{
    const Edged__Fault *f = state->fault;
    char *node = show_copy(f->node);
    char what[300];
    char age[16];

    faults_describe(f, what, sizeof(what));
    show_clean(what);
    table_row(table);
    table_text(table, 0, "%04x", f->id);
    table_text(table, 1, "%s", node != NULL ? node : "?");
    table_text(table, 2, "%s",
               faults_name(f->kind) != NULL ? faults_name(f->kind) : "?");
    table_text(table, 3, "%s", what);
    table_text(table, 4, "%s", table_age(state->age_ms, age));
    table_text(table, 5, "%s", table_age(state->left_ms, age));
    mem_free(node);
}

/* Those in force; others are kept for watchers only. */
static int list(const struct ctl *ctl, struct client *client, struct err *err)
{
    static const struct table_column columns[] = {
        {"ID", false},   {"NODE", false}, {"FAULT", false},
        {"WHAT", false}, {"AGE", true},   {"LEFT", true}};
    struct table *table = NULL;
    json_t *rows = json_array();
    struct msg msg;
    int rc = faults_query(client, &msg, err);

    if (rc < 0) {
        json_decref(rows);
        return rc;
    }
    if (ctl->format != CTL_JSON) {
        table = table_new(ctl, columns, 6);
    }
    for (size_t i = 0; i < msg.env->fault_list->n_faults; i++) {
        const Edged__FaultState *state = msg.env->fault_list->faults[i];

        if (state->left_ms == 0 || state->fault == NULL) {
            continue;
        }
        if (table != NULL) {
            add_row(table, state);
        } else {
            (void)json_array_append_new(rows, row_json(state));
        }
    }
    if (table != NULL) {
        table_print(table);
        json_decref(rows);
    } else {
        rc =
            show_json_line(json_pack("{s:o,s:b,s:o}", "faults", rows, "allowed",
                                     msg.env->fault_list->allowed, "why",
                                     show_json(msg.env->fault_list->why)),
                           err);
    }
    msg_deinit(&msg);
    return rc;
}

/* Four hexadecimal digits are an id, unless --node says it is not. */
static bool is_id(const char *text, uint32_t *id)
{
    char *end;
    unsigned long number = strtoul(text, &end, 16);

    if (strlen(text) != 4 || *end != '\0' || number == 0) {
        return false;
    }
    *id = (uint32_t)number;
    return true;
}

static int clear(const struct ctl *ctl, struct client *client,
                 const char *which, struct err *err)
{
    uint32_t id = 0;
    char text[300];
    bool has_id = which != NULL && is_id(which, &id);
    int rc = faults_clear(client, id, which != NULL && !has_id ? which : "",
                          text, sizeof(text), err);

    if (rc == 0 && !ctl->quiet) {
        show_clean(text);
        (void)fprintf(stderr, "%s\n", text);
    }
    return rc;
}

static int usage(const char *text)
{
    (void)fprintf(stderr, "edgectl fault: %s  See: edgectl fault --help\n",
                  text);
    return CTL_USAGE;
}

static int unknown(const char *word)
{
    struct suggest suggest;

    suggest_init(&suggest, word);
    for (int kind = EDGED__FAULT_KIND__FAULT_KILL;
         kind <= EDGED__FAULT_KIND__FAULT_CORRUPT; kind++) {
        suggest_try(&suggest, faults_name((Edged__FaultKind)kind));
    }
    suggest_try(&suggest, "list");
    suggest_try(&suggest, "clear");
    (void)fprintf(stderr, "edgectl fault: unknown fault \"%s\".", word);
    if (suggest_best(&suggest) != NULL) {
        (void)fprintf(stderr, " Did you mean \"%s\"?", suggest_best(&suggest));
    }
    (void)fprintf(stderr, "  See: edgectl fault --help\n");
    return CTL_USAGE;
}

static int check_words(const struct fault_options *options, const char *word,
                       int n)
{
    if (word == NULL) {
        return usage("what shall happen?");
    }
    if (strcmp(word, "list") == 0) {
        return n > 1 ? usage("list takes no more words.") : CTL_OK;
    }
    if (strcmp(word, "clear") == 0) {
        return (n == 2) != options->all && n <= 2
                   ? CTL_OK
                   : usage("clear one (its id), those of a node (its name), "
                           "or --all.");
    }
    if (options->wish.kind == EDGED__FAULT_KIND__FAULT_NONE) {
        return unknown(word);
    }
    return n == 2 ? CTL_OK : usage("it takes the name of one node.");
}

int cmd_fault(struct ctl *ctl, int argc, char **argv)
{
    struct fault_options options = {.no_watch = false};
    struct client *client = NULL;
    const char *word;
    struct err err;
    int first;
    int code;
    int rc;

    ctl_parse(ctl, parse, &options, argc, argv, &first);
    word = first < argc ? argv[first] : NULL;
    options.wish.kind =
        word != NULL ? faults_kind(word) : EDGED__FAULT_KIND__FAULT_NONE;
    options.wish.node = first + 1 < argc ? argv[first + 1] : NULL;
    code = show_check_format(ctl);
    if (code == CTL_OK) {
        code = check_words(&options, word, argc - first);
    }
    if (code != CTL_OK) {
        return code;
    }
    ctl_limit(ctl);
    rc = ctl_connect(ctl, &client, &err);
    if (rc < 0) {
        return ctl_fail(&err, rc);
    }
    if (strcmp(word, "list") == 0) {
        rc = list(ctl, client, &err);
    } else if (strcmp(word, "clear") == 0) {
        rc = clear(ctl, client, options.wish.node, &err);
    } else {
        rc = begin(ctl, client, &options, &err);
    }
    client_close(client);
    return rc < 0 ? ctl_fail(&err, rc) : CTL_OK;
}
