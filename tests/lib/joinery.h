/*
 * A coordinator on a fake io that speaks TLS, as far as it knows: the test
 * plays edgectl, boards that want to join, and nodes. A reply that is returned
 * lives until its peer does.
 */
#ifndef EDGE_TESTS_JOINERY_H
#define EDGE_TESTS_JOINERY_H

#include "coordinator/authority.h"
#include "tests/lib/io_fake.h"
#include "tests/lib/tmp.h"

#define DAY_MS 86400000ull

struct joinery {
    struct io_fake fake;
    struct tmp tmp;
    struct coordinator_tls tls;
    struct coordinator *c;
    struct io_fake_peer *client;
    char *key;
    uint8_t *csr;
    size_t csr_size;
    unsigned n_applied;
    int apply_rc;
    uint64_t cert_ttl_ms;
    struct err err;
};

void joinery_restart(struct joinery *f);
int joinery_set_up(void **state);
int joinery_tear_down(void **state);
const Edged__InitReply *joinery_init(struct joinery *f);
const Edged__TokenReply *joinery_ask_token(struct joinery *f, uint64_t ttl_ms);
struct token joinery_token(struct joinery *f);
struct io_fake_peer *joinery_stranger(struct joinery *f, const char *host);
void joinery_say_enrol(struct io_fake_peer *peer, const struct token *token,
                       const char *name, const uint8_t *csr, size_t size);
const Edged__EnrolReply *joinery_reply_to(struct joinery *f,
                                          const struct io_fake_peer *peer);
const Edged__EnrolReply *joinery_enrol(struct joinery *f,
                                       const struct token *token);
void joinery_enrol_other(struct joinery *f, const char *name, const char *host,
                         int rc, const char *text);
const Edged__Result *joinery_revoke(struct joinery *f, const char *name);
struct digest joinery_spki_of(const char *pem);
bool joinery_file_denies(struct joinery *f, const struct digest *spki);
struct io_fake_peer *joinery_node(struct joinery *f, const struct digest *spki);
const Edged__EnrolReply *joinery_renew(struct joinery *f,
                                       struct io_fake_peer *peer);

#endif
