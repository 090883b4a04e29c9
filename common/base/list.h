/*
 * Intrusive doubly linked list and container_of. A list head and a link are
 * the same struct; an unlinked link points to itself.
 */
#ifndef EDGE_BASE_LIST_H
#define EDGE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define container_of(ptr, type, member) \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l;
    l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}

/* Appends `link` at the end of the list `head`. */
static inline void list_push(struct list *head, struct list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void list_unlink(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

#define list_entry(link, type, member) container_of(link, type, member)

/* Walks the list; the current link may be unlinked and freed meanwhile. */
#define list_each(head, it, after)                                        \
    for (struct list *it = (head)->next, *after = it->next; it != (head); \
         it = after, after = it->next)

#endif
