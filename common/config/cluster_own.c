/* The forms in cluster.yaml that only one key has. */
#include "config/cluster_parts.h"
#include "config/read_types.h"
#include "config/value.h"

#include "base/err.h"

#include <string.h>

#define GRID_SIDE_MAX 16

/* "AxB", whole numbers from 1 to `max`. */
static bool parse_pair(const char *text, int64_t max, uint32_t *a, uint32_t *b)
{
    char first[16];
    size_t n = strcspn(text, "x");
    const char *why;
    int64_t x;
    int64_t y;

    if (n == 0 || n >= sizeof(first) || text[n] == '\0') {
        return false;
    }
    memcpy(first, text, n);
    first[n] = '\0';
    if (!value_int(first, &x, &why) || !value_int(text + n + 1, &y, &why) ||
        x < 1 || x > max || y < 1 || y > max) {
        return false;
    }
    *a = (uint32_t)x;
    *b = (uint32_t)y;
    return true;
}

int cluster_own_size(struct reader *reader, const struct read_row *row,
                     const struct doc_node *node, void *base)
{
    struct cluster_input *input = base;

    if (node->kind == DOC_SCALAR && strcmp(node->text, "auto") == 0) {
        input->width = 0;
        input->height = 0;
        return 0;
    }
    if (node->kind != DOC_SCALAR ||
        !parse_pair(node->text, LIMIT_IMAGE_SIDE, &input->width,
                    &input->height)) {
        read_refuse(reader, row, node, NULL);
    }
    return 0;
}

int cluster_own_grid(struct reader *reader, const struct read_row *row,
                     const struct doc_node *node, void *base)
{
    struct cluster_tile *tile = base;

    if (node->kind != DOC_SCALAR ||
        !parse_pair(node->text, GRID_SIDE_MAX, &tile->columns, &tile->rows)) {
        read_refuse(reader, row, node, NULL);
    }
    return 0;
}

int cluster_own_views(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *base)
{
    struct cluster_input *input = base;

    if (node->kind != DOC_SCALAR ||
        !parse_pair(node->text, GRID_SIDE_MAX, &input->columns, &input->rows)) {
        read_refuse(reader, row, node, NULL);
    }
    return 0;
}

/* ---- numbers of channels ---- */

static bool take_channel(struct reader *reader, const struct read_row *row,
                         const struct doc_node *node, float *value)
{
    const char *why = NULL;
    double real = 0;

    if (node->kind == DOC_BAD) {
        return false;
    }
    if (node->kind != DOC_SCALAR || !node->is_plain ||
        !value_real(node->text, &real, &why) || real < row->min ||
        real > row->max) {
        read_refuse(reader, row, node, why);
        return false;
    }
    *value = (float)real;
    return true;
}

/* One number is that of all channels. */
int cluster_own_channels(struct reader *reader, const struct read_row *row,
                         const struct doc_node *node, void *base)
{
    float values[CLUSTER_CHANNELS] = {0};
    bool is_list = node->kind == DOC_LIST;
    const struct doc_node *it = is_list ? node->first : node;
    size_t n = is_list ? node->n : 1;

    if (n != 1 && n != CLUSTER_CHANNELS) {
        read_refuse(reader, row, node, NULL);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (!take_channel(reader, row, it, &values[i])) {
            return 0;
        }
        it = it->next;
    }
    for (size_t i = n; i < CLUSTER_CHANNELS; i++) {
        values[i] = values[0];
    }
    memcpy((char *)base + row->offset, values, sizeof(values));
    return 0;
}

/* ---- codecs ---- */

int cluster_own_codec(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *base)
{
    struct cluster_codec *codec =
        (struct cluster_codec *)((char *)base + row->offset);

    if (node->kind == DOC_SCALAR && strcmp(node->text, "auto") == 0) {
        *codec = (struct cluster_codec){
            .is_given = true, .is_auto = true, .at = node->at};
        return 0;
    }
    if (node->kind != DOC_SCALAR || strlen(node->text) >= CODEC_TEXT ||
        codec_parse(node->text, &codec->codec, NULL) < 0) {
        read_refuse(reader, row, node, NULL);
    }
    codec->is_given = true;
    codec->at = node->at;
    return 0;
}

int cluster_own_clip(struct reader *reader, const struct read_row *row,
                     const struct doc_node *node, void *base)
{
    struct cluster_margin *margin = base;
    const char *why = NULL;
    size_t i = 0;

    if (node->kind != DOC_LIST || node->n != 2) {
        read_refuse(reader, row, node, NULL);
        return 0;
    }
    for (const struct doc_node *it = node->first; it; it = it->next) {
        if (it->kind != DOC_SCALAR ||
            !value_real(it->text, &margin->clip[i++], &why)) {
            read_refuse(reader, row, it, why);
            return 0;
        }
    }
    return 0;
}

/* ---- layers ---- */

/* Layers have the names of ONNX, which may hold nearly anything: only the
 * first two dots in a row are ours. */
int cluster_own_layers(struct reader *reader, const struct read_row *row,
                       const struct doc_node *node, void *base)
{
    struct cluster_stage *stage = base;
    const char *dots;
    size_t n;

    if (node->kind != DOC_SCALAR || read_is_nothing(node) ||
        strchr(node->text, '\n') != NULL) {
        read_refuse(reader, row, node, NULL);
        return 0;
    }
    stage->layers = node->at;
    dots = strstr(node->text, "..");
    n = dots != NULL ? (size_t)(dots - node->text) : node->length;
    if (n == 0 || n > LIMIT_GRAPH_NAME || node->length > 2 * LIMIT_GRAPH_NAME ||
        (dots != NULL && (dots[2] == '\0' || strstr(dots + 2, "..")))) {
        read_refuse(reader, row, node, NULL);
        return 0;
    }
    stage->first = pool_text(read_pool(reader), node->text, n);
    stage->last = dots == NULL ? stage->first
                               : pool_text(read_pool(reader), dots + 2,
                                           node->length - n - 2);
    return stage->first != NULL && stage->last != NULL ? 0 : EDGE_ENOMEM;
}

/* ---- devices ---- */

bool cluster_device_name(const char *host, uint16_t port,
                         char name[LIMIT_NAME + 1])
{
    static const char local[] = ".local";
    size_t n = strlen(host);
    int length;

    if (n > sizeof(local) - 1 &&
        strcasecmp(host + n + 1 - sizeof(local), local) == 0) {
        n -= sizeof(local) - 1;
    }
    if (n > LIMIT_NAME) {
        return false;
    }
    length =
        port == CLUSTER_PORT
            ? snprintf(name, LIMIT_NAME + 1, "%.*s", (int)n, host)
            : snprintf(name, LIMIT_NAME + 1, "%.*s-%u", (int)n, host, port);
    return length <= LIMIT_NAME && read_is_name(name);
}

/* "host", "host:port" or "[address]:port"; the host is copied to `host`. */
static bool split_host(const char *text, char *host, size_t size,
                       uint16_t *port)
{
    bool is_bracketed = text[0] == '[';
    const char *end = is_bracketed ? strchr(text, ']') : strchr(text, ':');
    const char *why;
    int64_t number;
    size_t n;

    *port = CLUSTER_PORT;
    if (!is_bracketed && end != NULL && strchr(end + 1, ':') != NULL) {
        end = NULL; /* an IPv6 address of its own */
    }
    n = end != NULL ? (size_t)(end - text) : strlen(text);
    if (is_bracketed) {
        if (end == NULL || (end[1] != ':' && end[1] != '\0')) {
            return false;
        }
        text++;
        n--;
        end = end[1] == ':' ? end + 1 : NULL;
    }
    if (n >= size) {
        return false;
    }
    memcpy(host, text, n);
    host[n] = '\0';
    if (end == NULL) {
        return read_is_host(host);
    }
    if (!value_int(end + 1, &number, &why) || number < 1 ||
        number > UINT16_MAX) {
        return false;
    }
    *port = (uint16_t)number;
    return read_is_host(host);
}

static int set_device(struct reader *reader, struct cluster_device *device,
                      const char *name, const char *host, uint16_t port)
{
    struct pool *pool = read_pool(reader);

    device->port = port;
    device->name = pool_text(pool, name, strlen(name));
    device->host = pool_text(pool, host, strlen(host));
    device->coretype = pool_text(pool, "auto", strlen("auto"));
    return device->name != NULL && device->host != NULL &&
                   device->coretype != NULL
               ? 0
               : EDGE_ENOMEM;
}

static int read_device(struct reader *reader, const struct read_row *row,
                       const struct doc_node *node,
                       struct cluster_device *device)
{
    char name[LIMIT_NAME + 1];
    char host[256];
    uint16_t port;

    if (node->kind == DOC_MAP) {
        return read_push(reader, row->table, node, device);
    }
    if (node->kind == DOC_BAD) {
        return 0;
    }
    if (node->kind != DOC_SCALAR || read_is_nothing(node) ||
        !split_host(node->text, host, sizeof(host), &port)) {
        read_error(reader, doc_at(node),
                   "a device is a host, host:port or a mapping {name, host, "
                   "...}");
        return 0;
    }
    if (!cluster_device_name(host, port, name)) {
        read_error(reader, doc_at(node),
                   "no name can be made of this host; write {name: ..., host: "
                   "...}");
        return 0;
    }
    device->at = node->at;
    return set_device(reader, device, name, host, port);
}

static int make_devices(struct reader *reader, struct cluster *cluster,
                        enum cluster_devices kind, size_t n)
{
    cluster->devices_kind = kind;
    cluster->devices =
        pool_alloc(read_pool(reader), n, sizeof(struct cluster_device));
    if (cluster->devices == NULL) {
        return EDGE_ENOMEM;
    }
    cluster->n_devices = n;
    return 0;
}

static int read_list(struct reader *reader, const struct read_row *row,
                     const struct doc_node *node, struct cluster *cluster)
{
    struct cluster_device *device;
    int rc;

    if (node->n == 0 || (double)node->n > row->max) {
        read_refuse(reader, row, node, node->n > 0 ? "it is too long" : NULL);
        return 0;
    }
    rc = make_devices(reader, cluster, CLUSTER_DEVICES_LIST, node->n);
    device = cluster->devices;
    for (const struct doc_node *it = node->first; it && rc == 0;
         it = it->next) {
        rc = read_device(reader, row, it, device++);
    }
    return rc;
}

/* The daemons that `edgectl up --local` starts, under the names it gives. */
static int read_local(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, struct cluster *cluster)
{
    char name[LIMIT_NAME + 1];
    const char *why = NULL;
    int64_t n = 0;
    int rc;

    if (!value_int(node->text + strlen("local "), &n, &why) || n < 1 ||
        n > LIMIT_LOCAL) {
        (void)snprintf(name, sizeof(name), "N is a whole number from 1 to %d",
                       LIMIT_LOCAL);
        read_refuse(reader, row, node, name);
        return 0;
    }
    rc = make_devices(reader, cluster, CLUSTER_DEVICES_LOCAL, (size_t)n);
    for (size_t i = 0; i < cluster->n_devices && rc == 0; i++) {
        (void)snprintf(name, sizeof(name), "local-%zu", i + 1);
        cluster->devices[i].at = node->at;
        rc = set_device(reader, &cluster->devices[i], name, "127.0.0.1", 0);
    }
    return rc;
}

int cluster_own_devices(struct reader *reader, const struct read_row *row,
                        const struct doc_node *node, void *base)
{
    struct cluster *cluster = base;

    if (node->kind == DOC_LIST) {
        return read_list(reader, row, node, cluster);
    }
    if (node->kind == DOC_SCALAR && strncmp(node->text, "local ", 6) == 0) {
        return read_local(reader, row, node, cluster);
    }
    if (node->kind == DOC_SCALAR && strcmp(node->text, "auto") == 0) {
        read_later(reader, &node->at, "\"devices: auto\" (finding devices)");
        return 0;
    }
    read_refuse(reader, row, node, NULL);
    return 0;
}
