/*
 * Which index has which name: a hash table of borrowed strings. The strings
 * belong to whoever is indexed and must outlive their entry.
 */
#ifndef EDGE_GRAPH_NAMES_H
#define EDGE_GRAPH_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct names_slot {
    const char *name; /* NULL: free (index 0) or removed (index -1) */
    uint32_t hash;
    int index;
};

struct names {
    struct names_slot *slots;
    size_t room; /* a power of two, or 0 */
    size_t used; /* slots that are not free, removed ones included */
};

void names_deinit(struct names *names);
int names_find(const struct names *names, const char *name); /* or -1 */
/* `name` must not be there yet. 0 or EDGE_ENOMEM. */
int names_add(struct names *names, const char *name, int index);
void names_remove(struct names *names, const char *name);
/* Forgets all names and keeps the room, so that as many can be added again
 * without an allocation. */
void names_clear(struct names *names);

#endif
