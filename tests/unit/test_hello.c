#include "net/hello.h"

#include "tests/lib/unit.h"
#include "wire/frame.h"

#include <string.h>

static const struct io_identity node = {.role = EDGED__ROLE__ROLE_NODE,
                                        .name = "pi-1",
                                        .cluster = "home",
                                        .instance = 5,
                                        .version = "1.0"};

static const struct hello_side accepted = {.dialed = false};
static const struct hello_side accepted_local = {.local = true};
static const struct hello_side dialed = {.dialed = true, .expects = "pi-2"};

/* What a good peer "pi-2" says. */
static Edged__Hello good(void)
{
    Edged__Hello hello = EDGED__HELLO__INIT;

    hello.major = FRAME_MAJOR;
    hello.role = EDGED__ROLE__ROLE_NODE;
    hello.name = "pi-2";
    hello.cluster = "home";
    hello.version = "1.1";
    return hello;
}

static void refused(const Edged__Hello *hello, const struct hello_side *side,
                    int code, const char *why)
{
    struct err err;

    assert_int_equal(hello_check(hello, &node, side, &err), code);
    assert_string_equal(err.text, why);
}

static void test_what_one_end_says_the_other_accepts(void **state)
{
    struct io_identity other = node;
    Edged__Hello hello;

    (void)state;
    other.name = "pi-2";
    hello_fill(&hello, &node, &dialed);
    assert_string_equal(hello.expects, "pi-2");
    assert_int_equal(hello.instance, 5);
    assert_int_equal(hello_check(&hello, &other, &accepted, NULL), 0);
    hello_fill(&hello, &other, &accepted);
    assert_string_equal(hello.expects, "");
    assert_int_equal(hello_check(&hello, &node, &dialed, NULL), 0);
}

static void test_only_the_major_version_must_be_equal(void **state)
{
    Edged__Hello hello = good();

    (void)state;
    hello.minor = 77;
    assert_int_equal(hello_check(&hello, &node, &accepted, NULL), 0);
    hello.major = 0;
    refused(&hello, &accepted, EDGE_EUNSUPPORTED,
            "version 0.77 of the protocol is not version 1.1, which pi-1 "
            "speaks");
}

static void test_clusters_must_be_equal_or_empty(void **state)
{
    Edged__Hello hello = good();

    (void)state;
    hello.cluster = "";
    assert_int_equal(hello_check(&hello, &node, &accepted, NULL), 0);
    hello.cluster = "work";
    refused(&hello, &accepted, EDGE_EREFUSED,
            "pi-2 is of cluster \"work\", pi-1 of cluster \"home\"");
    hello.cluster = "../";
    assert_int_equal(hello_check(&hello, &node, &accepted, NULL), EDGE_EPROTO);
}

static void test_names_must_be_those_expected(void **state)
{
    Edged__Hello hello = good();

    (void)state;
    hello.expects = "pi-1";
    assert_int_equal(hello_check(&hello, &node, &accepted, NULL), 0);
    hello.expects = "pi-9";
    refused(&hello, &accepted, EDGE_EREFUSED,
            "\"pi-1\" answers where \"pi-9\" should");
    hello = good();
    hello.name = "pi-3";
    refused(&hello, &dialed, EDGE_EREFUSED,
            "\"pi-3\" answers where \"pi-2\" should");
}

static void test_each_role_has_its_socket(void **state)
{
    Edged__Hello hello = good();

    (void)state;
    hello.role = EDGED__ROLE__ROLE_COORDINATOR;
    assert_int_equal(hello_check(&hello, &node, &accepted, NULL), 0);
    refused(&hello, &accepted_local, EDGE_EREFUSED,
            "a coordinator is not accepted on this socket");
    hello.role = EDGED__ROLE__ROLE_CLIENT;
    assert_int_equal(hello_check(&hello, &node, &accepted_local, NULL), 0);
    refused(&hello, &accepted, EDGE_EREFUSED,
            "a client is not accepted on this socket");
    refused(&hello, &dialed, EDGE_EREFUSED,
            "a client is not accepted on this socket");
    hello.role = (Edged__Role)99;
    refused(&hello, &accepted, EDGE_EREFUSED,
            "a stranger is not accepted on this socket");
}

static void test_a_peer_gets_what_was_said(void **state)
{
    Edged__Hello hello = good();
    struct io_peer peer = {0};

    (void)state;
    hello.instance = 9;
    hello.minor = 3;
    hello.version = "a version that is much longer than there is room";
    hello_note(&hello, NULL, &peer);
    assert_string_equal(peer.name, "pi-2");
    assert_int_equal(peer.instance, 9);
    assert_int_equal(peer.minor, 3);
    assert_int_equal(strlen(peer.version), sizeof(peer.version) - 1);
}

static void test_goodbye_is_read_with_care(void **state)
{
    Edged__Goodbye goodbye = EDGED__GOODBYE__INIT;
    static char text[2 * HELLO_WHY];
    char why[HELLO_WHY];

    (void)state;
    assert_int_equal(hello_goodbye(&goodbye, why), EDGE_ECLOSED);
    assert_string_equal(why, "the other end said Goodbye");
    goodbye.code = EDGE_EBUSY;
    goodbye.text = "full\r\n\033[2J\177";
    assert_int_equal(hello_goodbye(&goodbye, why), EDGE_EBUSY);
    assert_string_equal(why, "full???[2J?");
    memset(text, 'x', sizeof(text) - 1);
    goodbye.text = text;
    goodbye.code = 5;
    assert_int_equal(hello_goodbye(&goodbye, why), EDGE_ECLOSED);
    assert_int_equal(strlen(why), HELLO_WHY - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_one_end_says_the_other_accepts),
        cmocka_unit_test(test_only_the_major_version_must_be_equal),
        cmocka_unit_test(test_clusters_must_be_equal_or_empty),
        cmocka_unit_test(test_names_must_be_those_expected),
        cmocka_unit_test(test_each_role_has_its_socket),
        cmocka_unit_test(test_a_peer_gets_what_was_said),
        cmocka_unit_test(test_goodbye_is_read_with_care),
    };

    return cmocka_run_group_tests_name("hello", tests, NULL, NULL);
}
