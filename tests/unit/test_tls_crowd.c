/*
 * Many strangers at a port that speaks TLS: what they cost, which is printed,
 * and that an honest peer still comes in.
 */
#include "base/mem.h"
#include "net/io_uv.h"
#include "net/io_uv_inner.h"
#include "tests/lib/certs.h"
#include "tests/lib/io_end.h"
#include "tests/lib/tls_hello.h"
#include "tests/lib/unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <malloc.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE 1000
#define HALF 32

struct fixture {
    struct io_world *world;
    struct certs certs;
    struct tls *tls[2];
    struct end node;
    struct end friend;
};

static struct hub_limits *limits(struct fixture *f)
{
    return &hub_of(f->node.io)->limits;
}

static int connect_to(const struct fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)f->node.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(
        connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    assert_non_null(f);
    f->world = io_world_uv();
    certs_init(&f->certs, "home");
    end_start(&f->node, f->world, "bert");
    end_start(&f->friend, f->world, "anna");
    f->tls[0] = certs_tls(&f->certs, PKI_NODE, "bert");
    f->tls[1] = certs_tls(&f->certs, PKI_NODE, "anna");
    io_uv_secure(io_uv_of(f->node.io), f->tls[0], 0);
    io_uv_secure(io_uv_of(f->friend.io), f->tls[1], 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    end_kill(&f->node);
    end_kill(&f->friend);
    f->world->ops->free(f->world);
    tls_free(f->tls[0]);
    tls_free(f->tls[1]);
    certs_deinit(&f->certs);
    mem_free(f);
    return 0;
}

/* ---- a crowd ------------------------------------------------------------- */

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

struct crowd {
    struct fixture *f;
    int fds[IDLE];
    int n;
    int answered;
};

static bool all_accepted(void *arg)
{
    struct crowd *crowd = arg;

    return hub_of(crowd->f->node.io)->n_strangers >= (size_t)crowd->n;
}

static void crowd_open(struct crowd *crowd, int n)
{
    struct rlimit files;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    for (crowd->n = 0; crowd->n < n; crowd->n++) {
        crowd->fds[crowd->n] = connect_to(crowd->f);
        end_run_for(&crowd->f->node, 0);
    }
    assert_true(
        crowd->f->world->ops->run(crowd->f->world, all_accepted, crowd, 5000));
}

static void crowd_close(struct crowd *crowd)
{
    for (int i = 0; i < crowd->n; i++) {
        (void)close(crowd->fds[i]);
    }
    mem_free(crowd);
}

static struct crowd *crowd_new(struct fixture *f)
{
    struct crowd *crowd = mem_new(struct crowd);

    assert_non_null(crowd);
    crowd->f = f;
    end_run_for(&f->node, 50);
    return crowd;
}

/* ---- what they cost ------------------------------------------------------ */

/* A sanitizer has a heap of its own, which tells nothing of the real one. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_IS_REAL false
#else
#define HEAP_IS_REAL true
#endif

static void test_an_idle_stranger_costs_little(void **state)
{
    struct fixture *f = *state;
    struct crowd *crowd = crowd_new(f);
    size_t before;
    size_t each;

    if (!HEAP_IS_REAL) {
        crowd_close(crowd);
        SKIP_TEST("a sanitizer's heap tells nothing");
    }
    limits(f)->strangers = IDLE + 1;
    before = heap_bytes();
    crowd_open(crowd, IDLE);
    each = (heap_bytes() - before) / IDLE;
    print_message("%d idle strangers: %zu bytes each\n", IDLE, each);
    assert_true(each <= 2048);
    limits(f)->strangers = LIMIT_UNAUTH_CONNS;
    crowd_close(crowd);
}

static bool all_answered(void *arg)
{
    struct crowd *crowd = arg;

    for (; crowd->answered < crowd->n; crowd->answered++) {
        char byte;

        if (recv(crowd->fds[crowd->answered], &byte, 1, MSG_PEEK) < 1) {
            return false;
        }
    }
    return true;
}

static void test_half_a_handshake_costs_little(void **state)
{
    struct fixture *f = *state;
    struct crowd *crowd = crowd_new(f);
    uint8_t hello[2048];
    size_t size = tls_hello(hello, sizeof(hello));
    size_t before;
    size_t all;

    if (!HEAP_IS_REAL) {
        crowd_close(crowd);
        SKIP_TEST("a sanitizer's heap tells nothing");
    }
    before = heap_bytes();
    crowd_open(crowd, HALF);
    for (int i = 0; i < HALF; i++) {
        assert_int_equal(send(crowd->fds[i], hello, size, MSG_NOSIGNAL), size);
    }
    assert_true(f->world->ops->run(f->world, all_answered, crowd, 5000));
    assert_int_equal(hub_of(f->node.io)->n_strangers, HALF);
    all = heap_bytes() - before;
    print_message("%d half handshakes: %zu bytes each, %zu together\n", HALF,
                  all / HALF, all);
    assert_true(all <= HALF * KIB(64));
    assert_true(all <= MIB(2));
    crowd_close(crowd);
}

/* However many fail, those that wait for our alert to arrive are bounded. */
static void test_a_flood_of_refusals_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct crowd *crowd = crowd_new(f);
    uint8_t junk[64] = {0x16, 0x03, 0x01, 0x00, 0x3b, 0x01, 0xff};

    limits(f)->leave_ms = 60000;
    for (crowd->n = 0; crowd->n < 200; crowd->n++) {
        crowd->fds[crowd->n] = connect_to(f);
        (void)send(crowd->fds[crowd->n], junk, sizeof(junk), MSG_NOSIGNAL);
        end_run_for(&f->node, 0);
    }
    end_run_for(&f->node, 100);
    assert_true(hub_of(f->node.io)->n_strangers <= LIMIT_UNAUTH_CONNS);
    crowd_close(crowd);
}

static void test_an_honest_peer_comes_through_a_crowd(void **state)
{
    struct fixture *f = *state;
    struct crowd *crowd = crowd_new(f);
    uint8_t hello[2048];
    size_t size = tls_hello(hello, sizeof(hello));

    for (crowd->n = 0; crowd->n < 100; crowd->n++) {
        crowd->fds[crowd->n] = connect_to(f);
        (void)send(crowd->fds[crowd->n], hello, size, MSG_NOSIGNAL);
    }
    end_run_for(&f->node, 200);
    (void)end_dial(&f->friend, &f->node, "bert");
    end_until(&f->friend, ups, 1, 3000);
    assert_true(hub_of(f->node.io)->n_strangers <= LIMIT_UNAUTH_CONNS);
    crowd_close(crowd);
}

/* An address of this machine that is not a loopback one: what is sent to it
 * does not leave the machine, and comes from it. */
static bool own_address(struct sockaddr_in *out)
{
    struct ifaddrs *all = NULL;
    bool found = false;

    if (getifaddrs(&all) < 0) {
        return false;
    }
    for (struct ifaddrs *a = all; a != NULL && !found; a = a->ifa_next) {
        if (a->ifa_addr != NULL && a->ifa_addr->sa_family == AF_INET &&
            (a->ifa_flags & IFF_LOOPBACK) == 0) {
            memcpy(out, a->ifa_addr, sizeof(*out));
            found = true;
        }
    }
    freeifaddrs(all);
    return found;
}

static size_t count_conns(struct fixture *f)
{
    size_t n = 0;

    list_each(&hub_of(f->node.io)->conns, it, after)
    {
        n++;
    }
    return n;
}

static void test_one_address_has_few_places(void **state)
{
    struct fixture *f = *state;
    struct crowd *crowd = crowd_new(f);
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct err err;
    int port;

    if (!own_address(&address)) {
        crowd_close(crowd);
        SKIP_TEST("this machine has no address but loopback");
    }
    assert_int_equal(
        io_uv_listen(io_uv_of(f->node.io), "0.0.0.0", 0, &port, &err), 0);
    address.sin_port = htons((uint16_t)port);
    for (crowd->n = 0; crowd->n < 25; crowd->n++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(
            connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
        crowd->fds[crowd->n] = fd;
    }
    end_run_for(&f->node, 200);
    assert_int_equal(count_conns(f), LIMIT_IP_CONNS);
    (void)end_dial(&f->friend, &f->node, "bert"); /* of another one */
    end_until(&f->friend, ups, 1, 3000);
    crowd_close(crowd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_idle_stranger_costs_little),
        TEST(test_half_a_handshake_costs_little),
        TEST(test_a_flood_of_refusals_is_bounded),
        TEST(test_an_honest_peer_comes_through_a_crowd),
        TEST(test_one_address_has_few_places),
    };

    return cmocka_run_group_tests_name("tls crowd", tests, NULL, NULL);
}
