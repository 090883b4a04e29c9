/*
 * Round trips of tensors between two processes, through two ios on libuv
 * (frame, Envelope, checksum, queue), the same over TLS and, in turn with
 * them, as a bare TCP echo of the same number of bytes over blocking sockets.
 */
#include "base/mem.h"
#include "net/io_uv_inner.h"
#include "tests/lib/certs.h"
#include "wire/frame.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCHES 40
#define FRAME_EXTRA 90 /* header and head of a Data, about */

struct plan {
    size_t size;
    int per_batch;
    const char *name;
};

static const struct plan plans[] = {
    {1, 400, "1b"},
    {25088, 400, "25k"},
    {301056, 60, "301k"},
    {1 << 20, 20, "1m"},
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now_us(void)
{
    return (double)uv_hrtime() / 1000;
}

/* ---- bare ---------------------------------------------------------------- */

static void read_all(int fd, uint8_t *p, size_t size)
{
    while (size > 0) {
        ssize_t n = read(fd, p, size);

        if (n <= 0) {
            exit(n == 0 ? 0 : 1);
        }
        p += n;
        size -= (size_t)n;
    }
}

static void write_all(int fd, const uint8_t *p, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, p, size);

        if (n <= 0) {
            die("write");
        }
        p += n;
        size -= (size_t)n;
    }
}

/* First the size of what follows, then echoes of it. */
static void serve_bare(int fd)
{
    uint8_t *p = mem_array(uint8_t, (1 << 20) + FRAME_EXTRA);
    uint32_t sizes[2]; /* of a message, and how many */

    for (;;) {
        read_all(fd, (uint8_t *)sizes, sizeof(sizes));
        for (uint32_t i = 0; i < sizes[1]; i++) {
            read_all(fd, p, sizes[0]);
            write_all(fd, p, sizes[0]);
        }
    }
}

static double bare_batch(int fd, uint8_t *p, const struct plan *plan)
{
    uint32_t sizes[2] = {(uint32_t)plan->size + FRAME_EXTRA,
                         (uint32_t)plan->per_batch};
    double start;

    write_all(fd, (const uint8_t *)sizes, sizeof(sizes));
    start = now_us();
    for (int i = 0; i < plan->per_batch; i++) {
        write_all(fd, p, sizes[0]);
        read_all(fd, p, sizes[0]);
    }
    return (now_us() - start) / plan->per_batch;
}

static int listen_bare(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 1) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        die("listen");
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static int connect_bare(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        die("connect");
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* ---- ours ---------------------------------------------------------------- */

struct end {
    struct io_identity id;
    struct io_uv *uv;
    struct io_peer *peer;
    struct blob *blob;
    int left; /* round trips of this batch */
};

static void send_data(struct io_peer *peer, struct blob *blob)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Data data = EDGED__DATA__INIT;
    Edged__TensorMeta meta = EDGED__TENSOR_META__INIT;
    int64_t dims[4] = {1, 32, 28, 28};
    struct io_payload payload = {.blob = blob, .size = blob->size};

    meta.dtype = 1;
    meta.n_dims = 4;
    meta.dims = dims;
    data.request = UINT64_C(0x1234567890abcdef);
    data.epoch = 3;
    data.shard = 2;
    data.tensor = &meta;
    env.body_case = EDGED__ENVELOPE__BODY_DATA;
    env.data = &data;
    if (io_send(peer, &env, &payload) < 0) {
        (void)fprintf(stderr, "cannot send\n");
        exit(1);
    }
}

static void on_echo(void *arg, struct io_peer *peer, struct msg *msg)
{
    (void)arg;
    send_data(peer, msg->payload);
}

struct server {
    int port_pipe;
    struct tls *tls; /* NULL: plain text */
};

static void serve(void *arg)
{
    const struct server *server = arg;
    static const struct io_events events = {.on_message = on_echo};
    struct end end = {
        .id = {.role = EDGED__ROLE__ROLE_NODE, .name = "echo", .version = "1"}};
    struct err err;
    int port;

    if (io_uv_new(&end.id, NULL, &end.uv, &err) < 0) {
        exit(1);
    }
    io_uv_secure(end.uv, server->tls, IO_UV_PLAIN);
    if (io_uv_listen(end.uv, "127.0.0.1", 0, &port, &err) < 0 ||
        write(server->port_pipe, &port, sizeof(port)) != sizeof(port)) {
        exit(1);
    }
    io_uv_on(end.uv, &events, &end);
    io_uv_run(end.uv);
}

static void on_up(void *arg, struct io_peer *peer)
{
    ((struct end *)arg)->peer = peer;
}

static void on_back(void *arg, struct io_peer *peer, struct msg *msg)
{
    struct end *end = arg;

    (void)msg;
    if (--end->left > 0) {
        send_data(peer, end->blob);
    }
}

static double batch(struct end *end, const struct plan *plan)
{
    double start = now_us();

    end->left = plan->per_batch;
    send_data(end->peer, end->blob);
    while (end->left > 0) {
        (void)uv_run(&end->uv->loop, UV_RUN_ONCE);
    }
    return (now_us() - start) / plan->per_batch;
}

static void connect_to(struct end *end, int port, struct tls *tls)
{
    static const struct io_events events = {.on_up = on_up,
                                            .on_message = on_back};
    struct io_peer *peer;
    struct err err;

    *end = (struct end){.id = {.role = EDGED__ROLE__ROLE_NODE,
                               .name = "bench",
                               .version = "1"}};
    if (io_uv_new(&end->id, NULL, &end->uv, &err) < 0) {
        exit(1);
    }
    io_uv_secure(end->uv, tls, IO_UV_PLAIN);
    io_uv_on(end->uv, &events, end);
    if (io_dial(io_uv_io(end->uv), "echo", "127.0.0.1", port, &peer, &err) <
        0) {
        exit(1);
    }
    while (end->peer == NULL) {
        (void)uv_run(&end->uv->loop, UV_RUN_ONCE);
    }
}

/* ---- figures ------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, BATCHES, sizeof(*values), compare);
    return values[BATCHES / 2];
}

static void figure(FILE *file, const char *kind, const char *size, double value,
                   double target)
{
    FILE *const outs[2] = {stdout, file};

    for (int i = 0; i < 2; i++) {
        if (outs[i] == NULL) {
            continue;
        }
        if (target > 0) {
            (void)fprintf(outs[i], "figure net.%s.%s %.1f us target %.1f %s\n",
                          kind, size, value, target,
                          value <= target ? "ok"
                                          : "short the machine is busy"
                                            ", or the loop is slower");
        } else {
            (void)fprintf(outs[i], "figure net.%s.%s %.1f us target - ok\n",
                          kind, size, value);
        }
    }
}

/* In turn, so that whatever else the machine does meets all alike. */
struct lanes {
    int bare;
    struct end plain;
    struct end tls;
};

/* Both ways: megabytes in a second. */
static void rate(FILE *file, const char *kind, size_t size, double rtt_us)
{
    FILE *const outs[2] = {stdout, file};

    for (int i = 0; i < 2; i++) {
        if (outs[i] != NULL) {
            (void)fprintf(outs[i], "figure net.%s %.0f MB/s target - ok\n",
                          kind, 2 * (double)size / rtt_us);
        }
    }
}

/* Both ways, each: 15 us for our own work and 0.8 of the bare rate. What TLS
 * may take on top has no target: it depends on the CPU's AES. */
static void measure(FILE *file, struct lanes *lanes, const struct plan *plan)
{
    double plains[BATCHES];
    double secures[BATCHES];
    double bares[BATCHES];
    uint8_t *bytes = mem_array(uint8_t, plan->size + FRAME_EXTRA);
    struct blob *blob = blob_new(plan->size);
    double base;

    if (bytes == NULL || blob == NULL) {
        die("measure");
    }
    lanes->plain.blob = blob;
    lanes->tls.blob = blob;
    memset(blob->data, 3, plan->size);
    for (int i = -2; i < BATCHES; i++) { /* two to warm up */
        int at = i < 0 ? 0 : i;

        bares[at] = bare_batch(lanes->bare, bytes, plan);
        plains[at] = batch(&lanes->plain, plan);
        secures[at] = batch(&lanes->tls, plan);
    }
    base = median(bares);
    figure(file, "bare_rtt", plan->name, base, 0);
    figure(file, "rtt", plan->name, median(plains), base / 0.8 + 30);
    figure(file, "tls_rtt", plan->name, median(secures), 0);
    if (plan->size == 1 << 20) {
        rate(file, "rate", plan->size, median(plains));
        rate(file, "tls_rate", plan->size, median(secures));
    }
    blob_unref(blob);
    mem_free(bytes);
}

static pid_t start(void (*run)(void *), void *arg)
{
    pid_t pid = fork();

    if (pid < 0) {
        die("fork");
    }
    if (pid == 0) {
        run(arg);
        exit(0);
    }
    return pid;
}

static void accept_and_serve(void *arg)
{
    int listener = *(const int *)arg;
    int one = 1;
    int fd = accept(listener, NULL, NULL);

    if (fd < 0) {
        die("accept");
    }
    (void)close(listener);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    serve_bare(fd);
}

/* An echo in a process of its own; its port. */
static pid_t start_echo(struct tls *tls, int *port)
{
    struct server server = {.tls = tls};
    int ends[2];
    pid_t pid;

    if (pipe(ends) < 0) {
        die("pipe");
    }
    server.port_pipe = ends[1];
    pid = start(serve, &server);
    if (read(ends[0], port, sizeof(*port)) != sizeof(*port)) {
        die("no echo server");
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    return pid;
}

int main(void)
{
    FILE *file = fopen("build/figures.tsv", "a");
    struct certs certs;
    struct tls *tls[2];
    struct lanes lanes;
    pid_t pids[3];
    int bare_port;
    int listener = listen_bare(&bare_port);
    int ports[2];

    certs_init(&certs, "bench");
    tls[0] = certs_tls(&certs, PKI_NODE, "bench");
    tls[1] = certs_tls(&certs, PKI_NODE, "echo");
    pids[0] = start(accept_and_serve, &listener);
    pids[1] = start_echo(NULL, &ports[0]);
    pids[2] = start_echo(tls[1], &ports[1]);
    (void)close(listener);
    lanes.bare = connect_bare(bare_port);
    connect_to(&lanes.plain, ports[0], NULL);
    connect_to(&lanes.tls, ports[1], tls[0]);
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        measure(file, &lanes, &plans[i]);
    }
    io_uv_free(lanes.plain.uv);
    io_uv_free(lanes.tls.uv);
    (void)close(lanes.bare);
    for (int i = 0; i < 3; i++) {
        (void)kill(pids[i], SIGTERM);
        (void)waitpid(pids[i], NULL, 0);
    }
    tls_free(tls[0]);
    tls_free(tls[1]);
    certs_deinit(&certs);
    if (file != NULL) {
        (void)fclose(file);
    }
    return 0;
}
