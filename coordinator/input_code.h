/*
 * The inputs of a request in the codec of the links that they go along, made
 * off the loop. Loop thread, but for the work itself.
 */
#ifndef EDGE_COORDINATOR_INPUT_CODE_H
#define EDGE_COORDINATOR_INPUT_CODE_H

#include "coordinator/parts.h"

struct input_code;

/* True if any of the model's inputs is to be coded there. */
bool input_code_is_wanted(const Edged__Placement *spec);
/* References the inputs, one for each of spec's. `done` is called later, with
 * 0 or EDGE_ENOMEM, unless it is dropped before. NULL: out of memory. */
struct input_code *input_code_start(struct coordinator *c,
                                    const Edged__Placement *spec,
                                    const struct tensor *inputs,
                                    void (*done)(void *arg, int rc), void *arg);
/* What goes along a link of spec->entries once it is done; what it points to
 * lives until the code is dropped. */
struct relay_part input_code_part(const struct input_code *code,
                                  const Edged__Link *link,
                                  const struct tensor *input);
void input_code_drop(struct input_code *code); /* NULL is fine */
/* Those whose work will never be done, at the end. */
void input_code_free_all(struct coordinator *c);

#endif
