#include "tests/lib/joinery.h"

#include "base/mem.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

static int apply(void *arg, struct err *err)
{
    struct joinery *f = arg;

    f->n_applied++;
    return f->apply_rc == 0 ? 0 : err_set(err, f->apply_rc, "it is a test");
}

static void start(struct joinery *f)
{
    struct coordinator_config config = {.folder = tmp_path(&f->tmp, "head"),
                                        .store_flags = STORE_NO_SYNC,
                                        .tls = &f->tls,
                                        .cluster = "home",
                                        .cert_ttl_ms = f->cert_ttl_ms};

    assert_int_equal(coordinator_new(&f->fake.io, &config, &f->c, &f->err), 0);
    assert_int_equal(coordinator_start(f->c, &f->err), 0);
    coordinator_listens(f->c, "10.0.0.1", 7434);
    f->client = io_fake_peer(&f->fake, "edgectl", EDGED__ROLE__ROLE_CLIENT);
}

void joinery_restart(struct joinery *f)
{
    coordinator_free(f->c);
    io_fake_deinit(&f->fake);
    io_fake_init(&f->fake);
    start(f);
}

int joinery_set_up(void **state)
{
    struct joinery *f = test_calloc(1, sizeof(*f));

    f->tls = (struct coordinator_tls){f, apply};
    f->cert_ttl_ms = 30 * DAY_MS;
    io_fake_init(&f->fake);
    tmp_init(&f->tmp);
    assert_int_equal(pki_make_key(&f->key, &f->err), 0);
    assert_int_equal(
        pki_make_csr(f->key, "pi-1", &f->csr, &f->csr_size, &f->err), 0);
    start(f);
    *state = f;
    return 0;
}

int joinery_tear_down(void **state)
{
    struct joinery *f = *state;

    coordinator_free(f->c);
    io_fake_deinit(&f->fake);
    tmp_deinit(&f->tmp);
    pki_forget(f->key);
    mem_free(f->csr);
    test_free(f);
    return 0;
}

/* ---- what people and boards say ------------------------------------------ */

const Edged__InitReply *joinery_init(struct joinery *f)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Init say = EDGED__INIT__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_INIT;
    env.init = &say;
    io_fake_receive(f->client, &env, NULL);
    (void)io_fake_work(&f->fake);
    return io_fake_last(f->client, EDGED__ENVELOPE__BODY_INIT_REPLY)
        ->env->init_reply;
}

const Edged__TokenReply *joinery_ask_token(struct joinery *f, uint64_t ttl_ms)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__TokenRequest say = EDGED__TOKEN_REQUEST__INIT;

    say.ttl_ms = ttl_ms;
    env.body_case = EDGED__ENVELOPE__BODY_TOKEN_REQUEST;
    env.token_request = &say;
    io_fake_receive(f->client, &env, NULL);
    (void)io_fake_work(&f->fake);
    return io_fake_last(f->client, EDGED__ENVELOPE__BODY_TOKEN_REPLY)
        ->env->token_reply;
}

struct token joinery_token(struct joinery *f)
{
    const Edged__TokenReply *reply = joinery_ask_token(f, 0);
    struct token token;

    assert_int_equal(reply->code, 0);
    assert_int_equal(token_read(reply->token, &token, &f->err), 0);
    return token;
}

struct io_fake_peer *joinery_stranger(struct joinery *f, const char *host)
{
    struct io_fake_peer *peer =
        io_fake_peer(&f->fake, "joiner", EDGED__ROLE__ROLE_NONE);

    peer->base.secure = true;
    (void)snprintf(peer->base.host, sizeof(peer->base.host), "%s", host);
    return peer;
}

void joinery_say_enrol(struct io_fake_peer *peer, const struct token *token,
                       const char *name, const uint8_t *csr, size_t size)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Enrol say = EDGED__ENROL__INIT;

    say.secret.data = (uint8_t *)(uintptr_t)token->secret;
    say.secret.len = sizeof(token->secret);
    say.name = (char *)(uintptr_t)name;
    say.csr.data = (uint8_t *)(uintptr_t)csr;
    say.csr.len = size;
    say.port = 7433;
    env.body_case = EDGED__ENVELOPE__BODY_ENROL;
    env.enrol = &say;
    io_fake_receive(peer, &env, NULL);
}

const Edged__EnrolReply *joinery_reply_to(struct joinery *f,
                                          const struct io_fake_peer *peer)
{
    const struct msg *msg;

    (void)io_fake_work(&f->fake);
    msg = io_fake_last(peer, EDGED__ENVELOPE__BODY_ENROL_REPLY);
    assert_non_null(msg);
    return msg->env->enrol_reply;
}

/* Of a new connection; the reply is its own. */
const Edged__EnrolReply *joinery_enrol(struct joinery *f,
                                       const struct token *token)
{
    struct io_fake_peer *peer = joinery_stranger(f, "10.0.0.7");

    joinery_say_enrol(peer, token, "pi-1", f->csr, f->csr_size);
    return joinery_reply_to(f, peer);
}

/* One of a board with a key of its own. */
void joinery_enrol_other(struct joinery *f, const char *name, const char *host,
                         int rc, const char *text)
{
    struct token good = joinery_token(f);
    struct io_fake_peer *peer = joinery_stranger(f, host);
    uint8_t *csr;
    size_t size;
    char *key;

    assert_int_equal(pki_make_key(&key, &f->err), 0);
    assert_int_equal(pki_make_csr(key, name, &csr, &size, &f->err), 0);
    joinery_say_enrol(peer, &good, name, csr, size);
    assert_int_equal(joinery_reply_to(f, peer)->code, rc);
    assert_non_null(strstr(joinery_reply_to(f, peer)->text, text));
    pki_forget(key);
    mem_free(csr);
}

const Edged__Result *joinery_revoke(struct joinery *f, const char *name)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Revoke say = EDGED__REVOKE__INIT;

    say.node = (char *)(uintptr_t)name;
    env.body_case = EDGED__ENVELOPE__BODY_REVOKE;
    env.revoke = &say;
    io_fake_receive(f->client, &env, NULL);
    (void)io_fake_work(&f->fake);
    return io_fake_last(f->client, EDGED__ENVELOPE__BODY_RESULT)->env->result;
}

struct digest joinery_spki_of(const char *pem)
{
    struct pki_cert cert;

    assert_int_equal(pki_read(pem, &cert, NULL), 0);
    return cert.spki;
}

/* Whether the list that TLS reads names a key. */
bool joinery_file_denies(struct joinery *f, const struct digest *spki)
{
    char path[TMP_PATH];
    char text[8 * DIGEST_HEX] = "";
    char hex[DIGEST_HEX];
    FILE *in;

    (void)snprintf(path, sizeof(path), "%s/tls/denied",
                   tmp_path(&f->tmp, "head"));
    in = fopen(path, "re");
    assert_non_null(in);
    (void)!fread(text, 1, sizeof(text) - 1, in);
    (void)fclose(in);
    digest_hex(spki, hex);
    return strstr(text, hex) != NULL;
}

struct io_fake_peer *joinery_node(struct joinery *f, const struct digest *spki)
{
    struct io_fake_peer *peer =
        io_fake_peer(&f->fake, "pi-1", EDGED__ROLE__ROLE_NODE);

    peer->base.secure = true;
    memcpy(peer->base.spki, spki->bytes, sizeof(spki->bytes));
    return peer;
}

const Edged__EnrolReply *joinery_renew(struct joinery *f,
                                       struct io_fake_peer *peer)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Renew say = EDGED__RENEW__INIT;

    say.csr.data = f->csr;
    say.csr.len = f->csr_size;
    env.body_case = EDGED__ENVELOPE__BODY_RENEW;
    env.renew = &say;
    io_fake_receive(peer, &env, NULL);
    return joinery_reply_to(f, peer);
}
