/*
 * A command that prints a picture. It is run when somebody asks, one run after
 * the other and no more often than that; the picture's time is when its output
 * ended. Who asks when there is nothing fresh waits for the run that this
 * begins, or for the one under way, and gets its picture.
 *
 *   no shell: words are what the file has between blanks
 *   nothing on its standard input, what it says on stderr is dropped
 *   10 s at most, and 8 MiB: then it and what it started are killed
 */
#include "daemon/source_inner.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_MS 10000
#define REAP_MS 10
#define PIECE KIB(64)

struct exec_feed {
    struct source *source;
    pid_t pid; /* 0: nothing runs */
    int fd;    /* what it prints; -1: it has said all */
    struct io_watch look;
    struct io_timer tick;
    uint64_t late_us; /* monotonic */
    uint64_t ended_us;
    uint8_t *bytes;
    size_t size;
    size_t room;
    const char *trouble; /* NULL: none yet */
};

/* ---- one run ------------------------------------------------------------- */

static void close_output(struct exec_feed *feed)
{
    if (feed->fd >= 0) {
        io_watch_stop(feed->source->daemon->io, &feed->look);
        (void)close(feed->fd);
        feed->fd = -1;
    }
}

static void drop_bytes(struct exec_feed *feed)
{
    mem_free(feed->bytes);
    feed->bytes = NULL;
    feed->size = feed->room = 0;
}

static void fail(struct source *s, const char *why)
{
    struct err err;

    (void)err_set(&err, EDGE_EIO, "%s: %s", s->from, why);
    source_complain(s, err.text);
}

/* It has been waited for: it is over. */
static void finish(struct exec_feed *feed, int status)
{
    struct source *s = feed->source;
    struct blob *raw = NULL;

    feed->pid = 0;
    close_output(feed);
    io_timer_stop(s->daemon->io, &feed->tick);
    s->runs++;
    if (s->refs == 0) {
        feed->size = 0;
    } else if (feed->trouble != NULL) {
        fail(s, feed->trouble);
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail(s, "it ended with an error. Run it by hand on this board");
    } else if (feed->size == 0) {
        fail(s, "it printed nothing. A picture goes to standard output");
    } else {
        raw = blob_copy(feed->bytes, feed->size);
    }
    drop_bytes(feed);
    if (s->refs == 0) {
        source_settle(s);
    } else if (raw != NULL) {
        source_take(s, feed->ended_us, raw);
    } else {
        source_wake(s);
    }
}

/* Until it is waited for its number is no other process's. */
static void kill_all(const struct exec_feed *feed)
{
    if (feed->pid > 0) {
        (void)kill(-feed->pid, SIGKILL);
    }
}

static void reap(struct exec_feed *feed)
{
    struct io *io = feed->source->daemon->io;
    int status = 0;

    if (feed->pid > 0 && feed->fd < 0 &&
        waitpid(feed->pid, &status, WNOHANG) != 0) {
        finish(feed, status);
    } else if (feed->pid > 0) {
        io_timer_start(io, &feed->tick, REAP_MS);
    }
}

static void on_tick(struct io_timer *tick)
{
    struct exec_feed *feed = container_of(tick, struct exec_feed, tick);

    if (io_now_us(feed->source->daemon->io) >= feed->late_us) {
        feed->trouble =
            feed->trouble != NULL ? feed->trouble : "it took longer than 10 s";
        kill_all(feed);
        close_output(feed);
    }
    reap(feed);
}

static void give_up(struct exec_feed *feed, const char *why)
{
    feed->trouble = why;
    kill_all(feed);
    close_output(feed);
    io_timer_start(feed->source->daemon->io, &feed->tick, REAP_MS);
}

static bool make_room(struct exec_feed *feed)
{
    size_t room = feed->room > 0 ? 2 * feed->room : PIECE;
    uint8_t *more;

    if (feed->size < feed->room) {
        return true;
    }
    more = mem_resize(feed->bytes, room, 1);
    if (more != NULL) {
        feed->bytes = more;
        feed->room = room;
    }
    return more != NULL;
}

static void on_look(struct io_watch *look)
{
    struct exec_feed *feed = container_of(look, struct exec_feed, look);
    ssize_t n = 0;

    do {
        if (!make_room(feed)) {
            give_up(feed, "out of memory");
            return;
        }
        n = read(feed->fd, feed->bytes + feed->size, feed->room - feed->size);
        feed->size += n > 0 ? (size_t)n : 0;
        if (feed->size > LIMIT_IMAGE_FILE) {
            give_up(feed, "it printed more than 8 MiB");
            return;
        }
    } while (n > 0);
    if (n == 0) {
        feed->ended_us = io_wall_us(feed->source->daemon->io);
        close_output(feed);
        reap(feed);
    }
}

/* ---- beginning ----------------------------------------------------------- */

static int set_actions(posix_spawn_file_actions_t *actions, int out)
{
    return posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY,
                                            0) != 0 ||
                   posix_spawn_file_actions_adddup2(actions, out, 1) != 0 ||
                   posix_spawn_file_actions_addopen(actions, 2, "/dev/null",
                                                    O_WRONLY, 0) != 0
               ? EDGE_ENOMEM
               : 0;
}

static void set_attributes(posix_spawnattr_t *attr)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)posix_spawnattr_setsigmask(attr, &set);
    (void)sigaddset(&set, SIGPIPE); /* it is ignored here */
    (void)posix_spawnattr_setsigdefault(attr, &set);
    (void)posix_spawnattr_setpgroup(attr, 0);
    (void)posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
                                             POSIX_SPAWN_SETSIGDEF |
                                             POSIX_SPAWN_SETPGROUP);
}

/* The pid, or a negative errno. */
static pid_t spawn(char *const *words, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    pid_t pid = -ENOMEM;
    int rc;

    if (posix_spawn_file_actions_init(&actions) != 0) {
        return pid;
    }
    if (posix_spawnattr_init(&attr) == 0) {
        set_attributes(&attr);
        rc =
            set_actions(&actions, out) < 0
                ? ENOMEM
                : posix_spawnp(&pid, words[0], &actions, &attr, words, environ);
        pid = rc == 0 ? pid : -rc;
        (void)posix_spawnattr_destroy(&attr);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void begin(struct exec_feed *feed)
{
    struct source *s = feed->source;
    struct io *io = s->daemon->io;
    struct err err;
    int ends[2];
    pid_t pid = -EMFILE;

    if (pipe2(ends, O_CLOEXEC) == 0) {
        (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
        pid = spawn(s->form.words, ends[1]);
        (void)close(ends[1]);
        if (pid < 0) {
            (void)close(ends[0]);
        }
    }
    if (pid < 0) {
        s->runs++;
        fail(s, strerror((int)-pid));
        return;
    }
    feed->pid = pid;
    feed->fd = ends[0];
    feed->trouble = NULL;
    feed->late_us = io_now_us(io) + (uint64_t)RUN_MS * 1000;
    io_timer_start(io, &feed->tick, RUN_MS);
    if (io_watch_start(io, &feed->look, feed->fd, &err) < 0) {
        give_up(feed, "its output cannot be read");
    }
}

/* ---- a feed -------------------------------------------------------------- */

static int start(struct source *s, struct err *err)
{
    struct exec_feed *feed = mem_new(struct exec_feed);

    if (feed == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    s->own = feed;
    feed->source = s;
    feed->fd = -1;
    feed->look.cb = on_look;
    io_timer_init(&feed->tick, on_tick);
    return 0;
}

static void want(struct source *s, struct source_ask *ask)
{
    struct exec_feed *feed = s->own;

    ask->run = s->runs + 1;
    if (feed->pid == 0) {
        begin(feed);
    }
}

static void stop(struct source *s)
{
    struct exec_feed *feed = s->own;

    if (feed != NULL && feed->pid > 0) {
        give_up(feed, "it is not needed any more");
    }
}

static bool is_busy(const struct source *s)
{
    const struct exec_feed *feed = s->own;

    return feed != NULL && feed->pid > 0;
}

static void free_feed(struct source *s)
{
    struct exec_feed *feed = s->own;

    if (feed != NULL) {
        io_timer_stop(s->daemon->io, &feed->tick);
        close_output(feed);
        drop_bytes(feed);
        mem_free(feed);
    }
}

const struct source_feed source_exec_feed = {
    .start = start,
    .want = want,
    .stop = stop,
    .is_busy = is_busy,
    .free = free_feed,
};
