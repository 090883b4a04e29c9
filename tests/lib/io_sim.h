/*
 * Simulated time and network: any number of ios in one thread, with faults.
 *
 * Everything that daemons and coordinators do through io.h works as on libuv;
 * connections, Hello, back-off and bounds are the same code (net/hub.h), with
 * simulated streams below. Time passes only in sim_step() and the calls built
 * on it. Same seed, same calls: same events in the same order, and so the
 * same sim_hash().
 *
 * A node is named by its io, which stays valid, dead or alive, until
 * sim_free(), so that its program can be taken down after sim_kill(). Paths,
 * cuts and pauses belong to the place (host and port): a node started again
 * there has them too.
 */
#ifndef EDGE_TESTS_IO_SIM_H
#define EDGE_TESTS_IO_SIM_H

#include "net/io.h"

struct sim;

struct sim_path {
    uint64_t latency_us;
    uint64_t jitter_us;     /* up to so much more, for each write anew */
    uint64_t bytes_per_s;   /* 0: no bound */
    unsigned loss_permille; /* of writes whose last packet is lost */
};

/* Never NULL: out of memory ends the process. */
struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *sim); /* and all nodes; NULL is fine */

uint64_t sim_now_us(const struct sim *sim);
/* Over all events so far. */
uint64_t sim_hash(const struct sim *sim);
uint64_t sim_events(const struct sim *sim);
/* The test's own chance, apart from the nodes' and the network's. */
uint64_t sim_random(struct sim *sim, uint64_t below);

/* ---- nodes --------------------------------------------------------------- */

/* Starts a node that listens on host:port (0: a free one). Events are set by
 * the caller: io->events, io->arg. NULL: another node runs there. */
struct io *sim_node(struct sim *sim, const struct io_identity *identity,
                    const char *host, int port, struct log *log);
int sim_port(struct io *io);
/* Also accepts clients that dial `path`. */
void sim_listen_path(struct io *io, const char *path);

/* Ends as io_uv_stop() does: Goodbye to all, no callback any more. */
void sim_stop(struct io *io);
/* Ends as by SIGKILL: its connections break, no callback comes any more, what
 * its strands did is lost or done but never told. */
void sim_kill(struct io *io);
/* The board loses its power: as sim_kill(), but nobody is told. The place
 * cannot be reached until a node is started there again. */
void sim_unplug(struct io *io);
bool sim_is_alive(const struct io *io);
/* As SIGSTOP and SIGCONT: its kernel goes on to accept and receive. */
void sim_pause(struct io *io);
void sim_resume(struct io *io);
/* Its work takes `percent` of its cost (100 at first). */
void sim_speed(struct io *io, unsigned percent);
/* Its strand stands still while its loop lives: no job begins or ends. */
void sim_stick(struct io *io, enum io_strand which, bool stuck);

/* ---- the network --------------------------------------------------------- */

/* Paths that were not set: 200 us, up to 100 us more, 100 MB/s, no loss. What
 * is lost comes later, as TCP sends it again after 200 ms, then 400 ms and so
 * on; a connection on which that takes USER_TIMEOUT_MS breaks. */
void sim_set_path(struct sim *sim, struct io *a, struct io *b,
                  struct sim_path path); /* both directions */
/* It is as all others again. */
void sim_reset_path(struct sim *sim, struct io *a, struct io *b);
void sim_set_paths(struct sim *sim, struct sim_path path); /* all others */

/* Nothing gets from a to b; unless `one_way`, from b to a neither. What is
 * under way waits, and TCP gives up after USER_TIMEOUT_MS. */
void sim_partition(struct sim *sim, struct io *a, struct io *b, bool one_way);
/* Cuts a place off from all others, both ways. */
void sim_isolate(struct io *io);
void sim_rejoin(struct io *io); /* ends that */
void sim_heal(struct sim *sim, struct io *a, struct io *b);
/* Ends every partition and isolation. */
void sim_heal_all(struct sim *sim);
/* Resets every connection between the two. */
void sim_reset(struct sim *sim, struct io *a, struct io *b);

/* ---- running ------------------------------------------------------------- */

/* The next event; false: there is none. */
bool sim_step(struct sim *sim);
void sim_run_for(struct sim *sim, uint64_t ms);
/* Until `condition`, asked after each event; false: it did not come within
 * `limit_ms`. */
bool sim_run_until(struct sim *sim, bool (*condition)(void *arg), void *arg,
                   uint64_t limit_ms);

#endif
