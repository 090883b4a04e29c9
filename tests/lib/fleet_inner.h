/* Between the fleet's files. */
#ifndef EDGE_TESTS_FLEET_INNER_H
#define EDGE_TESTS_FLEET_INNER_H

#include "tests/lib/fleet.h"

static inline struct fleet_process *fleet_process_of(const struct io *io)
{
    return container_of(io->ops, struct fleet_process, ops);
}

/* fleet_noise.c: once the program has set its events, and when it ends. */
void fleet_noise_start(struct fleet_process *process);
void fleet_noise_end(struct fleet_process *process);

#endif
