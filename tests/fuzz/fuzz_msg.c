/*
 * Any bytes as the head of a frame, in place of what a peer packed. The first
 * byte is the payload's size. What we unpack, protobuf-c alone must read in
 * the same way from head and payload together, and what we pack again is a
 * message.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "net/hello.h"
#include "wire/convert.h"
#include "wire/msg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void use_port(const Edged__Port *port)
{
    struct tensor tensor = {0};

    if (convert_meta_in(port->tensor, NULL, &tensor, NULL) == 0) {
        require(tensor.blob == NULL && dtype_size(tensor.dtype) > 0);
    }
    require(!convert_name_ok(port->name) || strlen(port->name) <= LIMIT_NAME);
}

static void use_shard(const Edged__Shard *shard)
{
    struct digest digest;

    for (size_t i = 0; i < shard->n_inputs; i++) {
        use_port(shard->inputs[i]);
    }
    for (size_t i = 0; i < shard->n_weights; i++) {
        (void)convert_digest_in(&shard->weights[i]->digest, &digest, NULL);
    }
}

static void use_hello(const Edged__Hello *hello)
{
    static const struct io_identity self = {.role = EDGED__ROLE__ROLE_NODE,
                                            .name = "n",
                                            .cluster = "home",
                                            .version = "1"};
    struct hello_side side = {false, false, NULL, NULL};
    struct io_peer peer = {0};
    struct err err = {""};

    if (hello_check(hello, &self, &side, &err) < 0) {
        require(err.text[0] != '\0');
        return;
    }
    hello_note(hello, NULL, &peer);
    require(convert_name_ok(peer.name));
    require(hello->role != EDGED__ROLE__ROLE_CLIENT);
}

static void use_body(const Edged__Envelope *env)
{
    char why[HELLO_WHY];

    switch (env->body_case) {
    case EDGED__ENVELOPE__BODY_HELLO: use_hello(env->hello); break;
    case EDGED__ENVELOPE__BODY_GOODBYE:
        require(hello_goodbye(env->goodbye, why) < 0);
        require(strlen(why) > 0 && strchr(why, '\n') == NULL);
        break;
    case EDGED__ENVELOPE__BODY_INSTALL:
        for (size_t i = 0; i < env->install->n_shards; i++) {
            use_shard(env->install->shards[i]);
        }
        break;
    case EDGED__ENVELOPE__BODY_MODEL_REPLY:
        for (size_t i = 0; i < env->model_reply->n_inputs; i++) {
            use_port(env->model_reply->inputs[i]);
        }
        break;
    default: break;
    }
}

/* Head and payload are one Envelope to everybody else. */
static void compare(const uint8_t *head, size_t head_size,
                    const struct msg *msg)
{
    size_t payload_size = msg->payload != NULL ? msg->payload->size : 0;
    uint8_t *all = mem_resize(NULL, head_size + payload_size, 1);
    Edged__Envelope *env;

    memcpy(all, head, head_size);
    if (payload_size > 0) {
        memcpy(all + head_size, msg->payload->data, payload_size);
    }
    env = edged__envelope__unpack(NULL, head_size + payload_size, all);
    require(env != NULL);
    require(env->body_case == msg->env->body_case);
    require(env->payload_crc == msg->env->payload_crc);
    require(env->payload.len == payload_size);
    edged__envelope__free_unpacked(env, NULL);
    mem_free(all);
}

static void pack_again(const struct msg *msg)
{
    struct blob *payload = blob_new(5);
    struct msg again = {0};
    size_t size;
    uint8_t *head;
    int rc = msg_pack(msg->env, 5, 7, &head, &size);

    if (rc == EDGE_ETOOBIG) { /* the tail was not there before */
        blob_unref(payload);
        return;
    }
    require(rc == 0);
    require(msg_unpack(head, size, payload, MIB(64), &again, NULL) == 0);
    require(again.env->body_case == msg->env->body_case);
    require(again.env->payload_crc == 7);
    msg_deinit(&again);
    mem_free(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct blob *payload = NULL;
    struct msg msg = {0};
    struct err err = {""};

    if (size < 2 || size - 1 > LIMIT_HEAD) {
        return 0;
    }
    if (data[0] > 0) {
        payload = blob_new(data[0]);
        memset(payload->data, 1, payload->size);
    }
    if (msg_unpack(data + 1, size - 1, payload, LIMIT_UNPACK, &msg, &err) < 0) {
        require(err.text[0] != '\0' && msg.env == NULL);
        blob_unref(payload);
        return 0;
    }
    use_body(msg.env);
    compare(data + 1, size - 1, &msg);
    pack_again(&msg);
    msg_deinit(&msg);
    return 0;
}
