/* Intrusive doubly linked list with a head; a link that points to itself is in no list. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define LIST_OWNER(ptr, type, field) ((type *)(void *)((char *)(ptr) - offsetof(type, field)))
#define LIST_EACH(at, head) for (struct list *at = (head)->next; at != (head); at = at->next)
/* Survives the removal of the current element, not of its successor. */
#define LIST_EACH_SAFE(at, after, head) \
    for (struct list *at = (head)->next, *after = at->next; at != (head); at = after, after = at->next)

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }

static inline void list_remove(struct list *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}

static inline void list_append(struct list *head, struct list *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

static inline struct list *list_first(struct list *head) { return list_empty(head) ? NULL : head->next; }

#endif
