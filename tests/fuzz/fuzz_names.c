/* Any text as a name, a digest, an address or a node's place in a path. */
#include "base/mem.h"
#include "base/store.h"
#include "config/read.h"
#include "net/address.h"
#include "pki/pki.h"
#include "wire/convert.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_name(const char *text)
{
    bool fine = convert_name_ok(text);

    require(fine == pki_name_ok(text) && fine == read_is_name(text));
    if (fine) {
        require(strlen(text) <= LIMIT_NAME && strchr(text, '/') == NULL &&
                strcmp(text, ".") != 0 && strcmp(text, "..") != 0);
    }
}

static void check_digest(const char *text)
{
    struct digest digest;
    char hex[DIGEST_HEX];

    if (digest_parse(text, &digest)) {
        digest_hex(&digest, hex);
        require(strcasecmp(hex, text) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_resize(NULL, size + 1, 1);

    memcpy(text, data, size);
    text[size] = '\0';
    check_name(text);
    check_digest(text);
    (void)read_is_host(text);
    mem_free(text);
    return 0;
}
