#include "coordinator/ctl/views.h"

#include "base/mem.h"

#include <string.h>

/* ---- forms --------------------------------------------------------------- */

static int check_ports(const struct deployed *d, const struct image_grid *grid,
                       struct err *err)
{
    const struct shape *first = &d->inputs[0].shape;

    for (size_t i = 0; i < d->n_inputs; i++) {
        if (d->inputs[i].dtype != DTYPE_F32 ||
            !shape_equal(&d->inputs[i].shape, first)) {
            return err_set(err, EDGE_EINVAL,
                           "the inputs of %s are not all alike. Give each: "
                           "--input NAME=FILE.npy",
                           d->name);
        }
    }
    if (grid->rows > 0 && (size_t)grid_views(grid) != d->n_inputs) {
        return err_set(err, EDGE_EINVAL,
                       "a grid of %dx%d makes %d views; %s has %zu inputs",
                       grid->columns, grid->rows, grid_views(grid), d->name,
                       d->n_inputs);
    }
    return 0;
}

/* What model.input says is the size of the picture that is cut, if that makes
 * views of the right size; else the grid times a view. */
static void take_size(const struct cluster_input *input,
                      const struct image_grid *grid, struct shape *shape)
{
    uint32_t columns = (uint32_t)grid->columns;
    uint32_t rows = (uint32_t)grid->rows;

    if (input->width / columns == (uint32_t)shape->dims[3] &&
        input->height / rows == (uint32_t)shape->dims[2]) {
        shape->dims[3] = input->width;
        shape->dims[2] = input->height;
    } else {
        shape->dims[3] *= grid->columns;
        shape->dims[2] *= grid->rows;
    }
}

int views_form(struct deployed *d, const struct image_grid *grid,
               struct views_form *form, struct err *err)
{
    struct shape shape = d->inputs[0].shape;
    struct cluster_input input;
    int rc = check_ports(d, grid, err);

    *form = (struct views_form){.grid = *grid};
    rc = rc == 0 ? deployed_input(d, &input, err) : rc;
    if (rc < 0) {
        return rc;
    }
    form->blank_absent = input.blank == CLUSTER_BLANK_ABSENT;
    if (grid->rows > 0 && shape.rank == 4) {
        take_size(&input, grid, &shape);
    }
    input.width = input.height = 0; /* as the shape says */
    return picture_form_make(&input, d->name, DTYPE_F32, &shape, d->refusal,
                             grid->rows > 0 ? &form->whole : &form->each, err);
}

/* ---- one picture --------------------------------------------------------- */

/* 1: it is there; 0: it is black, and so it is not. */
static int cut_one(const struct views_form *form, const struct tensor *whole,
                   size_t view, const struct shape *shape, struct tensor *to)
{
    float black[GRID_CHANNELS];

    if (tensor_init(to, DTYPE_F32, shape) < 0) {
        return EDGE_ENOMEM;
    }
    grid_cut(whole->data, (int)whole->shape.dims[1], (int)whole->shape.dims[2],
             (int)whole->shape.dims[3], &form->grid, (int)view, to->data);
    image_spec_black(&form->whole.spec, black);
    if (form->blank_absent &&
        grid_is_blank(to->data, (size_t)shape->dims[1],
                      (size_t)(shape->dims[2] * shape->dims[3]), black)) {
        tensor_deinit(to);
        *to = (struct tensor){.dtype = DTYPE_NONE};
        return 0;
    }
    return 1;
}

int views_cut(const char *name, const struct views_form *form,
              const struct deployed *deployed, struct tensor *inputs,
              struct err *err)
{
    struct tensor whole = {0};
    int rc = picture_read(name, &form->whole, &whole, err);
    size_t n_there = 0;

    for (size_t i = 0; rc == 0 && i < deployed->n_inputs; i++) {
        int there =
            cut_one(form, &whole, i, &deployed->inputs[i].shape, &inputs[i]);

        rc = there < 0 ? err_set(err, there, "out of memory") : 0;
        n_there += there > 0;
    }
    tensor_deinit(&whole);
    return rc < 0 || n_there > 0
               ? rc
               : err_set(err, EDGE_EINVAL,
                         "%s is black all over, and model.input says that such "
                         "views are not there (blank: absent)",
                         name);
}

/* ---- a picture for each -------------------------------------------------- */

static size_t count_words(const char *list)
{
    size_t n = 1;

    for (; *list != '\0'; list++) {
        n += *list == ',';
    }
    return n;
}

static int read_word(const char *word, size_t length,
                     const struct views_form *form, struct tensor *to,
                     struct err *err)
{
    char *name;
    int rc;

    if (length == 0 || (length == 1 && word[0] == '-')) {
        return 0; /* not there */
    }
    name = mem_printf("%.*s", (int)length, word);
    rc = name == NULL ? err_set(err, EDGE_ENOMEM, "out of memory")
                      : picture_read(name, &form->each, to, err);
    mem_free(name);
    return rc < 0 ? rc : 1;
}

int views_read_list(const char *list, const struct views_form *form,
                    const struct deployed *deployed, struct tensor *inputs,
                    struct err *err)
{
    size_t n = count_words(list);
    size_t n_there = 0;

    if (n != deployed->n_inputs) {
        return err_set(err, EDGE_EINVAL,
                       "%zu views; %s has %zu inputs. One that is not there "
                       "is -",
                       n, deployed->name, deployed->n_inputs);
    }
    for (size_t i = 0; i < n; i++) {
        size_t length = strcspn(list, ",");
        int rc = read_word(list, length, form, &inputs[i], err);

        if (rc < 0) {
            return rc;
        }
        n_there += rc == 1;
        list += length + 1;
    }
    return n_there > 0 ? 0
                       : err_set(err, EDGE_EINVAL, "no view is there at all");
}
