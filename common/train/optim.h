/*
 * How parameters follow their gradients: SGD and Adam over flat arrays, with
 * PyTorch's definitions (torch.optim.SGD, torch.optim.Adam,
 * torch.nn.utils.clip_grad_norm_, of PyTorch 1.13), so that its recipes hold
 * here. State is plain arrays, for checkpoints.
 */
#ifndef EDGE_TRAIN_OPTIM_H
#define EDGE_TRAIN_OPTIM_H

#include "train/params.h"

enum optim_kind { OPTIM_SGD, OPTIM_ADAM };

struct optim_rule {
    enum optim_kind kind;
    float momentum; /* SGD */
    float dampening;
    bool nesterov;
    float beta1; /* Adam */
    float beta2;
    float epsilon;
    float weight_decay; /* L2: added to the gradient */
    float clip_norm;    /* the gradient's norm is held to it; 0: it is not */
};

struct optim {
    struct optim_rule rule;
    size_t n;
    float *first;  /* momentum, or Adam's first moment; NULL: not needed */
    float *second; /* Adam's second moment */
    uint64_t steps;
    uint64_t skipped; /* because a gradient was no number */
};

/* Defaults of PyTorch: no momentum, betas 0.9 and 0.999, epsilon 1e-8. */
struct optim_rule optim_rule_of(enum optim_kind kind);
/* EDGE_ENOMEM. */
int optim_init(struct optim *o, const struct optim_rule *rule, size_t n);
void optim_deinit(struct optim *o);

/* The sum of the squares, in double; not finite if a gradient is not. */
double optim_square(const float *grads, size_t n);

/* One step with learning rate `rate`. `square` is the sum of the squares of
 * all gradients of the model, which may be more than these. False: it is not
 * finite, so nothing was changed and the step is counted as skipped. */
bool optim_step(struct optim *o, struct params *p, double rate, double square);

#endif
