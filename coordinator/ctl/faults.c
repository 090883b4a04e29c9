#include "coordinator/ctl/faults.h"
#include "coordinator/ctl/status.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 10000

static const struct {
    const char *name;
    Edged__FaultKind kind;
} kinds[] = {
    {"kill", EDGED__FAULT_KIND__FAULT_KILL},
    {"pause", EDGED__FAULT_KIND__FAULT_PAUSE},
    {"slow", EDGED__FAULT_KIND__FAULT_SLOW},
    {"drop", EDGED__FAULT_KIND__FAULT_DROP},
    {"partition", EDGED__FAULT_KIND__FAULT_PARTITION},
    {"corrupt", EDGED__FAULT_KIND__FAULT_CORRUPT},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *faults_name(Edged__FaultKind kind)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].kind == kind) {
            return kinds[i].name;
        }
    }
    return NULL;
}

Edged__FaultKind faults_kind(const char *name)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return kinds[i].kind;
        }
    }
    return EDGED__FAULT_KIND__FAULT_NONE;
}

uint32_t faults_duration(const char *text)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {
        {"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}};
    char *end;
    double number;

    errno = 0;
    number = strtod(text, &end);
    if (errno != 0 || end == text || !isfinite(number) || number <= 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        double ms = number * units[i].ms;

        if (strcmp(units[i].unit, end) == 0 && ms < UINT32_MAX) {
            return ms >= 1 ? (uint32_t)ms : 1;
        }
    }
    return 0;
}

static const char *way_text(Edged__FaultWay way)
{
    switch (way) {
    case EDGED__FAULT_WAY__FAULT_IN: return "in";
    case EDGED__FAULT_WAY__FAULT_OUT: return "out";
    case EDGED__FAULT_WAY__FAULT_BOTH:
    case _EDGED__FAULT_WAY_IS_INT_SIZE:
    default: return "both ways";
    }
}

void faults_describe(const Edged__Fault *fault, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
#define ADD(...)                                                              \
    do {                                                                      \
        n += n < size ? (size_t)snprintf(out + n, size - n, __VA_ARGS__) : 0; \
    } while (0)
    if (fault->permille > 0) {
        ADD("%.1f %% of frames ", fault->permille / 10.0);
    }
    if (fault->factor_percent > 0) {
        ADD("x%.1f ", fault->factor_percent / 100.0);
    }
    if (fault->extra_ms > 0) {
        ADD("+%u ms ", fault->extra_ms);
    }
    if (fault->rate_milli > 0) {
        ADD("%.1f runs/s ", fault->rate_milli / 1000.0);
    }
    if (fault->kind == EDGED__FAULT_KIND__FAULT_PARTITION ||
        fault->kind == EDGED__FAULT_KIND__FAULT_DROP) {
        ADD("%s ", way_text(fault->way));
    }
    for (size_t i = 0; i < fault->n_peers; i++) {
        ADD("%s%.64s%s", i == 0 ? "with " : ",", fault->peers[i],
            i + 1 == fault->n_peers ? " " : "");
    }
#undef ADD
}

const Edged__FaultState *faults_find(const Edged__FaultList *list, uint32_t id)
{
    for (size_t i = 0; i < list->n_faults; i++) {
        if (list->faults[i]->fault != NULL &&
            list->faults[i]->fault->id == id) {
            return list->faults[i];
        }
    }
    return NULL;
}

/* ---- requests -------------------------------------------------------------
 */

static int ask(struct client *client, const Edged__Envelope *env,
               Edged__Envelope__BodyCase kind, struct msg *msg, struct err *err)
{
    int rc = client_send(client, env, NULL, 0, err);

    return rc < 0 ? rc : client_expect(client, ANSWER_MS, kind, msg, err);
}

int faults_begin(struct client *client, const struct fault_wish *wish,
                 uint32_t *id, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Fault fault = EDGED__FAULT__INIT;
    struct msg msg;
    int rc;

    fault.node = (char *)(uintptr_t)wish->node;
    fault.kind = wish->kind;
    fault.ms = wish->ms;
    fault.permille = wish->permille;
    fault.factor_percent = wish->factor_percent;
    fault.extra_ms = wish->extra_ms;
    fault.rate_milli = wish->rate_milli;
    fault.way = wish->way;
    fault.peers = (char **)(uintptr_t)wish->peers;
    fault.n_peers = wish->n_peers;
    env.body_case = EDGED__ENVELOPE__BODY_FAULT;
    env.fault = &fault;
    rc = ask(client, &env, EDGED__ENVELOPE__BODY_FAULT_REPLY, &msg, err);
    if (rc < 0) {
        return rc;
    }
    if (msg.env->fault_reply->code < 0) {
        rc = err_set(err, msg.env->fault_reply->code, "%s",
                     msg.env->fault_reply->text);
    } else if (msg.env->fault_reply->fault == NULL) {
        rc = err_set(err, EDGE_EPROTO, "the coordinator names no fault");
    } else {
        *id = msg.env->fault_reply->fault->id;
    }
    msg_deinit(&msg);
    return rc;
}

int faults_clear(struct client *client, uint32_t id, const char *node,
                 char *text, size_t size, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FaultClear clear = EDGED__FAULT_CLEAR__INIT;
    struct msg msg;
    int rc;

    clear.id = id;
    clear.node = (char *)(uintptr_t)node;
    env.body_case = EDGED__ENVELOPE__BODY_FAULT_CLEAR;
    env.fault_clear = &clear;
    rc = ask(client, &env, EDGED__ENVELOPE__BODY_RESULT, &msg, err);
    if (rc < 0) {
        return rc;
    }
    (void)snprintf(text, size, "%s", msg.env->result->text);
    if (msg.env->result->code < 0) {
        rc = err_set(err, msg.env->result->code, "%s", msg.env->result->text);
    }
    msg_deinit(&msg);
    return rc;
}

int faults_query(struct client *client, struct msg *msg, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FaultQuery query = EDGED__FAULT_QUERY__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_FAULT_QUERY;
    env.fault_query = &query;
    return ask(client, &env, EDGED__ENVELOPE__BODY_FAULT_LIST, msg, err);
}

int faults_status(struct client *client, struct msg *msg, struct err *err)
{
    return status_ask(client, ANSWER_MS, msg, err);
}
