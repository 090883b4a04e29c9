/*
 * What a client's cluster.yaml asks for: the file, which is read again here,
 * and the members that its devices are.
 */
#include "coordinator/asked.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 8000 /* of a reply: the first errors of a file fit */

/* A board that joined has said where it is; a device that the file calls by
 * its host's name alone is that board, wherever the name leads to. */
static bool is_joined(struct coordinator *c,
                      const struct cluster_device *device)
{
    const struct member *m = members_find(c, device->name);
    char name[LIMIT_NAME + 1];

    return m != NULL && members_is_ready(m) &&
           cluster_device_name(device->host, device->port, name) &&
           strcmp(name, device->name) == 0;
}

static int find_listed(struct coordinator *c,
                       const struct cluster_device *device,
                       struct member **member, struct err *err)
{
    *member = members_find(c, device->name);
    return is_joined(c, device) ? 0
                                : members_add(c, device->name, device->host,
                                              device->port, member, err);
}

static int find_local(struct coordinator *c, const struct cluster *cluster,
                      const char *name, struct member **member, struct err *err)
{
    *member = members_find(c, name);
    if (*member == NULL) {
        return err_set(err, EDGE_ECONFIG,
                       "there is no device %s: fewer daemons run here than "
                       "\"devices: local %zu\" asks for. Try: edgectl down, "
                       "then edgectl up --local %zu",
                       name, cluster->n_devices, cluster->n_devices);
    }
    return 0;
}

int asked_devices(struct coordinator *c, const struct cluster *cluster,
                  struct member ***members, size_t *n_members, struct err *err)
{
    struct member **found;
    size_t n = 0;
    int rc = 0;

    if (cluster->devices_kind == CLUSTER_DEVICES_AUTO) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "\"devices: auto\" is not supported yet; list them");
    }
    found = mem_array(struct member *, cluster->n_devices);
    if (found == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < cluster->n_devices && rc == 0; i++) {
        const struct cluster_device *device = &cluster->devices[i];

        rc = cluster->devices_kind == CLUSTER_DEVICES_LOCAL
                 ? find_local(c, cluster, device->name, &found[n], err)
                 : find_listed(c, device, &found[n], err);
        n += rc == 0 && !found[n]->drained;
    }
    if (rc == 0 && n == 0) {
        rc = err_set(err, EDGE_ENOFIT,
                     "every device is drained. Try: edgectl undrain %s",
                     cluster->devices[0].name);
    }
    if (rc < 0) {
        mem_free(found);
        return rc;
    }
    *members = found;
    *n_members = n;
    return 0;
}

/* The errors as the user sees them: file, line, caret. */
static int yaml_failed(const struct config_errors *errors, struct err *err,
                       char **text)
{
    size_t size = 0;
    FILE *out = open_memstream(text, &size);

    if (out == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    config_errors_print(errors, "nothing was changed", out);
    (void)fclose(out);
    if (size > TEXT_MAX) {
        (*text)[TEXT_MAX] = '\0';
    }
    return EDGE_ECONFIG;
}

int asked_read(struct coordinator *c, const struct digest *yaml,
               const char *name, struct cluster **cluster, char **text,
               struct err *err)
{
    struct config_errors *errors = mem_new(struct config_errors);
    struct blob *file = NULL;
    int rc;

    if (errors == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = store_map(c->store, yaml, true, &file, err);
    if (rc == 0) {
        rc = cluster_read((const char *)file->data, file->size, name, cluster,
                          errors);
        if (rc == EDGE_ECONFIG) {
            rc = yaml_failed(errors, err, text);
        } else if (rc < 0) {
            (void)err_set(err, rc, "%s", err_text(rc));
        }
    }
    blob_unref(file);
    mem_free(errors);
    return rc;
}
