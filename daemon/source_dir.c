/*
 * A folder that is being filled: the newest picture in it, by the times that
 * the files have. Its inotify says which files are whole (closed after writing,
 * or moved there); they are read on the disk strand.
 *
 *   the folder is not there, or goes away    looked for each second
 *   more files at once than are noted        the newest of all is looked for,
 *                                            and what was known is forgotten
 *   hidden files, NAME.tmp, NAME.part        are being written: not looked at
 */
#include "daemon/source_inner.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX 16
#define AGAIN_MS 1000
#define READ_US 500 /* expected; for simulated time */
#define GONE (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)

struct notices {
    char text[NAMES_MAX][NAME_MAX + 1];
    size_t n;
    bool all; /* too many, or none is known: the newest in the folder */
};

struct found {
    size_t notice; /* what it was looked for on */
    uint64_t at_us;
    uint64_t tag; /* of its name */
    struct blob *raw;
};

struct reading { /* on the disk strand */
    struct io_work work;
    bool is_busy;
    struct source *source;
    const char *folder; /* the source's, which waits for the job */
    struct notices names;
    uint64_t upto; /* notices that it is about */
    struct found found[NAMES_MAX];
    size_t n_found;
    bool has_failed;
    struct err err;
};

struct dir_feed {
    struct source *source;
    int fd;    /* of the inotify */
    int watch; /* -1: the folder is not there */
    struct io_watch look;
    struct io_timer again;
    struct notices names;
    struct reading reading;
};

/* ---- reading, on the strand ---------------------------------------------- */

static uint64_t time_of(const struct stat *st)
{
    return (uint64_t)st->st_mtim.tv_sec * 1000000 +
           (uint64_t)st->st_mtim.tv_nsec / 1000;
}

static void complain(struct reading *r, const char *name, const char *why)
{
    r->has_failed = true;
    (void)err_set(&r->err, EDGE_EIO, "%s/%s: %s", r->folder, name, why);
}

static struct blob *read_bytes(int fd, size_t size)
{
    struct blob *raw = blob_new(size);
    size_t n = 0;

    while (raw != NULL && n < size) {
        ssize_t got = read(fd, raw->data + n, size - n);

        if (got <= 0) {
            blob_unref(raw);
            return NULL;
        }
        n += (size_t)got;
    }
    return raw;
}

static uint64_t tag_of(const char *name) /* FNV-1a */
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3u;
    }
    return hash;
}

static void read_one(struct reading *r, int folder, const char *name,
                     size_t notice)
{
    /* Nobody's FIFO or terminal holds this thread up. */
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct found *found = &r->found[r->n_found];
    struct stat st;

    if (fd < 0) {
        return; /* gone again, or not ours to read */
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        if (st.st_size > (off_t)LIMIT_IMAGE_FILE) {
            complain(r, name, "a picture has 8 MiB at most");
        } else {
            found->notice = notice;
            found->at_us = time_of(&st);
            found->tag = tag_of(name);
            found->raw = read_bytes(fd, (size_t)st.st_size);
            r->n_found += found->raw != NULL;
        }
    }
    (void)close(fd);
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name);
    size_t m = strlen(end);

    return n >= m && strcmp(name + n - m, end) == 0;
}

static bool is_whole(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && !ends_with(name, ".tmp") &&
           !ends_with(name, ".part");
}

static void find_newest(struct reading *r, DIR *dir)
{
    char newest[NAME_MAX + 1] = "";
    const struct dirent *entry;
    uint64_t at_us = 0;
    struct stat st;

    while ((entry = readdir(dir)) != NULL) {
        if (is_whole(entry->d_name) &&
            fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
            S_ISREG(st.st_mode) && time_of(&st) >= at_us) {
            at_us = time_of(&st);
            (void)snprintf(newest, sizeof(newest), "%s", entry->d_name);
        }
    }
    if (newest[0] != '\0') {
        read_one(r, dirfd(dir), newest, 0);
    }
}

static void on_read(struct io_work *work)
{
    struct reading *r = container_of(work, struct reading, work);
    DIR *dir = opendir(r->folder);

    if (dir == NULL) {
        r->has_failed = true;
        (void)err_set(&r->err, EDGE_EIO, "%s: %s", r->folder, strerror(errno));
        return;
    }
    if (r->names.all) {
        find_newest(r, dir);
    }
    for (size_t i = 0; i < r->names.n && !r->names.all; i++) {
        read_one(r, dirfd(dir), r->names.text[i], i);
    }
    (void)closedir(dir);
}

/* ---- reading, on the loop ------------------------------------------------ */

static void read_next(struct dir_feed *feed);
static void take_events(struct dir_feed *feed);

/* Others may have been asked for its moment before. */
static void check_time(struct source *s, uint64_t at_us)
{
    uint64_t now = io_wall_us(s->daemon->io);
    struct err err;

    if (now > at_us && now - at_us > (uint64_t)SENSE_BEHIND_MS * 1000) {
        (void)err_set(&err, 0,
                      "a picture came %llu ms after its own time; by then "
                      "other views may have been asked for that moment",
                      (unsigned long long)(now - at_us) / 1000);
        source_complain(s, err.text);
    }
}

static bool is_noticed(const struct notices *names, size_t from, uint64_t tag)
{
    for (size_t i = from; i < names->n; i++) {
        if (tag_of(names->text[i]) == tag) {
            return true;
        }
    }
    return names->all;
}

/* A file that was written twice before it was read once has one picture that
 * nobody saw. If it was written again by now, what was read may be the later
 * one: nobody knows, so what is before it may be missing. The same picture
 * under two names is one that was renamed. */
static void take(struct dir_feed *feed, struct found *found)
{
    struct frames *frames = &feed->source->frames;
    const struct frame *known = frames_find(frames, found->at_us);
    bool is_again = known != NULL && known->tag == found->tag;

    frames_add(frames, found->at_us, found->tag, found->raw);
    found->raw = NULL;
    known = frames_find(frames, found->at_us);
    if (known != NULL &&
        (is_again || is_noticed(&feed->names, 0, found->tag) ||
         is_noticed(&feed->reading.names, found->notice + 1, found->tag))) {
        frames_gap(frames, known);
    }
}

static void on_done(struct io_work *work)
{
    struct reading *r = container_of(work, struct reading, work);
    struct source *s = r->source;

    if (s->refs > 0) {
        take_events(s->own); /* what else was written by now */
    }
    r->is_busy = false;
    if (r->names.all) {
        frames_clear(&s->frames); /* what lay between is not known */
    }
    for (size_t i = 0; i < r->n_found; i++) {
        if (!r->names.all) {
            check_time(s, r->found[i].at_us);
        }
        take(s->own, &r->found[i]);
    }
    if (s->refs == 0) {
        source_settle(s);
        return;
    }
    if (r->has_failed) {
        source_complain(s, r->err.text);
    }
    s->taken = r->upto;
    read_next(s->own);
    source_wake(s);
}

static void read_next(struct dir_feed *feed)
{
    struct reading *r = &feed->reading;

    if (r->is_busy || (feed->names.n == 0 && !feed->names.all)) {
        return;
    }
    r->is_busy = true;
    r->source = feed->source;
    r->folder = feed->source->form.path;
    r->names = feed->names;
    r->upto = feed->source->noticed;
    r->n_found = 0;
    r->has_failed = false;
    feed->names = (struct notices){.n = 0};
    r->work.run = on_read;
    r->work.done = on_done;
    r->work.cost_us = READ_US;
    io_work(feed->source->daemon->io, IO_DISK, &r->work);
}

/* ---- the inotify --------------------------------------------------------- */

static void notice_all(struct dir_feed *feed)
{
    feed->names.n = 0;
    feed->names.all = true;
    feed->source->noticed++;
}

static void notice(struct dir_feed *feed, const char *name)
{
    struct notices *names = &feed->names;

    if (names->all || !is_whole(name)) {
        return;
    }
    if (names->n == NAMES_MAX) {
        notice_all(feed);
        return;
    }
    (void)snprintf(names->text[names->n++], NAME_MAX + 1, "%s", name);
    feed->source->noticed++;
}

static void look_again_later(struct dir_feed *feed)
{
    feed->watch = -1;
    io_timer_start(feed->source->daemon->io, &feed->again, AGAIN_MS);
}

static void begin_watch(struct dir_feed *feed)
{
    const char *folder = feed->source->form.path;
    struct err err;

    feed->watch =
        inotify_add_watch(feed->fd, folder,
                          IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE_SELF |
                              IN_MOVE_SELF | IN_ONLYDIR);
    if (feed->watch < 0) {
        (void)err_set(&err, EDGE_ENOENT, "%s: %s; it is looked for again",
                      folder, strerror(errno));
        source_complain(feed->source, err.text);
        look_again_later(feed);
        return;
    }
    notice_all(feed);
    read_next(feed);
}

static void on_again(struct io_timer *timer)
{
    struct dir_feed *feed = container_of(timer, struct dir_feed, again);

    if (feed->watch < 0) {
        begin_watch(feed);
    }
}

/* The folder of that name may be another one now. */
static void lose_watch(struct dir_feed *feed)
{
    if (feed->watch >= 0) {
        (void)inotify_rm_watch(feed->fd, feed->watch);
        frames_clear(&feed->source->frames);
        look_again_later(feed);
    }
}

static void take_event(struct dir_feed *feed, const struct inotify_event *event)
{
    if ((event->mask & IN_Q_OVERFLOW) != 0) {
        notice_all(feed);
    } else if (event->wd != feed->watch) {
        return; /* of a folder that was given up */
    } else if ((event->mask & GONE) != 0) {
        lose_watch(feed);
    } else if (event->len > 0) {
        notice(feed, event->name);
    }
}

static void take_events(struct dir_feed *feed)
{
    _Alignas(struct inotify_event) char buffer[4096];
    ssize_t n;

    while ((n = read(feed->fd, buffer, sizeof(buffer))) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(buffer + at);

            take_event(feed, event);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
    read_next(feed);
}

static void on_look(struct io_watch *look)
{
    take_events(container_of(look, struct dir_feed, look));
}

/* ---- a feed -------------------------------------------------------------- */

static int start(struct source *s, struct err *err)
{
    struct dir_feed *feed = mem_new(struct dir_feed);

    if (feed == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    s->own = feed;
    feed->source = s;
    feed->watch = -1;
    feed->look.cb = on_look;
    io_timer_init(&feed->again, on_again);
    feed->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (feed->fd < 0) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "%s: no folder can be watched: %s", s->daemon->name,
                       strerror(errno));
    }
    if (io_watch_start(s->daemon->io, &feed->look, feed->fd, err) < 0) {
        return EDGE_EUNSUPPORTED;
    }
    begin_watch(feed);
    return 0;
}

static void look(struct source *s)
{
    take_events(s->own);
}

static void stop(struct source *s)
{
    struct dir_feed *feed = s->own;

    if (feed != NULL) {
        io_watch_stop(s->daemon->io, &feed->look);
        io_timer_stop(s->daemon->io, &feed->again);
    }
}

static bool is_busy(const struct source *s)
{
    const struct dir_feed *feed = s->own;

    return feed != NULL && feed->reading.is_busy;
}

static void free_feed(struct source *s)
{
    struct dir_feed *feed = s->own;

    if (feed == NULL) {
        return;
    }
    for (size_t i = 0; i < NAMES_MAX; i++) {
        blob_unref(feed->reading.found[i].raw);
    }
    if (feed->fd >= 0) {
        (void)close(feed->fd);
    }
    mem_free(feed);
}

const struct source_feed source_dir_feed = {
    .start = start,
    .look = look,
    .stop = stop,
    .is_busy = is_busy,
    .free = free_feed,
};
