#include "base/store.h"

#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAGE_PREFIX ".stage-"
#define STAGE_NAME 32
#define READ_BYTES 16384

struct store {
    int fd; /* of the folder: every path below is relative to it */
    int flags;
    unsigned next_stage;
    char *folder;
};

struct stage {
    struct store *store;
    int fd;
    int rc; /* of the first failed append; commit repeats it */
    EVP_MD_CTX *hash;
    struct digest wanted;
    uint64_t size;
    uint64_t received;
    char name[STAGE_NAME];
};

/* False only where OpenSSL is out of memory. */
static bool hash_bytes(const void *data, size_t size, struct digest *digest)
{
    return EVP_Digest(data, size, digest->bytes, NULL, EVP_sha256(), NULL) == 1;
}

void digest_of(const void *data, size_t size, struct digest *digest)
{
    if (!hash_bytes(data, size, digest)) {
        memset(digest, 0, sizeof(*digest));
    }
}

void digest_hex(const struct digest *digest, char out[DIGEST_HEX])
{
    bytes_to_hex(digest->bytes, sizeof(digest->bytes), out);
}

bool digest_parse(const char *hex, struct digest *digest)
{
    return bytes_from_hex(hex, digest->bytes, sizeof(digest->bytes));
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* "cannot WHAT FOLDER/NAME: why", from errno; a full disk says what to do. */
static int fail_errno(struct err *err, const char *what, const char *folder,
                      const char *name)
{
    int number = errno;
    bool is_full = number == ENOSPC || number == EDQUOT;

    return err_set(err, err_from_errno(number), "cannot %s %s/%s: %s%s", what,
                   folder, name, strerror(number),
                   is_full ? "; free some space there and try again" : "");
}

/* Like `mkdir -p`; folders that are made are 0700. */
static int make_folders(const char *folder, struct err *err)
{
    char *path = mem_strdup(folder);
    int rc = 0;

    if (path == NULL) {
        return err_set(err, EDGE_ENOMEM, "open store %s: out of memory",
                       folder);
    }
    for (char *p = path; *p != '\0' && rc == 0;) {
        char *end = p + 1 + strcspn(p + 1, "/");
        char kept = *end;

        *end = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST) {
            rc =
                err_set(err, err_from_errno(errno),
                        "cannot make the folder %s: %s", path, strerror(errno));
        }
        *end = kept;
        p = end;
    }
    mem_free(path);
    return rc;
}

/* A stream over the folder with a position of its own; NULL and errno. */
static DIR *open_listing(const struct store *store)
{
    int fd = openat(store->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir;

    if (fd < 0) {
        return NULL;
    }
    dir = fdopendir(fd);
    if (dir == NULL) {
        (void)close(fd);
    }
    return dir;
}

static int remove_staged(const struct store *store, struct err *err)
{
    DIR *dir = open_listing(store);
    const struct dirent *entry;
    int rc = 0;

    if (dir == NULL) {
        return fail_errno(err, "list", store->folder, "");
    }
    while ((entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, STAGE_PREFIX, strlen(STAGE_PREFIX)) == 0 &&
            unlinkat(store->fd, entry->d_name, 0) < 0) {
            rc = fail_errno(err, "remove", store->folder, entry->d_name);
        }
    }
    (void)closedir(dir);
    return rc;
}

int store_open(const char *folder, int flags, struct store **store,
               struct err *err)
{
    struct store *made = mem_new(struct store);
    int rc = make_folders(folder, err);

    if (rc == 0 && made != NULL) {
        made->fd = -1;
        made->folder = mem_strdup(folder);
    }
    if (rc == 0 && (made == NULL || made->folder == NULL)) {
        rc = err_set(err, EDGE_ENOMEM, "open store %s: out of memory", folder);
    }
    if (rc < 0) {
        mem_free(made);
        return rc;
    }
    made->flags = flags;
    made->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rc = made->fd < 0 ? fail_errno(err, "open", folder, "")
                      : remove_staged(made, err);
    if (rc < 0) {
        store_free(made);
        return rc;
    }
    *store = made;
    return 0;
}

void store_free(struct store *store)
{
    if (store == NULL) {
        return;
    }
    if (store->fd >= 0) {
        (void)close(store->fd);
    }
    mem_free(store->folder);
    mem_free(store);
}

const char *store_folder(const struct store *store)
{
    return store->folder;
}

bool store_has(const struct store *store, const struct digest *digest,
               uint64_t *size)
{
    char name[DIGEST_HEX];
    struct stat st;

    digest_hex(digest, name);
    if (fstatat(store->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(st.st_mode)) {
        return false;
    }
    /* Where this fails (a full or read-only disk), nothing is swept either. */
    (void)utimensat(store->fd, name, NULL, AT_SYMLINK_NOFOLLOW);
    if (size != NULL) {
        *size = (uint64_t)st.st_size;
    }
    return true;
}

/* Hashes through read(), not through a mapping: a bad sector is then an
 * error and not a SIGBUS. 0 or an errno value. */
static int hash_fd(int fd, EVP_MD_CTX *hash, struct digest *digest)
{
    uint8_t buffer[READ_BYTES];
    ssize_t n;

    if (EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) {
        return ENOMEM;
    }
    while ((n = read(fd, buffer, sizeof(buffer))) != 0) {
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno;
        }
        if (EVP_DigestUpdate(hash, buffer, (size_t)n) != 1) {
            return ENOMEM;
        }
    }
    return EVP_DigestFinal_ex(hash, digest->bytes, NULL) == 1 ? 0 : ENOMEM;
}

static int verify_fd(struct store *store, int fd, const struct digest *wanted,
                     const char *name, struct err *err)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    struct digest found;
    int number = hash == NULL ? ENOMEM : hash_fd(fd, hash, &found);

    EVP_MD_CTX_free(hash);
    if (number != 0) {
        errno = number;
        return fail_errno(err, "read", store->folder, name);
    }
    if (digest_equal(&found, wanted)) {
        return 0;
    }
    (void)unlinkat(store->fd, name, 0);
    return err_set(err, EDGE_ECORRUPT,
                   "%s/%s is damaged: its content does not have that SHA-256; "
                   "it was removed and must be sent again",
                   store->folder, name);
}

int store_map(struct store *store, const struct digest *digest, bool verify,
              struct blob **blob, struct err *err)
{
    char name[DIGEST_HEX];
    int rc = 0;
    int fd;

    digest_hex(digest, name);
    fd = openat(store->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(err, "open", store->folder, name);
    }
    (void)futimens(fd, NULL); /* it is used */
    if (verify && !DEFENCE_OFF("digest")) {
        rc = verify_fd(store, fd, digest, name, err);
    }
    if (rc == 0) {
        rc = blob_map_fd(fd, blob);
        if (rc < 0) {
            (void)err_set(err, rc, "cannot map %s/%s: %s", store->folder, name,
                          err_text(rc));
        }
    }
    (void)close(fd);
    return rc;
}

int store_put(struct store *store, const void *data, size_t size,
              struct digest *digest, struct err *err)
{
    struct stage *stage;
    uint64_t have;
    int rc;

    if (!hash_bytes(data, size, digest)) {
        return err_set(err, EDGE_ENOMEM, "hash %zu bytes: out of memory", size);
    }
    if (store_has(store, digest, &have) && have == size) {
        return 0;
    }
    rc = stage_begin(store, digest, size, &stage, err);
    if (rc < 0) {
        return rc;
    }
    rc = stage_append(stage, data, size, err);
    if (rc < 0) {
        stage_abort(stage);
        return rc;
    }
    return stage_commit(stage, err);
}

/* Opens a file that was not there, under the next free temporary name. */
static int open_stage(struct store *store, struct stage *stage)
{
    do {
        (void)snprintf(stage->name, sizeof(stage->name), STAGE_PREFIX "%04x",
                       store->next_stage++);
        stage->fd =
            openat(store->fd, stage->name,
                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    } while (stage->fd < 0 && errno == EEXIST);
    return stage->fd;
}

int stage_begin(struct store *store, const struct digest *digest, uint64_t size,
                struct stage **stage, struct err *err)
{
    struct stage *made = mem_new(struct stage);
    int rc = 0;

    if (made == NULL) {
        return err_set(err, EDGE_ENOMEM, "stage a blob: out of memory");
    }
    made->store = store;
    made->fd = -1;
    made->wanted = *digest;
    made->size = size;
    made->hash = EVP_MD_CTX_new();
    if (made->hash == NULL ||
        EVP_DigestInit_ex(made->hash, EVP_sha256(), NULL) != 1) {
        rc = err_set(err, EDGE_ENOMEM, "stage a blob: out of memory");
    } else if (open_stage(store, made) < 0) {
        rc = fail_errno(err, "make", store->folder, made->name);
    }
    FAILPOINT("store.create.after");
    if (rc < 0) {
        stage_abort(made);
        return rc;
    }
    *stage = made;
    return 0;
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

int stage_append(struct stage *stage, const void *data, size_t size,
                 struct err *err)
{
    char name[DIGEST_HEX];

    if (stage->rc < 0) {
        return err_set(err, stage->rc, "the blob failed before");
    }
    if (size > stage->size - stage->received) {
        digest_hex(&stage->wanted, name);
        stage->rc = EDGE_ECORRUPT;
        return err_set(err, stage->rc,
                       "blob %s is longer than the %llu bytes announced", name,
                       (unsigned long long)stage->size);
    }
    FAILPOINT("store.write.before");
    if (write_all(stage->fd, data, size) < 0) {
        stage->rc = fail_errno(err, "write", stage->store->folder, stage->name);
        return stage->rc;
    }
    if (EVP_DigestUpdate(stage->hash, data, size) != 1) {
        stage->rc = EDGE_ENOMEM;
        return err_set(err, stage->rc, "hash a blob: out of memory");
    }
    stage->received += size;
    FAILPOINT("store.write.after");
    return 0;
}

uint64_t stage_received(const struct stage *stage)
{
    return stage->received;
}

static int stage_verify(struct stage *stage, const char *name, struct err *err)
{
    struct digest found;

    if (stage->rc < 0) {
        return err_set(err, stage->rc, "blob %s was not received whole", name);
    }
    if (stage->received != stage->size) {
        return err_set(err, EDGE_ECORRUPT, "blob %s: %llu of %llu bytes came",
                       name, (unsigned long long)stage->received,
                       (unsigned long long)stage->size);
    }
    if (EVP_DigestFinal_ex(stage->hash, found.bytes, NULL) != 1) {
        return err_set(err, EDGE_ENOMEM, "hash blob %s: out of memory", name);
    }
    if (!digest_equal(&found, &stage->wanted)) {
        return err_set(err, EDGE_ECORRUPT,
                       "the bytes received for blob %s do not have that "
                       "SHA-256",
                       name);
    }
    return 0;
}

/* Content first, then the name, then the folder that holds the name: in this
 * order a power cut leaves the whole blob or none. After a failed fsync the
 * kernel may have dropped the dirty pages, so the copy cannot be trusted and
 * is discarded, never synced again. */
static int publish(struct stage *stage, const char *name, struct err *err)
{
    struct store *store = stage->store;
    bool sync = (store->flags & STORE_NO_SYNC) == 0;
    int rc;

    FAILPOINT("store.fsync.before");
    if (sync && fsync(stage->fd) < 0) {
        return fail_errno(err, "sync", store->folder, stage->name);
    }
    FAILPOINT("store.rename.before");
    if (renameat(store->fd, stage->name, store->fd, name) < 0) {
        return fail_errno(err, "rename to", store->folder, name);
    }
    stage->name[0] = '\0';
    FAILPOINT("store.rename.after");
    if (sync && fsync(store->fd) < 0) {
        rc = fail_errno(err, "sync the folder of", store->folder, name);
        (void)unlinkat(store->fd, name, 0);
        return rc;
    }
    FAILPOINT("store.dirsync.after");
    return 0;
}

int stage_commit(struct stage *stage, struct err *err)
{
    char name[DIGEST_HEX];
    int rc;

    digest_hex(&stage->wanted, name);
    rc = stage_verify(stage, name, err);
    if (rc == 0) {
        rc = publish(stage, name, err);
    }
    stage_abort(stage); /* after a rename there is no name left to remove */
    return rc;
}

void stage_abort(struct stage *stage)
{
    if (stage == NULL) {
        return;
    }
    if (stage->fd >= 0) {
        (void)close(stage->fd);
        if (stage->name[0] != '\0') {
            (void)unlinkat(stage->store->fd, stage->name, 0);
        }
    }
    EVP_MD_CTX_free(stage->hash);
    mem_free(stage);
}

int store_remove(struct store *store, const struct digest *digest)
{
    char name[DIGEST_HEX];

    digest_hex(digest, name);
    return unlinkat(store->fd, name, 0) == 0 || errno == ENOENT
               ? 0
               : err_from_errno(errno);
}
