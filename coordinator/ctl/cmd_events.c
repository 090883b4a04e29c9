/* edgectl events: what has happened in the cluster. */
#include "coordinator/ctl/ctl.h"
#include "coordinator/ctl/show.h"
#include "coordinator/ctl/table.h"

#include "base/limits.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 5000
#define FOLLOW_US 300000

struct events {
    bool follow;
    long lines;
    uint64_t after;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct events *events = state->input;

    switch (key) {
    case 'f': events->follow = true; return 0;
    case 'n': events->lines = ctl_number(state, arg, 1, LIMIT_EVENTS); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* Ages grow old on a screen that goes on: -f prints times of the day. */
static void print_line(const struct events *events, const Edged__Event *e)
{
    time_t seconds = (time_t)(e->unix_ms / 1000);
    struct tm tm;
    char when[24];
    char age[16];

    if (events->follow) {
        (void)localtime_r(&seconds, &tm);
        (void)strftime(when, sizeof(when), "%H:%M:%S", &tm);
    } else {
        (void)snprintf(when, sizeof(when), "%s ago", table_age(e->age_ms, age));
    }
    if (e->text[0] != '\0') { /* an empty one is protobuf-c's constant */
        show_clean(e->text);
    }
    (void)printf("%-9s  %-11s  %s%s%s\n", when, e->kind, e->node,
                 e->node[0] != '\0' ? ": " : "", e->text);
}

static int print(const struct ctl *ctl, const struct events *events,
                 const Edged__EventsReply *reply, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < reply->n_events && rc == 0; i++) {
        if (ctl->format == CTL_JSON) {
            rc = show_json_line(show_event(reply->events[i]), err);
        } else {
            print_line(events, reply->events[i]);
        }
    }
    (void)fflush(stdout);
    return rc;
}

static int fetch(struct ctl *ctl, struct client *client, struct events *events,
                 struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__EventsRequest request = EDGED__EVENTS_REQUEST__INIT;
    struct msg msg;
    int rc;

    request.after = events->after;
    request.most = (uint32_t)events->lines;
    env.body_case = EDGED__ENVELOPE__BODY_EVENTS_REQUEST;
    env.events_request = &request;
    rc = client_send(client, &env, NULL, 0, err);
    if (rc == 0) {
        rc = client_expect(client, ANSWER_MS,
                           EDGED__ENVELOPE__BODY_EVENTS_REPLY, &msg, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = print(ctl, events, msg.env->events_reply, err);
    events->after = msg.env->events_reply->last;
    events->lines = LIMIT_EVENTS; /* from here on all that are new */
    msg_deinit(&msg);
    return rc;
}

int cmd_events(struct ctl *ctl, int argc, char **argv)
{
    struct events events = {.lines = 50};
    struct client *client = NULL;
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, parse, &events, argc, argv, &first);
    rc = show_check_format(ctl);
    if (rc != CTL_OK) {
        return rc;
    }
    ctl_limit(ctl);
    rc = ctl_connect(ctl, &client, &err);
    do {
        if (rc == 0) {
            rc = fetch(ctl, client, &events, &err);
        }
        if (rc == 0 && events.follow) {
            (void)usleep(FOLLOW_US);
        }
    } while (rc == 0 && events.follow);
    client_close(client);
    return rc < 0 ? ctl_fail(&err, rc) : CTL_OK;
}
