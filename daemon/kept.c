/*
 * Epochs that outlive the process: the Install message of each that became
 * ready is kept in epochs/NUMBER, so that a restart needs no coordinator.
 *
 *   written    epochs/NUMBER.new, its SHA-256 behind it, synced, renamed, the
 *              folder synced: a bit that flips in a link later would make
 *              wrong answers, not none
 *   removed    when the epoch ends
 *   read       at the start, before the coordinator is heard; it names what
 *              stays (Epochs)
 *
 *   a crash on the way   NUMBER.new is nobody's: removed at the start
 *   it is torn, or does not fit any more   logged; the coordinator says it
 *                                          again
 */
#include "daemon/parts.h"

#include "base/failpoint.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STAGED ".new"

/* ---- written, on the disk strand ----------------------------------------- */

static int write_all(int fd, const uint8_t *data, size_t size)
{
    FAILPOINT("kept.write.before");
    while (size > 0) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && errno != EINTR) {
            return err_from_errno(errno);
        }
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

static int write_sealed(int fd, const void *data, size_t size, bool sync)
{
    struct digest digest;
    int rc;

    digest_of(data, size, &digest);
    rc = write_all(fd, data, size);
    if (rc == 0) {
        rc = write_all(fd, digest.bytes, sizeof(digest.bytes));
    }
    if (rc < 0) {
        return rc;
    }
    FAILPOINT("kept.fsync.before");
    return sync && fsync(fd) < 0 ? err_from_errno(errno) : 0;
}

/* The folder of `path`, so that the new name in it is on the disk. */
static int sync_folder(const char *path)
{
    char *copy = mem_strdup(path);
    int fd = copy != NULL ? open(dirname(copy), O_RDONLY | O_CLOEXEC) : -1;
    int rc = fd < 0 || fsync(fd) < 0 ? err_from_errno(errno) : 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    mem_free(copy);
    return rc;
}

static int publish(const char *staged, const char *path, bool sync)
{
    FAILPOINT("kept.rename.before");
    if (rename(staged, path) < 0) {
        return err_from_errno(errno);
    }
    FAILPOINT("kept.rename.after");
    return sync ? sync_folder(path) : 0;
}

int kept_write(const char *path, const void *data, size_t size, bool sync,
               struct err *err)
{
    char *staged = mem_printf("%s" STAGED, path);
    int fd = -1;
    int rc = EDGE_ENOMEM;

    if (staged == NULL) {
        goto out;
    }
    fd = open(staged, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    rc = fd < 0 ? err_from_errno(errno) : write_sealed(fd, data, size, sync);
    if (rc == 0) {
        rc = publish(staged, path, sync);
    }
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    if (rc < 0 && fd >= 0) {
        (void)unlink(staged);
    }
    mem_free(staged);
    FAILPOINT("kept.after");
    return rc < 0 ? err_set(err, rc, "cannot keep %s: %s", path, err_text(rc))
                  : 0;
}

/* ---- removed ------------------------------------------------------------- */

struct forget { /* off the loop */
    struct io_work work;
    struct list link;
    char *path;
};

static void forget_free(struct forget *f)
{
    list_unlink(&f->link);
    mem_free(f->path);
    mem_free(f);
}

static void on_forget(struct io_work *work)
{
    FAILPOINT("kept.remove.before");
    (void)unlink(container_of(work, struct forget, work)->path);
    FAILPOINT("kept.remove.after");
}

static void on_forgotten(struct io_work *work)
{
    forget_free(container_of(work, struct forget, work));
}

void kept_forget(struct epoch *epoch)
{
    struct forget *f = mem_new(struct forget);

    if (f == NULL) {
        return; /* Epochs will name it stale after a restart */
    }
    f->path = mem_printf("%s/epochs/%u", epoch->daemon->folder, epoch->number);
    if (f->path == NULL) {
        mem_free(f);
        return;
    }
    list_init(&f->link);
    list_push(&epoch->daemon->forgets, &f->link);
    f->work.run = on_forget;
    f->work.done = on_forgotten;
    io_work(epoch->daemon->io, IO_DISK, &f->work);
}

void kept_free_all(struct daemon *d)
{
    list_each(&d->forgets, f, next)
    {
        forget_free(list_entry(f, struct forget, link));
    }
}

/* ---- read ---------------------------------------------------------------- */

static bool is_as_written(const struct blob *file)
{
    struct digest digest;
    size_t size;

    if (file->size <= sizeof(digest.bytes)) {
        return false;
    }
    size = file->size - sizeof(digest.bytes);
    digest_of(file->data, size, &digest);
    return DEFENCE_OFF("digest") ||
           memcmp(digest.bytes, file->data + size, sizeof(digest.bytes)) == 0;
}

static int read_file(const char *path, Edged__Install **from, struct err *err)
{
    struct blob *file = NULL;
    int rc = blob_read(path, LIMIT_KEPT, &file, err);

    if (rc == 0 && !is_as_written(file)) {
        rc = err_set(err, EDGE_ECORRUPT, "%s is torn", path);
    }
    if (rc == 0) {
        rc = msg_unpack_alone(&edged__install__descriptor, file->data,
                              file->size - sizeof(struct digest),
                              LIMIT_KEPT_UNPACK, from, err);
    }
    blob_unref(file);
    return rc;
}

static void load_file(struct daemon *d, const char *path)
{
    Edged__Install *from = NULL;
    struct err err;
    int rc = read_file(path, &from, &err);

    rc = rc < 0 ? rc : install_kept(d, from, &err);
    if (rc < 0) {
        log_event(d->log, LOG_WARN, "epoch.not_kept", "err=\"%s\"", err.text);
    }
    msg_free_alone(from);
}

static void look_at(struct daemon *d, const char *folder, const char *name)
{
    size_t digits = strspn(name, "0123456789");
    char *path = mem_printf("%s/%s", folder, name);

    if (path != NULL && digits > 0 && name[digits] == '\0') {
        load_file(d, path);
    } else if (path != NULL && digits > 0 &&
               strcmp(name + digits, STAGED) == 0) {
        (void)unlink(path);
    }
    mem_free(path);
}

void kept_load(struct daemon *d)
{
    char *folder = mem_printf("%s/epochs", d->folder);
    DIR *dir = folder != NULL ? opendir(folder) : NULL;
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        look_at(d, folder, entry->d_name);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    mem_free(folder);
}
