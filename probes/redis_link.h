/* One connection to one Redis process: questions go out in one write, answers come back in their order.
 *
 * A link is kept between attempts where `hold` says so. Then its end, or a word that nobody asked for, nudges the probe. A
 * kept link that turns out to be dead when it is used is dialled again once, for it says nothing about the server now.
 * Callbacks: answer() collects and must not end the attempt; done() and gone() may. */
#ifndef PROBES_REDIS_LINK_H
#define PROBES_REDIS_LINK_H

#include "redis_resp.h"
#include "redis_text.h"
#include "vital_probe.h"

struct redis_link;

struct redis_link_ops {
    void (*ask)(struct vital_probe *, struct redis_link *);              /* connected: redis_link_ask() all there is to ask */
    /* True: it keeps the value and frees it. */
    bool (*answer)(struct vital_probe *, struct redis_link *, unsigned question, struct redis_value *);
    void (*done)(struct vital_probe *, struct redis_link *);             /* all is answered */
    void (*gone)(struct vital_probe *, struct redis_link *, enum vital_reason, const char *text);
};

struct redis_target {
    struct redis_address address;
    char name[256];                     /* verified by TLS instead of the host; "" = host */
    const char *unix_path;              /* instead of an address */
    const struct vital_tls *tls;
};

enum { REDIS_QUESTIONS = 32, REDIS_WHERE = 300 };

struct redis_link {
    struct redis_link *next;
    struct redis_target target;
    char where[REDIS_WHERE];            /* for people, and what it is found again by */
    const struct redis_link_ops *ops;
    struct vital_io *io;                /* NULL: not connected */
    struct redis_reader reader;
    struct redis_commands out;
    uint8_t asked[REDIS_QUESTIONS];
    unsigned count, answered;
    uint64_t sent;                      /* when the questions went out */
    bool open, kept;
    bool used;                          /* in this attempt */
    bool reused;                        /* kept from an earlier attempt, and nothing has come back yet */
};

/* Finds the kept link to that target, or dials; then ask() runs, at once or when connected. */
struct redis_link *redis_link_begin(struct vital_probe *, struct redis_link **all, const struct redis_target *, const struct redis_link_ops *);
void redis_link_ask(struct redis_link *, unsigned question, unsigned count, const char *const *words, const size_t *lens);
void redis_link_close(struct vital_probe *, struct redis_link **all, struct redis_link *);

/* The attempt's end. Keeps those that were used and are in order, when `hold`; closes the others. */
void redis_links_settle(struct vital_probe *, struct redis_link **all, bool hold);
/* The attempt was cut: what it opened is closed already, what was kept from before is not. */
void redis_links_cut(struct vital_probe *, struct redis_link **all);
/* The probe goes: everything is closed already. */
void redis_links_free(struct redis_link **all);

const char *redis_where(const struct redis_target *, char *room, size_t size);

#endif
