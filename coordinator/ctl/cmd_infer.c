/*
 * edgectl infer: pictures, or tensors, through the deployed model.
 *
 *   1. The coordinator says what the model wants; see deployed.h.
 *   2. Pictures are prepared and sent, several before the first is answered,
 *      and printed in the order in which they were named.
 *   3. A picture that cannot be read, or a request that fails, is an error on
 *      stderr and the others go on; a lost connection ends it.
 */
#include "coordinator/ctl/infer_print.h"

#include "base/mem.h"
#include "coordinator/ctl/show.h"
#include "coordinator/ctl/views.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 8
#define TOP_MOST 100000
#define DEADLINE_MOST 3600000
#define ANSWER_MS 120000 /* without a deadline of our own */
#define ANSWER_SLACK_MS 5000
#define WARNINGS 3 /* about single answers */

struct item { /* a request, from sending to printing */
    const char *image;
    bool is_back;
    struct landed landed;
};

struct infer {
    struct ctl *ctl;
    size_t top;
    uint32_t deadline_ms;
    const char *folder; /* of outputs; NULL: not wanted */
    const char *views;  /* a picture for each input; NULL: not given */
    struct image_grid grid;
    bool is_strict;
    struct views_form form_of_views;
    struct named_list named;
    struct pictures pictures;
    struct picture_form form;
    struct client *client;
    struct deployed deployed;
    struct flights *flights;
    struct item items[AT_ONCE]; /* request i is in i % AT_ONCE */
    size_t n_sent;
    size_t n_printed;
    size_t n_done;
    size_t n_failed;
    size_t n_incomplete;
    int first_rc; /* of the first that failed */
    struct err err;
};

/* ---- options ------------------------------------------------------------ */

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct infer *infer = state->input;

    switch (key) {
    case 'k':
        infer->top = (size_t)ctl_number(state, arg, 1, TOP_MOST);
        return 0;
    case 'd': infer->folder = arg; return 0;
    case 'V': infer->views = arg; return 0;
    case 'G':
        if (!grid_parse(arg, &infer->grid)) {
            argp_error(state, "--grid takes columns and rows, as 3x2, not %s",
                       arg);
        }
        return 0;
    case 'S': infer->is_strict = true; return 0;
    case 'D':
        infer->deadline_ms = (uint32_t)ctl_number(state, arg, 1, DEADLINE_MOST);
        return 0;
    case 'i':
        if (named_add(&infer->named, arg, &infer->err) < 0) {
            argp_error(state, "%s", infer->err.text);
        }
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static int check_usage(const struct infer *infer, int n_arguments)
{
    int n_ways =
        (infer->named.n > 0) + (n_arguments > 0) + (infer->views != NULL);

    if (n_ways > 1 || (infer->grid.rows > 0 && n_arguments == 0)) {
        (void)fprintf(stderr, "edgectl infer: give pictures, --views or "
                              "--input; --grid is for pictures.  See: edgectl "
                              "infer --help\n");
        return CTL_USAGE;
    }
    if (n_ways == 0) {
        (void)fprintf(stderr, "edgectl infer: which picture? Give files, "
                              "folders, or - for standard input.  See: "
                              "edgectl infer --help\n");
        return CTL_USAGE;
    }
    return show_check_format(infer->ctl);
}

/* ---- failures ----------------------------------------------------------- */

static void fail_one(struct infer *infer, int rc, const struct err *err)
{
    (void)ctl_fail(err, rc);
    infer->first_rc = infer->n_failed == 0 ? rc : infer->first_rc;
    infer->n_failed++;
}

/* Of a folder the first few are named. */
static void warn_of_rest(const struct infer *infer)
{
    if (infer->n_incomplete > WARNINGS && !infer->ctl->quiet) {
        (void)fprintf(stderr,
                      "warning: %zu of %zu answers lacked a view; -o json says "
                      "which of each\n",
                      infer->n_incomplete, infer->n_done);
    }
}

static int exit_code(const struct infer *infer)
{
    if (infer->n_failed == 0) {
        return infer->is_strict && infer->n_incomplete > 0 ? CTL_PARTIAL
                                                           : CTL_OK;
    }
    return infer->n_done > 0 ? CTL_PARTIAL : ctl_exit_code(infer->first_rc);
}

/* ---- answers ------------------------------------------------------------ */

/* FOLDER itself for a single request, else one below it for each picture. */
static int write_outputs(const struct infer *infer, const struct item *item,
                         struct err *err)
{
    bool is_single =
        infer->named.n > 0 || infer->views != NULL || infer->pictures.n == 1;
    char *below = is_single ? NULL : named_file(item->image, "");
    char *folder = is_single       ? mem_strdup(infer->folder)
                   : below != NULL ? mem_printf("%s/%s", infer->folder, below)
                                   : NULL;
    int rc = folder == NULL ? err_set(err, EDGE_ENOMEM, "out of memory")
                            : named_write(folder, infer->deployed.outputs,
                                          item->landed.outputs,
                                          item->landed.n_outputs, err);

    mem_free(below);
    mem_free(folder);
    return rc;
}

static void finish_item(struct infer *infer, struct item *item)
{
    struct infer_line line = {
        .image = item->image,
        .width = infer->pictures.widest,
        .top = infer->top,
        .deployed = &infer->deployed,
        .landed = &item->landed,
    };
    struct err err;
    int rc = item->landed.rc;

    if (rc < 0) {
        err = item->landed.err;
        rc = err_wrap(&err, rc, "%s", item->image);
    }
    if (rc == 0 && infer->folder != NULL) {
        rc = write_outputs(infer, item, &err);
    }
    if (rc == 0) {
        rc = infer_print(infer->ctl, &line, &err);
    }
    if (rc < 0) {
        fail_one(infer, rc, &err);
    } else {
        infer->n_done++;
        infer->n_incomplete += !item->landed.answer->complete;
        if (infer->n_incomplete <= WARNINGS) {
            infer_warn(infer->ctl, &line);
        }
    }
    landed_deinit(&item->landed);
    item->is_back = false;
}

/* In the order in which they were sent. */
static void print_ready(struct infer *infer)
{
    while (infer->n_printed < infer->n_sent &&
           infer->items[infer->n_printed % AT_ONCE].is_back) {
        finish_item(infer, &infer->items[infer->n_printed % AT_ONCE]);
        infer->n_printed++;
    }
}

static int wait_ms(const struct infer *infer)
{
    if (infer->ctl->timeout_ms > 0) {
        return infer->ctl->timeout_ms;
    }
    return infer->deadline_ms > 0 ? (int)infer->deadline_ms + ANSWER_SLACK_MS
                                  : ANSWER_MS;
}

static int step(struct infer *infer, struct err *err)
{
    struct landed landed;
    int rc = flights_step(infer->flights, wait_ms(infer), &landed, err);

    if (rc == 1) {
        struct item *item = landed.user;

        item->landed = landed;
        item->is_back = true;
        print_ready(infer);
    }
    return rc < 0 ? rc : 0;
}

/* ---- requests ----------------------------------------------------------- */

static bool has_room(const struct infer *infer)
{
    return flights_has_room(infer->flights) &&
           infer->n_sent - infer->n_printed < AT_ONCE;
}

static int send(struct infer *infer, const char *image,
                const struct tensor *inputs, struct err *err)
{
    struct item *item = &infer->items[infer->n_sent % AT_ONCE];
    int rc;

    item->image = image;
    rc = flights_send(infer->flights, inputs, infer->deadline_ms, item, err);
    if (rc == 0) {
        infer->n_sent++;
    }
    return rc;
}

static int read_inputs(const struct infer *infer, const char *name,
                       struct tensor *inputs, struct err *err)
{
    if (infer->views != NULL) {
        return views_read_list(infer->views, &infer->form_of_views,
                               &infer->deployed, inputs, err);
    }
    return infer->grid.rows > 0
               ? views_cut(name, &infer->form_of_views, &infer->deployed,
                           inputs, err)
               : picture_read(name, &infer->form, &inputs[0], err);
}

/* 0 also if the picture is none: that is said, and over. */
static int send_picture(struct infer *infer, const char *name, struct err *err)
{
    struct tensor inputs[LIMIT_PORTS] = {{.dtype = DTYPE_NONE}};
    struct err own;
    int rc = read_inputs(infer, name, inputs, &own);

    if (rc < 0) {
        fail_one(infer, rc, &own);
        rc = 0;
    } else {
        rc = send(infer, name, inputs, err);
    }
    for (size_t i = 0; i < LIMIT_PORTS; i++) {
        tensor_deinit(&inputs[i]);
    }
    return rc;
}

static int find_form(struct infer *infer, struct err *err)
{
    return infer->views != NULL || infer->grid.rows > 0
               ? views_form(&infer->deployed, &infer->grid,
                            &infer->form_of_views, err)
               : deployed_picture_form(&infer->deployed, &infer->form, err);
}

static int drain(struct infer *infer, struct err *err)
{
    int rc = 0;

    while (rc == 0 && flights_count(infer->flights) > 0) {
        rc = step(infer, err);
    }
    return rc;
}

static int run_views(struct infer *infer, struct err *err)
{
    int rc = find_form(infer, err);

    rc = rc == 0 ? send_picture(infer, infer->views, err) : rc;
    return rc < 0 ? rc : drain(infer, err);
}

static int run_pictures(struct infer *infer, struct err *err)
{
    int rc = find_form(infer, err);

    for (size_t i = 0; rc == 0 && i < infer->pictures.n; i++) {
        while (rc == 0 &&
               (!has_room(infer) || flights_is_ready(infer->flights))) {
            rc = step(infer, err);
        }
        if (rc == 0) {
            rc = send_picture(infer, infer->pictures.names[i], err);
        }
    }
    return rc < 0 ? rc : drain(infer, err);
}

static int run_named(struct infer *infer, struct err *err)
{
    struct tensor inputs[LIMIT_PORTS];
    int rc = named_read(&infer->named, err);

    if (rc == 0) {
        rc = named_match(&infer->named, infer->deployed.inputs,
                         infer->deployed.n_inputs, inputs, err);
    }
    if (rc == 0) {
        rc = send(infer, infer->named.items[0].path, inputs, err);
    }
    return rc < 0 ? rc : drain(infer, err);
}

/* ---- the verb ----------------------------------------------------------- */

static int run(struct infer *infer, struct err *err)
{
    int rc = ctl_connect(infer->ctl, &infer->client, err);

    if (rc == 0) {
        rc = deployed_ask(infer->client, infer->ctl->model, &infer->deployed,
                          err);
    }
    if (rc == 0) {
        rc = flights_new(infer->client, &infer->deployed, AT_ONCE,
                         &infer->flights, err);
    }
    if (rc == 0) {
        flights_be_patient(infer->flights, CTL_PATIENCE_MS);
        rc = infer->named.n > 0     ? run_named(infer, err)
             : infer->views != NULL ? run_views(infer, err)
                                    : run_pictures(infer, err);
    }
    return rc;
}

static void release(struct infer *infer)
{
    for (size_t i = 0; i < AT_ONCE; i++) {
        landed_deinit(&infer->items[i].landed);
    }
    flights_free(infer->flights);
    deployed_deinit(&infer->deployed);
    client_close(infer->client);
    pictures_deinit(&infer->pictures);
    named_deinit(&infer->named);
    mem_free(infer);
}

int cmd_infer(struct ctl *ctl, int argc, char **argv)
{
    struct infer *infer = mem_new(struct infer);
    struct err err;
    int first;
    int code;
    int rc;

    if (infer == NULL) {
        (void)err_set(&err, EDGE_ENOMEM, "out of memory");
        return ctl_fail(&err, EDGE_ENOMEM);
    }
    infer->ctl = ctl;
    infer->top = 3;
    ctl_parse(ctl, parse, infer, argc, argv, &first);
    code = check_usage(infer, argc - first);
    if (code == CTL_OK) {
        rc = pictures_list(argv + first, (size_t)(argc - first),
                           &infer->pictures, &err);
        if (rc == 0) {
            rc = run(infer, &err);
            warn_of_rest(infer);
        }
        code = rc < 0 ? ctl_fail(&err, rc) : exit_code(infer);
        code = rc == EDGE_EINVAL && infer->client == NULL ? CTL_USAGE : code;
    }
    release(infer);
    return code;
}
