/* The pieces that HTML is made of here. Whatever came from outside goes through markup_text(). */
#ifndef VIEW_MARKUP_H
#define VIEW_MARKUP_H

#include "core/picture.h"

struct buf;

/* How a state is shown: a shape, a colour of the same name in page.css. */
enum tone { TONE_GOOD, TONE_WARN, TONE_BAD, TONE_NONE, TONE_COUNT };
const char *markup_tone(enum tone);              /* "good" ... : class names */
enum tone markup_tone_of_state(enum state);
enum tone markup_tone_of_level(enum level, bool unknown);
enum tone markup_tone_of_word(const char *word); /* as the journal says it */
/* What a probe counts as, forced or not; maintenance counts as nothing. */
enum tone markup_tone_of_probe(const struct picture_probe *);

/* Escaped for text and for quoted attributes; controls become visible. */
void markup_text(struct buf *, const char *text);
void markup_outcome(struct buf *, const struct picture_probe *);
/* <time>, UTC; ago: the script adds how long that is. */
void markup_time(struct buf *, uint64_t wall, bool ago);
void markup_duration(struct buf *, uint64_t usec);
/* The shape alone, hidden from screen readers: a word stands beside it. */
void markup_icon(struct buf *, enum tone);
/* The shapes as symbols, once in a document. */
void markup_symbols(struct buf *);
/* The shape as an icon of the browser's tab: a data: URL. */
void markup_tab_icon(struct buf *, enum tone);
/* "paused until ...", "forced to fail", nothing for normal. */
void markup_mode(struct buf *, const struct picture_probe *);

#endif
