#include "config/read_types.h"

#include "config/value.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define TEXT_MAX 1024
#define PATH_BYTES_MAX 4095
#define HOST_MAX 253 /* RFC 1035 */
#define LABEL_MAX 63

bool read_is_nothing(const struct doc_node *node)
{
    return node->kind == DOC_SCALAR && node->is_plain &&
           (node->length == 0 || strcmp(node->text, "~") == 0 ||
            strcasecmp(node->text, "null") == 0);
}

bool read_is_name(const char *text)
{
    size_t n = strnlen(text, LIMIT_NAME + 1);

    if (n == 0 || n > LIMIT_NAME || !isalnum((unsigned char)text[0])) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i])) {
            return false;
        }
    }
    return true;
}

static bool is_host_name(const char *text)
{
    size_t n = strnlen(text, HOST_MAX + 1);
    size_t label = 0;

    if (n == 0 || n > HOST_MAX) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        bool is_inner = label > 0 && text[i] == '-';

        if (text[i] == '.' && label > 0 && text[i - 1] != '-') {
            label = 0;
        } else if (isalnum((unsigned char)text[i]) || text[i] == '_' ||
                   is_inner) {
            label++;
        } else {
            return false;
        }
        if (label > LABEL_MAX) {
            return false;
        }
    }
    return text[n - 1] != '-';
}

/* An IPv6 address, with the interface if it is a link-local one. */
static bool is_ipv6(const char *text)
{
    char address[INET6_ADDRSTRLEN];
    size_t n = strcspn(text, "%");
    struct in6_addr binary;

    if (n >= sizeof(address) ||
        (text[n] == '%' && !read_is_name(text + n + 1))) {
        return false;
    }
    memcpy(address, text, n);
    address[n] = '\0';
    return inet_pton(AF_INET6, address, &binary) == 1;
}

/* Digits and dots alone are an IPv4 address or a mistake. */
bool read_is_host(const char *text)
{
    struct in_addr binary;

    if (strspn(text, "0123456789.") == strlen(text)) {
        return inet_pton(AF_INET, text, &binary) == 1;
    }
    return is_host_name(text) || is_ipv6(text);
}

/* ---- texts ---- */

static bool is_digest(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64;
}

static const char *check_text(const struct read_row *row, const char *text,
                              bool *is_good)
{
    size_t limit = row->type == READ_PATH ? PATH_BYTES_MAX
                   : row->max > 0         ? (size_t)row->max
                                          : TEXT_MAX;

    *is_good = false;
    switch (row->type) {
    case READ_NAME: *is_good = read_is_name(text); return NULL;
    case READ_HOST: *is_good = read_is_host(text); return NULL;
    case READ_DIGEST: *is_good = is_digest(text); return NULL;
    default: break;
    }
    if (strchr(text, '\n') != NULL) {
        return "it has more than one line";
    }
    if (strlen(text) > limit) {
        return "it is too long";
    }
    *is_good = text[0] != '\0';
    return NULL;
}

static int set_text(struct reader *reader, const struct read_row *row,
                    const struct doc_node *node, void *field)
{
    bool is_good = false;
    const char *why = check_text(row, node->text, &is_good);
    char *copy;

    if (!is_good) {
        read_refuse(reader, row, node, why);
        return 0;
    }
    copy = read_text(reader, node);
    if (copy == NULL) {
        return EDGE_ENOMEM;
    }
    memcpy(field, &copy, sizeof(copy));
    return 0;
}

/* ---- numbers ---- */

static void store_whole(const struct read_row *row, void *field, int64_t value)
{
    uint8_t u8 = (uint8_t)value;
    uint16_t u16 = (uint16_t)value;
    uint32_t u32 = (uint32_t)value;

    switch (row->size) {
    case 1: memcpy(field, &u8, 1); break;
    case 2: memcpy(field, &u16, 2); break;
    case 4: memcpy(field, &u32, 4); break;
    default: memcpy(field, &value, 8); break;
    }
}

static void store_real(const struct read_row *row, void *field, double value)
{
    float single = (float)value;

    if (row->size == sizeof(single)) {
        memcpy(field, &single, sizeof(single));
    } else {
        memcpy(field, &value, sizeof(value));
    }
}

static bool is_real(const struct read_row *row)
{
    return row->type == READ_REAL || row->type == READ_PERCENT;
}

static void store(const struct read_row *row, void *field, double real,
                  int64_t whole)
{
    if (is_real(row)) {
        store_real(row, field, real);
    } else {
        store_whole(row, field, whole);
    }
}

/* A number by the row's type, as a real and, if it is one, a whole number. */
static bool parse(const struct read_row *row, const char *text, double *real,
                  int64_t *whole, const char **why)
{
    uint64_t amount = 0;
    bool is_good = false;

    switch (row->type) {
    case READ_INT:
        is_good = value_int(text, whole, why);
        *real = (double)*whole;
        return is_good;
    case READ_REAL: return value_real(text, real, why);
    case READ_PERCENT: return value_percent(text, real, why);
    case READ_DURATION: is_good = value_duration(text, &amount, why); break;
    case READ_BYTES: is_good = value_bytes(text, &amount, why); break;
    default: return false;
    }
    if (is_good && amount > INT64_MAX) {
        *why = "it is too large";
        return false;
    }
    *whole = (int64_t)amount;
    *real = (double)amount;
    return is_good;
}

/* True if `node` is one of the row's words, and then dealt with. */
static bool take_word(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *field)
{
    char what[READ_TAKES];

    for (const struct read_word *w = row->words; w && w->word; w++) {
        if (strcmp(w->word, node->text) != 0) {
            continue;
        }
        if (w->is_later) {
            (void)snprintf(what, sizeof(what), "\"%s: %s\"", row->key, w->word);
            read_later(reader, &node->at, what);
        } else {
            store(row, field, w->value, w->value);
        }
        return true;
    }
    return false;
}

static int set_number(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *field)
{
    bool has_range = row->min < row->max || row->min > row->max;
    const char *why = NULL;
    char what[READ_TAKES];
    double real = 0;
    int64_t whole = 0;

    if (take_word(reader, row, node, field)) {
        return 0;
    }
    if (!node->is_plain) {
        read_refuse(reader, row, node, "it is in quotes");
    } else if (!parse(row, node->text, &real, &whole, &why)) {
        read_refuse(reader, row, node, why);
    } else if (has_range && (real < row->min || real > row->max)) {
        read_refuse(reader, row, node, NULL);
    } else if (row->now > 0 && real > row->now) {
        (void)snprintf(what, sizeof(what), "\"%s\" above %g", row->key,
                       row->now);
        read_later(reader, &node->at, what);
    } else {
        store(row, field, real, whole);
    }
    return 0;
}

static int set_choice(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *field)
{
    if (!take_word(reader, row, node, field)) {
        read_refuse(reader, row, node, NULL);
    }
    return 0;
}

static int set_scalar(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *field)
{
    if (node->kind != DOC_SCALAR || read_is_nothing(node)) {
        read_refuse(reader, row, node, NULL);
        return 0;
    }
    switch (row->type) {
    case READ_TEXT:
    case READ_PATH:
    case READ_NAME:
    case READ_HOST:
    case READ_DIGEST: return set_text(reader, row, node, field);
    case READ_CHOICE: return set_choice(reader, row, node, field);
    default: return set_number(reader, row, node, field);
    }
}

int read_value(struct reader *reader, const struct read_row *row,
               const struct doc_node *node, void *base)
{
    if (node->kind == DOC_BAD) {
        return 0; /* reported when the text was read */
    }
    switch (row->type) {
    case READ_OWN: return row->own(reader, row, node, base);
    case READ_NAMES: return read_names(reader, row, node, base);
    case READ_PAIRS: return read_pairs(reader, row, node, base);
    case READ_NUMBERS: return read_numbers(reader, row, node, base);
    case READ_MAP: return read_map(reader, row, node, base);
    case READ_MAPS: return read_maps(reader, row, node, base);
    case READ_KEYED: return read_keyed(reader, row, node, base);
    default: return set_scalar(reader, row, node, (char *)base + row->offset);
    }
}
