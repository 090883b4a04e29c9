/* edgectl logs [NODE]: the newest lines that a program remembers. */
#include "coordinator/ctl/ctl.h"

#include "base/limits.h"

#include <stdio.h>
#include <unistd.h>

#define ANSWER_MS 5000
#define FOLLOW_US 300000
#define LINES_MOST 100 /* of one reply */

struct logs {
    bool follow;
    long lines;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct logs *logs = state->input;

    switch (key) {
    case 'f': logs->follow = true; return 0;
    case 'n':
        logs->lines = ctl_number(state, arg, 1, LIMIT_LOG_LINES);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static int fetch(struct client *client, const char *node, long lines,
                 uint64_t *after, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__LogRequest request = EDGED__LOG_REQUEST__INIT;
    struct msg msg;
    int rc;

    request.node = (char *)(uintptr_t)node;
    request.lines = (uint32_t)(lines < LINES_MOST ? lines : LINES_MOST);
    request.after = *after;
    env.body_case = EDGED__ENVELOPE__BODY_LOG_REQUEST;
    env.log_request = &request;
    rc = client_send(client, &env, NULL, 0, err);
    if (rc == 0) {
        rc = client_expect(client, ANSWER_MS, EDGED__ENVELOPE__BODY_LOG_REPLY,
                           &msg, err);
    }
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < msg.env->log_reply->n_lines; i++) {
        (void)puts(msg.env->log_reply->lines[i]);
    }
    *after = msg.env->log_reply->last;
    rc = msg.env->log_reply->code;
    if (rc < 0) {
        rc = err_set(err, rc, "%s", msg.env->log_reply->text);
    }
    msg_deinit(&msg);
    return rc;
}

int cmd_logs(struct ctl *ctl, int argc, char **argv)
{
    struct logs logs = {.lines = 50};
    struct client *client = NULL;
    uint64_t after = 0;
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, parse, &logs, argc, argv, &first);
    ctl_limit(ctl);
    rc = ctl_connect(ctl, &client, &err);
    do {
        if (rc == 0) {
            rc = fetch(client, first < argc ? argv[first] : "", logs.lines,
                       &after, &err);
            (void)fflush(stdout);
        }
        if (rc == 0 && logs.follow) {
            (void)usleep(FOLLOW_US);
        }
    } while (rc == 0 && logs.follow);
    client_close(client);
    return rc < 0 ? ctl_fail(&err, rc) : CTL_OK;
}
