/* Lines of the control socket, against the real core with two scripted probes: whatever comes, each request has an answer,
 * each answer is JSON on one line, and no client is left over. */
#include <sys/socket.h>
#include <unistd.h>

#include "base/ctlproto.h"
#include "base/json.h"
#include "front/control.h"
#include "front/control_client.h"
#include "../unit/small_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stop_nothing(void) { }
static void reload_nothing(void (*done)(void *, bool, const char *), void *arg) { done(arg, true, "reloaded\n"); }

static void open_once(void)
{
    static const struct control_hooks hooks = { .reload = reload_nothing, .stop = stop_nothing };
    static bool open;
    if (open)
        return;
    open = true;
    small_patience = 0;
    small_open(NULL);
    control_calls = &hooks;
}

static void check_lines(const char *at, size_t len)
{
    while (len) {
        const char *end = memchr(at, '\n', len);
        size_t n = end ? (size_t)(end - at) : len, where;
        struct json_value root;
        if (end && (json_check(at, n, &where, &root) || root.kind != JSON_OBJECT))
            abort();
        if (!end)
            return;
        at = end + 1;
        len -= n + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char got[1 << 20];
    struct control_stats s;
    int pair[2];
    size_t len = 0;
    open_once();
    if (size > 16384 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
        return 0;
    client_open(pair[0]);
    if (send(pair[1], data, size, MSG_NOSIGNAL) < 0)
        len = 0;
    shutdown(pair[1], SHUT_WR);
    do {
        small_turn(client_publish);
        ssize_t n = recv(pair[1], got + len, sizeof got - len, 0);
        len += n > 0 ? (size_t)n : 0;
        control_stats(&s);
    } while (s.clients && len < sizeof got);
    check_lines(got, len);
    close(pair[1]);
    client_close_all();
    loop_reap();
    return 0;
}
