/*
 * The parts of the suite: its fixture, and the tests of losing and finding
 * each other (io_suite_links.c).
 */
#ifndef EDGE_TESTS_IO_SUITE_TESTS_H
#define EDGE_TESTS_IO_SUITE_TESTS_H

#include "tests/lib/io_end.h"
#include "tests/lib/unit.h"

struct io_fixture {
    struct io_world *world;
    struct end a; /* dials */
    struct end b;
    struct end c;
};

/* a dials b; both are up. Returns a's peer. */
struct io_peer *io_suite_connect(struct io_fixture *f);

void io_suite_test_a_dead_listener_is_dialed_until_it_is_back(void **state);
void io_suite_test_a_restarted_neighbour_is_found_at_once(void **state);
void io_suite_test_a_dead_dialer_is_noticed(void **state);
void io_suite_test_a_polite_end_says_why(void **state);
void io_suite_test_hang_up_tells_both_ends(void **state);
void io_suite_test_giving_up_the_silent_is_quick(void **state);
void io_suite_test_what_was_sent_before_hang_up_arrives(void **state);
void io_suite_test_undial_ends_it(void **state);
void io_suite_test_undial_before_up(void **state);
void io_suite_test_undial_inside_on_up(void **state);
void io_suite_test_undial_inside_on_message(void **state);
void io_suite_test_undial_inside_on_down(void **state);
void io_suite_test_undial_inside_on_refused(void **state);
void io_suite_test_hang_up_inside_callbacks(void **state);
void io_suite_test_sending_inside_on_message(void **state);

#endif
