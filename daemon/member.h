/* Shared by member.c alone with its tests; the rest is in parts.h. */
#ifndef EDGED_MEMBER_H
#define EDGED_MEMBER_H

#include "daemon/parts.h"

struct member_job {
    struct io_work work;
    struct daemon *d;
    /* On the disk strand, then on the loop. */
    void (*run)(struct member_job *job);
    void (*finish)(struct member_job *job);
    int rc;
    struct err err;
    char *token; /* erased when freed */
    char *cert_pem;
    uint8_t *csr;
    size_t csr_size;
    struct digest *denied;
    size_t n_denied;
    int64_t renew_at_s;
};

#endif
