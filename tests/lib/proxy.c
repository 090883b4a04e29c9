#include "tests/lib/proxy.h"

#include "base/list.h"
#include "base/mem.h"
#include "tests/lib/unit.h"

#include <string.h>

#define PIECE 65536
#define BACKLOG 16

struct pair;

struct piece { /* bytes that wait for their time */
    struct list link;
    struct half *half; /* they came from */
    uint64_t due_ms;
    uv_write_t write;
    size_t size;
    char data[];
};

struct half { /* one end of a pair: [PROXY_FORTH] was accepted */
    struct pair *pair;
    uv_tcp_t tcp;
    uv_timer_t timer;   /* for the first of `pieces` */
    struct list pieces; /* that came from here */
    bool is_up;
    bool is_reading;
    char buffer[PIECE];
};

struct pair {
    struct list link;
    struct proxy *proxy;
    struct half halves[2];
    uv_connect_t connect;
    int handles; /* still open */
    bool is_closing;
};

struct proxy {
    uv_loop_t *loop;
    uv_tcp_t server;
    int target;
    struct proxy_way ways[2];
    struct list pairs;
    int made;
    bool is_closed; /* the server's handle */
};

/* ---- the end of a pair -------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct pair *pair = handle->data;

    if (--pair->handles > 0) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        list_each(&pair->halves[i].pieces, it, after)
        {
            struct piece *piece = list_entry(it, struct piece, link);

            list_unlink(it);
            mem_free(piece);
        }
    }
    list_unlink(&pair->link);
    mem_free(pair);
}

static void pair_close(struct pair *pair, bool with_reset)
{
    if (pair->is_closing) {
        return;
    }
    pair->is_closing = true;
    for (int i = 0; i < 2; i++) {
        struct half *half = &pair->halves[i];

        uv_close((uv_handle_t *)&half->timer, on_closed);
        if (!with_reset || uv_tcp_close_reset(&half->tcp, on_closed) != 0) {
            uv_close((uv_handle_t *)&half->tcp, on_closed);
        }
    }
}

/* ---- bytes -------------------------------------------------------------- */

static struct proxy_way *way_of(struct half *half)
{
    return &half->pair->proxy->ways[half - half->pair->halves];
}

static struct half *other(struct half *half)
{
    return &half->pair->halves[half == &half->pair->halves[0]];
}

static void on_written(uv_write_t *write, int status)
{
    struct piece *piece = write->data;
    struct pair *pair = piece->half->pair;

    mem_free(piece);
    if (status < 0) {
        pair_close(pair, false);
    }
}

static void write_due(struct half *half)
{
    uint64_t now = uv_now(half->pair->proxy->loop);

    while (!list_is_empty(&half->pieces) && other(half)->is_up) {
        struct piece *piece = list_entry(half->pieces.next, struct piece, link);
        uv_buf_t bytes = uv_buf_init(piece->data, (unsigned)piece->size);

        if (piece->due_ms > now) {
            (void)uv_timer_start(&half->timer, half->timer.timer_cb,
                                 piece->due_ms - now, 0);
            return;
        }
        list_unlink(&piece->link);
        piece->write.data = piece;
        if (uv_write(&piece->write, (uv_stream_t *)&other(half)->tcp, &bytes, 1,
                     on_written) < 0) {
            mem_free(piece);
            pair_close(half->pair, false);
            return;
        }
    }
}

static void on_due(uv_timer_t *timer)
{
    write_due(container_of(timer, struct half, timer));
}

/* Whether place `at` is among the `n` bytes behind `passed`; *i is where. */
static bool is_hit(uint64_t at, uint64_t passed, size_t n, size_t *i)
{
    *i = (size_t)(at - passed - 1);
    return at > passed && at <= passed + n;
}

/* Changes the bytes as the way says; there is room for one more. */
static size_t harm(struct proxy_way *way, char *data, size_t n)
{
    uint64_t passed = way->passed;
    size_t i;

    way->passed += n;
    if (is_hit(way->flip_at, passed, n, &i)) {
        data[i] = (char)(data[i] ^ 0x10);
    }
    if (is_hit(way->drop_at, passed, n, &i)) {
        memmove(data + i, data + i + 1, n - i - 1);
        n--;
    }
    if (is_hit(way->twice_at, passed, n, &i)) {
        memmove(data + i + 1, data + i, n - i);
        n++;
    }
    return n;
}

static void take(struct half *half, size_t n)
{
    struct proxy_way *way = way_of(half);
    struct piece *piece = mem_zalloc(1, sizeof(*piece) + n + 1);
    uint64_t passed = way->passed;
    size_t cut;

    assert_non_null(piece);
    memcpy(piece->data, half->buffer, n);
    piece->half = half;
    piece->size = harm(way, piece->data, n);
    piece->due_ms = uv_now(half->pair->proxy->loop) + way->delay_ms;
    list_push(&half->pieces, &piece->link);
    if (is_hit(way->cut_after, passed, n, &cut)) {
        pair_close(half->pair, true);
        return;
    }
    write_due(half);
}

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
    struct pair *pair = handle->data;
    struct half *half =
        &pair->halves[handle == (uv_handle_t *)&pair->halves[1].tcp];

    (void)size;
    *out = uv_buf_init(half->buffer, sizeof(half->buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct pair *pair = stream->data;

    (void)bytes;
    if (n < 0) {
        pair_close(pair, n == UV_ECONNRESET);
    } else if (n > 0) {
        take(&pair->halves[stream == (uv_stream_t *)&pair->halves[1].tcp],
             (size_t)n);
    }
}

static void read_or_not(struct half *half)
{
    bool wanted =
        half->is_up && !half->pair->is_closing && !way_of(half)->stalled;

    if (wanted && !half->is_reading) {
        (void)uv_read_start((uv_stream_t *)&half->tcp, on_room, on_read);
    } else if (!wanted && half->is_reading) {
        (void)uv_read_stop((uv_stream_t *)&half->tcp);
    }
    half->is_reading = wanted;
}

/* ---- the beginning of a pair -------------------------------------------- */

static void on_connected(uv_connect_t *connect, int status)
{
    struct pair *pair = connect->data;

    if (status == UV_ECANCELED) {
        return; /* it closes already */
    }
    if (status < 0) {
        pair_close(pair, true);
        return;
    }
    pair->halves[PROXY_BACK].is_up = true;
    read_or_not(&pair->halves[PROXY_BACK]);
    write_due(&pair->halves[PROXY_FORTH]);
}

static struct pair *pair_new(struct proxy *proxy)
{
    struct pair *pair = mem_new(struct pair);

    assert_non_null(pair);
    pair->proxy = proxy;
    pair->handles = 4;
    for (int i = 0; i < 2; i++) {
        struct half *half = &pair->halves[i];

        half->pair = pair;
        list_init(&half->pieces);
        assert_int_equal(uv_tcp_init(proxy->loop, &half->tcp), 0);
        assert_int_equal(uv_timer_init(proxy->loop, &half->timer), 0);
        half->tcp.data = pair;
        half->timer.data = pair;
        half->timer.timer_cb = on_due;
    }
    list_push(&proxy->pairs, &pair->link);
    return pair;
}

static void on_connection(uv_stream_t *server, int status)
{
    struct proxy *proxy = server->data;
    struct pair *pair;
    struct sockaddr_in address;

    assert_int_equal(status, 0);
    pair = pair_new(proxy);
    proxy->made++;
    assert_int_equal(
        uv_accept(server, (uv_stream_t *)&pair->halves[PROXY_FORTH].tcp), 0);
    pair->halves[PROXY_FORTH].is_up = true;
    read_or_not(&pair->halves[PROXY_FORTH]);
    (void)uv_ip4_addr("127.0.0.1", proxy->target, &address);
    pair->connect.data = pair;
    assert_int_equal(
        uv_tcp_connect(&pair->connect, &pair->halves[PROXY_BACK].tcp,
                       (const struct sockaddr *)&address, on_connected),
        0);
}

/* ---- life --------------------------------------------------------------- */

struct proxy *proxy_new(uv_loop_t *loop, int target, int *port)
{
    struct proxy *proxy = mem_new(struct proxy);
    struct sockaddr_in address;
    int size = sizeof(address);

    assert_non_null(proxy);
    proxy->loop = loop;
    proxy->target = target;
    list_init(&proxy->pairs);
    (void)uv_ip4_addr("127.0.0.1", 0, &address);
    assert_int_equal(uv_tcp_init(loop, &proxy->server), 0);
    proxy->server.data = proxy;
    assert_int_equal(
        uv_tcp_bind(&proxy->server, (const struct sockaddr *)&address, 0), 0);
    assert_int_equal(
        uv_listen((uv_stream_t *)&proxy->server, BACKLOG, on_connection), 0);
    assert_int_equal(
        uv_tcp_getsockname(&proxy->server, (struct sockaddr *)&address, &size),
        0);
    *port = (address.sin_port >> 8 & 0xff) | (address.sin_port & 0xff) << 8;
    return proxy;
}

static void on_server_closed(uv_handle_t *handle)
{
    struct proxy *proxy = handle->data;

    proxy->is_closed = true;
}

void proxy_free(struct proxy *proxy)
{
    if (proxy == NULL) {
        return;
    }
    uv_close((uv_handle_t *)&proxy->server, on_server_closed);
    list_each(&proxy->pairs, it, after)
    {
        pair_close(list_entry(it, struct pair, link), false);
    }
    while (!proxy->is_closed || !list_is_empty(&proxy->pairs)) {
        (void)uv_run(proxy->loop, UV_RUN_NOWAIT);
    }
    mem_free(proxy);
}

struct proxy_way *proxy_way(struct proxy *proxy, enum proxy_direction direction)
{
    return &proxy->ways[direction];
}

void proxy_stall(struct proxy *proxy, enum proxy_direction direction,
                 bool stalled)
{
    proxy->ways[direction].stalled = stalled;
    list_each(&proxy->pairs, it, after)
    {
        read_or_not(&list_entry(it, struct pair, link)->halves[direction]);
    }
}

void proxy_reset(struct proxy *proxy)
{
    list_each(&proxy->pairs, it, after)
    {
        pair_close(list_entry(it, struct pair, link), true);
    }
}

int proxy_connections(const struct proxy *proxy)
{
    return proxy->made;
}
