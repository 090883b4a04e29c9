/* Any bytes as the placement that state.db keeps of a deployment. */
#include "tests/lib/desk.h"
#include "wire/convert.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static struct desk *the_desk(void);

static void end(void)
{
    desk_deinit(the_desk());
}

/* One for all runs: a placement that is retired leaves no trace in it. */
static struct desk *the_desk(void)
{
    static struct desk desk;
    static bool made;
    struct err err;

    if (!made) {
        desk_init(&desk, 1);
        require(coordinator_add_node(desk.c, "n0", "127.0.0.1", 700, &err) ==
                0);
        require(coordinator_add_node(desk.c, "n1", "127.0.0.1", 701, &err) ==
                0);
        desk_up(&desk, "n0", 0);
        desk_up(&desk, "n1", 0);
        made = true;
        require(atexit(end) == 0); /* its folder goes with it */
    }
    return &desk;
}

static void on_answer(void *arg, const struct answer *answer)
{
    (void)answer;
    ++*(size_t *)arg;
}

/* It is sent to its nodes, asked for status, and given a request. */
static void use(struct desk *d, struct placement *p)
{
    struct tensor inputs[LIMIT_PORTS] = {{0}};
    size_t answers = 0;
    size_t n = 0;
    struct request *request;
    int rc = 0;

    placement_install(p);
    for (; n < p->spec->n_inputs && rc == 0; n++) {
        struct tensor meta = {0};
        size_t bytes;

        require(convert_meta_in(p->spec->inputs[n]->tensor, NULL, &meta,
                                NULL) == 0);
        require(shape_bytes(&meta.shape, meta.dtype, &bytes));
        rc = bytes > MIB(1) ? EDGE_ETOOBIG
                            : tensor_init(&inputs[n], meta.dtype, &meta.shape);
    }
    if (rc == 0 &&
        gateway_submit(p, inputs, 100, on_answer, &answers, &request) == 0) {
        io_fake_run_for(&d->fake, 1000);
        require(answers == 1);
    }
    for (size_t i = 0; i < n; i++) {
        tensor_deinit(&inputs[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct desk *d = the_desk();
    struct deployment *home = deployments_make(d->c, "home");
    Edged__Placement *spec = NULL;
    struct placement *p = NULL;
    struct err err = {""};

    require(home != NULL);
    if (msg_unpack_alone(&edged__placement__descriptor, data, size,
                         LIMIT_UNPACK, &spec, &err) == 0 &&
        placement_new(d->c, home, spec, &p, &err) == 0) {
        use(d, p);
        placement_retire(p);
    } else {
        require(err.text[0] != '\0');
        msg_free_alone(spec);
    }
    io_fake_forget(desk_node(d, "n0"));
    io_fake_forget(desk_node(d, "n1"));
    deployments_free(home);
    return 0;
}
