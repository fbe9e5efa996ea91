#include "ctl/term.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/utf8.h"

enum { SGR_MAX = 24, ERROR_MAX = 8192 };

/* Length of a colour sequence at `at`, or 0. */
static size_t sgr_length(const char *at, size_t left)
{
    if (left < 3 || at[0] != '\033' || at[1] != '[')
        return 0;
    for (size_t i = 2; i < left && i < SGR_MAX; i++) {
        if (at[i] == 'm')
            return i + 1;
        if (at[i] != ';' && (at[i] < '0' || at[i] > '9'))
            return 0;
    }
    return 0;
}

static bool is_shown(const char *at, unsigned length)
{
    return length && (*at == '\n' || *at == '\t' || !utf8_is_obeyed(at, length));
}

void term_clean(struct buf *out, const char *text, size_t len, bool colour)
{
    for (size_t i = 0; i < len;) {
        size_t take = colour ? sgr_length(text + i, len - i) : 0;
        if (take) {
            buf_add(out, text + i, take);
            i += take;
            continue;
        }
        unsigned length = utf8_length(text + i, len - i);
        if (is_shown(text + i, length))
            buf_add(out, text + i, length);
        else
            buf_char(out, '?');
        i += length ? length : 1;
    }
}

void term_print(FILE *to, const char *text, bool colour)
{
    size_t len = strlen(text);
    struct buf out = BUF(len + 2);
    term_clean(&out, text, len, colour);
    if (len && text[len - 1] != '\n')
        buf_char(&out, '\n');
    if (out.len)
        (void)fwrite(out.data, 1, out.len, to); /* the stream remembers it: term_told() */
    buf_free(&out);
}

bool term_told(void)
{
    return fflush(stdout) == 0 && !ferror(stdout);
}

void term_pause(unsigned ms)
{
    (void)poll(NULL, 0, ms < INT_MAX ? (int)ms : INT_MAX);
}

bool term_has_colour(int fd, const char *when)
{
    if (when && strcmp(when, "auto") != 0)
        return !strcmp(when, "always");
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fd) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

unsigned term_width(int fd)
{
    struct winsize size;
    return isatty(fd) && !ioctl(fd, TIOCGWINSZ, &size) ? size.ws_col : 0;
}

void term_error(const char *fmt, ...)
{
    struct buf text = BUF(ERROR_MAX);
    va_list args;
    va_start(args, fmt);
    buf_text(&text, "vitalctl: ");
    buf_vprintf(&text, fmt, args);
    va_end(args);
    fflush(stdout);
    term_print(stderr, text.data, false);
    buf_free(&text);
}
