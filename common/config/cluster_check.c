/* What no single key of cluster.yaml can tell to be wrong. */
#include "config/cluster_parts.h"
#include "config/value.h"

#include "base/err.h"
#include "base/suggest.h"

#include <string.h>

/* Where a key's value is, or the key of the mapping it would be in. */
static const struct config_at *find_at(const struct doc_node *map,
                                       const char *key)
{
    const struct doc_node *node = doc_get(map, key);

    return doc_at(node != NULL ? node : map);
}

/* ---- model.input ---- */

int cluster_check_input(struct reader *reader, const struct doc_node *node,
                        void *base)
{
    static const char *const keys[] = {"mean", "std"};
    struct cluster_input *input = base;

    input->is_given = node != NULL;
    input->n = input->color == CLUSTER_COLOR_GRAY ? 1 : CLUSTER_CHANNELS;
    for (size_t i = 0; i < 2; i++) {
        const struct doc_node *list = doc_get(node, keys[i]);

        if (list != NULL && list->kind == DOC_LIST && list->n > input->n) {
            read_error(reader, &list->at,
                       "\"%s\" has %zu numbers, but \"color: gray\" has one "
                       "channel",
                       keys[i], list->n);
        }
    }
    return 0;
}

/* ---- health, deadlines ---- */

int cluster_check_health(struct reader *reader, const struct doc_node *node,
                         void *base)
{
    const struct cluster_health *health = base;
    const char *key = doc_get(node, "suspect") ? "suspect" : "heartbeat";
    char a[VALUE_FORMAT];
    char b[VALUE_FORMAT];

    if (health->suspect_ms / 3 < health->heartbeat_ms) {
        read_error(reader, find_at(node, key),
                   "\"suspect\" (%s) must be at least three times "
                   "\"heartbeat\" (%s)",
                   value_format_duration(a, health->suspect_ms),
                   value_format_duration(b, health->heartbeat_ms));
    }
    key = doc_get(node, "dead") ? "dead" : "suspect";
    if (health->dead_ms <= health->suspect_ms) {
        read_error(reader, find_at(node, key),
                   "\"dead\" (%s) must be longer than \"suspect\" (%s)",
                   value_format_duration(a, health->dead_ms),
                   value_format_duration(b, health->suspect_ms));
    }
    return 0;
}

static void check_deadline(struct reader *reader, const struct doc_node *node,
                           uint32_t deadline_ms)
{
    if (deadline_ms > 0 && deadline_ms < SLOWEST_REPLY_MS) {
        read_warning(reader, find_at(node, "deadline"),
                     "a deadline below 2.5s passes before the silent death of "
                     "a device is noticed and made good");
    }
}

int cluster_check_routing(struct reader *reader, const struct doc_node *node,
                          void *base)
{
    const struct cluster_routing *routing = base;

    check_deadline(reader, node, routing->deadline_ms);
    if (routing->deadline_ms > 0 &&
        routing->hop_deadline_ms > routing->deadline_ms) {
        read_error(reader, find_at(node, "hop_deadline"),
                   "\"hop_deadline\" is longer than \"deadline\", which is for "
                   "all hops together");
    }
    return 0;
}

/* ---- devices ---- */

int cluster_check_device(struct reader *reader, const struct doc_node *node,
                         void *base)
{
    struct cluster_device *device = base;
    const char *key = device->name != NULL ? "name" : "host";
    char name[LIMIT_NAME + 1];

    if (node == NULL) {
        return 0;
    }
    device->at = *find_at(node, key);
    if (device->name != NULL || device->host == NULL) {
        return 0;
    }
    if (!cluster_device_name(device->host, device->port, name)) {
        read_error(reader, &device->at,
                   "no name can be made of \"%s\"; give this device a \"name\"",
                   device->host);
        return 0;
    }
    device->name = pool_text(read_pool(reader), name, strlen(name));
    return device->name != NULL ? 0 : EDGE_ENOMEM;
}

static bool is_same_place(const struct cluster_device *a,
                          const struct cluster_device *b)
{
    return a->host != NULL && b->host != NULL && a->port == b->port &&
           strcasecmp(a->host, b->host) == 0;
}

static bool is_same_name(const struct cluster_device *a,
                         const struct cluster_device *b)
{
    return a->name != NULL && b->name != NULL && strcmp(a->name, b->name) == 0;
}

/* `node` is the device's in the file. */
static void check_twice(struct reader *reader, const struct cluster *cluster,
                        size_t i, const struct doc_node *node)
{
    const struct cluster_device *device = &cluster->devices[i];

    for (size_t j = 0; j < i; j++) {
        const struct cluster_device *first = &cluster->devices[j];

        if (is_same_place(device, first)) {
            read_error(reader, find_at(node, "host"),
                       "device \"%.100s\" is listed twice (first at %u:%u)",
                       device->host, first->at.line, first->at.column);
            return;
        }
        if (is_same_name(device, first)) {
            read_error(reader, &device->at,
                       "two devices have the name \"%s\" (first at %u:%u)",
                       device->name, first->at.line, first->at.column);
            return;
        }
    }
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcasecmp(host, "localhost") == 0;
}

/* Plain text never leaves a machine (RELIABILITY, security defaults). */
static void check_insecure(struct reader *reader, const struct cluster *cluster,
                           const struct cluster_device *device)
{
    if (cluster->security.mode == CLUSTER_MODE_INSECURE &&
        device->host != NULL && !is_loopback(device->host)) {
        read_error(reader, &device->at,
                   "\"security: {mode: insecure}\" is for loopback alone, and "
                   "\"%.100s\" is another host",
                   device->host);
    }
}

/* ---- stages ---- */

static bool is_device(const struct cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->n_devices; i++) {
        const char *known = cluster->devices[i].name;

        if (known != NULL && strcmp(known, name) == 0) {
            return true;
        }
    }
    return false;
}

static const char *near_device(const struct cluster *cluster, const char *name)
{
    struct suggest suggest;

    suggest_init(&suggest, name);
    for (size_t i = 0; i < cluster->n_devices; i++) {
        if (cluster->devices[i].name != NULL) {
            suggest_try(&suggest, cluster->devices[i].name);
        }
    }
    return suggest_best(&suggest);
}

void cluster_check_holder(struct reader *reader, const struct cluster *cluster,
                          const struct doc_node *node)
{
    const char *near;

    if (is_device(cluster, node->text)) {
        return;
    }
    near = read_is_full(reader) ? NULL : near_device(cluster, node->text);
    read_error(reader, &node->at, "no device has the name \"%s\"%s%s%s",
               node->text, near != NULL ? "; did you mean \"" : "",
               near != NULL ? near : "", near != NULL ? "\"?" : "");
}

/* The first node before `it` that says the same, or NULL. */
static const struct doc_node *find_twin(const struct doc_node *list,
                                        const struct doc_node *it)
{
    for (const struct doc_node *b = list->first; b != it; b = b->next) {
        if (b->kind == DOC_SCALAR && strcmp(b->text, it->text) == 0) {
            return b;
        }
    }
    return NULL;
}

/* What is no text has had its error where the list was read. */
static void check_names(struct reader *reader, const struct cluster *cluster,
                        const struct doc_node *list)
{
    for (const struct doc_node *it = list->first; it; it = it->next) {
        const struct doc_node *first;

        if (it->kind != DOC_SCALAR) {
            continue;
        }
        cluster_check_holder(reader, cluster, it);
        first = find_twin(list, it);
        if (first != NULL) {
            read_error(reader, &it->at,
                       "device \"%s\" is listed twice (first at %u:%u)",
                       it->text, first->at.line, first->at.column);
        }
    }
}

int cluster_check_stage(struct reader *reader, const struct doc_node *node,
                        void *base)
{
    struct cluster_stage *stage = base;

    (void)reader;
    if (node != NULL) {
        stage->at = *find_at(node, "name");
    }
    return 0;
}

static void check_stage_name(struct reader *reader,
                             const struct cluster *cluster, size_t i)
{
    const struct cluster_stage *stage = &cluster->stages[i];

    for (size_t j = 0; j < i && stage->name != NULL; j++) {
        const struct cluster_stage *first = &cluster->stages[j];

        if (first->name != NULL && strcmp(first->name, stage->name) == 0) {
            read_error(reader, &stage->at,
                       "two stages have the name \"%s\" (first at %u:%u)",
                       stage->name, first->at.line, first->at.column);
            return;
        }
    }
}

/* Only tiles that exchange borders send any. */
static void check_borders(struct reader *reader,
                          const struct cluster_stage *stage,
                          const struct doc_node *node)
{
    if (stage->tile.codec.is_given &&
        stage->tile.halo != CLUSTER_HALO_EXCHANGE) {
        read_error(reader, find_at(doc_get(node, "tile"), "codec"),
                   "only tiles with \"halo: exchange\" send borders. The "
                   "stage's own \"codec\" is for what it sends onward");
    }
}

/* The devices that a split or tiled stage lies over. */
static void check_cut(struct reader *reader, const struct cluster *cluster,
                      const struct doc_node *stage, const char *key)
{
    const struct doc_node *cut = doc_get(stage, key);
    const struct doc_node *over = cut != NULL ? doc_get(cut, "over") : NULL;

    if (over != NULL && cluster->n_devices > 0) {
        check_names(reader, cluster, over);
    }
}

/* Without "parts" there are as many as devices. */
static void check_split(struct reader *reader,
                        const struct cluster_split *split,
                        const struct config_at *at)
{
    if (split->parts > 0 && split->n_over % split->parts != 0) {
        read_error(reader, at,
                   "a split in %u parts is over %u devices, or twice as many, "
                   "and so on, not %zu",
                   split->parts, split->parts, split->n_over);
    } else if (split->parts == 0 &&
               (split->n_over < 2 || split->n_over > SPLIT_PARTS_MAX)) {
        read_error(reader, at, "a split is over 2 to %d devices, not %zu",
                   SPLIT_PARTS_MAX, split->n_over);
    }
}

static void check_one_way(struct reader *reader,
                          const struct cluster_stage *stage,
                          const struct doc_node *node)
{
    bool is_split = stage->split.n_over > 0;
    bool is_tiled = stage->tile.n_over > 0;

    if (is_split && is_tiled) {
        read_error(reader, find_at(node, "tile"),
                   "a stage is split or tiled, not both. Write two stages");
    } else if ((is_split || is_tiled) && stage->n_replicas > 0) {
        read_error(reader, find_at(node, "replicas"),
                   "the devices of a stage that is %s are in \"over\"",
                   is_split ? "split" : "tiled");
    }
    if (is_split) {
        check_split(reader, &stage->split, find_at(node, "split"));
    }
    if ((is_split || is_tiled) && stage->name != NULL &&
        strlen(stage->name) > LIMIT_NAME - 16) {
        read_error(reader, &stage->at,
                   "a cut stage's name has %d characters at most: its pieces "
                   "are named after it",
                   LIMIT_NAME - 16);
    }
}

static void check_stages(struct reader *reader, const struct cluster *cluster,
                         const struct doc_node *list)
{
    const struct doc_node *node = list != NULL ? list->first : NULL;

    for (size_t i = 0; i < cluster->n_stages && node; i++) {
        const struct cluster_stage *stage = &cluster->stages[i];

        check_stage_name(reader, cluster, i);
        if (cluster->stages[i].n_replicas > 0 && cluster->n_devices > 0) {
            check_names(reader, cluster, doc_get(node, "replicas"));
        }
        check_cut(reader, cluster, node, "split");
        check_cut(reader, cluster, node, "tile");
        check_one_way(reader, stage, node);
        check_borders(reader, stage, node);
        node = node->next;
    }
}

/* ---- the top ---- */

int cluster_check_top(struct reader *reader, const struct doc_node *node,
                      void *base)
{
    const struct cluster *cluster = base;
    const struct doc_node *device = doc_get(node, "devices");

    device = device != NULL ? device->first : NULL; /* none for `local N` */
    for (size_t i = 0; i < cluster->n_devices && device != NULL; i++) {
        check_twice(reader, cluster, i, device);
        check_insecure(reader, cluster, &cluster->devices[i]);
        device = device->next;
    }
    if (cluster->n_devices > 0 && cluster->replicas > cluster->n_devices) {
        read_error(reader, find_at(node, "replicas"),
                   "\"replicas\" is %u, but there %s", cluster->replicas,
                   cluster->n_devices == 1 ? "is one device"
                                           : "are fewer devices");
    }
    check_stages(reader, cluster, doc_get(node, "stages"));
    cluster_check_views(reader, node, cluster);
    if (cluster->n_views == 0) { /* a view that is late is no failure */
        check_deadline(reader, node, cluster->deadline_ms);
    }
    return 0;
}
