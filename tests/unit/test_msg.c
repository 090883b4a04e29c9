#include "wire/msg.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tests/lib/heap.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int tear_down(void **state)
{
    (void)state;
    heap_heal();
    return 0;
}

/* A Data with two hops and a tensor. */
struct sample {
    Edged__Envelope env;
    Edged__Data data;
    Edged__TensorMeta tensor;
    Edged__Hop hops[2];
    Edged__Hop *hop_list[2];
    int64_t dims[4];
};

static void make_sample(struct sample *s)
{
    edged__envelope__init(&s->env);
    edged__data__init(&s->data);
    edged__tensor_meta__init(&s->tensor);
    memcpy(s->dims, (int64_t[4]){1, 32, 28, 28}, sizeof(s->dims));
    s->tensor.dtype = 1;
    s->tensor.n_dims = 4;
    s->tensor.dims = s->dims;
    for (int i = 0; i < 2; i++) {
        edged__hop__init(&s->hops[i]);
        s->hops[i].node = i == 0 ? "pi-1" : "pi-2";
        s->hops[i].shard = "s0";
        s->hops[i].compute_us = 5000;
        s->hop_list[i] = &s->hops[i];
    }
    s->data.request = 0x123456789abcdef;
    s->data.tensor = &s->tensor;
    s->data.n_hops = 2;
    s->data.hops = s->hop_list;
    s->env.body_case = EDGED__ENVELOPE__BODY_DATA;
    s->env.data = &s->data;
}

/* The head of a message with `size` bytes of payload, for mem_free(). */
static uint8_t *pack(const Edged__Envelope *env, size_t size, size_t *head_size)
{
    uint8_t *head;

    assert_int_equal(msg_pack(env, size, 0xabcd, &head, head_size), 0);
    return head;
}

static void test_a_message_comes_back(void **state)
{
    struct sample s;
    struct msg msg;
    struct blob *payload = blob_copy("payload", 7);
    size_t size;
    uint8_t *head;

    (void)state;
    make_sample(&s);
    head = pack(&s.env, 7, &size);
    assert_int_equal(msg_unpack(head, size, payload, LIMIT_UNPACK, &msg, NULL),
                     0);
    assert_ptr_equal(msg.payload, payload);
    assert_int_equal(msg.env->payload_crc, 0xabcd);
    assert_int_equal(msg.env->payload.len, 0);
    assert_int_equal(msg.env->data->request, s.data.request);
    assert_int_equal(msg.env->data->n_hops, 2);
    assert_string_equal(msg.env->data->hops[1]->node, "pi-2");
    assert_int_equal(msg.env->data->tensor->dims[3], 28);
    assert_int_equal(s.env.payload_crc, 0); /* the original is untouched */
    msg_deinit(&msg);
    mem_free(head);
}

/* Sizes whose lengths take 1 to 4 bytes. */
static void test_head_and_payload_are_one_envelope(void **state)
{
    static const size_t sizes[] = {1, 127, 128, 16383, 16384, 3000000};
    struct sample s;

    (void)state;
    make_sample(&s);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        Edged__Envelope *env;
        size_t size;
        uint8_t *head = pack(&s.env, sizes[i], &size);
        uint8_t *all = mem_resize(head, size + sizes[i], 1);

        memset(all + size, 0x5a, sizes[i]);
        env = edged__envelope__unpack(NULL, size + sizes[i], all);
        assert_non_null(env);
        assert_int_equal(env->payload.len, sizes[i]);
        assert_memory_equal(env->payload.data, all + size, sizes[i]);
        assert_int_equal(env->data->request, s.data.request);
        edged__envelope__free_unpacked(env, NULL);
        mem_free(all);
    }
}

/* Runs protoc on the file `frame` and writes what it prints to `text`; its
 * exit status. */
static int run_protoc(const char *frame, const char *text)
{
    int status = -1;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        int in = open(frame, O_RDONLY);
        int out = open(text, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0) {
            _exit(126);
        }
        (void)execlp("protoc", "protoc", "--proto_path=proto",
                     "--decode=edged.Envelope", "envelope.proto", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

/* Another implementation reads what we frame: Google's own. */
static void test_protoc_decodes_a_captured_frame(void **state)
{
    static const char payload[] = "tensor bytes";
    struct blob *text = NULL;
    char frame[TMP_PATH];
    struct sample s;
    struct tmp tmp;
    size_t size;
    uint8_t *head;
    int rc;

    (void)state;
    if (access("proto/envelope.proto", R_OK) != 0) {
        SKIP_TEST("not run from the repository's root");
    }
    make_sample(&s);
    head = pack(&s.env, sizeof(payload) - 1, &size);
    head = mem_resize(head, size + sizeof(payload), 1);
    memcpy(head + size, payload, sizeof(payload));
    tmp_init(&tmp);
    (void)snprintf(frame, sizeof(frame), "%s",
                   tmp_write(&tmp, "frame", head, size + sizeof(payload)));
    mem_free(head);
    assert_int_equal(truncate(frame, (off_t)(size + sizeof(payload) - 1)), 0);
    rc = run_protoc(frame, tmp_path(&tmp, "text"));
    if (rc != 127) {
        assert_int_equal(rc, 0);
        assert_int_equal(blob_read(tmp_path(&tmp, "text"), 4096, &text, NULL),
                         0);
        assert_non_null(
            memmem(text->data, text->size, "request: 81985529216486895\n", 27));
        assert_non_null(
            memmem(text->data, text->size, "payload: \"tensor bytes\"\n", 24));
        blob_unref(text);
    }
    tmp_deinit(&tmp);
    if (rc == 127) {
        SKIP_TEST("protoc is not installed");
    }
}

/* ---- what is refused ----------------------------------------------------- */

static int try_unpack(const uint8_t *head, size_t size, size_t payload_size,
                      struct err *err)
{
    struct blob *payload = payload_size > 0 ? blob_new(payload_size) : NULL;
    struct msg msg = {0};
    int rc = msg_unpack(head, size, payload, LIMIT_UNPACK, &msg, err);

    if (rc < 0) {
        assert_null(msg.env);
        blob_unref(payload); /* still ours */
    }
    msg_deinit(&msg);
    return rc;
}

static void test_the_payloads_length_must_be_exact(void **state)
{
    struct sample s;
    size_t size;
    uint8_t *head;

    (void)state;
    make_sample(&s);
    head = pack(&s.env, 1000, &size);
    assert_int_equal(try_unpack(head, size, 1000, NULL), 0);
    assert_int_equal(try_unpack(head, size, 999, NULL), EDGE_EPROTO);
    assert_int_equal(try_unpack(head, size, 1001, NULL), EDGE_EPROTO);
    assert_int_equal(try_unpack(head, size, 0, NULL), EDGE_EPROTO);
    assert_int_equal(try_unpack(head, size - 1, 1000, NULL), EDGE_EPROTO);
    mem_free(head);
}

static void test_a_payload_inside_the_head_is_refused(void **state)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Ack ack = EDGED__ACK__INIT;
    uint8_t head[64];
    struct err err;

    (void)state;
    env.body_case = EDGED__ENVELOPE__BODY_ACK;
    env.ack = &ack;
    env.payload = (ProtobufCBinaryData){3, (uint8_t *)(uintptr_t) "abc"};
    assert_int_equal(
        try_unpack(head, edged__envelope__pack(&env, head), 0, &err),
        EDGE_EPROTO);
    assert_string_equal(err.text, "a head has a payload inside");
}

static void test_a_truncated_head_is_refused(void **state)
{
    struct sample s;
    size_t size;
    uint8_t *head;

    (void)state;
    make_sample(&s);
    head = pack(&s.env, 0, &size);
    assert_int_equal(try_unpack(head, size, 0, NULL), 0);
    for (size_t n = 0; n < size; n++) {
        int rc = try_unpack(head, n, 0, NULL);

        /* After payload_crc (5 bytes) there is whole, but no body. */
        assert_int_equal(rc, EDGE_EPROTO);
    }
    mem_free(head);
}

static void test_an_unknown_kind_is_refused(void **state)
{
    static const uint8_t field_49[] = {0x8a, 0x03, 0x00};
    static const uint8_t field_99[] = {0x9a, 0x06, 0x00};
    struct err err;

    (void)state;
    assert_int_equal(try_unpack(field_49, sizeof(field_49), 0, NULL), 0);
    assert_int_equal(try_unpack(field_99, sizeof(field_99), 0, &err),
                     EDGE_EPROTO);
    assert_string_equal(err.text, "a message of no kind known here");
}

static void test_a_nul_in_a_string_is_refused(void **state)
{
    /* Envelope.goodbye { text: "a\0b" } */
    static const uint8_t head[] = {0x1a, 0x05, 0x12, 0x03, 'a', 0, 'b'};
    struct err err;

    (void)state;
    assert_int_equal(try_unpack(head, sizeof(head), 0, &err), EDGE_EPROTO);
    assert_string_equal(err.text, "a NUL is in text of edged.Goodbye");
}

static void test_broken_fields_are_refused(void **state)
{
    static const struct {
        uint8_t bytes[12];
        size_t size;
    } heads[] = {
        {{0x00, 0x00}, 2},                         /* field 0 */
        {{0x1a, 0x05, 0x12}, 3},                   /* cut off */
        {{0x1a, 0x03, 0x12, 0x05, 'a'}, 5},        /* longer than its parent */
        {{0x0b}, 1},                               /* a group */
        {{0x0d, 1, 2}, 3},                         /* half a fixed32 */
        {{0x09, 1, 2, 3, 4}, 5},                   /* half a fixed64 */
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, 6}, /* a tag beyond 32 bits */
        {{0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
          0x01},
         12}, /* a varint of 11 bytes */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        assert_int_equal(try_unpack(heads[i].bytes, heads[i].size, 0, NULL),
                         EDGE_EPROTO);
    }
}

/* 30,000 empty submessages in 60 KB: each of them becomes a struct. */
static size_t make_bomb(uint8_t *head, uint8_t tag)
{
    size_t n = 60000;
    size_t at = 0;

    head[at++] = tag;
    head[at++] = (uint8_t)(n | 0x80);
    head[at++] = (uint8_t)((n >> 7) | 0x80);
    head[at++] = (uint8_t)(n >> 14);
    for (size_t i = 0; i < n; i += 2) {
        head[at++] = 0x1a; /* Install.shards */
        head[at++] = 0x00;
    }
    return at;
}

static void test_a_small_message_cannot_grow_large(void **state)
{
    uint8_t *head = mem_array(uint8_t, LIMIT_HEAD);
    struct msg msg = {0};
    struct err err;
    size_t size;

    (void)state;
    assert_non_null(head);
    size = make_bomb(head, 0x2a); /* Envelope.install */
    assert_int_equal(msg_unpack(head, size, NULL, LIMIT_UNPACK, &msg, &err),
                     EDGE_ENOMEM);
    assert_string_equal(err.text,
                        "a message needs more than 4194304 bytes unpacked");
    assert_null(msg.env);
    /* Only the budget stopped it. */
    assert_int_equal(msg_unpack(head, size, NULL, MIB(64), &msg, &err), 0);
    assert_int_equal(msg.env->install->n_shards, 30000);
    msg_deinit(&msg);
    mem_free(head);
}

static void test_a_hello_has_a_small_budget(void **state)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Epochs epochs = EDGED__EPOCHS__INIT;
    static uint32_t numbers[4070];
    struct msg msg = {0};
    size_t size;
    uint8_t *head;

    (void)state;
    epochs.n_epochs = 4070;
    epochs.epochs = numbers;
    env.body_case = EDGED__ENVELOPE__BODY_EPOCHS;
    env.epochs = &epochs;
    head = pack(&env, 0, &size);
    assert_true(size <= LIMIT_HELLO_HEAD);
    assert_int_equal(
        msg_unpack(head, size, NULL, LIMIT_HELLO_UNPACK, &msg, NULL),
        EDGE_ENOMEM);
    mem_free(head);
}

static int unpack_sample(void *arg)
{
    const struct blob *head = arg;

    return try_unpack(head->data, head->size, 0, NULL);
}

static void test_each_failed_allocation_is_reported(void **state)
{
    struct blob *head;
    struct sample s;
    size_t size;
    uint8_t *bytes;

    (void)state;
    make_sample(&s);
    bytes = pack(&s.env, 0, &size);
    head = blob_copy(bytes, size);
    mem_free(bytes);
    assert_true(heap_each(unpack_sample, head) >= 8);
    heap_heal();
    blob_unref(head);
}

static void test_what_is_too_large_is_not_packed(void **state)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__LogReply reply = EDGED__LOG_REPLY__INIT;
    char *line = mem_array(char, LIMIT_HEAD);
    uint8_t *head;
    size_t size;

    (void)state;
    assert_non_null(line);
    memset(line, 'x', LIMIT_HEAD - 1);
    line[LIMIT_HEAD - 1] = '\0';
    reply.n_lines = 1;
    reply.lines = &line;
    env.body_case = EDGED__ENVELOPE__BODY_LOG_REPLY;
    env.log_reply = &reply;
    assert_int_equal(msg_pack(&env, 0, 0, &head, &size), EDGE_ETOOBIG);
    line[LIMIT_HEAD - 20] = '\0';
    assert_int_equal(msg_pack(&env, 0, 0, &head, &size), 0);
    mem_free(head);
    assert_int_equal(msg_pack(&env, LIMIT_PAYLOAD + 1, 0, &head, &size),
                     EDGE_ETOOBIG);
    mem_free(line);
}

static void test_kinds_have_names(void **state)
{
    (void)state;
    assert_string_equal(msg_kind_name(EDGED__ENVELOPE__BODY_DATA), "Data");
    assert_string_equal(msg_kind_name(EDGED__ENVELOPE__BODY_CHUNK_ACK),
                        "ChunkAck");
    assert_string_equal(msg_kind_name(EDGED__ENVELOPE__BODY__NOT_SET), "None");
    assert_string_equal(msg_kind_name((Edged__Envelope__BodyCase)1), "None");
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_message_comes_back),
        TEST(test_head_and_payload_are_one_envelope),
        TEST(test_protoc_decodes_a_captured_frame),
        TEST(test_the_payloads_length_must_be_exact),
        TEST(test_a_payload_inside_the_head_is_refused),
        TEST(test_a_truncated_head_is_refused),
        TEST(test_an_unknown_kind_is_refused),
        TEST(test_a_nul_in_a_string_is_refused),
        TEST(test_broken_fields_are_refused),
        TEST(test_a_small_message_cannot_grow_large),
        TEST(test_a_hello_has_a_small_budget),
        TEST(test_each_failed_allocation_is_reported),
        TEST(test_what_is_too_large_is_not_packed),
        TEST(test_kinds_have_names),
    };

    return cmocka_run_group_tests_name("msg", tests, NULL, NULL);
}
