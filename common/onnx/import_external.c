#include "onnx/import_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* External data must lie beneath the model's folder: no absolute path, no
 * "..", no link in any part of it, and no second hard link, which would be a
 * way to name a file that is elsewhere. */

#define PART_MAX 256

static bool is_plain_path(const char *path)
{
    const char *p = path;

    if (path[0] == '/' || path[0] == '\0') {
        return false;
    }
    while (*p != '\0') {
        size_t n = strcspn(p, "/");

        if (n == 0 || n >= PART_MAX || (n == 2 && p[0] == '.' && p[1] == '.')) {
            return false;
        }
        p += n;
        if (*p == '/' && *++p == '\0') {
            return false;
        }
    }
    return true;
}

/* NONBLOCK, so that a FIFO cannot hold us; it is refused afterwards. */
#define FILE_FLAGS (O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

/* Asked for a folder, the kernel calls a link to one no folder. */
static int open_part(int at, const char *part)
{
    int fd = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 && errno == ENOTDIR) {
        bool is_link = fstatat(at, part, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                       S_ISLNK(st.st_mode);

        errno = is_link ? ELOOP : ENOTDIR;
    }
    return fd;
}

static int open_by_parts(int folder, const char *path)
{
    int at = dup(folder);

    while (at >= 0) {
        char part[PART_MAX];
        size_t n = strcspn(path, "/");
        bool is_last = path[n] == '\0';
        int next;

        memcpy(part, path, n);
        part[n] = '\0';
        next = is_last ? openat(at, part, FILE_FLAGS) : open_part(at, part);
        {
            int saved = errno;

            (void)close(at);
            errno = saved;
        }
        if (is_last) {
            return next;
        }
        at = next;
        path += n + 1;
    }
    return -1;
}

static int open_beneath(int folder, const char *path)
{
    struct open_how how = {.flags = FILE_FLAGS,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                                      RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, folder, path, &how, sizeof(how));

    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        return open_by_parts(folder, path); /* before Linux 5.6 */
    }
    return (int)fd;
}

static int check_file(int fd, const char *shown, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return err_set(err, err_from_errno(errno), "external data \"%s\": %s",
                       shown, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(err, EDGE_EREFUSED,
                       "external data \"%s\" is no regular file", shown);
    }
    if (st.st_nlink != 1) {
        return err_set(err, EDGE_EREFUSED,
                       "external data \"%s\" has %lu hard links; copy it, so "
                       "that it has one name only",
                       shown, (unsigned long)st.st_nlink);
    }
    return 0;
}

int import_folder_open(void *folder, const char *location, struct blob **blob,
                       struct err *err)
{
    char shown[SHOW_TEXT];
    int rc;
    int fd;

    (void)import_show(location, shown);
    if (!is_plain_path(location)) {
        return err_set(err, EDGE_EREFUSED,
                       "external data \"%s\" is not beneath the model's folder",
                       shown);
    }
    fd = open_beneath(*(const int *)folder, location);
    if (fd < 0) {
        int number = errno;

        rc = number == ELOOP ? EDGE_EREFUSED : err_from_errno(number);
        return err_set(err, rc, "external data \"%s\": %s", shown,
                       number == ELOOP ? "it is, or lies behind, a link"
                                       : strerror(number));
    }
    rc = check_file(fd, shown, err);
    if (rc == 0) {
        rc = blob_map_fd(fd, blob);
        if (rc < 0 && rc != EDGE_ENOMEM) {
            rc = err_set(err, rc, "external data \"%s\" cannot be mapped: %s",
                         shown, err_text(rc));
        }
    }
    (void)close(fd);
    return rc;
}
