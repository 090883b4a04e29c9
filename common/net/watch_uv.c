#include "net/watch_uv.h"

#include "base/mem.h"

struct watch_uv { /* lives until libuv has closed it */
    uv_poll_t poll;
    struct io_uv *uv;
    struct io_watch *watch;
    struct list link;
};

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch_uv *w = container_of(poll, struct watch_uv, poll);

    (void)status; /* whoever reads then sees what is wrong */
    (void)events;
    if (!w->uv->hub.muted) {
        w->watch->cb(w->watch);
    }
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(container_of((uv_poll_t *)(void *)handle, struct watch_uv, poll));
}

static void close_one(struct watch_uv *w)
{
    list_unlink(&w->link);
    w->watch->handle = NULL;
    uv_close((uv_handle_t *)&w->poll, on_closed);
}

static int refuse(int rc, struct err *err)
{
    return err_set(err, err_from_errno(-rc), "a file cannot be watched: %s",
                   uv_strerror(rc));
}

int watch_uv_start(struct io *io, struct io_watch *watch, int fd,
                   struct err *err)
{
    struct io_uv *uv = io_uv_of(io);
    struct watch_uv *w = mem_new(struct watch_uv);
    int rc;

    if (w == NULL || uv->closed) {
        mem_free(w);
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = uv_poll_init(&uv->loop, &w->poll, fd);
    if (rc < 0) {
        mem_free(w);
        return refuse(rc, err);
    }
    w->uv = uv;
    w->watch = watch;
    watch->handle = w;
    list_push(&uv->watches, &w->link);
    rc = uv_poll_start(&w->poll, UV_READABLE, on_poll);
    if (rc < 0) {
        close_one(w);
        return refuse(rc, err);
    }
    return 0;
}

void watch_uv_stop(struct io *io, struct io_watch *watch)
{
    (void)io;
    close_one(watch->handle);
}

void watch_uv_close_all(struct io_uv *uv)
{
    list_each(&uv->watches, it, after)
    {
        close_one(list_entry(it, struct watch_uv, link));
    }
}
