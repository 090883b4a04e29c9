/*
 * Where to listen and dial: numeric addresses, names resolved through uv, and
 * the rule that plain TCP is for loopback only.
 */
#ifndef EDGE_NET_ADDRESS_H
#define EDGE_NET_ADDRESS_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

#define ADDRESS_TEXT 80 /* room for "[::1]:7070" */
#define ADDRESS_MAX 4   /* of one name, tried in turn */

struct addresses {
    int n;
    struct sockaddr_storage at[ADDRESS_MAX];
};

/* True for a numeric IPv4 or IPv6 address, which then goes to *out. */
bool address_parse(const char *host, int port, struct sockaddr_storage *out);
bool address_is_loopback(const struct sockaddr_storage *address);
/* The address alone, in the form of IPv6. */
void address_bytes(const struct sockaddr_storage *address, uint8_t out[16]);
#define ADDRESS_HOST 46 /* room for it as text */
const char *address_host(const uint8_t bytes[16], char out[ADDRESS_HOST]);
/* "127.0.0.1:7070"; returns `out`. */
const char *address_text(const struct sockaddr_storage *address,
                         char out[ADDRESS_TEXT]);
/* EDGE_EREFUSED with the rule unless every address is a loopback one. */
int address_check_plain(const struct addresses *addresses, struct err *err);

/* Blocks; for the start of a program. */
int address_resolve_now(uv_loop_t *loop, const char *host, int port,
                        struct addresses *out, struct err *err);

/* Asks on uv's thread pool; cb runs later, on the loop, unless canceled. `rc`
 * is 0 or negative with `why`. */
struct address_query;
typedef void (*address_cb)(void *arg, int rc, const char *why,
                           const struct addresses *addresses);
int address_resolve(uv_loop_t *loop, const char *host, int port, address_cb cb,
                    void *arg, struct address_query **query);
void address_cancel(struct address_query *query); /* NULL is fine */

#endif
