#include "coordinator/input_code.h"

#include "base/mem.h"
#include "codec/coded.h"

struct input_code {
    struct list link; /* in coordinator.codes while the strand has it */
    struct io_work work;
    struct tensor *held;  /* references to the inputs */
    struct codec *codecs; /* plain: as it is */
    struct blob **blobs;
    size_t n;
    int rc;
    bool is_under_way;
    void (*done)(void *arg, int rc); /* NULL: dropped */
    void *arg;
};

bool input_code_is_wanted(const Edged__Placement *spec)
{
    for (size_t i = 0; i < spec->n_entries; i++) {
        if (spec->entries[i]->codec != 0) {
            return true;
        }
    }
    return false;
}

static void code_free(struct input_code *code)
{
    for (size_t i = 0; i < code->n; i++) {
        if (code->held != NULL) {
            tensor_deinit(&code->held[i]);
        }
        if (code->blobs != NULL) {
            blob_unref(code->blobs[i]);
        }
    }
    list_unlink(&code->link);
    mem_free(code->held);
    mem_free(code->codecs);
    mem_free(code->blobs);
    mem_free(code);
}

static void on_run(struct io_work *work)
{
    struct input_code *code = container_of(work, struct input_code, work);

    for (size_t i = 0; i < code->n && code->rc == 0; i++) {
        int rc =
            code->blobs[i] == NULL
                ? 0
                : coded_fill(&code->codecs[i], &code->held[i], code->blobs[i]);

        if (rc < 0) {
            code->rc = rc;
        } else if (rc == 0 && code->blobs[i] != NULL) {
            code->codecs[i] = (struct codec){0}; /* no shorter */
        }
    }
}

static void on_done(struct io_work *work)
{
    struct input_code *code = container_of(work, struct input_code, work);

    code->is_under_way = false;
    list_unlink(&code->link);
    if (code->done == NULL) {
        code_free(code);
    } else {
        code->done(code->arg, code->rc);
    }
}

/* The first link of an input decides; the planner gives all of them one. */
static int take_codecs(struct input_code *code, const Edged__Placement *spec)
{
    for (size_t i = 0; i < spec->n_entries; i++) {
        const Edged__Link *link = spec->entries[i];
        struct codec codec;

        if (link->codec == 0 || link->port >= code->n ||
            code->blobs[link->port] != NULL ||
            code->held[link->port].dtype == DTYPE_NONE ||
            coded_from(link->codec, link->keep, &codec) < 0) {
            continue;
        }
        code->codecs[link->port] = codec;
        code->blobs[link->port] =
            coded_room(&codec, &code->held[link->port].shape);
        if (code->blobs[link->port] == NULL) {
            return EDGE_ENOMEM;
        }
    }
    return 0;
}

static struct input_code *code_new(const Edged__Placement *spec,
                                   const struct tensor *inputs)
{
    struct input_code *code = mem_new(struct input_code);

    if (code == NULL) {
        return NULL;
    }
    list_init(&code->link);
    code->held = mem_array(struct tensor, spec->n_inputs);
    code->codecs = mem_array(struct codec, spec->n_inputs);
    code->blobs = mem_array(struct blob *, spec->n_inputs);
    if (code->held == NULL || code->codecs == NULL || code->blobs == NULL) {
        code_free(code);
        return NULL;
    }
    code->n = spec->n_inputs;
    for (size_t i = 0; i < code->n; i++) {
        if (inputs[i].dtype != DTYPE_NONE) { /* else it is not there */
            code->held[i] = tensor_ref(&inputs[i]);
        }
    }
    if (take_codecs(code, spec) < 0) {
        code_free(code);
        return NULL;
    }
    return code;
}

struct input_code *input_code_start(struct coordinator *c,
                                    const Edged__Placement *spec,
                                    const struct tensor *inputs,
                                    void (*done)(void *arg, int rc), void *arg)
{
    struct input_code *code = code_new(spec, inputs);

    if (code == NULL) {
        return NULL;
    }
    code->done = done;
    code->arg = arg;
    code->is_under_way = true;
    list_push(&c->codes, &code->link);
    code->work.run = on_run;
    code->work.done = on_done;
    code->work.cost_us = 200;
    io_work(c->io, IO_CODE, &code->work);
    return code;
}

struct relay_part input_code_part(const struct input_code *code,
                                  const Edged__Link *link,
                                  const struct tensor *input)
{
    struct relay_part part = {.port = link->to_port, .tensor = *input};

    if (link->port < code->n && link->codec != 0 &&
        codec_id(&code->codecs[link->port]) == link->codec) {
        part.codec = link->codec;
        part.tensor.blob = code->blobs[link->port];
        part.tensor.data = part.tensor.blob->data;
    }
    return part;
}

void input_code_drop(struct input_code *code)
{
    if (code == NULL) {
        return;
    }
    if (code->is_under_way) {
        code->done = NULL; /* on_done() frees it */
    } else {
        code_free(code);
    }
}

void input_code_free_all(struct coordinator *c)
{
    list_each(&c->codes, it, after)
    {
        code_free(list_entry(it, struct input_code, link));
    }
}
