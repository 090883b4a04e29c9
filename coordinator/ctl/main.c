/* edgectl: the command table, which is also the help. */
#include "coordinator/ctl/ctl.h"

#include "base/suggest.h"
#include "onnx/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef EDGE_VERSION
#define EDGE_VERSION "0.1.0"
#endif

int ctl_exit_code(int rc)
{
    switch (rc) {
    case 0: return CTL_OK;
    case EDGE_ECONFIG:
    case EDGE_ENOFIT: return CTL_CONFIG;
    case EDGE_EUNREACHABLE: return CTL_UNREACHABLE;
    case EDGE_ETIMEOUT: return CTL_TIMEOUT;
    case EDGE_EPARTIAL: return CTL_PARTIAL;
    default: return CTL_FAILED;
    }
}

int ctl_fail(const struct err *err, int rc)
{
    (void)fprintf(stderr, "edgectl: %s\n", err->text);
    return ctl_exit_code(rc);
}

const struct command *ctl_find(const char *name)
{
    for (const struct command *c = ctl_commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

static int unknown(const char *name)
{
    struct suggest suggest;

    suggest_init(&suggest, name);
    for (const struct command *c = ctl_commands; c->name != NULL; c++) {
        suggest_try(&suggest, c->name);
    }
    (void)fprintf(stderr, "edgectl: unknown command \"%s\".", name);
    if (suggest_best(&suggest) != NULL) {
        (void)fprintf(stderr, " Did you mean \"%s\"?", suggest_best(&suggest));
    }
    (void)fprintf(stderr, "  See: edgectl help\n");
    return CTL_USAGE;
}

static void print_all(FILE *out)
{
    const char *group = "";

    (void)fprintf(out, "Usage: edgectl VERB [OPTIONS] [ARGUMENTS]\n"
                       "One machine for neural networks, made of small "
                       "boards.\n");
    for (const struct command *c = ctl_commands; c->name != NULL; c++) {
        if (strcmp(group, c->group) != 0) {
            group = c->group;
            (void)fprintf(out, "\n%s\n", group);
        }
        (void)fprintf(out, "  %-10s %s\n", c->name, c->summary);
    }
    (void)fprintf(out, "\nMore of one: edgectl help VERB. On the first "
                       "evening: edgectl up; edgectl deploy "
                       "cluster.yaml; edgectl infer cat.jpg\n");
}

int cmd_help(struct ctl *ctl, int argc, char **argv)
{
    const struct command *command;
    char help[] = "--help";
    char *args[3] = {NULL, help, NULL};
    int first;

    ctl_parse(ctl, NULL, NULL, argc, argv, &first);
    if (first >= argc) {
        print_all(stdout);
        return CTL_OK;
    }
    command = ctl_find(argv[first]);
    if (command == NULL) {
        return unknown(argv[first]);
    }
    args[0] = argv[first];
    return command->run(ctl, 2, args); /* argp prints and exits */
}

int cmd_version(struct ctl *ctl, int argc, char **argv)
{
    int first;

    ctl_parse(ctl, NULL, NULL, argc, argv, &first);
    if (ctl->format == CTL_JSON) {
        (void)printf("{\"version\": \"%s\", \"wire\": \"%d.%d\"}\n",
                     EDGE_VERSION, 1, 0);
    } else {
        (void)printf("edgectl %s (wire %d.%d)\n", EDGE_VERSION, 1, 0);
    }
    return CTL_OK;
}

static bool takes_value(const char *option)
{
    static const char *const options[] = {
        "-c",      "-o",        "-m",      "--cluster", "--output",
        "--model", "--timeout", "--color", "--progress"};

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strcmp(options[i], option) == 0) {
            return true;
        }
    }
    return false;
}

/* `edgectl -c NAME status` and `edgectl status -c NAME` are the same: options
 * before the verb move behind it. */
static int verb_index(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') {
            return i;
        }
        i += takes_value(argv[i]);
    }
    return argc;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {.model = ""};
    const struct command *command;
    int at = verb_index(argc, argv);
    char *verb;
    int status;

    if (guard_is_child(argc, argv, &status)) {
        return status;
    }
    argp_err_exit_status = CTL_USAGE;
    ctl_catch_interrupt();
    if (at >= argc) {
        bool asked = argc > 1 && (strcmp(argv[1], "--help") == 0 ||
                                  strcmp(argv[1], "-h") == 0);

        if (argc > 1 && strcmp(argv[1], "--version") == 0) {
            (void)printf("edgectl %s\n", EDGE_VERSION);
            return CTL_OK;
        }
        print_all(asked ? stdout : stderr);
        return asked ? CTL_OK : CTL_USAGE;
    }
    verb = argv[at];
    command = ctl_find(verb);
    if (command == NULL) {
        return unknown(verb);
    }
    memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof(*argv));
    argv[1] = verb;
    ctl.verb = verb;
    return command->run(&ctl, argc - 1, argv + 1);
}
