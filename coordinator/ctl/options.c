/* Options that all verbs share, and reading those of one. */
#include "coordinator/ctl/ctl.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    KEY_TIMEOUT = 0x1000,
    KEY_PROGRESS,
    KEY_COLOR,
    KEY_YES,
    KEY_DRY_RUN,
    KEY_JSON,
    KEY_NO_HEADERS
};

static const struct argp_option shared[] = {
    {"cluster", 'c', "NAME", 0, "the cluster to talk to", 100},
    {"model", 'm', "NAME", 0, "the deployment, if there are several", 100},
    {"output", 'o', "FORMAT", 0,
     "table or json; plan, profile: yaml; simulate: wide", 100},
    {"json", KEY_JSON, NULL, 0, "the same as -o json", 100},
    {"watch", 'w', NULL, 0, "again and again", 100},
    {"no-headers", KEY_NO_HEADERS, NULL, 0, "rows alone", 100},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "give up after so long", 100},
    {"progress", KEY_PROGRESS, "HOW", 0, "auto, bar, plain, json or none", 100},
    {"color", KEY_COLOR, "WHEN", 0, "auto, always or never", 100},
    {"quiet", 'q', NULL, 0, "errors alone on stderr", 100},
    {"yes", KEY_YES, NULL, 0, "do not ask", 100},
    {"dry-run", KEY_DRY_RUN, NULL, 0, "change nothing", 100},
    {0},
};

/* The place of a word in a list, or a usage error. */
static int choose(struct argp_state *state, const char *what, const char *word,
                  const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(words[i], word) == 0) {
            return (int)i;
        }
    }
    argp_error(state, "%s: \"%s\" is not one of those; see --help", what, word);
    return 0;
}

long ctl_number(struct argp_state *state, const char *text, long least,
                long most)
{
    char *end;
    long number;

    errno = 0;
    number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < least ||
        number > most) {
        argp_error(state, "\"%s\" is not a number from %ld to %ld", text, least,
                   most);
    }
    return number;
}

/* Every verb has a table and JSON; these have one form more. */
static const struct more_form {
    const char *verb;
    const char *form;
} more_forms[] = {{"plan", "yaml"}, {"profile", "yaml"}, {"simulate", "wide"}};

static bool has_form(const char *verb, const char *form)
{
    for (size_t i = 0; i < sizeof(more_forms) / sizeof(more_forms[0]); i++) {
        if (strcmp(more_forms[i].verb, verb) == 0 &&
            strcmp(more_forms[i].form, form) == 0) {
            return true;
        }
    }
    return false;
}

static void parse_format(struct ctl *ctl, const char *arg,
                         struct argp_state *state)
{
    static const char *const words[] = {"table", "json", "wide", "yaml"};
    static const enum ctl_format formats[] = {CTL_TABLE, CTL_JSON, CTL_WIDE,
                                              CTL_YAML};
    size_t i = (size_t)choose(state, "--output", arg, words, 4);

    if (i > 1 && !has_form(ctl->verb, arg)) {
        argp_error(state, "--output: %s does not write %s, but table or json",
                   ctl->verb, arg);
    }
    ctl->format = formats[i];
}

static error_t parse_word(int key, char *arg, struct argp_state *state)
{
    static const char *const whens[] = {"auto", "always", "never"};
    static const char *const hows[] = {"auto", "bar", "plain", "json", "none"};
    struct ctl *ctl = state->input;

    switch (key) {
    case 'o': parse_format(ctl, arg, state); return 0;
    case KEY_COLOR:
        ctl->color = (enum ctl_when)choose(state, "--color", arg, whens, 3);
        return 0;
    case KEY_PROGRESS:
        ctl->progress =
            (enum ctl_progress)choose(state, "--progress", arg, hows, 5);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_shared(int key, char *arg, struct argp_state *state)
{
    struct ctl *ctl = state->input;

    switch (key) {
    case 'c': ctl->cluster = arg; return 0;
    case 'm': ctl->model = arg; return 0;
    case 'w': ctl->watch = true; return 0;
    case 'q': ctl->quiet = true; return 0;
    case KEY_JSON: ctl->format = CTL_JSON; return 0;
    case KEY_NO_HEADERS: ctl->no_headers = true; return 0;
    case KEY_YES: ctl->yes = true; return 0;
    case KEY_DRY_RUN: ctl->dry_run = true; return 0;
    case KEY_TIMEOUT:
        ctl->timeout_ms = (int)ctl_number(state, arg, 1, 86400) * 1000;
        return 0;
    default: return parse_word(key, arg, state);
    }
}

error_t ctl_parse_shared(struct ctl *ctl, int key, char *arg,
                         struct argp_state *state)
{
    void *own = state->input;
    error_t rc;

    state->input = ctl;
    rc = parse_shared(key, arg, state);
    state->input = own;
    return rc;
}

struct both {
    struct ctl *ctl;
    argp_parser_t parser;
    void *input;
    int first;
};

/* The verb's own parser sees its options; arguments stay where they are. */
static error_t parse_own(int key, char *arg, struct argp_state *state)
{
    struct both *both = state->input;
    error_t rc;

    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = both->ctl;
        return 0;
    }
    if (key == ARGP_KEY_ARGS) {
        both->first = state->next;
        return 0;
    }
    if (key == ARGP_KEY_NO_ARGS) {
        both->first = state->argc;
        return 0;
    }
    if (both->parser == NULL) {
        return ARGP_ERR_UNKNOWN;
    }
    state->input = both->input;
    rc = both->parser(key, arg, state);
    state->input = both;
    return rc;
}

static bool is_known(const struct argp_option *options, const char *name,
                     size_t length, struct suggest *suggest)
{
    for (; options != NULL && (options->name != NULL || options->key != 0);
         options++) {
        if (options->name == NULL) {
            continue;
        }
        if (strncmp(options->name, name, length) == 0) {
            return true; /* whole, or the beginning of one */
        }
        suggest_try(suggest, options->name);
    }
    return false;
}

/* getopt knows no "did you mean": unknown long options are met here first. */
static void check_long_options(const struct command *command, int argc,
                               char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        struct suggest suggest;
        char name[LIMIT_NAME + 1];
        size_t length;

        if (strncmp(argv[i], "--", 2) != 0) {
            continue;
        }
        length = strcspn(argv[i] + 2, "=");
        if (length > LIMIT_NAME) {
            continue;
        }
        memcpy(name, argv[i] + 2, length);
        name[length] = '\0';
        suggest_init(&suggest, name);
        if (strcmp(name, "help") == 0 || strcmp(name, "usage") == 0 ||
            strcmp(name, "version") == 0 ||
            is_known(command->options, name, length, &suggest) ||
            is_known(shared, name, length, &suggest)) {
            continue;
        }
        (void)fprintf(stderr, "edgectl %s: unknown option \"--%s\".",
                      command->name, name);
        if (suggest_best(&suggest) != NULL) {
            (void)fprintf(stderr, " Did you mean \"--%s\"?",
                          suggest_best(&suggest));
        }
        (void)fprintf(stderr, "  See: edgectl %s --help\n", command->name);
        exit(CTL_USAGE);
    }
}

/* ---- the environment: EDGED_X_Y stands for --x-y=VALUE ----------------- */

/* Not those that may be given several times, nor the cluster, whose order of
 * precedence is longer (paths.c). */
static bool has_variable(const struct argp_option *option)
{
    return option->name != NULL && strcmp(option->name, "input") != 0 &&
           strcmp(option->name, "cluster") != 0;
}

static const char *variable_of(const struct argp_option *option)
{
    char name[LIMIT_NAME + 8] = "EDGED_";
    size_t n = strlen(name);

    for (const char *c = option->name; *c != '\0' && n < sizeof(name) - 1;
         c++) {
        name[n++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    }
    name[n] = '\0';
    return getenv(name);
}

static bool is_no(const char *value)
{
    return strcmp(value, "0") == 0 || strcmp(value, "no") == 0 ||
           strcmp(value, "false") == 0;
}

/* Appends what the environment says; the program's arguments come behind, and
 * the last of two counts. */
static int add_variables(const struct argp_option *options, char **argv, int n)
{
    for (; options != NULL && (options->name != NULL || options->key != 0);
         options++) {
        const char *value = has_variable(options) ? variable_of(options) : NULL;

        if (value == NULL || value[0] == '\0') {
            continue;
        }
        if (options->arg != NULL) {
            argv[n++] = mem_printf("--%s=%s", options->name, value);
        } else if (!is_no(value)) {
            argv[n++] = mem_printf("--%s", options->name);
        }
        if (argv[n - 1] == NULL) {
            (void)fputs("edgectl: out of memory\n", stderr);
            exit(CTL_FAILED);
        }
    }
    return n;
}

static size_t count_options(const struct argp_option *options)
{
    size_t n = 0;

    while (options != NULL &&
           (options[n].name != NULL || options[n].key != 0)) {
        n++;
    }
    return n;
}

/* What is behind the examples of --help. */
static char *more_help(const struct command *command)
{
    return strcmp(command->name, "model") == 0 ? model_list() : mem_strdup("");
}

void ctl_parse(struct ctl *ctl, argp_parser_t parser, void *input, int argc,
               char **argv, int *first)
{
    const struct command *command = ctl_find(argv[0]);
    struct argp global = {shared, parse_shared, NULL, NULL, NULL, NULL, NULL};
    struct argp_child children[] = {{&global, 0, "Of all verbs:", 100}, {0}};
    char *more = more_help(command);
    char *doc = mem_printf("%s\v%s%s", command->summary, command->examples,
                           more != NULL ? more : "");
    char *name = mem_printf("edgectl %s", command->name);
    struct argp own = {command->options,
                       parse_own,
                       command->arguments,
                       doc,
                       children,
                       NULL,
                       NULL};
    struct both both = {ctl, parser, input, argc};
    char **all = mem_array(char *, (size_t)argc + 1 +
                                       sizeof(shared) / sizeof(shared[0]) +
                                       count_options(command->options));
    int n = 1;

    if (all == NULL || name == NULL || doc == NULL) {
        (void)fputs("edgectl: out of memory\n", stderr);
        exit(CTL_FAILED);
    }
    check_long_options(command, argc, argv);
    all[0] = name;
    n = add_variables(command->options, all, n);
    n = add_variables(shared, all, n);
    memcpy(all + n, argv + 1, (size_t)(argc - 1) * sizeof(*argv));
    both.first = n + argc - 1;
    (void)argp_parse(&own, n + argc - 1, all, 0, NULL, &both);
    /* argp moves arguments behind options. */
    *first = both.first - (n - 1);
    memcpy(argv + *first, all + both.first,
           (size_t)(argc - *first) * sizeof(*argv));
    mem_free(more);
    mem_free(doc);
    mem_free(name);
    mem_free(all); /* what it points to is used on */
}

/* ---- the ends that a verb does not see coming --------------------------- */

static void on_timeout(int number)
{
    static const char text[] =
        "\nedgectl: not done within --timeout; what was begun on the cluster "
        "goes on.  Try: edgectl status\n";
    bool has_line = isatty(STDERR_FILENO) == 1; /* a bar may stand there */

    (void)number;
    (void)!write(STDERR_FILENO, text + !has_line, sizeof(text) - 1 - !has_line);
    _exit(CTL_TIMEOUT);
}

void ctl_limit(const struct ctl *ctl)
{
    struct itimerval limit = {.it_value = {.tv_sec = ctl->timeout_ms / 1000}};
    struct sigaction action = {.sa_handler = on_timeout};

    if (ctl->timeout_ms > 0) {
        (void)sigaction(SIGALRM, &action, NULL);
        (void)setitimer(ITIMER_REAL, &limit, NULL);
    }
}

static void on_interrupt(int number)
{
    (void)number;
    if (isatty(STDERR_FILENO) == 1) {
        (void)!write(STDERR_FILENO, "\n", 1);
    }
    _exit(CTL_INTERRUPTED);
}

void ctl_catch_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};

    (void)sigaction(SIGINT, &action, NULL);
}
