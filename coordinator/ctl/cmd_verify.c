/*
 * edgectl verify: does the cluster answer as one process does?
 *
 *   1. The coordinator says what is deployed; the model's file comes from its
 *      store, or is named.
 *   2. Where the plan is not simply stages, its shards come as well, and run
 *      here one after the other, with the codecs of their links and without.
 *   3. Each input goes to the cluster and through all of these. What left at an
 *      exit must be what that output of the model is.
 */
#include "coordinator/ctl/fetch.h"
#include "coordinator/ctl/flights.h"
#include "coordinator/ctl/reference.h"
#include "coordinator/ctl/show.h"
#include "coordinator/ctl/verdict.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RANDOM_USUAL 16
#define RANDOM_MOST 1000000
#define ANSWER_MS 120000

struct verify {
    struct ctl *ctl;
    struct err err; /* of an argument */
    uint32_t n_random;
    uint64_t seed;
    const char *file; /* the model's; NULL: as the coordinator has it */
    struct named_list given;
    struct pictures pictures;
    struct client *client;
    struct deployed deployed;
    struct deployed all; /* the same, and the outputs of exits behind its own;
                            borrows */
    struct named_port outputs[LIMIT_PORTS];
    size_t n_exits;
    struct flights *flights;
    struct msg reply;
    Edged__Placement *spec;
    struct reference *reference;
    struct chain *chain;
    struct chain_link *links;
    size_t n_links;
    struct verdict verdict;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct verify *v = state->input;
    char *end;

    switch (key) {
    case 'n':
        v->n_random = (uint32_t)ctl_number(state, arg, 1, RANDOM_MOST);
        return 0;
    case 's':
        v->seed = (uint64_t)ctl_number(state, arg, 0, RANDOM_MOST);
        return 0;
    case 'f': v->file = arg; return 0;
    case 'W':
        v->verdict.within = strtod(arg, &end);
        if (end == arg || *end != '\0' || !(v->verdict.within >= 0) ||
            v->verdict.within > 1) {
            argp_error(state, "--within is a number from 0 to 1, not \"%s\"",
                       arg);
        }
        return 0;
    case 'i':
        if (named_add(&v->given, arg, &v->err) < 0) {
            argp_error(state, "%s", v->err.text);
        }
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- what is deployed ---------------------------------------------------- */

static const Edged__Shard *exit_shard(const Edged__Placement *spec,
                                      size_t number)
{
    for (size_t i = 0; i < spec->n_shards; i++) {
        if (spec->shards[i]->exit != NULL &&
            spec->shards[i]->exit->number == number) {
            return spec->shards[i];
        }
    }
    return NULL;
}

/* Exit number k scores the classes of the first output: output k of `all`. */
static void list_outputs(struct verify *v)
{
    const Edged__Shard *shard;

    v->all = v->deployed;
    for (size_t i = 0; i < v->deployed.n_outputs && i < LIMIT_PORTS; i++) {
        v->outputs[i] = v->deployed.outputs[i];
    }
    v->all.outputs = v->outputs;
    while (v->deployed.n_outputs == 1 && v->n_exits + 1 < LIMIT_PORTS &&
           (shard = exit_shard(v->spec, v->n_exits + 1)) != NULL) {
        v->n_exits++;
        v->outputs[v->n_exits] = v->deployed.outputs[0];
        v->outputs[v->n_exits].name = shard->outputs[shard->exit->port]->name;
        v->verdict.exits[v->n_exits] = shard->exit->name;
    }
    v->all.n_outputs += v->n_exits;
    v->verdict.exits[0] = v->outputs[0].name;
    v->verdict.n_exits = v->n_exits;
}

static int open_reference(struct verify *v, const char *file, struct err *err)
{
    return reference_open(file, &v->all, v->n_exits > 0, &v->reference, err);
}

/* The importer's guard looks at files, in a process of its own. */
static int open_stored(struct verify *v, struct err *err)
{
    char path[] = "/tmp/edgectl-verify.XXXXXX";
    struct blob *file = NULL;
    struct digest digest;
    int rc = convert_digest_in(&v->spec->model, &digest, err);
    int fd = -1;

    if (rc == 0) {
        rc = fetch_file(v->client, &digest, &file, err);
    }
    if (rc == 0) {
        fd = mkstemp(path);
        rc = fd >= 0 && write(fd, file->data, file->size) == (ssize_t)file->size
                 ? 0
                 : err_set(err, EDGE_EIO, "cannot write %s", path);
    }
    blob_unref(file);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (rc == 0) {
        rc = open_reference(v, path, err);
    }
    if (fd >= 0) {
        (void)unlink(path);
    }
    return rc < 0 ? err_wrap(err, rc, "the model that is deployed") : 0;
}

static bool is_coded(const struct verify *v)
{
    bool coded = false;

    for (size_t i = 0; i < v->n_links; i++) {
        coded = coded || !codec_is_plain(&v->links[i].codec);
    }
    return coded;
}

static bool has_codec(const Edged__Placement *spec)
{
    bool has = false;

    for (size_t i = 0; i < spec->n_entries; i++) {
        has = has || spec->entries[i]->codec != 0;
    }
    for (size_t i = 0; i < spec->n_shards; i++) {
        for (size_t k = 0; k < spec->shards[i]->n_links; k++) {
            has = has || spec->shards[i]->links[k]->codec != 0;
        }
    }
    return has;
}

static int open_chain(struct verify *v, struct err *err)
{
    int rc;

    if (v->spec->likeness == ALIKE_EXACT && !has_codec(v->spec)) {
        return 0;
    }
    rc =
        fetch_chain(v->client, v->spec, &v->chain, &v->links, &v->n_links, err);
    if (rc < 0) {
        return err_wrap(err, rc, "the shards that are deployed");
    }
    v->verdict.has_chain = true;
    v->verdict.is_coded = is_coded(v);
    v->verdict.chain = v->chain;
    v->verdict.links = v->links;
    v->verdict.n_links = v->n_links;
    return 0;
}

/* Which tier answers depends on the answer, and who is there on the moment. */
static int refuse_views(const Edged__Placement *spec, struct err *err)
{
    for (size_t i = 0; i < spec->n_places; i++) {
        if (spec->places[i]->view > 0) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "a model of several views is not verified by this "
                           "version of edged yet");
        }
    }
    return 0;
}

static int open_all(struct verify *v, struct err *err)
{
    int rc = ctl_connect(v->ctl, &v->client, err);

    if (rc == 0) {
        rc = deployed_ask(v->client, v->ctl->model, &v->deployed, err);
    }
    if (rc == 0) {
        rc = fetch_placement(v->client, v->deployed.name, &v->reply, &v->spec,
                             err);
    }
    if (rc == 0) {
        rc = refuse_views(v->spec, err);
    }
    if (rc == 0) {
        list_outputs(v);
    }
    if (rc == 0) {
        rc = v->file != NULL ? open_reference(v, v->file, err)
                             : open_stored(v, err);
    }
    if (rc == 0) {
        rc = open_chain(v, err);
    }
    if (rc == 0) {
        rc = flights_new(v->client, &v->deployed, 1, &v->flights, err);
    }
    if (rc == 0) {
        flights_be_patient(v->flights, CTL_PATIENCE_MS);
        v->verdict.deployment = v->deployed.name;
        v->verdict.model = v->reply.env->placement_reply->model_name;
        v->verdict.spec = v->spec;
        v->verdict.likeness = (enum likeness)v->spec->likeness;
    }
    return rc;
}

/* ---- one input ----------------------------------------------------------- */

static int ask(struct verify *v, const struct tensor *inputs,
               struct landed *landed, struct err *err)
{
    int wait_ms = v->ctl->timeout_ms > 0 ? v->ctl->timeout_ms : ANSWER_MS;
    int rc = flights_send(v->flights, inputs, 0, v, err);

    while (rc == 0) {
        rc = flights_step(v->flights, wait_ms, landed, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (landed->rc < 0) {
        *err = landed->err;
        rc = landed->rc;
        landed_deinit(landed);
        return rc;
    }
    return 0;
}

static void let_go(struct tensor *tensors, size_t n)
{
    for (size_t i = 0; tensors != NULL && i < n; i++) {
        tensor_deinit(&tensors[i]);
    }
}

/* The shards here, with codecs for what the cluster must say, and without for
 * what the model says. */
static int check_chain(struct verify *v, const struct tensor *inputs,
                       const struct landed *landed, size_t left,
                       const struct tensor *model, struct err *err)
{
    struct tensor coded[LIMIT_PORTS] = {{0}};
    struct tensor plain[LIMIT_PORTS] = {{0}};
    size_t n = v->all.n_outputs;
    int rc;

    chain_use_codecs(v->chain, true);
    rc = chain_run(v->chain, inputs, v->deployed.n_inputs, coded, n, err);
    if (rc == 0) {
        chain_use_codecs(v->chain, false);
        rc = chain_run(v->chain, inputs, v->deployed.n_inputs, plain, n, err);
    }
    if (rc == 0) {
        gap_add(&v->verdict.cluster, &coded[left], landed->outputs,
                v->deployed.n_outputs);
        gap_add(&v->verdict.shards, model, plain, n);
        gap_add(&v->verdict.loss, &model[left], landed->outputs,
                v->deployed.n_outputs);
    }
    let_go(coded, n);
    let_go(plain, n);
    return rc;
}

/* The exit that an answer left at; 0: at none. */
static int find_left(const struct verify *v, const Edged__Answer *answer,
                     size_t *left, struct err *err)
{
    *left = 0;
    if (answer->exit[0] == '\0') {
        return 0;
    }
    for (size_t k = 1; k <= v->n_exits; k++) {
        if (strcmp(v->verdict.exits[k], answer->exit) == 0) {
            *left = k;
        }
    }
    return *left > 0 ? 0
                     : err_set(err, EDGE_ESTALE,
                               "an answer left at an exit that was not there "
                               "before: it was deployed anew meanwhile");
}

static int check(struct verify *v, const struct tensor *inputs, struct err *err)
{
    struct tensor *model = NULL;
    struct landed landed = {0};
    size_t left = 0;
    int rc = ask(v, inputs, &landed, err);

    if (rc < 0) {
        return rc;
    }
    rc = find_left(v, landed.answer, &left, err);
    if (rc == 0) {
        rc = reference_run(v->reference, inputs, &model, err);
    }
    if (rc == 0 && v->chain != NULL) {
        rc = check_chain(v, inputs, &landed, left, model, err);
    } else if (rc == 0) {
        gap_add(&v->verdict.cluster, &model[left], landed.outputs,
                v->deployed.n_outputs);
    }
    v->verdict.left[left] += rc == 0;
    let_go(model, v->all.n_outputs);
    mem_free(model);
    landed_deinit(&landed);
    return rc;
}

/* ---- inputs -------------------------------------------------------------- */

static int check_given(struct verify *v, struct err *err)
{
    struct tensor inputs[LIMIT_PORTS];
    int rc = named_read(&v->given, err);

    if (rc == 0) {
        rc = named_match(&v->given, v->deployed.inputs, v->deployed.n_inputs,
                         inputs, err);
    }
    return rc < 0 ? rc : check(v, inputs, err);
}

static int check_pictures(struct verify *v, struct err *err)
{
    struct picture_form form;
    int rc = deployed_picture_form(&v->deployed, &form, err);

    for (size_t i = 0; rc == 0 && i < v->pictures.n; i++) {
        struct tensor input = {0};

        rc = picture_read(v->pictures.names[i], &form, &input, err);
        if (rc == 0) {
            rc = check(v, &input, err);
        }
        tensor_deinit(&input);
    }
    return rc;
}

static int check_random(struct verify *v, struct err *err)
{
    struct rng rng;
    int rc = 0;

    rng_init(&rng, v->seed);
    for (uint32_t k = 0; rc == 0 && k < v->n_random; k++) {
        struct tensor inputs[LIMIT_PORTS] = {{0}};

        for (size_t i = 0; rc == 0 && i < v->deployed.n_inputs; i++) {
            const struct named_port *port = &v->deployed.inputs[i];

            rc = tensor_init(&inputs[i], port->dtype, &port->shape);
            if (rc == 0) {
                reference_fill(&inputs[i], &rng);
            } else {
                (void)err_set(err, rc, "input \"%s\": %s", port->name,
                              err_text(rc));
            }
        }
        rc = rc == 0 ? check(v, inputs, err) : rc;
        let_go(inputs, v->deployed.n_inputs);
    }
    return rc;
}

/* ---- the verb ------------------------------------------------------------ */

static int run(struct verify *v, struct err *err)
{
    int rc = open_all(v, err);

    if (rc == 0) {
        rc = v->given.n > 0      ? check_given(v, err)
             : v->pictures.n > 0 ? check_pictures(v, err)
                                 : 0;
    }
    if (rc == 0) {
        rc = check_random(v, err);
    }
    return rc < 0 ? rc : verdict_print(v->ctl, &v->verdict, err);
}

static void release(struct verify *v)
{
    flights_free(v->flights);
    chain_free(v->chain);
    mem_free(v->links);
    reference_free(v->reference);
    msg_free_alone(v->spec);
    msg_deinit(&v->reply);
    deployed_deinit(&v->deployed);
    client_close(v->client);
    pictures_deinit(&v->pictures);
    named_deinit(&v->given);
    mem_free(v);
}

static int judge(const struct verify *v)
{
    if (verdict_is_good(&v->verdict)) {
        return CTL_OK;
    }
    if (v->verdict.within == 0 && v->ctl->format != CTL_JSON) {
        (void)fprintf(stderr,
                      "edgectl: the cluster does not answer as one process "
                      "does. Boards of another kind of processor sum in "
                      "another order: if there are any, try --within 1e-3\n");
    }
    return CTL_FAILED;
}

int cmd_verify(struct ctl *ctl, int argc, char **argv)
{
    struct verify *v = mem_new(struct verify);
    struct err err;
    int first;
    int code;
    int rc;

    if (v == NULL) {
        (void)err_set(&err, EDGE_ENOMEM, "out of memory");
        return ctl_fail(&err, EDGE_ENOMEM);
    }
    v->ctl = ctl;
    v->seed = 1;
    ctl_parse(ctl, parse, v, argc, argv, &first);
    code = show_check_format(ctl);
    if (code == CTL_OK) {
        rc = pictures_list(argv + first, (size_t)(argc - first), &v->pictures,
                           &err);
        if (v->n_random == 0 && v->given.n == 0 && argc == first) {
            v->n_random = RANDOM_USUAL;
        }
        if (rc == 0) {
            rc = run(v, &err);
        }
        code = rc < 0 ? ctl_fail(&err, rc) : judge(v);
    }
    release(v);
    return code;
}
