#include "coordinator/ctl/samples.h"

#include "base/mem.h"
#include "coordinator/ctl/reference.h"

#define SEED 1

static int take_given(struct samples *samples, const struct deployed *d,
                      struct named_list *given, struct err *err)
{
    struct tensor inputs[LIMIT_PORTS];
    int rc = named_read(given, err);

    if (rc == 0) {
        rc = named_match(given, d->inputs, d->n_inputs, inputs, err);
    }
    for (size_t i = 0; rc == 0 && i < d->n_inputs; i++) {
        samples->all[0].inputs[i] = tensor_ref(&inputs[i]);
    }
    samples->n = 1;
    return rc;
}

static int fill(struct sample *sample, const struct deployed *d,
                struct rng *rng, struct err *err)
{
    for (size_t i = 0; i < d->n_inputs; i++) {
        struct tensor *t = &sample->inputs[i];
        int rc = tensor_init(t, d->inputs[i].dtype, &d->inputs[i].shape);

        if (rc < 0) {
            return err_set(err, rc, "input \"%s\": %s", d->inputs[i].name,
                           err_text(rc));
        }
        reference_fill(t, rng);
    }
    return 0;
}

int samples_make(struct samples *samples, const struct deployed *deployed,
                 struct named_list *given, struct err *err)
{
    struct rng rng;
    int rc = 0;

    samples->n_outputs = deployed->n_outputs;
    if (given->n > 0) {
        return take_given(samples, deployed, given, err);
    }
    samples->n = SAMPLES;
    rng_init(&rng, SEED);
    for (size_t k = 0; rc == 0 && k < samples->n; k++) {
        rc = fill(&samples->all[k], deployed, &rng, err);
    }
    return rc;
}

int samples_check(struct samples *samples, const struct deployed *deployed,
                  const char *file, struct err *err)
{
    struct reference *reference = NULL;
    int rc = reference_open(file, deployed, false, &reference, err);

    for (size_t k = 0; rc == 0 && k < samples->n; k++) {
        rc = reference_run(reference, samples->all[k].inputs,
                           &samples->all[k].outputs, err);
    }
    reference_free(reference);
    return rc;
}

void samples_deinit(struct samples *samples)
{
    for (size_t k = 0; k < SAMPLES; k++) {
        struct sample *sample = &samples->all[k];

        for (size_t i = 0; i < LIMIT_PORTS; i++) {
            tensor_deinit(&sample->inputs[i]);
        }
        for (size_t i = 0; sample->outputs != NULL && i < samples->n_outputs;
             i++) {
            tensor_deinit(&sample->outputs[i]);
        }
        mem_free(sample->outputs);
        sample->outputs = NULL;
    }
}
