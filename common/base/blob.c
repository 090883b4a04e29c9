#include "base/blob.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct blob *blob_new(size_t size)
{
    struct blob *blob = mem_new(struct blob);

    if (blob == NULL) {
        return NULL;
    }
    blob->data = mem_aligned(size);
    if (blob->data == NULL) {
        mem_free(blob);
        return NULL;
    }
    blob->size = size;
    blob->refs = 1;
    return blob;
}

struct blob *blob_copy(const void *data, size_t size)
{
    struct blob *blob = blob_new(size);

    if (blob != NULL && size > 0) {
        memcpy(blob->data, data, size);
    }
    return blob;
}

int blob_map_fd(int fd, struct blob **out)
{
    struct blob *blob;
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return err_from_errno(errno);
    }
    if (!S_ISREG(st.st_mode) || (uintmax_t)st.st_size > SIZE_MAX) {
        return EDGE_EINVAL;
    }
    blob = mem_new(struct blob);
    if (blob == NULL) {
        return EDGE_ENOMEM;
    }
    blob->size = (size_t)st.st_size;
    blob->refs = 1;
    blob->mapped = 1;
    if (blob->size > 0) {
        blob->data = mmap(NULL, blob->size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (blob->data == MAP_FAILED) {
            int rc = err_from_errno(errno);

            mem_free(blob);
            return rc;
        }
    }
    *out = blob;
    return 0;
}

int blob_map(const char *path, struct blob **blob, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    if (fd < 0) {
        rc = err_from_errno(errno);
        return err_set(err, rc, "cannot open %s: %s", path, strerror(errno));
    }
    rc = blob_map_fd(fd, blob);
    (void)close(fd);
    if (rc < 0) {
        return err_set(err, rc, "cannot map %s: %s", path, err_text(rc));
    }
    return 0;
}

/* Reads to the end of `fd` into a growing buffer of at most `limit` bytes. */
static int read_all(int fd, size_t limit, uint8_t **data, size_t *size)
{
    size_t capacity = 0;

    for (;;) {
        ssize_t n;

        if (*size == capacity) {
            size_t wanted = capacity > 0 ? capacity * 2 : 65536;
            uint8_t *p = mem_resize(*data, wanted, 1);

            if (p == NULL) {
                return EDGE_ENOMEM;
            }
            *data = p;
            capacity = wanted;
        }
        n = read(fd, *data + *size, capacity - *size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_from_errno(errno);
        }
        if (n == 0) {
            return 0;
        }
        *size += (size_t)n;
        if (*size > limit) {
            return EDGE_ETOOBIG;
        }
    }
}

int blob_read(const char *path, size_t limit, struct blob **blob,
              struct err *err)
{
    int is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *data = NULL;
    size_t size = 0;
    int rc;

    if (fd < 0) {
        rc = err_from_errno(errno);
        return err_set(err, rc, "cannot open %s: %s", path, strerror(errno));
    }
    rc = read_all(fd, limit, &data, &size);
    if (!is_stdin) {
        (void)close(fd);
    }
    if (rc == 0) {
        *blob = blob_copy(data, size);
        rc = *blob == NULL ? EDGE_ENOMEM : 0;
    }
    mem_free(data);
    if (rc == EDGE_ETOOBIG) {
        return err_set(err, rc, "%s is larger than the %zu bytes allowed",
                       is_stdin ? "standard input" : path, limit);
    }
    return rc < 0 ? err_set(err, rc, "cannot read %s: %s", path, err_text(rc))
                  : 0;
}

struct blob *blob_ref(struct blob *blob)
{
    __atomic_fetch_add(&blob->refs, 1, __ATOMIC_RELAXED);
    return blob;
}

void blob_unref(struct blob *blob)
{
    if (blob == NULL ||
        __atomic_fetch_sub(&blob->refs, 1, __ATOMIC_ACQ_REL) > 1) {
        return;
    }
    if (!blob->mapped) {
        mem_free(blob->data);
    } else if (blob->size > 0) {
        (void)munmap(blob->data, blob->size);
    }
    mem_free(blob);
}
