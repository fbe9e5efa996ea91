#include "view/words.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"

void words_safe(struct buf *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    for (size_t left = strlen(text); left > 0;) {
        unsigned len = utf8_length((const char *)at, left);
        if (len && !utf8_is_obeyed((const char *)at, len)) {
            buf_add(out, at, len);
        } else {
            len = len ? len : 1;
            for (unsigned i = 0; i < len; i++)
                if (at[i] == '\n')
                    buf_text(out, "\\n");
                else if (at[i] == '\t')
                    buf_text(out, "\\t");
                else
                    buf_printf(out, "\\x%02x", at[i]);
        }
        at += len;
        left -= len;
    }
}

void words_time(struct buf *out, uint64_t wall)
{
    char text[CLOCK_TEXT];
    buf_text(out, wall && wall != TIME_NEVER ? clock_iso(wall, text) : "never");
}

void words_age(struct buf *out, uint64_t now, uint64_t when)
{
    char text[CLOCK_TEXT];
    if (when == 0 || when == TIME_NEVER)
        buf_char(out, '-');
    else
        buf_text(out, clock_span(now > when ? (now - when) / USEC_MS * USEC_MS : 0, text));
}

void words_outcome(struct buf *out, const struct picture_probe *p)
{
    if (!p->had_outcome && p->reason == VITAL_R_OK) {
        buf_text(out, p->quarantined ? "quarantined before the first outcome" : "no outcome yet");
        return;
    }
    if (p->stale) {
        buf_printf(out, "stale: last was %s at ", vital_class_text(p->outcome));
        words_time(out, p->at);
        buf_text(out, ": ");
    }
    buf_printf(out, "%s: ", reason_text(p->reason));
    words_safe(out, p->text && *p->text ? p->text : reason_sentence(p->reason));
    if (p->quarantined)
        buf_text(out, " (quarantined: its module broke the contract three times)");
}

bool words_run(struct buf *out, const struct picture_probe *p)
{
    if (p->run_need == 0)
        return false;
    buf_printf(out, "%u of %u towards %s", p->run_have, p->run_need, state_text(p->run_towards));
    return true;
}

enum level words_level(const struct picture_probe *p)
{
    static const enum level by_state[STATE_COUNT] = {
        [STATE_UNKNOWN] = LEVEL_FAIL, [STATE_UP] = LEVEL_PASS, [STATE_DEGRADED] = LEVEL_WARN, [STATE_DOWN] = LEVEL_FAIL,
    };
    return p->mode == MODE_FORCED ? p->forced : by_state[p->state];
}

void words_check_name(struct buf *out, const char *group)
{
    static const char *const four[] = { "live", "ready", "startup", "health" };
    buf_text(out, group);
    for (unsigned i = 0; i < sizeof four / sizeof *four; i++)
        if (!strcmp(group, four[i]))
            buf_char(out, 'z');
}

struct walk {
    const struct picture *pic;
    struct words_role *roles;
    bool *seen;                        /* of each group: on the way of failures only, and with an absorber */
};

/* What fails below a group that passes all the same is absorbed by the lowest such group on the way; on another way it may
 * count, and that is then the truth about it. */
static void find_roles(struct walk *w, uint32_t group, enum level level, const char *absorber)
{
    const struct picture_group *g = &w->pic->groups[group];
    if (level != LEVEL_FAIL)
        absorber = g->name;
    bool *seen = &w->seen[group * 2 + (absorber != NULL)];
    if (*seen)
        return;
    *seen = true;
    for (unsigned i = 0; i < g->member_count; i++) {
        const struct picture_member *m = &g->members[i];
        if (m->advisory)
            continue;
        if (m->is_group && m->index < w->pic->group_count)
            find_roles(w, m->index, m->level, absorber);
        if (m->is_group || m->index >= w->pic->probe_count)
            continue;
        struct words_role *r = &w->roles[m->index];
        bool fails = m->level == LEVEL_FAIL && !m->left_out;
        r->absorbed_by = !fails || (r->required && !r->absorbed_by) ? NULL : absorber;
        r->required = true;
    }
}

struct words_role *words_roles(const struct picture *pic)
{
    struct walk w = { .pic = pic, .roles = mem_alloc((pic->probe_count + 1) * sizeof *w.roles), .seen = mem_alloc((pic->group_count + 1) * 2) };
    /* Starting or draining, the verdict is not the members'. */
    if (pic->group_count > 0)
        find_roles(&w, 0, pic->groups[0].why == WHY_MEMBERS ? pic->groups[0].level : LEVEL_FAIL, NULL);
    mem_free(w.seen);
    return w.roles;
}

static bool is_without_module(const struct picture_probe *p)
{
    return !p->had_outcome && p->reason == VITAL_R_NO_MODULE;
}

void words_cure(struct buf *out, const struct picture_probe *p)
{
    bool improving = p->run_need && p->run_towards != STATE_UNKNOWN && p->run_towards < p->settled;
    if (p->mode == MODE_FORCED || p->mode == MODE_PAUSED) {
        buf_printf(out, "`vitalctl resume %s`, for it is %s", p->name, mode_text(p->mode));
        if (p->mode_until && p->mode_until != TIME_NEVER) {
            buf_text(out, "; or by itself at ");
            words_time(out, p->mode_until);
        }
        return;
    }
    if (p->quarantined || is_without_module(p)) {
        buf_text(out, p->quarantined ? "a reload with a module that keeps its contract" : "a reload with its module installed");
        return;
    }
    if (p->state == STATE_UNKNOWN)
        buf_text(out, "one outcome that is good");
    else if (improving)
        buf_printf(out, "%u more like the last (%u of %u so far)", p->run_need - p->run_have, p->run_have, p->run_need);
    else
        buf_printf(out, "%u in a row that pass", p->rise);
    if (p->in_flight)
        buf_text(out, "; an attempt is running");
    else if (p->next_due && p->next_due != TIME_NEVER) {
        buf_text(out, "; next attempt at ");
        words_time(out, p->next_due);
    }
}
