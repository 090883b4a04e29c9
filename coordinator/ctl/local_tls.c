#include "coordinator/ctl/local_tls.h"

#include "base/mem.h"

#include <string.h>
#include <time.h>

static int64_t now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec;
}

static int issue(const struct pki_set *authority, struct pki_set *set,
                 enum pki_role role, const char *name, struct err *err)
{
    struct pki_issue what = {role, name, now_s(),
                             (int64_t)(CERT_TTL_MS / 1000)};
    uint8_t *csr = NULL;
    size_t size = 0;
    char *pem = NULL;
    int rc = pki_make_csr(set->key_pem, name, &csr, &size, err);

    if (rc == 0) {
        rc = pki_issue(authority->ca_pem, authority->ca_key_pem, csr, size,
                       &what, &pem, err);
    }
    if (rc == 0) {
        mem_free(set->cert_pem);
        set->cert_pem = pem;
    }
    mem_free(csr);
    return rc;
}

static bool is_fresh(const struct pki_set *set)
{
    struct pki_cert cert;

    return pki_read(set->cert_pem, &cert, NULL) == 0 &&
           now_s() >= cert.not_before_s && now_s() < pki_renew_at_s(&cert);
}

static int make_authority(const char *cluster, struct pki_set *set,
                          struct err *err)
{
    int rc = pki_make_key(&set->ca_key_pem, err);

    if (rc == 0) {
        rc = pki_make_ca(set->ca_key_pem, cluster, now_s(), &set->ca_pem, err);
    }
    return rc < 0 ? rc : pki_make_key(&set->key_pem, err);
}

/* There, whole and with the authority's key: renewed at most. */
static bool is_usable(const struct pki_set *set, int rc)
{
    return rc == 0 && set->ca_key_pem != NULL;
}

int local_tls_authority(const char *folder, const char *cluster,
                        struct pki_set *set, struct err *err)
{
    int rc = pki_load(folder, set, err);

    if (is_usable(set, rc) && is_fresh(set)) {
        return 0;
    }
    if (!is_usable(set, rc)) {
        pki_set_deinit(set);
        rc = make_authority(cluster, set, err);
    }
    if (rc == 0) {
        rc = issue(set, set, PKI_COORDINATOR, "coordinator", err);
    }
    if (rc == 0) {
        rc = pki_save(folder, 0, set, err);
    }
    if (rc < 0) {
        pki_set_deinit(set);
    }
    return rc;
}

int local_tls_member(const struct pki_set *authority, const char *folder,
                     const char *name, struct err *err)
{
    struct pki_set set = {0};
    bool is_ours = pki_load(folder, &set, err) == 0 &&
                   strcmp(set.ca_pem, authority->ca_pem) == 0;
    int rc = 0;

    if (is_ours && is_fresh(&set)) {
        pki_set_deinit(&set);
        return 0;
    }
    if (!is_ours) {
        pki_set_deinit(&set);
        set.ca_pem = mem_strdup(authority->ca_pem);
        rc = set.ca_pem == NULL ? err_set(err, EDGE_ENOMEM, "out of memory")
                                : pki_make_key(&set.key_pem, err);
    }
    if (rc == 0) {
        rc = issue(authority, &set, PKI_NODE, name, err);
    }
    if (rc == 0) {
        rc = pki_save(folder, 0, &set, err);
    }
    pki_set_deinit(&set);
    return rc;
}
