#include "coordinator/ctl/deployed.h"

#include "base/mem.h"
#include "config/cluster.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_MS 10000

/* ---- the reply ---------------------------------------------------------- */

static int copy_ports(Edged__Port *const *from, size_t n,
                      struct named_port **out, struct err *err)
{
    struct named_port *ports;
    int rc = 0;

    if (n == 0 || n > LIMIT_PORTS) {
        return err_set(err, EDGE_EPROTO, "a model of %zu inputs or outputs", n);
    }
    ports = mem_array(struct named_port, n);
    if (ports == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    *out = ports;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct tensor t;

        rc = convert_meta_in(from[i]->tensor, NULL, &t, err);
        if (rc == 0) {
            ports[i] = (struct named_port){from[i]->name, t.dtype, t.shape};
        }
    }
    return rc;
}

static int take_reply(struct deployed *d, struct err *err)
{
    const Edged__ModelReply *reply = d->msg.env->model_reply;
    const struct blob *labels = d->msg.payload;
    int rc = reply->code;

    if (rc < 0) {
        return err_set(err, rc, "%s", reply->text);
    }
    d->name = reply->deployment;
    d->n_inputs = reply->n_inputs;
    d->n_outputs = reply->n_outputs;
    rc = copy_ports(reply->inputs, reply->n_inputs, &d->inputs, err);
    if (rc == 0) {
        rc = copy_ports(reply->outputs, reply->n_outputs, &d->outputs, err);
    }
    if (rc == 0 && labels != NULL &&
        labels_parse(labels->data, labels->size, &d->labels) < 0) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    }
    return rc;
}

int deployed_ask(struct client *client, const char *name, struct deployed *d,
                 struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ModelRequest request = EDGED__MODEL_REQUEST__INIT;
    int rc;

    *d = (struct deployed){.n_inputs = 0};
    request.deployment = (char *)(uintptr_t)name;
    env.body_case = EDGED__ENVELOPE__BODY_MODEL_REQUEST;
    env.model_request = &request;
    rc = client_send(client, &env, NULL, 0, err);
    if (rc == 0) {
        rc = client_expect(client, ANSWER_MS, EDGED__ENVELOPE__BODY_MODEL_REPLY,
                           &d->msg, err);
    }
    if (rc < 0) {
        d->msg.env = NULL;
        return rc;
    }
    rc = take_reply(d, err);
    if (rc < 0) {
        deployed_deinit(d);
    }
    return rc;
}

void deployed_deinit(struct deployed *d)
{
    mem_free(d->inputs);
    mem_free(d->outputs);
    labels_deinit(&d->labels);
    if (d->msg.env != NULL) {
        msg_deinit(&d->msg);
    }
    *d = (struct deployed){.n_inputs = 0};
}

/* ---- pictures ----------------------------------------------------------- */

static void take_numbers(const double *from, size_t n, float *out)
{
    for (size_t i = 0; n > 0 && i < CLUSTER_CHANNELS; i++) {
        out[i] = (float)from[i < n ? i : n - 1];
    }
}

/* Numbers of another release are refused, not guessed. */
static int take_input(const Edged__ModelReply *reply,
                      struct cluster_input *input, struct err *err)
{
    if (reply->resize > CLUSTER_RESIZE_PAD ||
        reply->color > CLUSTER_COLOR_GRAY || reply->range > CLUSTER_RANGE_255) {
        return err_set(err, EDGE_EPROTO,
                       "the coordinator prepares pictures in a way that is "
                       "not known here. Are edgectl and edge-coordinator of "
                       "one version?");
    }
    *input = (struct cluster_input){
        .width = reply->width,
        .height = reply->height,
        .resize = (enum cluster_resize)reply->resize,
        .crop = reply->crop,
        .color = (enum cluster_color)reply->color,
        .range = (enum cluster_range)reply->range,
        .std = {1, 1, 1},
        .blank =
            reply->blank_absent ? CLUSTER_BLANK_ABSENT : CLUSTER_BLANK_PRESENT,
    };
    take_numbers(reply->mean, reply->n_mean, input->mean);
    take_numbers(reply->std, reply->n_std, input->std);
    return 0;
}

int deployed_input(const struct deployed *d, struct cluster_input *input,
                   struct err *err)
{
    return take_input(d->msg.env->model_reply, input, err);
}

int deployed_picture_form(struct deployed *d, struct picture_form *form,
                          struct err *err)
{
    const struct named_port *port = &d->inputs[0];
    struct cluster_input input;
    int rc;

    if (d->n_inputs != 1) {
        return err_set(err, EDGE_EINVAL,
                       "%s has %zu inputs. Give a picture for each: --views "
                       "A,B,...; one to be cut: --grid 3x2; or --input "
                       "NAME=FILE.npy",
                       d->name, d->n_inputs);
    }
    rc = take_input(d->msg.env->model_reply, &input, err);
    return rc < 0 ? rc
                  : picture_form_make(&input, d->name, port->dtype,
                                      &port->shape, d->refusal, form, err);
}
