/* Any text as a join token, and any bytes as the certificate, the request and
 * the key of somebody who wants to be a member. */
#include "base/mem.h"
#include "pki/pki.h"
#include "pki/token.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_token(const char *text)
{
    struct token token;
    struct token again;
    char line[TOKEN_LINE];
    struct err err = {""};

    if (token_read(text, &token, &err) < 0) {
        require(err.text[0] != '\0');
        return;
    }
    require(pki_name_ok(token.cluster) && token.n_hosts <= TOKEN_HOSTS);
    require(token_write(&token, line, &err) == 0);
    require(token_read(line, &again, &err) == 0);
    require(memcmp(&again.secret, &token.secret, sizeof(token.secret)) == 0);
}

static void check_certificates(const char *text, const uint8_t *data,
                               size_t size)
{
    char name[LIMIT_NAME + 1];
    struct pki_cert cert;
    struct digest spki;
    struct err err = {""};

    if (pki_read(text, &cert, &err) == 0) {
        require(cert.name[0] == '\0' || pki_name_ok(cert.name));
    } else {
        require(err.text[0] != '\0');
    }
    if (pki_check_csr(data, size, name, &spki, &err) == 0) {
        require(pki_name_ok(name));
    }
    (void)pki_check_set(text, text, text, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_resize(NULL, size + 1, 1);

    memcpy(text, data, size);
    text[size] = '\0';
    check_token(text);
    check_certificates(text, data, size);
    mem_free(text);
    return 0;
}
