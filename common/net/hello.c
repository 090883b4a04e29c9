#include "net/hello.h"

#include "wire/convert.h"
#include "wire/frame.h"

#include <stdio.h>
#include <string.h>

/* protobuf-c has no const for text that it packs and does not change. */
static char *text_out(const char *text)
{
    return (char *)(uintptr_t)(text != NULL ? text : "");
}

void hello_fill(Edged__Hello *hello, const struct io_identity *self,
                const struct hello_side *side)
{
    edged__hello__init(hello);
    hello->major = FRAME_MAJOR;
    hello->minor = FRAME_MINOR;
    hello->role = self->role;
    hello->name = text_out(self->name);
    hello->cluster = text_out(self->cluster);
    hello->instance = self->instance;
    hello->version = text_out(self->version);
    hello->expects = text_out(side->dialed ? side->expects : NULL);
}

static const char *role_name(Edged__Role role)
{
    switch (role) {
    case EDGED__ROLE__ROLE_COORDINATOR: return "coordinator";
    case EDGED__ROLE__ROLE_NODE: return "node";
    case EDGED__ROLE__ROLE_CLIENT: return "client";
    case EDGED__ROLE__ROLE_NONE:
    default: return "stranger";
    }
}

/* Clients come to the coordinator: over its Unix socket, or over TLS. Who has
 * no certificate got so far because it may join. */
static bool role_is_welcome(Edged__Role role, const struct io_identity *self,
                            const struct hello_side *side)
{
    bool is_member =
        role == EDGED__ROLE__ROLE_NODE || role == EDGED__ROLE__ROLE_COORDINATOR;
    bool is_client = role == EDGED__ROLE__ROLE_CLIENT;

    if (side->dialed) {
        return is_member;
    }
    if (side->local) {
        return is_client;
    }
    if (side->identity == NULL) {
        return is_member;
    }
    return is_member || role == EDGED__ROLE__ROLE_NONE ||
           (is_client && self->role == EDGED__ROLE__ROLE_COORDINATOR);
}

/* What it says must be what its certificate says. */
static int check_identity(const Edged__Hello *hello,
                          const struct tls_identity *id, struct err *err)
{
    bool same_name = strcmp(id->name, hello->name) == 0;

    if (id->role != hello->role) {
        return err_set(err, EDGE_EREFUSED,
                       "%s says that it is a %s, but its certificate is that "
                       "of a %s. A board gets its own with:  edgectl token "
                       "create | ssh %s sudo edged join -",
                       hello->name, role_name(hello->role), role_name(id->role),
                       hello->name);
    }
    if (!same_name && id->name[0] != '\0') {
        return err_set(err, EDGE_EREFUSED,
                       "%s calls itself so, but its certificate is that of "
                       "%s. If the board was renamed: edgectl token create | "
                       "ssh %s sudo edged join -",
                       hello->name, id->name, hello->name);
    }
    return 0;
}

static int check_role(const Edged__Hello *hello, const struct io_identity *self,
                      const struct hello_side *side, struct err *err)
{
    if (role_is_welcome(hello->role, self, side)) {
        return 0;
    }
    return err_set(err, EDGE_EREFUSED, "a %s is not accepted on this socket",
                   role_name(hello->role));
}

static int check_names(const Edged__Hello *hello,
                       const struct io_identity *self,
                       const struct hello_side *side, struct err *err)
{
    const char *cluster = self->cluster != NULL ? self->cluster : "";

    if (!convert_name_ok(hello->name) ||
        (hello->cluster[0] != '\0' && !convert_name_ok(hello->cluster)) ||
        (hello->expects[0] != '\0' && !convert_name_ok(hello->expects))) {
        return err_set(err, EDGE_EPROTO,
                       "a name in Hello has other characters than letters, "
                       "digits, \".\", \"_\" and \"-\", or is too long");
    }
    if (cluster[0] != '\0' && hello->cluster[0] != '\0' &&
        strcmp(cluster, hello->cluster) != 0) {
        return err_set(err, EDGE_EREFUSED,
                       "%s is of cluster \"%s\", %s of cluster \"%s\"",
                       hello->name, hello->cluster, self->name, cluster);
    }
    if (side->dialed && side->expects != NULL &&
        strcmp(side->expects, hello->name) != 0) {
        return err_set(err, EDGE_EREFUSED, "\"%s\" answers where \"%s\" should",
                       hello->name, side->expects);
    }
    if (!side->dialed && hello->expects[0] != '\0' &&
        strcmp(hello->expects, self->name) != 0) {
        return err_set(err, EDGE_EREFUSED, "\"%s\" answers where \"%s\" should",
                       self->name, hello->expects);
    }
    return 0;
}

int hello_check(const Edged__Hello *hello, const struct io_identity *self,
                const struct hello_side *side, struct err *err)
{
    int rc;

    if (hello->major != FRAME_MAJOR) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "version %u.%u of the protocol is not version %u.%u, "
                       "which %s speaks",
                       hello->major, hello->minor, FRAME_MAJOR, FRAME_MINOR,
                       self->name);
    }
    rc = check_names(hello, self, side, err);
    if (rc == 0 && side->identity != NULL) {
        rc = check_identity(hello, side->identity, err);
    }
    return rc < 0 ? rc : check_role(hello, self, side, err);
}

/* Text from outside, for people: cut to `size`, nothing unprintable. */
static void sanitize(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text);
    for (char *c = out; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == '\177') {
            *c = '?';
        }
    }
}

void hello_note(const Edged__Hello *hello, const struct tls_identity *identity,
                struct io_peer *peer)
{
    (void)snprintf(peer->name, sizeof(peer->name), "%s", hello->name);
    sanitize(peer->version, sizeof(peer->version), hello->version);
    peer->role = hello->role;
    peer->instance = hello->instance;
    peer->minor = hello->minor;
    peer->secure = identity != NULL;
    if (identity != NULL) {
        memcpy(peer->spki, identity->spki, sizeof(peer->spki));
    }
}

int hello_goodbye(const Edged__Goodbye *goodbye, char why[HELLO_WHY])
{
    sanitize(why, HELLO_WHY, goodbye->text);
    if (why[0] == '\0') {
        (void)snprintf(why, HELLO_WHY, "the other end said Goodbye");
    }
    return goodbye->code < 0 && strcmp(err_name(goodbye->code), "EUNKNOWN") != 0
               ? goodbye->code
               : EDGE_ECLOSED;
}
