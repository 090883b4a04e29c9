/*
 * Values forward and gradients back between stages. What comes must be of the
 * step and the micro-batch, from the board and of the shape that the Step
 * says, and the first of its kind; else it is dropped. What comes before its
 * Step is kept, within bounds.
 */
#include "daemon/train.h"

#include "base/mem.h"
#include "codec/coded.h"
#include "wire/convert.h"

#include <string.h>

#define EARLY_MAX 4096

/* ---- kept for later ------------------------------------------------------ */

static void early_free(struct early *e)
{
    list_unlink(&e->link);
    tensor_deinit(&e->value.tensor);
    mem_free(e);
}

static size_t bytes_of(const struct early *e)
{
    return e->value.tensor.blob != NULL ? e->value.tensor.blob->size : 0;
}

/* As much as one Step can bring. */
static size_t early_most(const struct train *t)
{
    return LIMIT_CHUNK + (size_t)t->made->bytes;
}

int train_keep_early(struct train *t, const struct early *from)
{
    struct early *e;

    if (t->n_early >= EARLY_MAX ||
        t->early_bytes + bytes_of(from) > early_most(t)) {
        log_event(t->daemon->log, LOG_WARN, "train.too_early",
                  "shard=%s step=%llu from=%s", t->shard->name,
                  (unsigned long long)from->step, from->from);
        return EDGE_EBUSY;
    }
    e = mem_dup(from, sizeof(*from));
    if (e == NULL) {
        return EDGE_ENOMEM;
    }
    e->value.tensor = tensor_ref(&from->value.tensor);
    list_init(&e->link);
    list_push(&t->early, &e->link);
    t->n_early++;
    t->early_bytes += bytes_of(e);
    return 0;
}

static struct early *take_first(struct train *t, struct list *from)
{
    struct early *e = list_entry(from->next, struct early, link);

    list_unlink(&e->link);
    t->n_early--;
    t->early_bytes -= bytes_of(e);
    return e;
}

void train_drop_early(struct train *t)
{
    while (!list_is_empty(&t->early)) {
        early_free(take_first(t, &t->early));
    }
}

void train_again(struct train *t)
{
    struct list all;

    list_init(&all);
    while (!list_is_empty(&t->early)) {
        struct list *link = t->early.next;

        list_unlink(link);
        list_push(&all, link);
    }
    while (!list_is_empty(&all)) {
        struct early *e = take_first(t, &all);

        if (e->is_reduce) {
            train_reduce_take(t, e);
        } else {
            train_flow(t, e);
        }
        early_free(e);
    }
}

/* ---- what comes ---------------------------------------------------------- */

static const char *node_of(const struct train *t, uint32_t shard, size_t micro)
{
    const struct work *w = t->work;
    size_t stage = shard - 1;

    return t->places[stage]->nodes[w->ways[stage * w->n_micros + micro]];
}

static bool fits(const struct train_port *port, uint32_t samples,
                 const struct value_in *value)
{
    struct shape shape = port->shape;

    shape.dims[0] = samples;
    return value->tensor.dtype == port->dtype &&
           shape_equal(&value->tensor.shape, &shape);
}

static bool take_value(struct train *t, struct micro *m, const struct early *f)
{
    const Edged__Source *source = train_source(t, f->port);

    if (source == NULL || f->port >= t->shard->n_inputs ||
        m->state != MICRO_WAITS || m->in[f->port].tensor.dtype != DTYPE_NONE ||
        strcmp(node_of(t, source->shard, f->micro), f->from) != 0 ||
        !fits(&t->made->in[f->port], m->samples, &f->value) ||
        (f->value.codec != 0 &&
         f->value.codec != t->shard->comes_in[f->port])) {
        return false;
    }
    m->in[f->port].tensor = tensor_ref(&f->value.tensor);
    m->in[f->port].codec = f->value.codec;
    m->n_in++;
    return true;
}

static uint32_t back_id(const struct train *t, const struct micro *m,
                        size_t link)
{
    const Edged__Link *from = t->spec->links[link];
    struct codec back;

    /* The recipe was read, so it is one. */
    return coded_from(from->back_codec, from->back_keep, &back) == 0
               ? train_back_id(&back, train_mask(t, m, link))
               : 0;
}

static bool take_gradient(struct train *t, struct micro *m,
                          const struct early *f)
{
    const struct link_out *link =
        f->port < t->shard->n_links ? &t->shard->links[f->port] : NULL;

    if (link == NULL || link->to_shard == 0 || t->work->evaluates ||
        m->state != MICRO_STANDS ||
        m->back[f->port].tensor.dtype != DTYPE_NONE ||
        strcmp(node_of(t, link->to_shard, f->micro), f->from) != 0 ||
        t->made->out[link->port].dtype != DTYPE_F32 ||
        !fits(&t->made->out[link->port], m->samples, &f->value) ||
        (f->value.codec != 0 && f->value.codec != back_id(t, m, f->port))) {
        return false;
    }
    m->back[f->port].tensor = tensor_ref(&f->value.tensor);
    m->back[f->port].codec = f->value.codec;
    m->n_back++;
    return true;
}

void train_flow(struct train *t, const struct early *f)
{
    struct work *w = t->work;
    struct micro *m;

    if (t->broken != 0 || t->ended || t->made == NULL) {
        return;
    }
    if (w == NULL || f->step > w->step) {
        if (f->step > t->said.step) {
            (void)train_keep_early(t, f);
        }
        return;
    }
    m = f->step == w->step && f->micro < w->n_micros ? &w->micros[f->micro]
                                                     : NULL;
    if (m != NULL && m->is_mine &&
        (f->back ? take_gradient(t, m, f) : take_value(t, m, f))) {
        return;
    }
    log_event(t->daemon->log, LOG_TRACE, "train.dropped",
              "shard=%s step=%llu micro=%u port=%u from=%s", t->shard->name,
              (unsigned long long)f->step, f->micro, f->port, f->from);
}

/* The payload as its meta says, coded or not. */
static int read_value(const Edged__TensorMeta *meta, struct blob *payload,
                      struct value_in *value, struct err *err)
{
    int rc;

    if (payload == NULL) {
        return err_set(err, EDGE_EPROTO, "values that are not there");
    }
    if (meta == NULL || meta->codec == 0) {
        return convert_meta_in(meta, payload, &value->tensor, err);
    }
    rc = convert_meta_in(meta, NULL, &value->tensor, err);
    if (rc == 0 &&
        (value->tensor.dtype != DTYPE_F32 ||
         !coded_may_be(meta->codec, payload->size, &value->tensor.shape))) {
        rc = err_set(err, EDGE_EPROTO,
                     "a payload that cannot be what it says it is");
    }
    if (rc == 0) {
        value->codec = meta->codec;
        value->tensor.blob = blob_ref(payload);
        value->tensor.data = payload->data;
    }
    return rc;
}

static struct train *find(struct daemon *d, const struct io_peer *peer,
                          uint32_t number, uint32_t id)
{
    struct epoch *epoch = install_find(d, number);
    struct hosted *shard = epoch != NULL && epoch->state == EPOCH_READY
                               ? install_shard(epoch, id)
                               : NULL;

    return shard != NULL && shard->train != NULL &&
                   train_is_mate(shard->train, peer->name)
               ? shard->train
               : NULL;
}

void train_on_flow(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    const Edged__Flow *flow = msg->env->flow;
    struct train *t = find(d, peer, flow->epoch, flow->shard);
    struct early f = {.back = flow->back,
                      .step = flow->step,
                      .micro = flow->micro,
                      .port = flow->port};
    struct err err;
    int rc;

    if (t == NULL) {
        return; /* of an epoch that is over */
    }
    rc = read_value(flow->tensor, msg->payload, &f.value, &err);
    if (rc < 0) {
        io_hang_up(peer, rc, err.text);
        return;
    }
    memcpy(f.from, peer->name, sizeof(f.from));
    train_flow(t, &f);
    tensor_deinit(&f.value.tensor);
    train_pump(d);
}

void train_on_reduce(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    const Edged__Reduce *reduce = msg->env->reduce;
    struct train *t = find(d, peer, reduce->epoch, reduce->shard);
    struct early f = {.is_reduce = true,
                      .step = reduce->step,
                      .micro = reduce->round,
                      .offset = reduce->offset};
    struct err err;
    int rc;

    if (t == NULL) {
        return;
    }
    rc = read_value(reduce->tensor, msg->payload, &f.value, &err);
    if (rc < 0) {
        io_hang_up(peer, rc, err.text);
        return;
    }
    memcpy(f.from, peer->name, sizeof(f.from));
    train_reduce_take(t, &f);
    tensor_deinit(&f.value.tensor);
    train_pump(d);
}

/* ---- what goes ----------------------------------------------------------- */

/* To a shard of this very board there is no message. */
static void give_here(struct train *t, const struct post *post)
{
    struct hosted *shard = install_shard(t->shard->epoch, post->shard);
    struct early f = {.back = post->back,
                      .step = post->step,
                      .micro = post->micro,
                      .port = post->port,
                      .value = {{.dtype = post->dtype,
                                 .shape = post->shape,
                                 .data = post->blob->data,
                                 .blob = post->blob},
                                post->codec}};

    memcpy(f.from, t->daemon->name, sizeof(f.from));
    if (shard != NULL && shard->train != NULL) {
        train_flow(shard->train, &f);
    }
    blob_unref(post->blob);
}

static void send(struct train *t, struct post *post, const struct tensor *plain,
                 struct blob *coded, uint32_t codec)
{
    struct train_result *r = &t->work->result;

    post->step = t->work->step;
    post->dtype = plain->dtype;
    post->shape = plain->shape;
    post->blob = blob_ref(coded != NULL ? coded : plain->blob);
    post->codec = coded != NULL ? codec : 0;
    if (strcmp(post->to, t->daemon->name) == 0) {
        give_here(t, post);
        return;
    }
    r->sent += post->blob->size;
    r->plain += tensor_bytes(plain);
    train_post(t, post);
}

void train_send_values(struct train *t, struct micro *m)
{
    size_t at = (size_t)(m - t->work->micros);

    for (size_t i = 0; i < t->shard->n_inputs; i++) {
        tensor_deinit(&m->in[i].tensor);
    }
    for (size_t i = 0; i < t->shard->n_links && t->work != NULL; i++) {
        const struct link_out *link = &t->shard->links[i];
        size_t coder = link->coder;
        struct post post = {.shard = link->to_shard,
                            .micro = (uint32_t)at,
                            .port = link->to_port};

        if (link->to_shard != 0) {
            post.to = node_of(t, link->to_shard, at);
            send(t, &post, &m->y[link->port],
                 coder > 0 ? m->coded[coder - 1] : NULL,
                 coder > 0 ? codec_id(&t->shard->coders[coder - 1].codec) : 0);
        }
    }
    for (size_t i = 0; t->work != NULL && i < t->shard->n_coders; i++) {
        blob_unref(m->coded[i]);
        m->coded[i] = NULL;
    }
}

void train_send_grads(struct train *t, struct micro *m)
{
    size_t at = (size_t)(m - t->work->micros);

    for (size_t i = 0; i < t->recipe->n_sources && t->work != NULL; i++) {
        const Edged__Source *source = t->recipe->sources[i];
        struct post post = {.back = true,
                            .shard = source->shard,
                            .micro = (uint32_t)at,
                            .port = source->link};

        if (m->dx[source->port].data != NULL) {
            post.to = node_of(t, source->shard, at);
            send(t, &post, &m->dx[source->port],
                 m->coded[t->shard->n_coders + source->port],
                 train_back_id(&t->back[i],
                               &m->masks[t->shard->n_coders + source->port]));
        }
    }
}
