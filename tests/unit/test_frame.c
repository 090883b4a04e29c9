#include "wire/frame.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include <string.h>

#define MAX_STREAM 4096

/* A stream of two frames: heads of 3 and 700 bytes, payloads of 0 and 33. */
struct fixture {
    uint8_t stream[MAX_STREAM];
    size_t size;
    struct frame_reader reader;
};

static void add_frame(struct fixture *f, uint32_t head, uint32_t payload)
{
    frame_header_write(f->stream + f->size, head, payload);
    f->size += FRAME_HEADER;
    for (uint32_t i = 0; i < head + payload; i++) {
        f->stream[f->size++] = (uint8_t)(i * 13 + head);
    }
}

static int set_up(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    add_frame(&f, 3, 0);
    add_frame(&f, 700, 33);
    frame_reader_init(&f.reader, LIMIT_HEAD, LIMIT_PAYLOAD);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    heap_heal();
    frame_reader_deinit(&f->reader);
    return 0;
}

/* Feeds `size` bytes in pieces of `piece`; the frames' contents are compared
 * with the stream's. Returns the number of whole frames, or a code. */
static int feed(struct fixture *f, size_t size, size_t piece, struct err *err)
{
    size_t at = 0;
    size_t frame_at = 0;
    int frames = 0;

    while (at < size) {
        size_t room;
        uint8_t *p = frame_reader_room(&f->reader, &room);
        size_t n = piece < room ? piece : room;
        int rc;

        assert_true(room > 0);
        n = n < size - at ? n : size - at;
        memcpy(p, f->stream + at, n);
        at += n;
        rc = frame_reader_filled(&f->reader, n, err);
        if (rc < 0) {
            return rc;
        }
        if (rc > 0) {
            const struct frame_header *h = &f->reader.header;

            frames++;
            frame_at += FRAME_HEADER;
            assert_memory_equal(f->reader.head, f->stream + frame_at,
                                h->head_size);
            frame_at += h->head_size;
            if (h->payload_size > 0) {
                assert_int_equal(f->reader.payload->size, h->payload_size);
                assert_memory_equal(f->reader.payload->data,
                                    f->stream + frame_at, h->payload_size);
            }
            frame_at += h->payload_size;
            frame_reader_next(&f->reader);
        }
    }
    return frames;
}

static void test_frames_come_whole_in_any_pieces(void **state)
{
    struct fixture *f = *state;

    for (size_t piece = 1; piece <= f->size; piece++) {
        assert_int_equal(feed(f, f->size, piece, NULL), 2);
    }
}

static void test_a_truncated_stream_waits_for_more(void **state)
{
    struct fixture *f = *state;

    for (size_t size = 0; size < f->size; size++) {
        int frames = size >= FRAME_HEADER + 3 ? 1 : 0;

        assert_int_equal(feed(f, size, f->size, NULL), frames);
        frame_reader_deinit(&f->reader);
        frame_reader_init(&f->reader, LIMIT_HEAD, LIMIT_PAYLOAD);
    }
}

static void test_each_flipped_bit_of_a_header_is_refused(void **state)
{
    struct fixture *f = *state;
    struct frame_header header;

    for (int bit = 0; bit < FRAME_HEADER * 8; bit++) {
        uint8_t bytes[FRAME_HEADER];

        memcpy(bytes, f->stream, FRAME_HEADER);
        bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        assert_int_equal(
            frame_header_read(bytes, LIMIT_HEAD, LIMIT_PAYLOAD, &header, NULL),
            EDGE_EPROTO);
    }
}

static void test_a_header_reads_as_written(void **state)
{
    uint8_t bytes[FRAME_HEADER];
    struct frame_header header;

    (void)state;
    frame_header_write(bytes, 65536, 67108864);
    assert_memory_equal(bytes, "EDG1", 4);
    assert_int_equal(bytes_get32(bytes + 4), FRAME_MAJOR << 16 | FRAME_MINOR);
    assert_int_equal(bytes_get32(bytes + 16), bytes_crc32c(0, bytes, 16));
    assert_int_equal(
        frame_header_read(bytes, LIMIT_HEAD, LIMIT_PAYLOAD, &header, NULL), 0);
    assert_int_equal(header.version, FRAME_MAJOR << 16 | FRAME_MINOR);
    assert_int_equal(header.head_size, 65536);
    assert_int_equal(header.payload_size, 67108864);
}

static void expect_refusal(uint32_t head, uint32_t payload, size_t head_max,
                           size_t payload_max, const char *why)
{
    uint8_t bytes[FRAME_HEADER];
    struct frame_header header;
    struct err err;

    frame_header_write(bytes, head, payload);
    assert_int_equal(
        frame_header_read(bytes, head_max, payload_max, &header, &err),
        EDGE_EPROTO);
    assert_string_equal(err.text, why);
}

static void test_lengths_have_bounds(void **state)
{
    (void)state;
    expect_refusal(0, 0, 4096, 0,
                   "a frame's head of 0 bytes is not within 1 .. 4096");
    expect_refusal(4097, 0, 4096, 0,
                   "a frame's head of 4097 bytes is not within 1 .. 4096");
    expect_refusal(1, 1, 4096, 0,
                   "a frame's payload of 1 bytes is larger than 0");
    expect_refusal(1, UINT32_MAX, 4096, LIMIT_PAYLOAD,
                   "a frame's payload of 4294967295 bytes is larger than "
                   "67108864");
}

static void test_lengths_are_checked_before_memory_is_asked_for(void **state)
{
    struct fixture *f = *state;
    size_t room;

    frame_reader_deinit(&f->reader);
    frame_reader_init(&f->reader, 699, LIMIT_PAYLOAD);
    assert_int_equal(feed(f, FRAME_HEADER + 3, 4096, NULL), 1);
    heap_fail_at(0);
    memcpy(frame_reader_room(&f->reader, &room), f->stream + FRAME_HEADER + 3,
           FRAME_HEADER);
    assert_int_equal(frame_reader_filled(&f->reader, FRAME_HEADER, NULL),
                     EDGE_EPROTO);
    assert_int_equal(heap_count(), 0);
}

static int read_all(void *arg)
{
    struct fixture *f = arg;
    int rc;

    frame_reader_deinit(&f->reader);
    frame_reader_init(&f->reader, LIMIT_HEAD, LIMIT_PAYLOAD);
    rc = feed(f, f->size, 64, NULL);
    return rc < 0 ? rc : 0;
}

static void test_each_failed_allocation_is_reported(void **state)
{
    /* A head, a larger head, and a blob with its bytes. */
    assert_true(heap_each(read_all, *state) >= 4);
}

static void test_a_payload_is_aligned_and_can_be_taken(void **state)
{
    struct fixture *f = *state;
    struct blob *payload;

    memmove(f->stream, f->stream + FRAME_HEADER + 3, f->size);
    f->size -= FRAME_HEADER + 3;
    for (size_t at = 0; at < f->size;) {
        size_t room;
        uint8_t *p = frame_reader_room(&f->reader, &room);

        memcpy(p, f->stream + at, room);
        at += room;
        assert_int_equal(frame_reader_filled(&f->reader, room, NULL),
                         at == f->size);
    }
    payload = f->reader.payload;
    f->reader.payload = NULL;
    frame_reader_next(&f->reader);
    assert_int_equal((uintptr_t)payload->data % 64, 0);
    assert_int_equal(payload->refs, 1);
    blob_unref(payload);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_frames_come_whole_in_any_pieces),
        TEST(test_a_truncated_stream_waits_for_more),
        TEST(test_each_flipped_bit_of_a_header_is_refused),
        TEST(test_a_header_reads_as_written),
        TEST(test_lengths_have_bounds),
        TEST(test_lengths_are_checked_before_memory_is_asked_for),
        TEST(test_each_failed_allocation_is_reported),
        TEST(test_a_payload_is_aligned_and_can_be_taken),
    };

    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
