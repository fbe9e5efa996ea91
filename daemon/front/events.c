#include "front/events.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "config/conf.h"
#include "core/admin.h"
#include "core/journal.h"
#include "front/listen.h"
#include "front/stats.h"
#include "io/loop.h"
#include "view/event.h"

struct follower {
    struct list link;                /* in `quiet` or `behind`; alone while its client does not read */
    struct listener *listener;
    uint64_t cursor;
    bool stuck;                      /* its client has let bytes lie since it was last up to date */
    bool ending;                     /* ends when it is up to date */
    void (*wake)(void *);
    void *owner;
};

static struct list quiet = { &quiet, &quiet }, behind = { &behind, &behind }, blocked = { &blocked, &blocked };
static uint64_t process;             /* the first half of our ids */
static uint64_t told;                /* the newest entry that the quiet ones were woken for */
static bool was_draining;

bool events_admit(const struct listener *l)
{
    bool room = front_stats.followers < EVENTS_FOLLOWERS && l->followers < (l->max_connections + 1) / 2;
    front_stats.followers_refused += !room;
    return room;
}

/* What it has seen decides where it begins. Entries that are not left any more are told as skipped by events_take(). */
static bool find_place(struct span seen, uint64_t *cursor)
{
    bool known = seen.at && event_id_read(seen.at, seen.len, process, cursor) && *cursor <= journal_last();
    if (!known)
        *cursor = journal_last();
    return known;
}

struct follower *events_follow(struct listener *l, struct span seen, struct buf *hello, void (*wake)(void *owner), void *owner)
{
    struct follower *f = mem_alloc(sizeof *f);
    if (!process)
        process = clock_wall() / USEC_MS;
    bool resumed = find_place(seen, &f->cursor);
    event_stream_hello(hello, process, f->cursor, resumed);
    f->listener = l;
    f->wake = wake;
    f->owner = owner;
    list_init(&f->link);
    list_append(&behind, &f->link);
    l->followers++;
    front_stats.followers++;
    front_stats.follows++;
    loop_soon();
    return f;
}

static void skip(struct follower *f, uint64_t to, uint64_t count, struct buf *out)
{
    f->cursor = to;
    front_stats.events_skipped += count;
    event_stream_skipped(out, process, to, count);
}

bool events_take(struct follower *f, struct buf *out)
{
    const struct journal_entry *e;
    uint64_t lost, newest = journal_last();
    size_t start = out->len;
    list_remove(&f->link);
    if (f->stuck && newest - f->cursor > EVENTS_LATE)
        skip(f, newest, newest - f->cursor, out);
    while (out->len - start < EVENTS_PIECE && (e = journal_after(f->cursor, &lost))) {
        if (lost)
            skip(f, e->id - 1, lost, out);
        event_stream(out, process, e);
        f->cursor = e->id;
        front_stats.events_sent++;
    }
    bool current = f->cursor == newest;
    if (current)
        f->stuck = false;
    list_append(current ? &quiet : &behind, &f->link);
    if (!current)
        loop_soon();
    return !(current && f->ending);
}

void events_block(struct follower *f)
{
    list_remove(&f->link);
    list_append(&blocked, &f->link);
    f->stuck = true;
}

void events_unblock(struct follower *f)
{
    list_remove(&f->link);
    list_append(&behind, &f->link);
    loop_soon();
}

void events_leave(struct follower *f)
{
    if (!f)
        return;
    list_remove(&f->link);
    f->listener->followers--;
    front_stats.followers--;
    mem_free(f);
}

static void move_all(struct list *from, struct list *to)
{
    LIST_EACH_SAFE(at, after, from) {
        list_remove(at);
        list_append(to, at);
    }
}

static void end_all(struct list *of, bool of_everybody)
{
    LIST_EACH(at, of) {
        struct follower *f = LIST_OWNER(at, struct follower, link);
        f->ending |= of_everybody || f->listener->closed || !(f->listener->serve & SERVE_EVENTS);
    }
}

static void end_them(bool everybody)
{
    end_all(&quiet, everybody);
    end_all(&behind, everybody);
    end_all(&blocked, everybody);
    move_all(&quiet, &behind);
}

void events_adopt(void)
{
    end_them(false);
}

/* A drain moves long-lived consumers elsewhere: they hear of it, and are closed. Who comes back is served. */
void events_publish(void)
{
    if (admin_is_draining() && !was_draining)
        end_them(true);
    was_draining = admin_is_draining();
    if (journal_last() != told)
        move_all(&quiet, &behind);
    told = journal_last();
    for (unsigned i = 0; i < EVENTS_A_TURN && !list_empty(&behind); i++) {
        struct follower *f = LIST_OWNER(list_first(&behind), struct follower, link);
        list_remove(&f->link);
        f->wake(f->owner);
    }
    if (!list_empty(&behind))
        loop_soon();
}
