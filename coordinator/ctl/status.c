#include "coordinator/ctl/status.h"

#include "base/limits.h"
#include "base/mem.h"

static int ask_page(struct client *client, int timeout_ms, size_t skip,
                    struct msg *msg, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__StatusRequest request = EDGED__STATUS_REQUEST__INIT;
    int rc;

    request.nodes_only = skip > 0;
    request.skip_nodes = (uint32_t)skip;
    env.body_case = EDGED__ENVELOPE__BODY_STATUS_REQUEST;
    env.status_request = &request;
    rc = client_send(client, &env, NULL, 0, err);
    return rc < 0 ? rc
                  : client_expect(client, timeout_ms,
                                  EDGED__ENVELOPE__BODY_STATUS_REPLY, msg, err);
}

/* The nodes of a page go over to the first. */
static int take_nodes(Edged__StatusReply *all, Edged__StatusReply *page,
                      struct err *err)
{
    size_t n = all->n_nodes + page->n_nodes;
    Edged__NodeStatus **nodes =
        mem_resize(all->nodes, n > 0 ? n : 1, sizeof(*nodes));

    if (nodes == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    all->nodes = nodes;
    for (size_t i = 0; i < page->n_nodes; i++) {
        nodes[all->n_nodes++] = page->nodes[i];
    }
    page->n_nodes = 0;
    return 0;
}

int status_ask(struct client *client, int timeout_ms, struct msg *msg,
               struct err *err)
{
    Edged__StatusReply *all;
    bool more;
    int rc = ask_page(client, timeout_ms, 0, msg, err);

    if (rc < 0) {
        return rc;
    }
    all = msg->env->status_reply;
    more = all->more;
    while (rc == 0 && more && all->n_nodes < LIMIT_NODES) {
        struct msg page = {0};
        size_t had = all->n_nodes;

        rc = ask_page(client, timeout_ms, had, &page, err);
        if (rc == 0) {
            rc = take_nodes(all, page.env->status_reply, err);
            more = page.env->status_reply->more && all->n_nodes > had;
        }
        msg_deinit(&page);
    }
    if (rc < 0) {
        msg_deinit(msg);
    }
    return rc;
}
