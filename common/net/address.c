#include "net/address.h"

#include "base/list.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct address_query {
    uv_getaddrinfo_t req;
    address_cb cb; /* NULL: canceled */
    void *arg;
};

bool address_parse(const char *host, int port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    return uv_ip4_addr(host, port, (struct sockaddr_in *)out) == 0 ||
           uv_ip6_addr(host, port, (struct sockaddr_in6 *)out) == 0;
}

bool address_is_loopback(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

    switch (address->ss_family) {
    case AF_INET: return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    case AF_INET6: return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    default: return false;
    }
}

void address_bytes(const struct sockaddr_storage *address, uint8_t out[16])
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

    memset(out, 0, 16);
    if (address->ss_family == AF_INET6) {
        memcpy(out, &in6->sin6_addr, 16);
    } else if (address->ss_family == AF_INET) {
        out[10] = 0xff; /* IPv4 within IPv6 */
        out[11] = 0xff;
        memcpy(out + 12, &in->sin_addr, 4);
    }
}

const char *address_host(const uint8_t bytes[16], char out[ADDRESS_HOST])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_ip4 = memcmp(bytes, mapped, sizeof(mapped)) == 0;

    if (uv_inet_ntop(is_ip4 ? AF_INET : AF_INET6, is_ip4 ? bytes + 12 : bytes,
                     out, ADDRESS_HOST) < 0) {
        out[0] = '\0';
    }
    return out;
}

const char *address_text(const struct sockaddr_storage *address,
                         char out[ADDRESS_TEXT])
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->ss_family == AF_INET6) {
        (void)uv_ip6_name(in6, host, sizeof(host));
        (void)snprintf(out, ADDRESS_TEXT, "[%s]:%d", host,
                       ntohs(in6->sin6_port));
    } else {
        (void)uv_ip4_name(in, host, sizeof(host));
        (void)snprintf(out, ADDRESS_TEXT, "%s:%d", host, ntohs(in->sin_port));
    }
    return out;
}

int address_check_plain(const struct addresses *addresses, struct err *err)
{
    for (int i = 0; i < addresses->n; i++) {
        char text[ADDRESS_TEXT];

        if (address_is_loopback(&addresses->at[i])) {
            continue;
        }
        return err_set(err, EDGE_EREFUSED,
                       "plain text is for loopback only; %s is not. With "
                       "certificates (\"edgectl init\", then \"edgectl token "
                       "create | ssh HOST sudo edged join -\") and without "
                       "--insecure it is TLS",
                       address_text(&addresses->at[i], text));
    }
    return 0;
}

static const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                      .ai_socktype = SOCK_STREAM};

static void copy_family(const struct addrinfo *info, int family, int port,
                        struct addresses *out)
{
    for (; info != NULL && out->n < ADDRESS_MAX; info = info->ai_next) {
        struct sockaddr_storage *to = &out->at[out->n];

        if (info->ai_family != family ||
            info->ai_addrlen > sizeof(struct sockaddr_storage)) {
            continue;
        }
        memset(to, 0, sizeof(*to));
        memcpy(to, info->ai_addr, info->ai_addrlen);
        if (family == AF_INET) {
            ((struct sockaddr_in *)to)->sin_port = htons((uint16_t)port);
        } else {
            ((struct sockaddr_in6 *)to)->sin6_port = htons((uint16_t)port);
        }
        out->n++;
    }
}

/* IPv4 first, so that listening on and dialing "localhost" meet. */
static void copy_addresses(const struct addrinfo *info, int port,
                           struct addresses *out)
{
    out->n = 0;
    copy_family(info, AF_INET, port, out);
    copy_family(info, AF_INET6, port, out);
}

static bool parse_numeric(const char *host, int port, struct addresses *out)
{
    if (!address_parse(host, port, &out->at[0])) {
        return false;
    }
    out->n = 1;
    return true;
}

int address_resolve_now(uv_loop_t *loop, const char *host, int port,
                        struct addresses *out, struct err *err)
{
    uv_getaddrinfo_t req;
    int rc;

    if (parse_numeric(host, port, out)) {
        return 0;
    }
    rc = uv_getaddrinfo(loop, &req, NULL, host, NULL, &hints);
    if (rc == 0) {
        copy_addresses(req.addrinfo, port, out);
        uv_freeaddrinfo(req.addrinfo);
    }
    if (rc < 0 || out->n == 0) {
        return err_set(err, EDGE_EUNREACHABLE, "cannot resolve %s: %s", host,
                       rc < 0 ? uv_strerror(rc) : "it has no address");
    }
    return 0;
}

static void on_resolved(uv_getaddrinfo_t *req, int status,
                        struct addrinfo *info)
{
    struct address_query *query = container_of(req, struct address_query, req);
    struct addresses addresses = {0};

    if (status == 0) {
        copy_addresses(info, (int)(intptr_t)req->data, &addresses);
        uv_freeaddrinfo(info);
    }
    if (query->cb != NULL && (status < 0 || addresses.n == 0)) {
        query->cb(query->arg, EDGE_EUNREACHABLE,
                  status < 0 ? uv_strerror(status) : "the name has no address",
                  NULL);
    } else if (query->cb != NULL) {
        query->cb(query->arg, 0, NULL, &addresses);
    }
    mem_free(query);
}

int address_resolve(uv_loop_t *loop, const char *host, int port, address_cb cb,
                    void *arg, struct address_query **out)
{
    struct address_query *query = mem_new(struct address_query);
    int rc;

    if (query == NULL) {
        return EDGE_ENOMEM;
    }
    query->cb = cb;
    query->arg = arg;
    query->req.data = (void *)(intptr_t)port;
    rc = uv_getaddrinfo(loop, &query->req, on_resolved, host, NULL, &hints);
    if (rc < 0) {
        mem_free(query);
        return err_from_errno(-rc);
    }
    *out = query;
    return 0;
}

void address_cancel(struct address_query *query)
{
    if (query != NULL) {
        query->cb = NULL;
        (void)uv_cancel((uv_req_t *)&query->req);
    }
}
