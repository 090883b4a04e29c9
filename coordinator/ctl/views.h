/*
 * Inputs of a model of several views, from files: a picture for each
 * (`--views a.jpg,b.jpg,-`), or one that is cut into all of them
 * (`--grid 3x2`).
 */
#ifndef EDGE_CTL_VIEWS_H
#define EDGE_CTL_VIEWS_H

#include "coordinator/ctl/deployed.h"
#include "image/grid.h"

struct views_form {            /* how pictures become inputs */
    struct image_grid grid;    /* {0, 0}: a picture for each */
    struct picture_form whole; /* of a picture that is cut */
    struct picture_form each;  /* of one that is a view */
    bool blank_absent;         /* a view that is black is not there */
};

/* Of the model that is deployed. EDGE_EINVAL: its inputs are not of one shape,
 * or not as many as the grid has. */
int views_form(struct deployed *deployed, const struct image_grid *grid,
               struct views_form *form, struct err *err);

/* inputs[i], zeroed, for tensor_deinit(), whatever comes back: of a picture
 * that is cut, where a black view may count as not there (zeroed); EDGE_EINVAL:
 * all of them do; */
int views_cut(const char *name, const struct views_form *form,
              const struct deployed *deployed, struct tensor *inputs,
              struct err *err);
/* and of the pictures of a list, in the order of the model's inputs. "-", or
 * nothing, stands for a view that is not there: its tensor stays zeroed.
 * EDGE_EINVAL: more or fewer than the model has, or none. */
int views_read_list(const char *list, const struct views_form *form,
                    const struct deployed *deployed, struct tensor *inputs,
                    struct err *err);

#endif
