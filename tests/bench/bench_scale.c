/*
 * A thousand nodes on one coordinator (`make bench ONLY=scale`): this process
 * is all of them, on one port, each under the name that is asked for, and
 * beats for each every 500 ms. The coordinator is the real program, and its
 * nodes those that its state.db keeps. SCALE_NODES and SCALE_SECONDS change
 * how many and how long.
 */
#include "base/mem.h"
#include "coordinator/ctl/status.h"
#include "coordinator/parts.h"
#include "net/hello.h"
#include "tests/lib/tmp.h"
#include "wire/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LATE_US 100000
#define UP_S 60
#define SENT 8 /* beats whose time is remembered */

struct end { /* one node's connection */
    int fd;  /* -1: none */
    char name[LIMIT_NAME + 1];
    struct frame_reader reader;
    uint64_t next_us; /* when its next beat is due */
    uint64_t seq;
    uint64_t sent_us[SENT];
    uint64_t heard_us; /* the coordinator's last beat; 0: none yet */
    uint64_t heard_seq;
    uint64_t acked;
};

struct bench {
    struct end *ends;
    size_t room;
    size_t n_nodes;
    size_t n_up;
    int epoll;
    int listener;
    int port;
    struct tmp tmp;
    pid_t pid;
    bool measuring;
    uint64_t beats;
    uint64_t down_max_us; /* how late the coordinator's beats came */
    uint64_t up_max_us;   /* from a beat sent to a beat that answers it */
    size_t down_late;
    size_t up_late;
    size_t lost;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_scale: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static long number(const char *variable, long otherwise)
{
    const char *text = getenv(variable);

    return text != NULL ? strtol(text, NULL, 10) : otherwise;
}

/* ---- what a node says ---------------------------------------------------- */

static void say(struct bench *b, struct end *e, const Edged__Envelope *env)
{
    uint8_t header[FRAME_HEADER];
    uint8_t *head;
    size_t size;

    if (msg_pack(env, 0, 0, &head, &size) < 0) {
        die("pack");
    }
    frame_header_write(header, (uint32_t)size, 0);
    if (send(e->fd, header, sizeof(header), MSG_MORE | MSG_NOSIGNAL) !=
            (ssize_t)sizeof(header) ||
        send(e->fd, head, size, MSG_NOSIGNAL) != (ssize_t)size) {
        b->lost++;
    }
    mem_free(head);
}

static void say_hello(struct bench *b, struct end *e, const Edged__Hello *from)
{
    struct io_identity self = {.role = EDGED__ROLE__ROLE_NODE,
                               .name = e->name,
                               .cluster = "",
                               .instance = (uint64_t)e->fd + 1,
                               .version = "bench"};
    struct hello_side side = {.dialed = false};
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Hello hello = EDGED__HELLO__INIT;

    (void)snprintf(e->name, sizeof(e->name), "%s", from->expects);
    hello_fill(&hello, &self, &side);
    env.body_case = EDGED__ENVELOPE__BODY_HELLO;
    env.hello = &hello;
    say(b, e, &env);
    e->next_us = now_us() + (uint64_t)(e->fd * 7919) % (BEAT_MS * 1000);
    b->n_up++;
}

static void say_beat(struct bench *b, struct end *e, uint64_t now)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Beat beat = EDGED__BEAT__INIT;

    e->sent_us[++e->seq % SENT] = now;
    beat.seq = e->seq;
    beat.ack = e->heard_seq;
    beat.ack_age_us = (uint32_t)(now - e->heard_us);
    beat.memory_budget = MIB(512);
    beat.progress = e->seq;
    env.body_case = EDGED__ENVELOPE__BODY_BEAT;
    env.beat = &beat;
    say(b, e, &env);
    e->next_us += (uint64_t)BEAT_MS * 1000;
}

/* ---- what it hears ------------------------------------------------------- */

static void note_late(uint64_t late_us, uint64_t *max_us, size_t *n_late)
{
    *max_us = late_us > *max_us ? late_us : *max_us;
    *n_late += late_us > LATE_US;
}

static void on_beat(struct bench *b, struct end *e, const Edged__Beat *beat)
{
    uint64_t now = now_us();
    uint64_t period_us = (uint64_t)BEAT_MS * 1000;

    if (b->measuring && e->heard_us != 0) {
        uint64_t gap_us = now - e->heard_us;

        b->beats++;
        note_late(gap_us > period_us ? gap_us - period_us : 0, &b->down_max_us,
                  &b->down_late);
    }
    /* It says how long it has had ours: the rest was the way there and back. */
    if (b->measuring && beat->ack > e->acked && beat->ack + SENT > e->seq) {
        uint64_t took_us = now - e->sent_us[beat->ack % SENT];

        note_late(took_us > beat->ack_age_us ? took_us - beat->ack_age_us : 0,
                  &b->up_max_us, &b->up_late);
    }
    e->acked = beat->ack;
    e->heard_us = now;
    e->heard_seq = beat->seq;
}

static void on_frame(struct bench *b, struct end *e)
{
    struct msg msg = {0};
    struct err err;

    if (msg_unpack(e->reader.head, e->reader.header.head_size, NULL,
                   LIMIT_UNPACK, &msg, &err) < 0) {
        (void)fprintf(stderr, "bench_scale: %s\n", err.text);
        exit(1);
    }
    if (msg.env->body_case == EDGED__ENVELOPE__BODY_HELLO) {
        say_hello(b, e, msg.env->hello);
    } else if (msg.env->body_case == EDGED__ENVELOPE__BODY_BEAT) {
        on_beat(b, e, msg.env->beat);
    }
    msg_deinit(&msg);
    frame_reader_next(&e->reader);
}

static void lose(struct bench *b, struct end *e)
{
    b->n_up -= e->name[0] != '\0';
    b->lost += b->measuring;
    (void)close(e->fd);
    frame_reader_deinit(&e->reader);
    memset(e, 0, sizeof(*e));
    e->fd = -1;
}

static void on_readable(struct bench *b, struct end *e)
{
    for (;;) {
        struct err err;
        size_t room;
        uint8_t *p = frame_reader_room(&e->reader, &room);
        ssize_t n = recv(e->fd, p, room, MSG_DONTWAIT);
        int rc;

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n <= 0) {
            lose(b, e);
            return;
        }
        rc = frame_reader_filled(&e->reader, (size_t)n, &err);
        if (rc > 0) {
            on_frame(b, e);
        } else if (rc < 0) {
            lose(b, e);
            return;
        }
    }
}

static void on_dial(struct bench *b)
{
    int fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    int one = 1;
    struct end *e;

    if (fd < 0 || (size_t)fd >= b->room) {
        die("accept");
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    e = &b->ends[fd];
    memset(e, 0, sizeof(*e));
    e->fd = fd;
    frame_reader_init(&e->reader, LIMIT_HEAD, LIMIT_PAYLOAD);
    event.data.fd = fd;
    if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        die("epoll_ctl");
    }
}

/* ---- the loop ------------------------------------------------------------ */

static void turn(struct bench *b)
{
    struct epoll_event events[64];
    int n = epoll_wait(b->epoll, events, 64, 2);
    uint64_t now;

    for (int i = 0; i < n; i++) {
        if (events[i].data.fd == b->listener) {
            on_dial(b);
        } else {
            on_readable(b, &b->ends[events[i].data.fd]);
        }
    }
    now = now_us();
    for (size_t i = 0; i < b->room; i++) {
        struct end *e = &b->ends[i];

        if (e->fd >= 0 && e->name[0] != '\0' && e->next_us <= now) {
            say_beat(b, e, now);
        }
    }
}

static void turn_for(struct bench *b, uint64_t us)
{
    uint64_t end = now_us() + us;

    while (now_us() < end) {
        turn(b);
    }
}

/* ---- set-up -------------------------------------------------------------- */

static void listen_here(struct bench *b)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof(at);
    struct epoll_event event = {.events = EPOLLIN};

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    b->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (b->listener < 0 || b->epoll < 0 ||
        bind(b->listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        listen(b->listener, 4096) < 0 ||
        getsockname(b->listener, (struct sockaddr *)&at, &size) < 0) {
        die("listen");
    }
    b->port = ntohs(at.sin_port);
    event.data.fd = b->listener;
    if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->listener, &event) < 0) {
        die("epoll_ctl");
    }
}

static void keep_nodes(struct bench *b)
{
    struct state *state;
    struct err err;

    if (state_open(tmp_path(&b->tmp, "state.db"), STORE_NO_SYNC, &state, &err) <
        0) {
        (void)fprintf(stderr, "bench_scale: %s\n", err.text);
        exit(1);
    }
    for (size_t i = 0; i < b->n_nodes; i++) {
        char name[LIMIT_NAME + 1];
        struct state_node node = {name, "127.0.0.1", b->port};

        (void)snprintf(name, sizeof(name), "pi-%04zu", i);
        if (state_put_node(state, &node, &err) < 0) {
            (void)fprintf(stderr, "bench_scale: %s\n", err.text);
            exit(1);
        }
    }
    state_close(state);
}

static void spawn(struct bench *b)
{
    char program[TMP_PATH];
    char socket[TMP_PATH];
    const char *bin = getenv("EDGE_BIN");

    (void)snprintf(program, sizeof(program), "%s/edge-coordinator",
                   bin != NULL ? bin : "build/release");
    (void)snprintf(socket, sizeof(socket), "%s", tmp_path(&b->tmp, "api.sock"));
    b->pid = fork();
    if (b->pid == 0) {
        int log = open(tmp_path(&b->tmp, "log"), O_WRONLY | O_CREAT, 0600);

        (void)dup2(log, STDERR_FILENO);
        (void)execl(program, program, "--insecure", "--state", b->tmp.path,
                    "--socket", socket, (char *)NULL);
        _exit(127);
    }
    if (b->pid < 0) {
        die("fork");
    }
}

static void set_up(struct bench *b)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0) {
        die("getrlimit");
    }
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    b->n_nodes = (size_t)number("SCALE_NODES", 1000);
    b->room = b->n_nodes * 2 + 64;
    if (files.rlim_cur < b->room) {
        (void)printf("SKIP scale: %zu open files are allowed, %zu needed\n",
                     (size_t)files.rlim_cur, b->room);
        exit(0);
    }
    b->ends = mem_array(struct end, b->room);
    for (size_t i = 0; i < b->room; i++) {
        b->ends[i].fd = -1;
    }
    tmp_init(&b->tmp);
    listen_here(b);
    keep_nodes(b);
    spawn(b);
}

/* ---- figures ------------------------------------------------------------- */

/* Seconds of CPU that the coordinator has used. */
static double cpu_s(const struct bench *b)
{
    char path[64];
    unsigned long user = 0;
    unsigned long system = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)b->pid);
    file = fopen(path, "re");
    if (file == NULL ||
        fscanf(file,
               "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
               "%lu %lu",
               &user, &system) != 2) {
        die(path);
    }
    (void)fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* A client asks for the status meanwhile; its exit code says how it went. */
static pid_t ask_status(struct bench *b, uint64_t n_nodes)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct client *client = NULL;
        struct msg msg = {0};
        struct err err;
        size_t ready = 0;
        uint64_t since = now_us();

        if (client_open(tmp_path(&b->tmp, "api.sock"), &client, &err) < 0 ||
            status_ask(client, 10000, &msg, &err) < 0) {
            (void)fprintf(stderr, "bench_scale: status: %s\n", err.text);
            _exit(1);
        }
        for (size_t i = 0; i < msg.env->status_reply->n_nodes; i++) {
            ready +=
                strcmp(msg.env->status_reply->nodes[i]->state, "ready") == 0;
        }
        (void)printf("figure scale.status %.1f ms target 1000 %s %zu of %zu "
                     "nodes ready\n",
                     (double)(now_us() - since) / 1e3,
                     ready == n_nodes ? "ok" : "short", ready, (size_t)n_nodes);
        (void)fflush(stdout);
        _exit(ready == n_nodes ? 0 : 1);
    }
    return pid;
}

static int print(const struct bench *b, double cores, bool status_fine)
{
    bool fine = cores < 1 && b->down_late == 0 && b->up_late == 0 &&
                b->lost == 0 && b->beats > 0;

    (void)printf("figure scale.cpu %.3f cores target 1 %s %zu nodes\n", cores,
                 cores < 1 ? "ok" : "short", b->n_nodes);
    (void)printf("figure scale.late_down %.1f ms target 100 %s %zu of %llu "
                 "beats of the coordinator\n",
                 (double)b->down_max_us / 1e3,
                 b->down_late == 0 ? "ok" : "short", b->down_late,
                 (unsigned long long)b->beats);
    (void)printf("figure scale.late_up %.1f ms target 100 %s from a node's "
                 "beat to one that answers it, its wait not counted\n",
                 (double)b->up_max_us / 1e3, b->up_late == 0 ? "ok" : "short");
    (void)printf("figure scale.lost %zu connections target 0 %s\n", b->lost,
                 b->lost == 0 ? "ok" : "short");
    return fine && status_fine ? 0 : 1;
}

static int measure(struct bench *b)
{
    uint64_t seconds = (uint64_t)number("SCALE_SECONDS", 20);
    double cpu;
    pid_t asker;
    int status = 1;

    turn_for(b, 3000000); /* until the rush of the first Hellos is over */
    b->measuring = true;
    cpu = cpu_s(b);
    turn_for(b, seconds * 500000);
    asker = ask_status(b, b->n_nodes);
    turn_for(b, seconds * 500000);
    cpu = (cpu_s(b) - cpu) / (double)seconds;
    b->measuring = false;
    (void)waitpid(asker, &status, 0);
    return print(b, cpu, status == 0);
}

int main(void)
{
    static struct bench b;
    uint64_t end;
    int rc = 1;

    set_up(&b);
    end = now_us() + (uint64_t)UP_S * 1000000;
    while (b.n_up < b.n_nodes && now_us() < end) {
        turn(&b);
    }
    if (b.n_up == b.n_nodes) {
        rc = measure(&b);
    } else {
        (void)printf("figure scale.cpu - cores target 1 short %zu of %zu "
                     "nodes came up within %d s\n",
                     b.n_up, b.n_nodes, UP_S);
    }
    (void)kill(b.pid, SIGKILL);
    (void)waitpid(b.pid, NULL, 0);
    tmp_deinit(&b.tmp);
    mem_free(b.ends);
    return rc;
}
