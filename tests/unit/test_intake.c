/* Blobs coming in, piece by piece, through a fake io. */
#include "relay/intake.h"

#include "tests/lib/io_fake.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"
#include "wire/convert.h"

#include <string.h>

#define SIZE 1000

struct fixture {
    struct io_fake fake;
    struct tmp tmp;
    struct store *store;
    struct intake intake;
    struct io_fake_peer *peer;
    struct blob *blob;
    struct digest digest;
    int arrived;
    struct digest arrived_digest;
};

static void on_arrived(void *arg, const struct digest *digest)
{
    struct fixture *f = arg;

    f->arrived++;
    f->arrived_digest = *digest;
}

static void on_message(void *arg, struct io_peer *peer, struct msg *msg)
{
    intake_on_chunk(&((struct fixture *)arg)->intake, peer, msg);
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct err err;

    io_fake_init(&f->fake);
    tmp_init(&f->tmp);
    assert_int_equal(
        store_open(tmp_path(&f->tmp, "blobs"), STORE_NO_SYNC, &f->store, &err),
        0);
    intake_init(&f->intake, &f->fake.io);
    f->intake.store = f->store;
    f->intake.on_arrived = on_arrived;
    f->intake.arg = f;
    f->fake.io.events.on_message = on_message;
    f->fake.io.arg = f;
    f->peer = io_fake_peer(&f->fake, "c", EDGED__ROLE__ROLE_CLIENT);
    f->blob = blob_new(SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        f->blob->data[i] = (uint8_t)(i * 7);
    }
    digest_of(f->blob->data, SIZE, &f->digest);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    intake_deinit(&f->intake);
    blob_unref(f->blob);
    store_free(f->store);
    tmp_deinit(&f->tmp);
    io_fake_deinit(&f->fake);
    test_free(f);
    return 0;
}

/* A piece of what `digest` names; of no bytes: asks how much is there. */
static void send_as(struct fixture *f, struct io_fake_peer *peer,
                    const struct digest *digest, uint64_t total,
                    uint64_t offset, size_t size)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Chunk chunk = EDGED__CHUNK__INIT;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;
    struct blob *piece = NULL;

    if (size > 0) {
        piece = blob_copy(f->blob->data + offset, size);
    }
    ref.digest = convert_digest_out(digest);
    ref.size = total;
    chunk.blob = &ref;
    chunk.offset = offset;
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK;
    env.chunk = &chunk;
    io_fake_receive(peer, &env, piece);
    blob_unref(piece);
}

static void send_piece(struct fixture *f, uint64_t offset, size_t size)
{
    send_as(f, f->peer, &f->digest, SIZE, offset, size);
}

static const Edged__ChunkAck *last_ack(const struct io_fake_peer *peer)
{
    const struct msg *msg = io_fake_last(peer, EDGED__ENVELOPE__BODY_CHUNK_ACK);

    assert_non_null(msg);
    return msg->env->chunk_ack;
}

static void expect_ack(const struct io_fake_peer *peer, uint64_t received,
                       int code)
{
    assert_int_equal(last_ack(peer)->received, received);
    assert_int_equal(last_ack(peer)->code, code);
}

static void pieces_become_a_blob(void **state)
{
    struct fixture *f = *state;

    send_piece(f, 0, 400);
    send_piece(f, 400, 400);
    send_piece(f, 800, 200);
    assert_int_equal(io_fake_count(f->peer, EDGED__ENVELOPE__BODY_CHUNK_ACK),
                     0);
    (void)io_fake_work(&f->fake);
    assert_int_equal(io_fake_count(f->peer, EDGED__ENVELOPE__BODY_CHUNK_ACK),
                     3);
    expect_ack(f->peer, SIZE, 0);
    assert_true(store_has(f->store, &f->digest, NULL));
    assert_int_equal(f->arrived, 1);
    assert_true(digest_equal(&f->arrived_digest, &f->digest));
    assert_true(list_is_empty(&f->intake.stages));
}

static void asking_tells_how_much_is_here(void **state)
{
    struct fixture *f = *state;

    send_piece(f, 0, 0);
    expect_ack(f->peer, 0, 0);
    send_piece(f, 0, 400);
    (void)io_fake_work(&f->fake);
    send_piece(f, 0, 0);
    expect_ack(f->peer, 400, 0);
    send_piece(f, 400, 600);
    (void)io_fake_work(&f->fake);
    send_piece(f, 0, 0);
    expect_ack(f->peer, SIZE, 0);
}

static void a_push_goes_on_over_another_connection(void **state)
{
    struct fixture *f = *state;
    struct io_fake_peer *other =
        io_fake_peer(&f->fake, "d", EDGED__ROLE__ROLE_CLIENT);

    send_piece(f, 0, 400);
    (void)io_fake_work(&f->fake);
    intake_peer_gone(&f->intake, &f->peer->base);
    send_as(f, other, &f->digest, SIZE, 0, 0);
    expect_ack(other, 400, 0);
    send_as(f, other, &f->digest, SIZE, 400, 600);
    (void)io_fake_work(&f->fake);
    expect_ack(other, SIZE, 0);
}

static void a_lost_connection_is_not_answered(void **state)
{
    struct fixture *f = *state;

    send_piece(f, 0, SIZE);
    intake_peer_gone(&f->intake, &f->peer->base);
    io_fake_drop(f->peer); /* as the io frees it */
    (void)io_fake_work(&f->fake);
    assert_true(store_has(f->store, &f->digest, NULL));
}

static void a_piece_out_of_order_changes_nothing(void **state)
{
    struct fixture *f = *state;

    send_piece(f, 0, 400);
    send_piece(f, 600, 400);
    (void)io_fake_work(&f->fake);
    expect_ack(f->peer, 400, 0);
    send_piece(f, 0, 400);
    (void)io_fake_work(&f->fake);
    expect_ack(f->peer, 400, 0);
    send_piece(f, 400, 600);
    (void)io_fake_work(&f->fake);
    expect_ack(f->peer, SIZE, 0);
}

/* The second must not be told that nothing is there when the first's last
 * piece was the end of it. */
static void two_connections_may_send_one_blob(void **state)
{
    struct fixture *f = *state;
    struct io_fake_peer *other =
        io_fake_peer(&f->fake, "d", EDGED__ROLE__ROLE_CLIENT);

    send_piece(f, 0, 500);
    send_as(f, other, &f->digest, SIZE, 0, 500);
    send_piece(f, 500, 500);
    send_as(f, other, &f->digest, SIZE, 500, 500);
    (void)io_fake_work(&f->fake);
    expect_ack(f->peer, SIZE, 0);
    expect_ack(other, SIZE, 0);
    assert_int_equal(f->arrived, 1);
}

static void content_of_another_digest_is_refused(void **state)
{
    struct fixture *f = *state;
    struct digest wrong = f->digest;

    wrong.bytes[0] ^= 1;
    send_as(f, f->peer, &wrong, SIZE, 0, SIZE);
    (void)io_fake_work(&f->fake);
    assert_int_equal(last_ack(f->peer)->code, EDGE_ECORRUPT);
    assert_false(store_has(f->store, &wrong, NULL));
    assert_int_equal(f->arrived, 0);
    assert_true(list_is_empty(&f->intake.stages));
}

static void a_refused_blob_may_be_sent_again(void **state)
{
    struct fixture *f = *state;

    f->blob->data[0] ^= 1;
    send_piece(f, 0, SIZE);
    (void)io_fake_work(&f->fake);
    assert_int_equal(last_ack(f->peer)->code, EDGE_ECORRUPT);
    f->blob->data[0] ^= 1;
    send_piece(f, 0, SIZE);
    (void)io_fake_work(&f->fake);
    expect_ack(f->peer, SIZE, 0);
}

/* Whoever said the wrong size first must not bar the way. */
static void another_size_begins_anew(void **state)
{
    struct fixture *f = *state;

    send_as(f, f->peer, &f->digest, SIZE * 1000, 0, 400);
    (void)io_fake_work(&f->fake);
    send_piece(f, 0, SIZE);
    (void)io_fake_work(&f->fake);
    expect_ack(f->peer, SIZE, 0);
}

static void more_than_the_size_is_refused(void **state)
{
    struct fixture *f = *state;

    send_as(f, f->peer, &f->digest, 300, 0, 400);
    (void)io_fake_work(&f->fake);
    assert_int_equal(last_ack(f->peer)->code, EDGE_ECORRUPT);
}

static void too_many_pieces_at_once_are_too_busy(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 70; i++) {
        send_piece(f, i, 1);
    }
    expect_ack(f->peer, 0, EDGE_EBUSY);
    (void)io_fake_work(&f->fake);
    send_piece(f, 0, 0);
    expect_ack(f->peer, 64, 0);
}

/* Pushes that were given up must not fill the table for ever. */
static void the_oldest_unfinished_blob_makes_way(void **state)
{
    struct fixture *f = *state;
    struct digest other = f->digest;

    for (int i = 0; i < 200; i++) {
        other.bytes[1] = (uint8_t)(i + 1);
        f->fake.now_us += 1000;
        send_as(f, f->peer, &other, SIZE, 0, 10);
        (void)io_fake_work(&f->fake);
        expect_ack(f->peer, 10, 0);
    }
    send_piece(f, 0, SIZE);
    (void)io_fake_work(&f->fake);
    expect_ack(f->peer, SIZE, 0);
}

static void what_is_there_needs_no_bytes(void **state)
{
    struct fixture *f = *state;
    struct err err;

    assert_int_equal(store_put(f->store, f->blob->data, SIZE, &f->digest, &err),
                     0);
    send_piece(f, 0, 400);
    expect_ack(f->peer, SIZE, 0);
    assert_false(io_fake_work(&f->fake));
}

static void a_chunk_of_no_blob_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Chunk chunk = EDGED__CHUNK__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_CHUNK;
    env.chunk = &chunk;
    io_fake_receive(f->peer, &env, NULL);
    assert_true(f->peer->hung_up);
    assert_int_equal(f->peer->hung_up_rc, EDGE_EPROTO);
}

static void a_blob_of_no_size_ends_the_connection(void **state)
{
    struct fixture *f = *state;

    send_as(f, f->peer, &f->digest, 0, 0, 10);
    assert_true(f->peer->hung_up);
}

static void pieces_with_the_strand_are_freed_at_the_end(void **state)
{
    struct fixture *f = *state;

    send_piece(f, 0, 400);
    send_piece(f, 400, 100);
    list_init(&f->fake.work[IO_DISK]); /* the io has stopped */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(pieces_become_a_blob),
        T(asking_tells_how_much_is_here),
        T(a_push_goes_on_over_another_connection),
        T(a_lost_connection_is_not_answered),
        T(a_piece_out_of_order_changes_nothing),
        T(two_connections_may_send_one_blob),
        T(content_of_another_digest_is_refused),
        T(a_refused_blob_may_be_sent_again),
        T(another_size_begins_anew),
        T(more_than_the_size_is_refused),
        T(too_many_pieces_at_once_are_too_busy),
        T(the_oldest_unfinished_blob_makes_way),
        T(what_is_there_needs_no_bytes),
        T(a_chunk_of_no_blob_ends_the_connection),
        T(a_blob_of_no_size_ends_the_connection),
        T(pieces_with_the_strand_are_freed_at_the_end),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
