/*
 * What faults.c and faults_list.c share: the record of a fault on purpose.
 *
 *   ASKED   the node was told; its reply is awaited
 *   ON      it is in force until its time is up
 *   OVER    the node is watched until it is ready again; then the record is
 *           kept for a minute, for whoever watches
 */
#ifndef EDGE_COORDINATOR_FAULTS_H
#define EDGE_COORDINATOR_FAULTS_H

#include "coordinator/parts.h"
#include "relay/fault_spec.h"

#define FAULT_RECORDS 128

enum record_state { RECORD_ASKED, RECORD_ON, RECORD_OVER };

struct fault_record {
    struct list link;
    struct fault_spec spec;
    enum record_state state;
    struct io_peer *client; /* who waits for the reply; NULL: nobody */
    uint64_t began_us;
    uint64_t over_us;
    uint64_t suspect_us; /* times of the node; 0: not yet */
    uint64_t lost_us;
    uint64_t back_us;
};

struct faults {
    struct coordinator *c;
    struct list records; /* oldest first */
    size_t n;
    struct io_timer look;
    bool looking;
};

/* What lets faults happen here; false: nothing does. */
bool faults_allowed(const struct coordinator *c, char *why, size_t size);
/* NULL: there is none, or no room. */
struct fault_record *faults_find(const struct faults *faults, uint32_t id);
struct fault_record *faults_add(struct faults *faults,
                                const struct fault_spec *spec);
void faults_end(struct faults *faults, struct fault_record *record,
                const char *why);

#endif
