/*
 * What the files of `edgectl train` and `evaluate` share.
 */
#ifndef EDGE_CTL_TRAIN_H
#define EDGE_CTL_TRAIN_H

#include "config/cluster.h"
#include "coordinator/ctl/ctl.h"
#include "coordinator/ctl/progress.h"
#include "dataset/origin.h"

#include "base/blob.h"

/* ---- train_data.c: a data set of this machine, for the coordinator --------
 */

struct train_set {
    struct digest manifest;
    uint64_t size; /* of the manifest; 0: there is no such part */
    uint64_t samples;
    size_t classes;
};

/* Packs it and sends what the coordinator does not have. A part for testing
 * that is not there, where no file says that it is, is no error. */
int train_data_send(struct client *client, const struct origin_place *place,
                    struct train_set *set, struct progress *progress,
                    struct err *err);

/* ---- train_print.c: what people and scripts see ---------------------------
 */

struct train_print {
    const struct ctl *ctl;
    bool is_live; /* a line is drawn again in its place, on stderr, */
    bool is_mute; /* until the end */
    bool drawn;   /* and stands there */
    bool has_head;
    uint64_t last_step; /* of the plain form */
};

void train_print_init(struct train_print *p, const struct ctl *ctl);
int train_print_progress(struct train_print *p,
                         const Edged__TrainProgress *progress, struct err *err);
/* Clears the live line: before results or errors are printed. */
void train_print_clear(struct train_print *p);
/* The end of it; the paths are of the files that were written, or NULL. */
int train_print_end(struct train_print *p, const Edged__TrainReply *reply,
                    const char *path, const char *curve, struct err *err);

/* ---- train_curve.c: how it went, as a picture -----------------------------
 */

int train_curve_write(const Edged__TrainReply *reply, const char *path,
                      struct err *err);

#endif
