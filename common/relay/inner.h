/* Between the relay's own files only. */
#ifndef EDGE_RELAY_INNER_H
#define EDGE_RELAY_INNER_H

#include "relay/relay.h"

/* While something waits: how often it is tried, and deadlines are looked at
 * even if nothing does. */
#define RETRY_MS 10
#define TICK_MS 50

/* ---- hold.c ---- */
void relay_init_timers(struct relay *relay);
/* Tries every waiting hold again, at the next turn of the loop. */
void relay_wake(struct relay *relay);
/* Sends what is on its way to `node` elsewhere; unless it is `gone`, only
 * what another node can take. */
void relay_take_back(struct relay *relay, struct relay_node *node, bool gone);
/* No hold remembers the node any more. */
void relay_forget(struct relay *relay, const struct relay_node *node);
void relay_end_holds(struct relay *relay, uint32_t epoch);
struct hold *relay_hold_find(struct relay *relay, const struct relay_key *key);
void relay_hold_try(struct relay *relay, struct hold *hold);
void relay_hold_finish(struct relay *relay, struct hold *hold, int rc,
                       const char *text);
void relay_back_off(struct relay *relay, struct hold *hold,
                    struct relay_node *by, int code);
/* `*node`, one of the two that have it, has it no more. */
void relay_leave(struct hold *hold, struct relay_node **node);
/* The same, of a hold that two have: the other one has the only copy. */
void relay_drop_copy(struct hold *hold, const struct relay_node *node);
/* Tells a node that its copy is not waited for any more. */
void relay_recall(struct relay *relay, const struct hold *hold,
                  const struct relay_node *node);
void relay_try_waiting(struct relay *relay, bool changed);
void relay_tick_in(struct relay *relay, uint64_t ms);

/* ---- late.c ---- */
void relay_on_tick(struct io_timer *timer);
/* Sees to it that the tick comes in time for a hold that was just sent. */
void relay_look_after(struct relay *relay, struct hold *hold);

/* ---- relay.c ---- */
struct relay_load *relay_load_find(const struct relay_node *node,
                                   uint32_t epoch, uint32_t shard);
void relay_load_count(struct relay_node *node, uint32_t epoch, uint32_t shard,
                      int change);
struct relay_place *relay_place_find(struct relay *relay, uint32_t epoch,
                                     uint32_t shard);
void relay_say_ejected(struct relay *relay, const struct relay_node *node);

/* ---- views.c ---- */
void relay_views_read(const Edged__Data *from, struct relay_views *views);
/* Borrows the list. */
void relay_views_fill(const struct relay_views *views,
                      struct relay_views_list *list, Edged__Data *data);
/* What a message adds to what its view's board has sent: it is about to be. */
void relay_views_count(const struct hold *hold, struct relay_views_list *list,
                       Edged__Envelope *env, size_t payload);

/* ---- choose.c ---- */
/* It has next to nothing to do for this shard. */
/* How long the work that it has will take, at its measured speed; 0: that is
 * not known. */
uint64_t relay_expected_us(const struct relay_place *place,
                           const struct relay_node *node);
bool relay_is_idle(const struct relay_place *place,
                   const struct relay_node *node);

#endif
