/*
 * Any bytes as cluster.yaml, as edged.yaml and as a file of profiles: they are
 * read or refused with errors that can be printed, and nothing else happens.
 */
#include "config/cluster.h"
#include "config/node.h"
#include "config/profiles.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* Prints to memory, and checks what is promised of every message. */
static void check_errors(const struct config_errors *errors, int rc)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    require(out != NULL);
    config_errors_print(errors, "nothing was changed", out);
    require(fclose(out) == 0);
    require((rc == EDGE_ECONFIG) == (errors->n_errors > 0));
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];

        require(c >= ' ' || c == '\n' || c == '\t');
    }
    mem_free(text);
}

/* What the rest of the program relies on. */
static void check_cluster(const struct cluster *cluster)
{
    require(read_is_name(cluster->name));
    require(cluster->model.file != NULL);
    require(cluster->n_devices > 0);
    for (size_t i = 0; i < cluster->n_devices; i++) {
        require(read_is_name(cluster->devices[i].name));
        require(read_is_host(cluster->devices[i].host));
    }
    for (size_t i = 0; i < cluster->n_stages; i++) {
        require(read_is_name(cluster->stages[i].name));
        require(cluster->stages[i].first[0] != '\0');
        require(cluster->stages[i].last[0] != '\0');
    }
    require(cluster->model.input.n == 1 || cluster->model.input.n == 3);
    require(cluster->health.suspect_ms >= 3 * cluster->health.heartbeat_ms);
    require(cluster->health.dead_ms > cluster->health.suspect_ms);
}

static void check_profiles(const struct profiles *profiles)
{
    require(profiles->n_kinds > 0);
    require(profiles->link.bit_s > 0);
    for (size_t i = 0; i < profiles->n_kinds; i++) {
        const struct profiles_kind *kind = &profiles->kinds[i];

        require(kind->macs_per_s > 0 || kind->n_layers > 0);
        require(kind->link.bit_s > 0);
        for (size_t k = 0; k < kind->n_layers; k++) {
            require(kind->layers[k].first[0] != '\0');
            require(kind->layers[k].last[0] != '\0');
        }
    }
    for (size_t i = 0; i < profiles->n_boards; i++) {
        require(profiles->boards[i].kind_index < profiles->n_kinds);
        require(read_is_name(profiles->boards[i].name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config_errors errors;
    struct profiles *profiles = NULL;
    struct node_config *config = NULL;
    struct cluster *cluster = NULL;
    int rc;

    rc = cluster_read((const char *)data, size, "f.yaml", &cluster, &errors);
    check_errors(&errors, rc);
    require((rc == 0) == (cluster != NULL));
    if (cluster != NULL) {
        check_cluster(cluster);
    }
    cluster_free(cluster);

    rc = node_config_read((const char *)data, size, "f.yaml", &config, &errors);
    check_errors(&errors, rc);
    require((rc == 0) == (config != NULL));
    node_config_free(config);

    rc = profiles_read((const char *)data, size, "f.yaml", &profiles, &errors);
    check_errors(&errors, rc);
    require((rc == 0) == (profiles != NULL));
    if (profiles != NULL) {
        check_profiles(profiles);
    }
    profiles_free(profiles);
    return 0;
}
