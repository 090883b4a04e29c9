/* Which links `links.zstd` gives zstd, of a small net in three stages, a board
 * each. */
#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "coordinator/plan_job.h"
#include "engine/fold.h"
#include "onnx/zoo.h"

#include <string.h>

#define N 3
#define SLOW 1e6 /* bytes a second */
#define FAST 1e9

struct fixture {
    struct cluster cluster;
    struct plan_job job;
    struct working w;
    struct err err;
};

/* Maps behind a Relu cross both cuts. */
static const struct pieces_stage stages[N] = {
    {.first = 0, .end = 3, .rows = 1, .columns = 1},
    {.first = 3, .end = 8, .rows = 1, .columns = 1},
    {.first = 8, .end = 12, .rows = 1, .columns = 1},
};

static int set_up(void **state)
{
    struct zoo_options options = {.init = ZOO_INIT_RANDOM};
    struct fixture *f = mem_new(struct fixture);
    struct profile *profile = &f->w.profile;

    *state = f;
    f->job.cluster = &f->cluster;
    f->w.job = &f->job;
    assert_int_equal(zoo_make("cifar10_quick", &options, &f->w.graph, &f->err),
                     0);
    assert_int_equal(fold_prepare(f->w.graph, 1, NULL, 0, &f->err), 0);
    assert_int_equal(profile_init(profile, N, 1, 2), 0);
    assert_int_equal(profile_set_pairs(profile), 0);
    profile->links[0].bytes_per_s = SLOW;
    profile->links[1].bytes_per_s = FAST;
    profile->boards[0].bytes_per_s = 4e9;
    profile->boards[0].macs_per_s = 10e9;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    heap_heal();
    parts_deinit(&f->w.parts);
    mem_free(f->w.pieces);
    graph_free(f->w.rewritten);
    mem_free(f->w.codecs);
    mem_free(f->w.places);
    profile_deinit(&f->w.profile);
    graph_free(f->w.graph);
    mem_free(f);
    return 0;
}

/* What each stage computes is on the board of its number, of a stage in pieces
 * on that of the piece's number. */
static void cut(struct fixture *f, const struct pieces_stage *as)
{
    struct working *w = &f->w;

    assert_int_equal(pieces_make(w->graph, as, N, &w->parts, &w->pieces,
                                 &w->rewritten, &f->err),
                     0);
    w->n_places = w->parts.n;
    w->places = mem_array(struct shard_place, w->parts.n);
    w->codecs = mem_array(struct codec, w->parts.n_links);
    assert_non_null(w->places);
    assert_non_null(w->codecs);
    for (size_t i = 0; i < w->parts.n; i++) {
        const struct piece *p = &w->pieces[i];

        w->places[i].n_devices = 1;
        w->places[i].devices[0] =
            p->role == PIECE_PART ? (size_t)p->index : p->stage;
    }
}

static void cut_whole(struct fixture *f)
{
    cut(f, stages);
}

/* One stage in two pieces, as if it were written so. */
static void cut_in_two(struct fixture *f, size_t stage, enum pieces_kind kind)
{
    struct pieces_stage as[N];

    memcpy(as, stages, sizeof(as));
    as[stage].kind = kind;
    as[stage].axis = SPLIT_OUTPUT;
    as[stage].halo = TILE_EXCHANGE;
    as[stage].columns = 2;
    cut(f, as);
}

static struct codec codec_of(const char *text)
{
    struct codec codec;
    struct err err;

    assert_int_equal(codec_parse(text, &codec, &err), 0);
    return codec;
}

static void ask(struct fixture *f, enum cluster_switch how)
{
    f->cluster.links.zstd = how;
    if (plan_zstd(&f->w, &f->err) < 0) {
        fail_msg("%s", f->err.text);
    }
}

/* The link between these shards, PARTS_OUTSIDE being the gateway. */
static const struct codec *between(const struct fixture *f, int from, int to)
{
    for (size_t i = 0; i < f->w.parts.n_links; i++) {
        if (f->w.parts.links[i].from == from && f->w.parts.links[i].to == to) {
            return &f->w.codecs[i];
        }
    }
    fail_msg("no link from %d to %d", from, to);
    return NULL;
}

static size_t count(const struct fixture *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->w.parts.n_links; i++) {
        n += f->w.codecs[i].zstd;
    }
    return n;
}

/* ---- as it is said ------------------------------------------------------- */

static void off_adds_nothing_and_takes_nothing(void **state)
{
    struct fixture *f = *state;

    cut_whole(f);
    f->w.codecs[0] = codec_of("q8+zstd");
    ask(f, CLUSTER_SWITCH_OFF);
    assert_int_equal(count(f), 1);
    assert_true(f->w.codecs[0].zstd);
}

static void on_goes_on_top_of_each_codec(void **state)
{
    struct fixture *f = *state;

    cut_whole(f);
    assert_int_equal(f->w.parts.n_links, 4);
    for (size_t i = 0; i < 4; i++) {
        if (f->w.parts.links[i].from == 0) {
            f->w.codecs[i] = codec_of("q4+runs");
        }
        if (f->w.parts.links[i].from == 1) {
            f->w.codecs[i] = codec_of("fp16+zstd");
        }
    }
    ask(f, CLUSTER_SWITCH_ON);
    assert_int_equal(codec_id(between(f, PARTS_OUTSIDE, 0)),
                     codec_id(&(struct codec){.zstd = true}));
    assert_int_equal(codec_id(between(f, 0, 1)),
                     codec_id(&(struct codec){
                         .kind = CODEC_Q4, .runs = true, .zstd = true}));
    assert_int_equal(
        codec_id(between(f, 1, 2)),
        codec_id(&(struct codec){.kind = CODEC_FP16, .zstd = true}));
    assert_true(codec_is_plain(between(f, 2, PARTS_OUTSIDE)));
}

static void on_does_not_ask_how_fast_links_are(void **state)
{
    struct fixture *f = *state;

    cut_whole(f);
    f->w.profile.links[0].bytes_per_s = 1e12;
    ask(f, CLUSTER_SWITCH_ON);
    assert_int_equal(count(f), 3);
}

/* Tile 0 has a shard a level; what they tell each other stays with it. */
static void the_own_values_of_a_tile_stay_as_they_are(void **state)
{
    struct fixture *f = *state;
    const struct working *w = &f->w;
    size_t own = 0;
    size_t other = 0;

    cut_in_two(f, 1, PIECES_TILE);
    ask(f, CLUSTER_SWITCH_ON);
    for (size_t i = 0; i < w->parts.n_links; i++) {
        const struct part_link *l = &w->parts.links[i];

        if (l->from == PARTS_OUTSIDE || l->to == PARTS_OUTSIDE ||
            w->pieces[l->from].role != PIECE_PART ||
            w->pieces[l->to].role != PIECE_PART) {
            continue;
        }
        if (w->pieces[l->from].index == w->pieces[l->to].index) {
            own++;
            assert_false(w->codecs[i].zstd);
        } else {
            other++;
            assert_true(w->codecs[i].zstd);
        }
    }
    assert_true(own > 0 && other > 0);
}

/* ---- where it pays ------------------------------------------------------- */

static void auto_adds_it_to_slow_links_alone(void **state)
{
    struct fixture *f = *state;

    cut_whole(f);
    profile_set_link(&f->w.profile, 1, 2, 1);
    ask(f, CLUSTER_SWITCH_AUTO);
    assert_true(between(f, 0, 1)->zstd);
    assert_false(between(f, 1, 2)->zstd);
    assert_false(between(f, 2, PARTS_OUTSIDE)->zstd);
}

/* The one input of the trial is of random numbers, which leave zstd a few
 * bytes in a hundred to take; zstd, at 47 MB/s, must save a quarter. */
static void auto_counts_what_is_saved(void **state)
{
    struct fixture *f = *state;

    cut_whole(f);
    f->w.profile.links[0].bytes_per_s = 12e6;
    ask(f, CLUSTER_SWITCH_AUTO);
    assert_false(between(f, PARTS_OUTSIDE, 0)->zstd);
    assert_true(between(f, 0, 1)->zstd); /* half of it is zero */
}

static void auto_goes_on_top_where_that_pays_too(void **state)
{
    struct fixture *f = *state;
    struct codec *codec;

    cut_whole(f);
    codec = (struct codec *)(uintptr_t)between(f, 0, 1);
    *codec = codec_of("q8");
    ask(f, CLUSTER_SWITCH_AUTO);
    assert_int_equal(codec->kind, CODEC_Q8);
    assert_true(codec->zstd);
}

static void auto_adds_nothing_where_the_boards_are_slower(void **state)
{
    struct fixture *f = *state;
    struct profile_board *board = f->w.profile.boards;

    cut_whole(f);
    board->bytes_per_s = 50e6; /* 0.6 MB/s of zstd */
    ask(f, CLUSTER_SWITCH_AUTO);
    assert_int_equal(count(f), 0);
    board->bytes_per_s = 4e9;
    board->macs_per_s = 50e6;
    ask(f, CLUSTER_SWITCH_AUTO);
    assert_int_equal(count(f), 0);
}

static void auto_adds_nothing_within_a_device(void **state)
{
    struct fixture *f = *state;

    cut_whole(f);
    f->w.places[1].devices[0] = 0;
    ask(f, CLUSTER_SWITCH_AUTO);
    assert_false(between(f, 0, 1)->zstd);
    assert_true(between(f, 1, 2)->zstd);
}

/* A replica elsewhere makes it a link between devices. */
static void auto_looks_at_every_replica(void **state)
{
    struct fixture *f = *state;

    cut_whole(f);
    f->w.places[1] = (struct shard_place){.devices = {0, 2}, .n_devices = 2};
    ask(f, CLUSTER_SWITCH_AUTO);
    assert_true(between(f, 0, 1)->zstd);
}

static void auto_says_the_same_again(void **state)
{
    struct fixture *f = *state;
    struct codec first[4];

    cut_whole(f);
    f->w.profile.links[0].bytes_per_s = 12e6;
    ask(f, CLUSTER_SWITCH_AUTO);
    memcpy(first, f->w.codecs, sizeof(first));
    memset(f->w.codecs, 0, sizeof(first));
    ask(f, CLUSTER_SWITCH_AUTO);
    assert_memory_equal(first, f->w.codecs, sizeof(first));
}

/* ---- one input, several shards ------------------------------------------- */

/* The gateway codes it once. */
static void links_of_an_input_have_it_together(void **state)
{
    struct fixture *f = *state;

    cut_in_two(f, 0, PIECES_SPLIT);
    assert_int_equal(f->w.parts.links[1].from, PARTS_OUTSIDE);
    profile_set_link(&f->w.profile, PROFILE_GATEWAY, 1, 1); /* fast */
    ask(f, CLUSTER_SWITCH_AUTO);
    assert_true(f->w.codecs[0].zstd);
    assert_true(f->w.codecs[1].zstd);
}

/* As `input: auto` leaves those that its codec does not pay on. */
static void an_input_has_no_second_codec(void **state)
{
    struct fixture *f = *state;

    cut_in_two(f, 0, PIECES_SPLIT);
    assert_int_equal(f->w.parts.links[1].from, PARTS_OUTSIDE);
    f->w.codecs[1] = codec_of("q8");
    ask(f, CLUSTER_SWITCH_ON);
    assert_false(f->w.codecs[0].zstd);
    assert_true(f->w.codecs[1].zstd);
}

/* ---- memory -------------------------------------------------------------- */

static int plan_once(void *arg)
{
    struct fixture *f = arg;
    int rc = plan_zstd(&f->w, &f->err);

    assert_int_equal(count(f) > 0, rc == 0);
    memset(f->w.codecs, 0, f->w.parts.n_links * sizeof(*f->w.codecs));
    return rc;
}

static void without_memory_nothing_is_added(void **state)
{
    struct fixture *f = *state;

    cut_whole(f);
    f->cluster.links.zstd = CLUSTER_SWITCH_AUTO;
    assert_true(heap_each(plan_once, f) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(off_adds_nothing_and_takes_nothing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(on_goes_on_top_of_each_codec, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(on_does_not_ask_how_fast_links_are,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            the_own_values_of_a_tile_stay_as_they_are, set_up, tear_down),
        cmocka_unit_test_setup_teardown(auto_adds_it_to_slow_links_alone,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(auto_counts_what_is_saved, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(auto_goes_on_top_where_that_pays_too,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            auto_adds_nothing_where_the_boards_are_slower, set_up, tear_down),
        cmocka_unit_test_setup_teardown(auto_adds_nothing_within_a_device,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(auto_looks_at_every_replica, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(auto_says_the_same_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(links_of_an_input_have_it_together,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_input_has_no_second_codec, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_added, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
