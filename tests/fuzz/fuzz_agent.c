/* What stands at the borders to HAProxy: the state field that it sends, and the line that its agent-check reads, made of
 * names that somebody chose. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "front/balancer.h"
#include "view/agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_name(const char *name)
{
    size_t n = strnlen(name, BALANCER_NAME_MAX);
    require(n < BALANCER_NAME_MAX);
    for (size_t i = 0; i < n; i++)
        require(name[i] > ' ' && name[i] < 0x7f && name[i] != '"' && name[i] != '\\');
}

static void read_field(const char *text, size_t len)
{
    struct view_balancer b;
    char *exact = malloc(len ? len : 1);      /* so that one byte too far is seen */
    memcpy(exact, text, len);
    if (balancer_parse((struct span){ exact, len }, &b)) {
        check_name(b.node);
        check_name(b.backend);
        check_name(b.server);
        require(b.state && *b.node && *b.backend && *b.server && b.up == !strcmp(b.state, "UP"));
    }
    free(exact);
}

static void write_line(const uint8_t *data, const char *text)
{
    struct picture_probe probes[3] = { { .name = text, .state = data[0] % STATE_COUNT }, { .name = "b" }, { .name = text } };
    struct picture_cause causes[3] = { { .probe = 0 }, { .probe = 1 }, { .probe = 2 } };
    struct picture_member members[1] = { { .name = text, .index = 0 } };
    struct picture_group group = { .name = "g", .members = members, .member_count = 1, .causes = causes, .cause_count = data[1] % 4 };
    struct picture pic = { .probes = probes, .probe_count = 3, .groups = &group, .group_count = 1 };
    struct view_agent a = { .picture = &pic, .level = data[2] % LEVEL_COUNT, .why = data[3] % WHY_COUNT, .draining = data[4] & 1,
                            .leaving = data[4] & 2, .undecided = data[4] & 4, .admin_words = data[4] & 8, .weight = data[5] % 101 };
    struct buf out = BUF(AGENT_LINE_MAX);
    probes[0].mode = data[6] % MODE_COUNT;
    agent_line(&a, &out);
    require(!out.over && out.len > 0 && out.data[out.len - 1] == '\n');
    for (size_t i = 0; i + 1 < out.len; i++)
        require(out.data[i] >= ' ' && out.data[i] < 0x7f);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_field((const char *)data, size);
    if (size < 8)
        return 0;
    char *text = malloc(size);
    memcpy(text, data + 7, size - 7);
    text[size - 7] = '\0';
    write_line(data, text);
    free(text);
    return 0;
}
