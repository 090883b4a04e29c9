#include "config/profiles.h"

#include "config/load.h"
#include "config/reference.h"

#include "base/mem.h"

int profiles_read(const char *text, size_t size, const char *label,
                  struct profiles **out, struct config_errors *errors)
{
    struct profiles *profiles = mem_new(struct profiles);
    int rc;

    if (profiles == NULL) {
        return EDGE_ENOMEM;
    }
    rc = read_whole(text, size, label, profiles_table(), profiles,
                    &profiles->pool, errors);
    if (rc < 0) {
        profiles_free(profiles);
        return rc;
    }
    *out = profiles;
    return 0;
}

static int read_any(const char *text, size_t size, const char *label, void *out,
                    struct config_errors *errors)
{
    return profiles_read(text, size, label, out, errors);
}

int profiles_load(const char *path, struct profiles **profiles,
                  struct config_errors *errors, struct err *err)
{
    return config_load(path, read_any, profiles, errors, err);
}

void profiles_free(struct profiles *profiles)
{
    if (profiles != NULL) {
        pool_deinit(&profiles->pool);
        mem_free(profiles);
    }
}

void profiles_schema_json(FILE *out)
{
    reference_schema(profiles_table(), "profiles of edged", out);
}

void profiles_reference(FILE *out)
{
    reference_page(profiles_table(), out);
}
