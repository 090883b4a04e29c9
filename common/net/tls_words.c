/*
 * What went wrong with TLS, in sentences that say what to do.
 */
#include "net/tls_inner.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#define TIME_TEXT 32
#define DIGEST_TEXT 8

/* As in RFC 8446, 6. */
enum alert {
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_BAD_CERTIFICATE = 42,
    ALERT_UNSUPPORTED_CERTIFICATE = 43,
    ALERT_CERTIFICATE_REVOKED = 44,
    ALERT_CERTIFICATE_EXPIRED = 45,
    ALERT_CERTIFICATE_UNKNOWN = 46,
    ALERT_UNKNOWN_CA = 48,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_CERTIFICATE_REQUIRED = 116
};

static const char *time_text(time_t time, char out[TIME_TEXT])
{
    struct tm tm;

    if (gmtime_r(&time, &tm) == NULL ||
        strftime(out, TIME_TEXT, "%Y-%m-%d %H:%M UTC", &tm) == 0) {
        (void)snprintf(out, TIME_TEXT, "?");
    }
    return out;
}

/* Enough of a digest to tell two apart by eye. */
static const char *digest_text(const uint8_t digest[TLS_DIGEST],
                               char out[DIGEST_TEXT])
{
    (void)snprintf(out, DIGEST_TEXT, "%02x:%02x..", digest[0], digest[1]);
    return out;
}

/* ---- a certificate that is refused --------------------------------------- */

struct refusal {
    const char *who;  /* the certificate's own word; not proved */
    const char *host; /* where to type a command */
    const struct tls *tls;
    X509_STORE_CTX *chain;
    char now[TIME_TEXT];
    char *out;
};

static void say_expired(const struct refusal *r)
{
    X509 *cert = X509_STORE_CTX_get_current_cert(r->chain);
    char until[TIME_TEXT];

    (void)snprintf(
        r->out, TLS_WHY,
        "the certificate of %s expired on %s; here it is %s. If this clock is "
        "right: edgectl token create | ssh %s sudo edged join -",
        r->who, time_text(tls_time(X509_get0_notAfter(cert)), until), r->now,
        r->host);
}

static void say_early(const struct refusal *r)
{
    X509 *cert = X509_STORE_CTX_get_current_cert(r->chain);
    char from[TIME_TEXT];

    (void)snprintf(
        r->out, TLS_WHY,
        "the clock of this board (%s) is before the notBefore of the "
        "certificate of %s (%s): set it, for example with timedatectl "
        "set-ntp true",
        r->now, r->who, time_text(tls_time(X509_get0_notBefore(cert)), from));
}

/* The last certificate sent is the CA's, if the other end is one of ours. */
static void say_foreign(const struct refusal *r)
{
    struct stack_st_X509 *sent = X509_STORE_CTX_get0_untrusted(r->chain);
    int n = sk_X509_num(sent);
    uint8_t digest[TLS_DIGEST];
    char theirs[DIGEST_TEXT] = "unknown";
    char ours[DIGEST_TEXT];

    if (n > 1 && tls_cert_digest(sk_X509_value(sent, n - 1), digest)) {
        (void)digest_text(digest, theirs);
    }
    (void)digest_text(r->tls->ca, ours);
    if (r->tls->joiner) {
        (void)snprintf(r->out, TLS_WHY,
                       "the coordinator there is of another cluster than the "
                       "token (CA %s, expected %s): make a token with the "
                       "right one",
                       theirs, ours);
        return;
    }
    (void)snprintf(
        r->out, TLS_WHY,
        "%s presents a certificate of another cluster (CA %s, expected %s). "
        "If the card was re-used: edgectl token create | ssh %s sudo edged "
        "join -",
        r->who, theirs, ours, r->host);
}

static void say_revoked(const struct refusal *r)
{
    (void)snprintf(r->out, TLS_WHY,
                   "the certificate of %s is revoked. To let it come back: "
                   "edgectl token create | ssh %s sudo edged join -",
                   r->who, r->host);
}

static void say_rejected(const struct refusal *r)
{
    if (r->tls->joiner) {
        (void)snprintf(r->out, TLS_WHY,
                       "who answers there is not the coordinator: its "
                       "certificate is for another role");
        return;
    }
    (void)snprintf(r->out, TLS_WHY,
                   "the certificate names no role (subjectAltName "
                   "URI:edged://...): it was not made by edged");
}

static void say_other(const struct refusal *r)
{
    (void)snprintf(
        r->out, TLS_WHY, "the certificate of %s is refused: %s", r->who,
        X509_verify_cert_error_string(X509_STORE_CTX_get_error(r->chain)));
}

static void say_chain(const struct refusal *r)
{
    switch (X509_STORE_CTX_get_error(r->chain)) {
    case X509_V_ERR_CERT_HAS_EXPIRED: say_expired(r); break;
    case X509_V_ERR_CERT_NOT_YET_VALID: say_early(r); break;
    case X509_V_ERR_CERT_REVOKED: say_revoked(r); break;
    case X509_V_ERR_CERT_REJECTED: say_rejected(r); break;
    case X509_V_ERR_CERT_CHAIN_TOO_LONG: /* another CA counts as a link */
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: say_foreign(r); break;
    default: say_other(r); break;
    }
}

static const char *who_is(const struct tls_identity *id)
{
    if (id->name[0] != '\0') {
        return id->name;
    }
    switch (id->role) {
    case EDGED__ROLE__ROLE_COORDINATOR: return "the coordinator";
    case EDGED__ROLE__ROLE_CLIENT: return "the client";
    case EDGED__ROLE__ROLE_NODE:
    case EDGED__ROLE__ROLE_NONE:
    default: return "the other end";
    }
}

int tls_say_refused(struct tls_peer *peer, X509_STORE_CTX *chain)
{
    struct tls_identity claimed = {0};
    struct refusal r = {.tls = peer->tls, .chain = chain, .out = peer->why};
    X509 *cert = X509_STORE_CTX_get0_cert(chain);

    if (cert == NULL || !tls_read_identity(cert, &claimed)) {
        claimed = (struct tls_identity){0};
    }
    r.who = who_is(&claimed);
    r.host = claimed.name[0] != '\0' ? claimed.name : "HOST";
    (void)time_text(time(NULL), r.now);
    say_chain(&r);
    peer->rc = EDGE_EREFUSED;
    return peer->rc;
}

/* ---- a handshake that failed --------------------------------------------- */

#define JOIN "edgectl token create | ssh %s sudo edged join -"

static int say_own_expired(const struct tls *tls, char why[TLS_WHY])
{
    char until[TIME_TEXT];
    char now[TIME_TEXT];
    time_t t = time(NULL);

    (void)snprintf(
        why, TLS_WHY,
        "the other end says that this end's certificate has expired; it is "
        "valid until %s, and here it is %s. Look at both clocks, or: " JOIN,
        time_text(tls->not_after, until), time_text(t, now),
        tls->self.name[0] != '\0' ? tls->self.name : "HOST");
    return EDGE_EREFUSED;
}

static int say_own_bad(const struct tls *tls, char why[TLS_WHY])
{
    char from[TIME_TEXT];

    (void)snprintf(why, TLS_WHY,
                   "the other end does not accept this end's certificate, "
                   "which is valid from %s: its log says why (look at its "
                   "clock first)",
                   time_text(tls->not_before, from));
    return EDGE_EREFUSED;
}

static int say_own_foreign(const struct tls *tls, char why[TLS_WHY])
{
    char ours[DIGEST_TEXT];

    (void)snprintf(why, TLS_WHY,
                   "the other end is of another cluster: it does not know "
                   "this end's CA (%s). If the card was re-used: " JOIN,
                   digest_text(tls->ca, ours),
                   tls->self.name[0] != '\0' ? tls->self.name : "HOST");
    return EDGE_EREFUSED;
}

static int say(char why[TLS_WHY], int rc, const char *text)
{
    (void)snprintf(why, TLS_WHY, "%s", text);
    return rc;
}

static int say_alert(const struct tls *tls, int alert, char why[TLS_WHY])
{
    switch (alert) {
    case ALERT_CERTIFICATE_REQUIRED:
        return say(why, EDGE_EREFUSED,
                   "the other end wants a certificate, and this end has none: "
                   "edgectl token create | ssh HOST sudo edged join -");
    case ALERT_CERTIFICATE_EXPIRED: return say_own_expired(tls, why);
    case ALERT_UNKNOWN_CA: return say_own_foreign(tls, why);
    case ALERT_CERTIFICATE_REVOKED:
        return say(why, EDGE_EREFUSED,
                   "the other end says that this end's certificate is "
                   "revoked: ask whoever runs the cluster for a token");
    case ALERT_BAD_CERTIFICATE:
    case ALERT_UNSUPPORTED_CERTIFICATE:
    case ALERT_CERTIFICATE_UNKNOWN: return say_own_bad(tls, why);
    case ALERT_PROTOCOL_VERSION:
    case ALERT_HANDSHAKE_FAILURE:
        return say(why, EDGE_EUNSUPPORTED,
                   "the other end does not speak TLS 1.3 as edged does (P-256, "
                   "certificates at both ends)");
    default:
        (void)snprintf(why, TLS_WHY, "the other end ended TLS (alert %d)",
                       alert);
        return EDGE_EPROTO;
    }
}

static int say_reason(unsigned long code, char why[TLS_WHY])
{
    const char *text = ERR_reason_error_string(code);

    switch (ERR_GET_REASON(code)) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return say(why, EDGE_EREFUSED,
                   "the other end shows no certificate. To make one: edgectl "
                   "token create | ssh HOST sudo edged join -");
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
        return say(why, EDGE_EUNSUPPORTED,
                   "the other end speaks TLS 1.2 or older; edged speaks TLS "
                   "1.3 only");
    case SSL_R_WRONG_VERSION_NUMBER:
        return say(why, EDGE_EPROTO,
                   "the other end does not speak TLS: its first bytes are no "
                   "record");
    default:
        (void)snprintf(why, TLS_WHY, "TLS failed: %s",
                       text != NULL ? text : "no reason is known");
        return EDGE_EPROTO;
    }
}

int tls_say_failed(const struct tls *tls, char why[TLS_WHY], bool *told)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    int rc;

    *told = ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET &&
            reason < SSL_AD_REASON_OFFSET + 256;
    rc = *told ? say_alert(tls, reason - SSL_AD_REASON_OFFSET, why)
               : say_reason(code, why);
    ERR_clear_error();
    return rc;
}
