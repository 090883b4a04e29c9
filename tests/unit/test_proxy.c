/*
 * Two ios on libuv with a proxy between them that harms what goes through
 * it, in plain text and over TLS: what arrives is right, or the connection
 * ends at both ends and comes back.
 */
#include "tests/lib/proxy.h"

#include "base/mem.h"
#include "net/io_uv_inner.h"
#include "tests/lib/io_end.h"
#include "tests/lib/unit.h"

#define SIZE 4096 /* of a payload */
#define INSIDE 2000
#define LIMIT_MS 5000

struct fixture {
    struct io_world *world;
    struct end a; /* dials b through the proxy */
    struct end b;
    struct proxy *proxy;
    struct io_peer *to_b;
};

static int begin(void **state, struct io_world *world)
{
    struct fixture *f = mem_new(struct fixture);
    struct end door = {0};

    assert_non_null(f);
    f->world = world;
    end_start(&f->a, world, "anna");
    end_start(&f->b, world, "bert");
    f->proxy = proxy_new(&io_uv_of(f->a.io)->loop, f->b.port, &door.port);
    f->to_b = end_dial(&f->a, &door, "bert");
    end_until(&f->a, ups, 1, LIMIT_MS);
    end_until(&f->b, ups, 1, LIMIT_MS);
    *state = f;
    return 0;
}

static int set_up(void **state)
{
    return begin(state, io_world_uv());
}

static int set_up_tls(void **state)
{
    return begin(state, io_world_tls());
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    proxy_free(f->proxy);
    end_kill(&f->a);
    end_kill(&f->b);
    f->world->ops->free(f->world);
    mem_free(f);
    return 0;
}

static struct proxy_way *forth(struct fixture *f)
{
    return proxy_way(f->proxy, PROXY_FORTH);
}

static void send_data(struct fixture *f, uint64_t number)
{
    assert_int_equal(end_send_data(&f->a, f->to_b, number, SIZE), 0);
}

/* The connection ended and is there again; nothing of before has arrived,
 * and what is sent now does. */
static void came_back(struct fixture *f)
{
    end_until(&f->a, ups, 2, LIMIT_MS);
    end_until(&f->b, ups, 2, LIMIT_MS);
    assert_int_equal(f->a.downs, 1);
    assert_int_equal(f->b.downs, 1);
    assert_int_equal(f->b.messages, 0);
    send_data(f, 9);
    end_until_messages(&f->b, 1, LIMIT_MS);
    assert_int_equal(f->b.requests[0], 9);
    assert_int_equal(f->b.payload_crc, end_data_crc(0, 9, SIZE));
    assert_int_equal(proxy_connections(f->proxy), 2);
}

static void what_is_left_alone_arrives(void **state)
{
    struct fixture *f = *state;
    uint32_t crc = 0;

    for (uint64_t i = 1; i <= 20; i++) {
        send_data(f, i);
        crc = end_data_crc(crc, i, SIZE);
    }
    end_until_messages(&f->b, 20, LIMIT_MS);
    assert_int_equal(f->b.payload_crc, crc);
    assert_int_equal(f->b.downs, 0);
}

static void delay_is_only_late(void **state)
{
    struct fixture *f = *state;
    uint64_t began = uv_hrtime();

    forth(f)->delay_ms = 80;
    send_data(f, 1);
    send_data(f, 2);
    end_until_messages(&f->b, 2, LIMIT_MS);
    assert_true(uv_hrtime() - began >= UINT64_C(79000000));
    assert_int_equal(f->b.requests[0], 1);
    assert_int_equal(f->b.downs, 0);
}

static void a_stalled_way_is_only_late(void **state)
{
    struct fixture *f = *state;

    proxy_stall(f->proxy, PROXY_FORTH, true);
    send_data(f, 1);
    end_run_for(&f->a, 100);
    assert_int_equal(f->b.messages, 0);
    assert_int_equal(end_send_ack(&f->b, f->b.peer, 7), 0);
    end_until_messages(&f->a, 1, LIMIT_MS); /* the other way goes on */
    proxy_stall(f->proxy, PROXY_FORTH, false);
    end_until_messages(&f->b, 1, LIMIT_MS);
    assert_int_equal(f->b.downs, 0);
}

static void a_flipped_bit_is_never_a_payload(void **state)
{
    struct fixture *f = *state;

    forth(f)->flip_at = forth(f)->passed + INSIDE;
    send_data(f, 1);
    came_back(f);
}

/* What comes behind the hole shows it. */
static void a_lost_byte_is_never_a_payload(void **state)
{
    struct fixture *f = *state;

    forth(f)->drop_at = forth(f)->passed + INSIDE;
    send_data(f, 1);
    send_data(f, 2);
    came_back(f);
}

static void a_byte_that_comes_twice_is_never_a_payload(void **state)
{
    struct fixture *f = *state;

    forth(f)->twice_at = forth(f)->passed + INSIDE;
    send_data(f, 1);
    came_back(f);
}

static void a_cut_inside_a_frame_leaves_nothing_of_it(void **state)
{
    struct fixture *f = *state;

    forth(f)->cut_after = forth(f)->passed + INSIDE;
    send_data(f, 1);
    came_back(f);
}

static void a_reset_is_seen_at_both_ends_at_once(void **state)
{
    struct fixture *f = *state;

    proxy_reset(f->proxy);
    end_until(&f->a, downs, 1, 1000);
    end_until(&f->b, downs, 1, 1000);
    came_back(f);
}

#define T(name)                                               \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down), \
    {                                                         \
#name "_tls", name, set_up_tls, tear_down, NULL       \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_left_alone_arrives),
        T(delay_is_only_late),
        T(a_stalled_way_is_only_late),
        T(a_flipped_bit_is_never_a_payload),
        T(a_lost_byte_is_never_a_payload),
        T(a_byte_that_comes_twice_is_never_a_payload),
        T(a_cut_inside_a_frame_leaves_nothing_of_it),
        T(a_reset_is_seen_at_both_ends_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
