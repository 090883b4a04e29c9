/* Lossy tiles of `training`: the forms that no other key has, and checks. */
#include "config/cluster_parts.h"
#include "config/read_types.h"
#include "config/write.h"

#include "base/err.h"

#include <string.h>

/* ---- tiles --------------------------------------------------------------- */

int cluster_own_tiled(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *base)
{
    struct cluster_tiled *tiled = base;
    struct cluster_stage stage = {0};
    int rc = cluster_own_layers(reader, row, node, &stage);

    tiled->first = stage.first;
    tiled->last = stage.last;
    return rc;
}

bool cluster_has_tiled(const struct read_row *row, const void *base)
{
    (void)row;
    return ((const struct cluster_tiled *)base)->first != NULL;
}

void cluster_write_tiled(const struct read_row *row, const void *base,
                         FILE *out)
{
    const struct cluster_tiled *tiled = base;
    const struct cluster_stage stage = {.first = tiled->first,
                                        .last = tiled->last};

    cluster_write_layers(row, &stage, out);
}

/* ---- loss ---------------------------------------------------------------- */

static bool has_chain(const struct cluster_tile_loss *loss)
{
    return loss->model == CLUSTER_LOSS_MARKOV && loss->p < 0;
}

bool cluster_has_loss(const struct read_row *row, const void *base)
{
    const struct cluster_tile_loss *loss = base;

    if (has_chain(loss)) {
        return strcmp(row->key, "p") != 0;
    }
    return loss->p > 0 && strncmp(row->key, "p1", 2) != 0 &&
           strncmp(row->key, "p2", 2) != 0;
}

int cluster_check_tile_loss(struct reader *reader, const struct doc_node *node,
                            void *base)
{
    struct cluster_tile_loss *loss = base;
    bool has_p11 = doc_get(node, "p11") != NULL;
    bool has_p22 = doc_get(node, "p22") != NULL;
    bool has_p = doc_get(node, "p") != NULL;

    if (node == NULL) {
        return 0;
    }
    if (has_p11 || has_p22) {
        if (loss->model != CLUSTER_LOSS_MARKOV) {
            read_error(reader, doc_at(node),
                       "\"p11\" and \"p22\" are for \"model: markov\"");
        } else if (has_p || !has_p11 || !has_p22) {
            read_error(reader, doc_at(node),
                       "\"model: markov\" takes \"p11\" and \"p22\", or "
                       "\"p\" alone");
        } else if (loss->p11 >= 1 && loss->p22 >= 1) {
            read_error(reader, doc_at(node),
                       "with \"p11\" and \"p22\" both 1 nothing ever changes");
        }
        loss->p = -1;
    } else if (!has_p) {
        read_error(reader, doc_at(node),
                   "\"tile_loss\" needs \"p\", the part that is lost");
    }
    return 0;
}

/* ---- margins ------------------------------------------------------------- */

bool cluster_has_margin(const struct read_row *row, const void *base)
{
    const struct cluster_margin *margin = base;

    (void)row;
    return margin->clip[0] < margin->clip[1];
}

void cluster_write_clip(const struct read_row *row, const void *base, FILE *out)
{
    const struct cluster_margin *margin = base;

    (void)row;
    (void)fprintf(out, "[%.15g, %.15g]", margin->clip[0], margin->clip[1]);
}

int cluster_check_margin(struct reader *reader, const struct doc_node *node,
                         void *base)
{
    const struct cluster_margin *margin = base;
    const struct doc_node *clip = doc_get(node, "clip");

    if (clip != NULL && !(margin->clip[0] < margin->clip[1])) {
        read_error(reader, &clip->at,
                   "\"clip\" is a smaller and a larger number");
    }
    return 0;
}

/* ---- blocks -------------------------------------------------------------- */

int cluster_own_patterns(struct reader *reader, const struct read_row *row,
                         const struct doc_node *node, void *base)
{
    if (node->kind != DOC_LIST) {
        read_refuse(reader, row, node, NULL);
        return 0;
    }
    return cluster_own_freeze(reader, row, node, base);
}

bool cluster_has_patterns(const struct read_row *row, const void *base)
{
    const struct cluster_freeze *layers =
        (const struct cluster_freeze *)((const char *)base + row->offset);

    return layers->n_layers > 0;
}

/* ---- all of it ----------------------------------------------------------- */

void cluster_check_lossy(struct reader *reader, const struct doc_node *training,
                         const struct cluster_training *t)
{
    static const char *const keys[] = {"tile_loss", "margin"};

    for (size_t i = 0; t->n_tiles == 0 && i < READ_COUNT(keys); i++) {
        const struct doc_node *node = doc_get(training, keys[i]);

        if (node != NULL) {
            read_error(reader, &node->key->at,
                       "\"%s\" means nothing without \"tiles\"", keys[i]);
        }
    }
}
