/* Where a cluster's sockets and state are, and which cluster is meant. */
#include "coordinator/ctl/ctl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/run/edge-coordinator/api.sock"

static const char *env(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *ctl_cluster_name(const struct ctl *ctl)
{
    if (ctl->cluster != NULL) {
        return ctl->cluster;
    }
    return env("EDGED_CLUSTER") != NULL ? env("EDGED_CLUSTER") : "local";
}

char *ctl_state_folder(const char *name)
{
    const char *state = env("XDG_STATE_HOME");
    const char *home = env("HOME");

    if (state != NULL) {
        return mem_printf("%s/edged/%s", state, name);
    }
    return mem_printf("%s/.local/state/edged/%s", home != NULL ? home : "/tmp",
                      name);
}

char *ctl_run_folder(const char *name)
{
    const char *run = env("XDG_RUNTIME_DIR");

    if (run != NULL) {
        return mem_printf("%s/edged-%s", run, name);
    }
    return mem_printf("/tmp/edged-%u/%s", (unsigned)getuid(), name);
}

/* Flag, then environment, then the local cluster; if that does not run and a
 * coordinator of the system does, the latter. */
char *ctl_socket(const struct ctl *ctl)
{
    char *folder;
    char *path;

    if (ctl->cluster == NULL && env("EDGED_API") != NULL) {
        return mem_strdup(env("EDGED_API"));
    }
    folder = ctl_run_folder(ctl_cluster_name(ctl));
    path = folder != NULL ? mem_printf("%s/api.sock", folder) : NULL;
    mem_free(folder);
    if (path != NULL && ctl->cluster == NULL && env("EDGED_CLUSTER") == NULL &&
        access(path, F_OK) < 0 && access(SYSTEM_SOCKET, F_OK) == 0) {
        mem_free(path);
        return mem_strdup(SYSTEM_SOCKET);
    }
    return path;
}

int ctl_connect(const struct ctl *ctl, struct client **client, struct err *err)
{
    char *path = ctl_socket(ctl);
    int rc = path == NULL ? err_set(err, EDGE_ENOMEM, "out of memory")
                          : client_open(path, client, err);

    mem_free(path);
    return rc;
}
