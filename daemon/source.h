/*
 * What this board sees: the source of a view, alive as long as a shard of that
 * view is installed (docs/decisions/0033). It belongs to the loop; files are
 * read on the disk strand, pictures opened on the code strand, one at a time.
 */
#ifndef EDGED_SOURCE_H
#define EDGED_SOURCE_H

#include "base/err.h"
#include "base/list.h"
#include "image/prepare.h"

struct daemon;
struct source;

/* One question: what was seen at an instant? Embedded by whoever asks. */
struct source_ask {
    uint64_t at_us;    /* since 1970 */
    uint64_t stale_us; /* what is older than by so much is nothing */
    /* Once, later: the tensor is borrowed; NULL: nothing was seen then. */
    void (*done)(struct source_ask *ask, const struct tensor *seen);
    /* private */
    struct list link;
    struct source *source;
    uint64_t after; /* what had happened when it was asked */
    uint64_t run;   /* of a command: whose picture will do */
};

/* `from` as config/source.h has it; `spec`, whose gaps are zeroed, how a
 * picture becomes an input. The same source of two epochs is one. What is not
 * there yet (a folder) is no error; EDGE_EUNSUPPORTED: this machine cannot
 * watch any; EDGE_ENOMEM. */
int source_open(struct daemon *d, const char *from,
                const struct image_spec *spec, struct source **source,
                struct err *err);
void source_close(struct source *source); /* its asks were cancelled; NULL */
void source_free_all(struct daemon *d);   /* the io has stopped */

void source_ask(struct source *source, struct source_ask *ask);
void source_cancel(struct source_ask *ask); /* no callback; fine if done */

#endif
