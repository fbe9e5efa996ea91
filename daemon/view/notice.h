/* A message to people: what happened, and its renderings. One table of facts (base/noticefields.h) is the default JSON, the
 * placeholders of templates and the variables of programs.
 *
 * What a target wrote stands in `detail` as it is. In `title`, `text` and `content`, which chat programs interpret, it can
 * neither mention anybody nor make a link or a line. */
#ifndef VIEW_NOTICE_H
#define VIEW_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/noticefields.h"
#include "base/template.h"
#include "core/picture.h"

struct arena;
struct buf;
struct json;

enum notice_status { NOTICE_FIRING, NOTICE_RESOLVED, NOTICE_REMINDER, NOTICE_FLAPPING, NOTICE_TEST, NOTICE_STATUS_COUNT };
ENUM_TEXT_DECLARE(notice_status);     /* firing resolved reminder flapping test */

enum { NOTICE_NAMES_MAX = 50, NOTICE_JSON_MAX = 192 * 1024 };
struct notice_names {
    const char *names[NOTICE_NAMES_MAX];
    unsigned count, all;              /* all: how many there were */
};

struct notice {
    unsigned refs;
    struct arena *arena;
    enum notice_status status;
    bool is_group;
    enum level level, now;            /* how bad it is; once it is over: was, and is now */
    const char *host, *name, *type, *target, *state, *reason, *sentence, *detail, *caused_by, *mode;
    struct notice_names affected, groups, causes;
    bool together;                    /* affected: not because of it, only at the same time */
    unsigned changes;
    uint64_t since, time;             /* wall clock */
    const char *title, *text, *key, *since_text, *time_text;      /* made by notice_seal() */
};

/* Strings are copied. The picture's probe or group of that index. */
struct notice *notice_of_probe(const struct picture *, uint32_t index, enum notice_status, enum level);
struct notice *notice_of_group(const struct picture *, uint32_t index, enum notice_status, enum level);
/* One that needs no picture: a test, or the end of something that is configured no more. */
struct notice *notice_plain(enum notice_status, const char *host, const char *name, bool is_group, const char *detail);
void notice_add(struct notice *, struct notice_names *, const char *name);
void notice_seal(struct notice *);    /* it is complete: makes its texts. Before it is rendered or held */
struct notice *notice_hold(struct notice *);
void notice_release(struct notice *);

struct template_value notice_value(const void *notice, unsigned field);      /* a template_value_fn; texts live in the notice */
const char *notice_field_name(unsigned field);
void notice_json(const struct notice *, struct buf *out);                    /* every fact */

/* One alert of Alertmanager's API v2. labels: pairs of name and value, already checked; ends: wall clock. */
struct notice_label { const char *name, *value; };
void notice_alert(struct json *, const struct notice *, const struct notice_label *labels, unsigned count, uint64_t ends);
/* Alerts of one identity: the labels would be equal. */
bool notice_same_alert(const struct notice *, const struct notice *);

#endif
