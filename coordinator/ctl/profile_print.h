/* What `edgectl profile` prints: of boards and links, as they came. */
#ifndef EDGE_CTL_PROFILE_PRINT_H
#define EDGE_CTL_PROFILE_PRINT_H

#include "coordinator/ctl/ctl.h"

struct profile_rows {
    struct msg *rows; /* each a ProfileRow */
    size_t n;
    size_t room;
    struct msg reply; /* the ProfileReply, once it has come */
};

void profile_print(const struct ctl *ctl, const struct profile_rows *rows);

#endif
