/*
 * Values of a run into and out of what its links write. Room is made on the
 * loop, the work is done on the compute strand: inputs come out of their coded
 * form just before the shard runs, and each output goes, once, into each form
 * that a link wants of it. What was coded is kept so: sent again it is the
 * same bytes, so that copies of one request agree wherever they are computed.
 */
#include "daemon/parts.h"

#include "base/mem.h"

static int open_room(struct run *run)
{
    for (size_t i = 0; i < run->shard->n_inputs; i++) {
        const struct plan_port *port = plan_input(run->plan, i);
        int rc;

        if (run->comes_in[i] == 0) {
            continue;
        }
        rc = tensor_init(&run->opened[i], port->dtype, &port->shape);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int coding_make_room(struct run *run)
{
    const struct hosted *shard = run->shard;

    run->opened = mem_array(struct tensor, shard->n_inputs);
    run->coded = mem_array(struct blob *, shard->n_coders);
    if (run->opened == NULL || run->coded == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < shard->n_coders; i++) {
        const struct coder *coder = &shard->coders[i];
        const struct plan_port *port = plan_output(run->plan, coder->port);

        if (port->dtype != DTYPE_F32) {
            continue;
        }
        run->coded[i] = coded_room(&coder->codec, &port->shape);
        if (run->coded[i] == NULL) {
            return EDGE_ENOMEM;
        }
    }
    return open_room(run);
}

int coding_open(struct run *run, struct tensor *given)
{
    for (size_t i = 0; i < run->shard->n_inputs; i++) {
        int rc;

        given[i] = run->inputs[i];
        if (run->comes_in[i] == 0) {
            continue;
        }
        given[i] = run->opened[i];
        rc = coded_open(run->comes_in[i], run->inputs[i].blob, &given[i], NULL);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int coding_close(struct run *run)
{
    const struct hosted *shard = run->shard;

    for (size_t i = 0; i < shard->n_coders; i++) {
        const struct coder *coder = &shard->coders[i];
        int rc;

        if (run->coded[i] == NULL) {
            continue;
        }
        rc = coded_fill(&coder->codec, &run->outputs[coder->port],
                        run->coded[i]);
        if (rc < 0) {
            return rc;
        }
        if (rc == 0) { /* no shorter: it goes as it is */
            blob_unref(run->coded[i]);
            run->coded[i] = NULL;
        }
    }
    return 0;
}

static bool is_plain_on(const struct run *run, const struct link_out *link)
{
    return link->coder == 0 || run->coded[link->coder - 1] == NULL;
}

void coding_settle(struct run *run)
{
    const struct hosted *shard = run->shard;

    for (size_t i = 0; i < shard->n_inputs; i++) {
        tensor_deinit(&run->opened[i]);
    }
    for (size_t port = 0; port < shard->n_outputs; port++) {
        struct tensor *t = &run->outputs[port];
        bool is_wanted = false;

        for (size_t i = 0; i < shard->n_links && !is_wanted; i++) {
            is_wanted = shard->links[i].port == port &&
                        is_plain_on(run, &shard->links[i]);
        }
        if (!is_wanted) {
            tensor_deinit(t); /* its type and shape stay */
        }
    }
}

void coding_free(struct run *run)
{
    const struct hosted *shard = run->shard;

    for (size_t i = 0; run->opened != NULL && i < shard->n_inputs; i++) {
        tensor_deinit(&run->opened[i]);
    }
    for (size_t i = 0; run->coded != NULL && i < shard->n_coders; i++) {
        blob_unref(run->coded[i]);
    }
    mem_free(run->opened);
    mem_free(run->coded);
    run->opened = NULL;
    run->coded = NULL;
}

struct relay_part coding_part(const struct run *run,
                              const struct link_out *link)
{
    struct relay_part part = {.port = link->to_port,
                              .tensor = run->outputs[link->port]};

    if (!run->is_blank && !is_plain_on(run, link)) {
        part.codec = codec_id(&run->shard->coders[link->coder - 1].codec);
        part.tensor.blob = run->coded[link->coder - 1];
        part.tensor.data = part.tensor.blob->data;
    }
    return part;
}
