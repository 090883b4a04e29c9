#include "tests/lib/tls_hello.h"

#include "tests/lib/unit.h"

#include <openssl/ssl.h>

size_t tls_hello(uint8_t *out, size_t size)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl;
    BIO *bio = BIO_new(BIO_s_mem());
    int n;

    assert_int_equal(SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION), 1);
    assert_int_equal(SSL_CTX_set1_groups_list(ctx, "P-256"), 1);
    ssl = SSL_new(ctx);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), bio);
    SSL_set_connect_state(ssl);
    (void)SSL_do_handshake(ssl);
    n = BIO_read(bio, out, (int)size);
    assert_true(n > 100 && (size_t)n < size);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return (size_t)n;
}
