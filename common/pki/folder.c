#include "pki/folder.h"

#include "base/blob.h"
#include "base/failpoint.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_BYTES KIB(16)
#define PATH_BYTES 4096

static const char *const names[] = {"ca.pem", "cert.pem", "key.pem",
                                    "ca-key.pem"};
#define N_NAMES (sizeof(names) / sizeof(names[0]))
#define N_NEEDED 3 /* the authority's key is with the coordinator alone */

void pki_set_deinit(struct pki_set *set)
{
    mem_free(set->ca_pem);
    mem_free(set->cert_pem);
    pki_forget(set->key_pem);
    pki_forget(set->ca_key_pem);
    memset(set, 0, sizeof(*set));
}

static int path_of(char out[PATH_BYTES], const char *folder, const char *sub,
                   struct err *err)
{
    int n = snprintf(out, PATH_BYTES, "%s/%s", folder, sub);

    return n > 0 && n < PATH_BYTES
               ? 0
               : err_set(err, EDGE_EINVAL, "the path %s is too long", folder);
}

static int fail_errno(struct err *err, const char *what, const char *path)
{
    int number = errno;

    return err_set(err, err_from_errno(number), "cannot %s %s: %s", what, path,
                   strerror(number));
}

/* ---- reading ------------------------------------------------------------- */

static int read_text(const char *path, char **text, struct err *err)
{
    struct blob *blob = NULL;
    struct stat st;
    int rc;

    if (lstat(path, &st) < 0) {
        return fail_errno(err, "read", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(err, EDGE_ECORRUPT, "%s is not a file", path);
    }
    rc = blob_read(path, PEM_BYTES, &blob, err);
    if (rc < 0) {
        return rc;
    }
    *text = mem_resize(NULL, blob->size + 1, 1);
    if (*text == NULL) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    } else {
        memcpy(*text, blob->data, blob->size);
        (*text)[blob->size] = '\0';
        if (strlen(*text) != blob->size) {
            rc = err_set(err, EDGE_ECORRUPT, "%s is not a text", path);
        }
    }
    memset(blob->data, 0, blob->size); /* it may have been a key */
    blob_unref(blob);
    return rc;
}

static char **member_of(struct pki_set *set, size_t i)
{
    char **const members[N_NAMES] = {&set->ca_pem, &set->cert_pem,
                                     &set->key_pem, &set->ca_key_pem};

    return members[i];
}

/* Where two renames stood for an exchange, a cut may have come between. */
static void take_back(const char *folder)
{
    char is[PATH_BYTES];
    char was[PATH_BYTES];

    if (path_of(is, folder, "tls", NULL) == 0 &&
        path_of(was, folder, "tls.old", NULL) == 0 && access(is, F_OK) < 0 &&
        errno == ENOENT) {
        (void)rename(was, is);
    }
}

static int load_files(const char *folder, struct pki_set *set, struct err *err)
{
    char path[PATH_BYTES];
    int rc = 0;

    for (size_t i = 0; i < N_NAMES && rc == 0; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "tls/%s", names[i]);
        rc = path_of(path, folder, name, err);
        if (rc == 0) {
            rc = read_text(path, member_of(set, i), err);
        }
        if (rc == EDGE_ENOENT && i >= N_NEEDED) {
            rc = 0;
        } else if (rc == EDGE_ENOENT && i > 0) {
            rc = EDGE_ECORRUPT;
        }
    }
    return rc;
}

int pki_load(const char *folder, struct pki_set *set, struct err *err)
{
    int rc;

    memset(set, 0, sizeof(*set));
    take_back(folder);
    rc = load_files(folder, set, err);
    if (rc == 0) {
        rc = pki_check_set(set->ca_pem, set->cert_pem, set->key_pem, err);
        if (rc < 0) {
            rc = err_wrap(err, EDGE_ECORRUPT, "%s/tls", folder);
        }
    }
    if (rc < 0) {
        pki_set_deinit(set);
    }
    return rc;
}

/* ---- writing ------------------------------------------------------------- */

static int sync_folder(const char *path, int flags, struct err *err)
{
    int fd;
    int rc = 0;

    if ((flags & STORE_NO_SYNC) != 0) {
        return 0;
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        rc = fail_errno(err, "sync", path);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return rc;
}

static int write_text(const char *path, const char *text, int flags,
                      struct err *err)
{
    size_t left = strlen(text);
    int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int rc = fd < 0 ? fail_errno(err, "write", path) : 0;

    while (rc == 0 && left > 0) {
        ssize_t n = write(fd, text, left);

        if (n < 0 && errno != EINTR) {
            rc = fail_errno(err, "write", path);
        } else if (n > 0) {
            text += n;
            left -= (size_t)n;
        }
    }
    if (rc == 0 && (flags & STORE_NO_SYNC) == 0 && fsync(fd) < 0) {
        rc = fail_errno(err, "sync", path);
    }
    if (fd >= 0 && close(fd) < 0 && rc == 0) {
        rc = fail_errno(err, "write", path);
    }
    return rc;
}

/* Whatever a cut has left there. Only our own files: it is a flat folder. */
static void remove_folder(const char *path)
{
    char file[PATH_BYTES];

    for (size_t i = 0; i < N_NAMES; i++) {
        if (path_of(file, path, names[i], NULL) == 0) {
            (void)unlink(file);
        }
    }
    if (path_of(file, path, "denied", NULL) == 0) {
        (void)unlink(file);
    }
    if (path_of(file, path, "new", NULL) == 0) {
        (void)unlink(file);
    }
    (void)rmdir(path);
}

static int stage(const char *path, int flags, const struct pki_set *set,
                 struct err *err)
{
    const char *const texts[N_NAMES] = {set->ca_pem, set->cert_pem,
                                        set->key_pem, set->ca_key_pem};
    char file[PATH_BYTES];
    int rc = 0;

    remove_folder(path);
    if (mkdir(path, 0700) < 0) {
        return fail_errno(err, "make", path);
    }
    for (size_t i = 0; i < N_NAMES && rc == 0; i++) {
        rc = path_of(file, path, names[i], err);
        if (rc == 0 && texts[i] != NULL) {
            rc = write_text(file, texts[i], flags, err);
        }
    }
    return rc < 0 ? rc : sync_folder(path, flags, err);
}

/* `made` takes the place of `is`, at once where the file system can. */
static int exchange(const char *made, const char *is, const char *was,
                    struct err *err)
{
    if (access(is, F_OK) < 0) {
        return rename(made, is) < 0 ? fail_errno(err, "make", is) : 0;
    }
    if (renameat2(AT_FDCWD, made, AT_FDCWD, is, RENAME_EXCHANGE) == 0) {
        remove_folder(made); /* the old one now */
        return 0;
    }
    remove_folder(was);
    if (rename(is, was) < 0 || rename(made, is) < 0) {
        return fail_errno(err, "replace", is);
    }
    remove_folder(was);
    return 0;
}

int pki_save(const char *folder, int flags, const struct pki_set *set,
             struct err *err)
{
    char made[PATH_BYTES];
    char was[PATH_BYTES];
    char is[PATH_BYTES];
    int rc = path_of(made, folder, "tls.new", err);

    if (rc == 0 && mkdir(folder, 0700) < 0 && errno != EEXIST) {
        rc = fail_errno(err, "make", folder);
    }
    if (rc == 0) {
        rc = path_of(is, folder, "tls", err);
    }
    if (rc == 0) {
        rc = path_of(was, folder, "tls.old", err);
    }
    if (rc == 0) {
        take_back(folder);
        rc = stage(made, flags, set, err);
    }
    if (rc == 0) {
        FAILPOINT("pki.save.before");
        rc = exchange(made, is, was, err);
        FAILPOINT("pki.save.after");
    }
    return rc < 0 ? rc : sync_folder(folder, flags, err);
}

/* One file of the folder: staged, fsynced, renamed. */
static int replace(const char *folder, int flags, const char *name,
                   const char *text, struct err *err)
{
    char made[PATH_BYTES];
    char is[PATH_BYTES];
    char sub[32];
    int rc = path_of(made, folder, "tls/new", err);

    (void)snprintf(sub, sizeof(sub), "tls/%s", name);
    if (rc == 0) {
        rc = path_of(is, folder, sub, err);
    }
    if (rc == 0) {
        rc = write_text(made, text, flags, err);
    }
    if (rc == 0) {
        FAILPOINT("pki.replace.before");
    }
    if (rc == 0 && rename(made, is) < 0) {
        rc = fail_errno(err, "replace", is);
    }
    if (rc == 0) {
        rc = path_of(made, folder, "tls", err);
    }
    return rc < 0 ? rc : sync_folder(made, flags, err);
}

int pki_save_cert(const char *folder, int flags, const char *cert_pem,
                  struct err *err)
{
    return replace(folder, flags, "cert.pem", cert_pem, err);
}

int pki_save_denied(const char *folder, int flags, const struct digest *spki,
                    size_t n, struct err *err)
{
    char *text = mem_array(char, n *DIGEST_HEX + 1);
    int rc;

    if (text == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        digest_hex(&spki[i], text + i * DIGEST_HEX);
        text[(i + 1) * DIGEST_HEX - 1] = '\n';
    }
    rc = replace(folder, flags, "denied", text, err);
    mem_free(text);
    return rc;
}
