#include "graph/names.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

#define NAMES_ROOM_MIN 16

/* FNV-1a: names are short, and a slot keeps the hash, so that clashes cost a
 * comparison of integers. */
static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261u;

    for (const char *p = name; *p != '\0'; p++) {
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    }
    return hash;
}

void names_deinit(struct names *names)
{
    mem_free(names->slots);
    *names = (struct names){0};
}

static struct names_slot *find_slot(const struct names *names, const char *name)
{
    uint32_t hash = hash_of(name);
    size_t mask = names->room - 1;

    if (names->room == 0) {
        return NULL;
    }
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct names_slot *slot = &names->slots[i];

        if (slot->name == NULL && slot->index == 0) {
            return NULL;
        }
        if (slot->name != NULL && slot->hash == hash &&
            strcmp(slot->name, name) == 0) {
            return slot;
        }
    }
}

int names_find(const struct names *names, const char *name)
{
    const struct names_slot *slot = find_slot(names, name);

    return slot != NULL ? slot->index : -1;
}

static void put(struct names *names, const char *name, uint32_t hash, int index)
{
    size_t mask = names->room - 1;
    size_t i = hash & mask;

    while (names->slots[i].name != NULL || names->slots[i].index != 0) {
        i = (i + 1) & mask;
    }
    names->slots[i] = (struct names_slot){name, hash, index};
    names->used++;
}

static int grow(struct names *names)
{
    struct names bigger = {0};

    bigger.room = names->room > 0 ? names->room * 2 : NAMES_ROOM_MIN;
    bigger.slots = mem_array(struct names_slot, bigger.room);
    if (bigger.slots == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < names->room; i++) {
        const struct names_slot *slot = &names->slots[i];

        if (slot->name != NULL) {
            put(&bigger, slot->name, slot->hash, slot->index);
        }
    }
    names_deinit(names);
    *names = bigger;
    return 0;
}

int names_add(struct names *names, const char *name, int index)
{
    /* At least a quarter stays free, so that a search ends soon. */
    if (names->used + 1 > names->room / 4 * 3) {
        int rc = grow(names);

        if (rc < 0) {
            return rc;
        }
    }
    put(names, name, hash_of(name), index);
    return 0;
}

void names_remove(struct names *names, const char *name)
{
    struct names_slot *slot = find_slot(names, name);

    if (slot != NULL) {
        *slot = (struct names_slot){.index = -1};
    }
}

void names_clear(struct names *names)
{
    if (names->room > 0) {
        memset(names->slots, 0, names->room * sizeof(*names->slots));
    }
    names->used = 0;
}
