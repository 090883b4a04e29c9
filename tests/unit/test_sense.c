/* What an Install may say of a view's source, and who takes Data without
 * values: daemon/sense.c. */
#include "daemon/parts.h"

#include "base/mem.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

struct fixture {
    struct daemon daemon;
    struct epoch epoch;
    struct hosted hosted;
    Edged__Shard shard;
    Edged__ViewSource source;
    Edged__Port port;
    Edged__Port *ports[2];
    Edged__TensorMeta meta;
    int64_t dims[4];
    double mean[3];
    double std[3];
    char from[64];
    struct err err;
};

/* A good one, of colour. */
static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    (void)snprintf(f->daemon.name, sizeof(f->daemon.name), "cam-1");
    (void)snprintf(f->hosted.name, sizeof(f->hosted.name), "s0");
    (void)snprintf(f->from, sizeof(f->from), "dir:/var/spool/cam");
    f->epoch.daemon = &f->daemon;
    f->hosted.epoch = &f->epoch;
    edged__shard__init(&f->shard);
    edged__view_source__init(&f->source);
    edged__port__init(&f->port);
    edged__tensor_meta__init(&f->meta);
    memcpy(f->dims, (int64_t[]){1, 3, 32, 48}, sizeof(f->dims));
    f->meta.dtype = DTYPE_F32;
    f->meta.dims = f->dims;
    f->meta.n_dims = 4;
    f->port.tensor = &f->meta;
    f->ports[0] = f->ports[1] = &f->port;
    f->shard.inputs = f->ports;
    f->shard.n_inputs = 1;
    f->shard.view = 2;
    f->shard.source = &f->source;
    memcpy(f->std, (double[]){2, 2, 2}, sizeof(f->std));
    f->source.from = f->from;
    f->source.stale_ms = 2000;
    f->source.crop = 0.5;
    f->source.mean = f->mean;
    f->source.n_mean = 3;
    f->source.std = f->std;
    f->source.n_std = 3;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    sense_free(&f->hosted);
    test_free(f);
    return 0;
}

static void refused(struct fixture *f, int rc, const char *says)
{
    assert_int_equal(sense_read(&f->shard, &f->hosted, &f->err), rc);
    if (strstr(f->err.text, says) == NULL) {
        fail_msg("%s", f->err.text);
    }
    sense_free(&f->hosted);
    f->hosted.sensing = NULL;
}

/* ---- what an Install says ------------------------------------------------ */

static void a_source_is_read(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sense_read(&f->shard, &f->hosted, &f->err), 0);
    assert_string_equal(f->hosted.sensing->from, "dir:/var/spool/cam");
    assert_int_equal(f->hosted.sensing->stale_us, 2000000);
    assert_int_equal(f->hosted.sensing->spec.width, 48);
    assert_int_equal(f->hosted.sensing->spec.height, 32);
    assert_true(f->hosted.sensing->spec.crop <= 0.5);
    assert_true(f->hosted.sensing->spec.std[2] >= 2);
}

static void a_shard_without_one_has_none(void **state)
{
    struct fixture *f = *state;

    f->shard.source = NULL;
    assert_int_equal(sense_read(&f->shard, &f->hosted, &f->err), 0);
    assert_null(f->hosted.sensing);
}

static void commands_are_refused_unless_they_are_allowed(void **state)
{
    struct fixture *f = *state;

    (void)snprintf(f->from, sizeof(f->from), "exec:rpicam-still -n -o -");
    refused(f, EDGE_EREFUSED, "--allow-exec");
    f->daemon.allow_exec = true;
    assert_int_equal(sense_read(&f->shard, &f->hosted, &f->err), 0);
}

static void what_is_no_source_is_refused(void **state)
{
    static const char *const forms[] = {"",           "dir:",    "dir:spool",
                                        "exec:",      "exec:  ", "http://cam",
                                        "/dev/video0"};
    struct fixture *f = *state;

    f->daemon.allow_exec = true;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        (void)snprintf(f->from, sizeof(f->from), "%s", forms[i]);
        refused(f, EDGE_EPROTO, "its source");
    }
}

static void numbers_out_of_range_are_refused(void **state)
{
    struct fixture *f = *state;

    f->source.resize = 99;
    refused(f, EDGE_EPROTO, "well formed");
    f->source.resize = 0;
    f->source.color = 3;
    refused(f, EDGE_EPROTO, "well formed");
    f->source.color = 0;
    f->source.range = 2;
    refused(f, EDGE_EPROTO, "well formed");
    f->source.range = 0;
    f->source.stale_ms = 0;
    refused(f, EDGE_EPROTO, "well formed");
    f->source.stale_ms = 1;
    f->source.n_mean = 4;
    refused(f, EDGE_EPROTO, "well formed");
    f->source.n_mean = 3;
    f->shard.view = 0;
    refused(f, EDGE_EPROTO, "well formed");
    f->shard.view = 1;
    f->shard.n_inputs = 2;
    refused(f, EDGE_EPROTO, "well formed");
    f->shard.n_inputs = 1;
    f->std[1] = 0;
    refused(f, EDGE_EINVAL, "its source");
}

static void a_view_must_be_a_picture(void **state)
{
    struct fixture *f = *state;

    f->dims[1] = 4;
    refused(f, EDGE_EPROTO, "channels");
    f->dims[1] = 3;
    f->dims[0] = 2;
    refused(f, EDGE_EPROTO, "no picture");
    f->dims[0] = 1;
    f->dims[3] = LIMIT_IMAGE_SIDE + 1;
    refused(f, EDGE_EPROTO, "no picture");
    f->dims[3] = 8;
    f->meta.n_dims = 3;
    refused(f, EDGE_EPROTO, "no picture");
}

/* ---- Data without values ------------------------------------------------- */

static void only_a_view_with_a_source_is_asked(void **state)
{
    struct fixture *f = *state;
    struct relay_data data = {.at_us = 1};

    assert_non_null(sense_refuses(&f->hosted, &data));
    assert_int_equal(sense_read(&f->shard, &f->hosted, &f->err), 0);
    assert_non_null(sense_refuses(&f->hosted, &data)); /* not ready yet */
}

static void who_needs_all_views_is_not_told_that_one_lacks(void **state)
{
    struct fixture *f = *state;
    struct relay_data data = {.views.absent = 1};

    assert_non_null(strstr(sense_refuses(&f->hosted, &data), "present"));
}

static void a_view_that_lacks_is_one_that_is_said_to(void **state)
{
    struct gather gather = {.all = 3, .present = 3, .views = {1, 2, 0}};
    struct fixture *f = *state;
    struct relay_data data = {.port = 1, .views.absent = 2};

    f->hosted.gather = &gather;
    assert_null(sense_refuses(&f->hosted, &data));
    data.views.absent = 1;
    assert_non_null(sense_refuses(&f->hosted, &data));
    data.port = 0;
    assert_null(sense_refuses(&f->hosted, &data));
    gather.views[0] = 0; /* of several views */
    assert_non_null(sense_refuses(&f->hosted, &data));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        T(a_source_is_read),
        T(a_shard_without_one_has_none),
        T(commands_are_refused_unless_they_are_allowed),
        T(what_is_no_source_is_refused),
        T(numbers_out_of_range_are_refused),
        T(a_view_must_be_a_picture),
        T(only_a_view_with_a_source_is_asked),
        T(who_needs_all_views_is_not_told_that_one_lacks),
        T(a_view_that_lacks_is_one_that_is_said_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
