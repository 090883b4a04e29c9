/* edgectl init, token, revoke: who is a member of the cluster. */
#include "coordinator/ctl/ctl.h"

#include "base/blob.h"
#include "base/mem.h"
#include "config/value.h"
#include "coordinator/ctl/supervisor.h"
#include "pki/folder.h"
#include "pki/token.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 15000

static int ask(const struct ctl *ctl, const Edged__Envelope *env,
               Edged__Envelope__BodyCase kind, struct msg *msg, struct err *err)
{
    struct client *client = NULL;
    int rc = ctl_connect(ctl, &client, err);

    if (rc == 0) {
        rc = client_send(client, env, NULL, 0, err);
    }
    if (rc == 0) {
        rc = client_expect(client, ANSWER_MS, kind, msg, err);
    }
    client_close(client);
    return rc;
}

/* ---- init ---------------------------------------------------------------- */

/* Where this user's certificate for a cluster is kept. */
static char *user_folder(const struct ctl *ctl)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    const char *name = ctl_cluster_name(ctl);

    if (config != NULL && config[0] != '\0') {
        return mem_printf("%s/edged/%s", config, name);
    }
    return mem_printf("%s/.config/edged/%s", home != NULL ? home : "/tmp",
                      name);
}

static const char *user_name(void)
{
    const struct passwd *user = getpwuid(getuid());

    return user != NULL && pki_name_ok(user->pw_name) ? user->pw_name : "user";
}

static int64_t now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec;
}

/* This user has a certificate that will do for a while. */
static bool is_fresh(const char *folder)
{
    struct pki_cert cert;
    struct pki_set set;
    bool fresh = false;

    if (pki_load(folder, &set, NULL) == 0) {
        fresh = pki_read(set.cert_pem, &cert, NULL) == 0 &&
                now_s() < pki_renew_at_s(&cert);
        pki_set_deinit(&set);
    }
    return fresh;
}

static int keep(const char *folder, char **key_pem,
                const Edged__InitReply *reply, struct err *err)
{
    struct pki_set set = {.ca_pem = reply->ca_pem,
                          .cert_pem = reply->cert_pem,
                          .key_pem = *key_pem};
    int rc = pki_check_set(set.ca_pem, set.cert_pem, set.key_pem, err);

    if (rc == 0) {
        rc = supervisor_make_folder(folder, err);
    }
    return rc < 0 ? rc : pki_save(folder, 0, &set, err);
}

static void tell(const struct ctl *ctl, const Edged__InitReply *reply,
                 const char *folder, bool made_own)
{
    struct pki_cert ca;
    char text[PKI_SHORT];

    if (ctl->quiet || pki_read(reply->ca_pem, &ca, NULL) < 0) {
        return;
    }
    (void)fprintf(stderr,
                  reply->made
                      ? "cluster %s: made its certificates (CA %s)\n"
                      : "cluster %s has its certificates already (CA %s); they "
                        "are as they were\n",
                  reply->cluster, pki_short(&ca.fingerprint, text));
    if (made_own) {
        (void)fprintf(stderr, "this user's certificate is in %s/tls\n", folder);
    }
    (void)fprintf(stderr, "Next, for each board:  edgectl token create | ssh "
                          "BOARD sudo edged join -\n");
}

static int init(const struct ctl *ctl, const char *name, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Init init = EDGED__INIT__INIT;
    char *folder = user_folder(ctl);
    bool wants = folder != NULL && !is_fresh(folder);
    struct msg msg = {0};
    char *key_pem = NULL;
    int rc = folder == NULL ? err_set(err, EDGE_ENOMEM, "out of memory") : 0;

    if (rc == 0 && wants) {
        rc = pki_make_key(&key_pem, err);
    }
    if (rc == 0 && wants) {
        rc = pki_make_csr(key_pem, user_name(), &init.csr.data, &init.csr.len,
                          err);
    }
    if (rc == 0) {
        init.name = (char *)(uintptr_t)name;
        env.body_case = EDGED__ENVELOPE__BODY_INIT;
        env.init = &init;
        rc = ask(ctl, &env, EDGED__ENVELOPE__BODY_INIT_REPLY, &msg, err);
    }
    if (rc == 0 && msg.env->init_reply->code < 0) {
        rc = err_set(err, msg.env->init_reply->code, "%s",
                     msg.env->init_reply->text);
    }
    if (rc == 0 && wants) {
        rc = keep(folder, &key_pem, msg.env->init_reply, err);
    }
    if (rc == 0) {
        tell(ctl, msg.env->init_reply, folder, wants);
    }
    msg_deinit(&msg);
    mem_free(init.csr.data);
    pki_forget(key_pem);
    mem_free(folder);
    return rc;
}

static error_t parse_init(int key, char *arg, struct argp_state *state)
{
    const char **name = state->input;

    if (key != 'N') {
        return ARGP_ERR_UNKNOWN;
    }
    *name = arg;
    return 0;
}

int cmd_init(struct ctl *ctl, int argc, char **argv)
{
    const char *name = "";
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, parse_init, &name, argc, argv, &first);
    ctl_limit(ctl);
    if (name[0] == '\0' && ctl->cluster != NULL) {
        name = ctl->cluster;
    }
    rc = init(ctl, name, &err);
    return rc < 0 ? ctl_fail(&err, rc) : CTL_OK;
}

/* ---- token --------------------------------------------------------------- */

struct token_options {
    uint64_t ttl_ms; /* 0: the coordinator's own */
    char *hosts[TOKEN_HOSTS];
    size_t n_hosts;
    char *found[TOKEN_HOSTS];
    size_t n_found;
};

static error_t parse_token(int key, char *arg, struct argp_state *state)
{
    struct token_options *options = state->input;
    const char *why = NULL;

    switch (key) {
    case 'T':
        if (!value_duration(arg, &options->ttl_ms, &why)) {
            argp_error(state, "\"%s\" is not a time such as 15m or 2h", arg);
        }
        return 0;
    case 'H':
        if (options->n_hosts == TOKEN_HOSTS) {
            argp_error(state, "at most %d addresses", TOKEN_HOSTS);
        }
        options->hosts[options->n_hosts++] = arg;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* What boards can reach: up, neither loopback nor of one link alone. */
static bool is_useful(const struct ifaddrs *it)
{
    if (it->ifa_addr == NULL || (it->ifa_flags & IFF_UP) == 0 ||
        (it->ifa_flags & IFF_LOOPBACK) != 0) {
        return false;
    }
    if (it->ifa_addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 =
            (const struct sockaddr_in6 *)(const void *)it->ifa_addr;

        return !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr);
    }
    return it->ifa_addr->sa_family == AF_INET;
}

static void add_address(struct token_options *options, const struct ifaddrs *it,
                        char text[NI_MAXHOST])
{
    socklen_t size = it->ifa_addr->sa_family == AF_INET
                         ? sizeof(struct sockaddr_in)
                         : sizeof(struct sockaddr_in6);

    if (getnameinfo(it->ifa_addr, size, text, NI_MAXHOST, NULL, 0,
                    NI_NUMERICHOST) == 0) {
        options->found[options->n_found++] = text;
    }
}

/* This machine's own addresses, IPv4 first, for a coordinator that listens
 * everywhere: its admin socket is on its machine. Loopback if there is nothing
 * else. */
static void find_hosts(struct token_options *options,
                       char texts[TOKEN_HOSTS][NI_MAXHOST])
{
    struct ifaddrs *all = NULL;

    if (getifaddrs(&all) < 0) {
        all = NULL;
    }
    for (int v6 = 0; v6 <= 1; v6++) {
        for (const struct ifaddrs *it = all; it != NULL; it = it->ifa_next) {
            if (is_useful(it) && options->n_found < TOKEN_HOSTS &&
                (it->ifa_addr->sa_family == AF_INET6) == v6) {
                add_address(options, it, texts[options->n_found]);
            }
        }
    }
    if (all != NULL) {
        freeifaddrs(all);
    }
    if (options->n_found == 0) {
        (void)snprintf(texts[0], NI_MAXHOST, "127.0.0.1");
        options->found[options->n_found++] = texts[0];
    }
}

static int create(const struct ctl *ctl, struct token_options *options,
                  struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__TokenRequest request = EDGED__TOKEN_REQUEST__INIT;
    char ttl[VALUE_FORMAT];
    struct msg msg = {0};
    int rc;

    request.ttl_ms = options->ttl_ms;
    request.hosts = options->hosts;
    request.n_hosts = options->n_hosts;
    request.found = options->found;
    request.n_found = options->n_found;
    env.body_case = EDGED__ENVELOPE__BODY_TOKEN_REQUEST;
    env.token_request = &request;
    rc = ask(ctl, &env, EDGED__ENVELOPE__BODY_TOKEN_REPLY, &msg, err);
    if (rc == 0 && msg.env->token_reply->code < 0) {
        rc = err_set(err, msg.env->token_reply->code, "%s",
                     msg.env->token_reply->text);
    }
    if (rc == 0) {
        const Edged__TokenReply *reply = msg.env->token_reply;

        (void)puts(reply->token);
        if (!ctl->quiet) {
            (void)fprintf(stderr, "good for one board, for %s\n",
                          value_format_duration(ttl, reply->ttl_ms));
        }
        memset(reply->token, 0, strlen(reply->token));
    }
    msg_deinit(&msg);
    return rc;
}

int cmd_token(struct ctl *ctl, int argc, char **argv)
{
    char texts[TOKEN_HOSTS][NI_MAXHOST];
    struct token_options options = {0};
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, parse_token, &options, argc, argv, &first);
    ctl_limit(ctl);
    if (first + 1 != argc || strcmp(argv[first], "create") != 0) {
        (void)fputs("edgectl token: say \"edgectl token create\"\n", stderr);
        return CTL_USAGE;
    }
    find_hosts(&options, texts);
    rc = create(ctl, &options, &err);
    return rc < 0 ? ctl_fail(&err, rc) : CTL_OK;
}

/* ---- revoke -------------------------------------------------------------- */

int cmd_revoke(struct ctl *ctl, int argc, char **argv)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Revoke revoke = EDGED__REVOKE__INIT;
    struct msg msg = {0};
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, NULL, NULL, argc, argv, &first);
    ctl_limit(ctl);
    if (first + 1 != argc) {
        (void)fputs("edgectl revoke: say which board:  edgectl revoke NODE\n",
                    stderr);
        return CTL_USAGE;
    }
    revoke.node = argv[first];
    env.body_case = EDGED__ENVELOPE__BODY_REVOKE;
    env.revoke = &revoke;
    rc = ask(ctl, &env, EDGED__ENVELOPE__BODY_RESULT, &msg, &err);
    if (rc == 0 && msg.env->result->code < 0) {
        rc = err_set(&err, msg.env->result->code, "%s", msg.env->result->text);
    }
    if (rc == 0 && !ctl->quiet) {
        (void)fprintf(stderr,
                      "%s is a member no longer. To let it come back:  edgectl "
                      "token create | ssh %s sudo edged join -\n",
                      argv[first], argv[first]);
    }
    msg_deinit(&msg);
    return rc < 0 ? ctl_fail(&err, rc) : CTL_OK;
}
