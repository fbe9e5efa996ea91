#include "unit.h"

#include "grpc_reply.h"

static struct grpc_verdict judge(const char *http, const char *type, const char *status, const char *message, const char *body, size_t len)
{
    struct grpc_reply r;
    struct grpc_verdict v;
    grpc_reply_reset(&r);
    grpc_reply_field(&r, ":status", 7, http, strlen(http));
    grpc_reply_field(&r, "content-type", 12, type, strlen(type));
    for (size_t i = 0; i < len; i++)
        grpc_reply_data(&r, (const unsigned char *)body + i, 1);
    if (status)
        grpc_reply_field(&r, "grpc-status", 11, status, strlen(status));
    if (message)
        grpc_reply_field(&r, "grpc-message", 12, message, strlen(message));
    grpc_reply_judge(&r, "s", 1u << GRPC_SERVING, VITAL_WARN, &v);
    return v;
}

TEST(each_answer_has_its_reason)
{
    static const struct { const char *http, *type, *status, *message, *body; size_t len; enum vital_class class; enum vital_reason reason; const char *text; } cases[] = {
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\2\x08\1", 7, VITAL_PASS, VITAL_R_OK, "says SERVING of service \"s\"" },
        { "200", "application/grpc+proto", "0", NULL, "\0\0\0\0\2\x08\2", 7, VITAL_FAIL, VITAL_R_BAD_STATUS, "says NOT_SERVING of service \"s\"" },
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\0", 5, VITAL_FAIL, VITAL_R_BAD_STATUS, "says UNKNOWN of service \"s\"" },
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\3\x08\xe7\7", 8, VITAL_FAIL, VITAL_R_BAD_STATUS, "says an unknown status of service \"s\"" },
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\7\x12\3abc\x08\1", 12, VITAL_PASS, VITAL_R_OK, "says SERVING of service \"s\"" },
        { "200", "application/grpc", "0", NULL, "\1\0\0\0\2\x08\1", 7, VITAL_FAIL, VITAL_R_BAD_REPLY, "cannot be understood: its answer is compressed, which was not offered" },
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\3\x08\1", 7, VITAL_FAIL, VITAL_R_BAD_REPLY,
          "cannot be understood: the message in its answer has another length than it says" },
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\2\x0a\1", 7, VITAL_FAIL, VITAL_R_BAD_REPLY, "cannot be understood: its answer is no HealthCheckResponse" },
        { "200", "application/grpc", "0", NULL, "", 0, VITAL_FAIL, VITAL_R_BAD_REPLY, "cannot be understood: there is no whole message in its answer" },
        { "200", "application/grpc", "5", "no%20such%0A", "", 0, VITAL_FAIL, VITAL_R_NOT_FOUND, "does not know the service \"s\" (NOT_FOUND: no such?)" },
        { "200", "application/grpc", "12", NULL, "", 0, VITAL_WARN, VITAL_R_CONFIG, "answers gRPC, but has no health service (UNIMPLEMENTED)" },
        { "200", "application/grpc", "16", NULL, "", 0, VITAL_FAIL, VITAL_R_AUTH, "answers UNAUTHENTICATED (16)" },
        { "200", "application/grpc", "7", "x", "", 0, VITAL_FAIL, VITAL_R_PERMISSION, "answers PERMISSION_DENIED (7): x" },
        { "200", "application/grpc", "999", NULL, "", 0, VITAL_FAIL, VITAL_R_BAD_STATUS, "answers an unknown status (999)" },
        { "200", "application/grpc", NULL, NULL, "", 0, VITAL_FAIL, VITAL_R_BAD_REPLY, "ended the call without a status (HTTP/2 error 0)" },
        { "200", "text/html", NULL, NULL, "<p>", 3, VITAL_FAIL, VITAL_R_BAD_REPLY, "answers HTTP/2, but no gRPC" },
        { "503", "text/html", NULL, NULL, "<p>", 3, VITAL_FAIL, VITAL_R_BAD_STATUS, "answers HTTP status 503, which is no gRPC" },
        { "200", "application/grpc", "17", NULL, "", 0, VITAL_FAIL, VITAL_R_BAD_STATUS, "answers an unknown status (17)" },
        { "200", "application/grpc", "x", NULL, "", 0, VITAL_FAIL, VITAL_R_BAD_STATUS, "answers an unknown status (17)" },
        { "200", "application/grpc", "", NULL, "", 0, VITAL_FAIL, VITAL_R_BAD_STATUS, "answers an unknown status (17)" },
        { "200", "application/grpc", "0001", NULL, "", 0, VITAL_FAIL, VITAL_R_BAD_STATUS, "answers an unknown status (17)" },
        { "200", "application/grpc", "/", NULL, "", 0, VITAL_FAIL, VITAL_R_BAD_STATUS, "answers an unknown status (17)" },
        { "200", "application/grpc", "2", "%4a%4A%6F%/0%0g%G0%`1%:0%4", "", 0, VITAL_FAIL, VITAL_R_BAD_STATUS, "answers UNKNOWN (2): JJo%/0%0g%G0%`1%:0%4" },
        { "200", "application/grpc", "2", "\x7f\x1f%7f~", "", 0, VITAL_FAIL, VITAL_R_BAD_STATUS, "answers UNKNOWN (2): ???~" },
        { "", "application/grpc", "0", NULL, "\0\0\0\0\2\x08\1", 7, VITAL_FAIL, VITAL_R_BAD_STATUS, "answers HTTP status -1, which is no gRPC" },
        { "200", "application/grp", "0", NULL, "", 0, VITAL_FAIL, VITAL_R_BAD_REPLY, "answers HTTP/2, but no gRPC" },
        { "200", "application/grpx", "0", NULL, "", 0, VITAL_FAIL, VITAL_R_BAD_REPLY, "answers HTTP/2, but no gRPC" },
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\13\x11xxxxxxxx\x08\1", 16, VITAL_PASS, VITAL_R_OK, "says SERVING of service \"s\"" },
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\7\x15xxxx\x08\1", 12, VITAL_PASS, VITAL_R_OK, "says SERVING of service \"s\"" },
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\4\x10\7\x08\1", 9, VITAL_PASS, VITAL_R_OK, "says SERVING of service \"s\"" },
#define NO_MESSAGE VITAL_FAIL, VITAL_R_BAD_REPLY, "cannot be understood: its answer is no HealthCheckResponse"
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\2\x13\1", 7, NO_MESSAGE },                  /* a group: wire type 3 */
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\2\x11x", 7, NO_MESSAGE },
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\2\x15x", 7, NO_MESSAGE },
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\2\x12\1", 7, NO_MESSAGE },
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\1\x12", 6, NO_MESSAGE },
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\1\x08", 6, NO_MESSAGE },
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\2\0\1", 7, NO_MESSAGE },                     /* field 0 */
        { "200", "application/grpc", "0", NULL, "\0\0\0\0\13\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\1", 16, NO_MESSAGE },
        { "401", "text/html", NULL, NULL, "", 0, VITAL_FAIL, VITAL_R_AUTH, "answers HTTP status 401, which is no gRPC" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct grpc_verdict v = judge(cases[i].http, cases[i].type, cases[i].status, cases[i].message, cases[i].body, cases[i].len);
        CHECK_TEXT(v.text, cases[i].text);
        CHECK_INT(v.class, cases[i].class);
        CHECK_INT(v.reason, cases[i].reason);
    }
}

TEST(more_than_the_cap_is_told)
{
    static char large[GRPC_BODY_MAX + 1];
    struct grpc_verdict v = judge("200", "application/grpc", "0", NULL, large, sizeof large);
    CHECK_INT(v.reason, VITAL_R_TOO_LARGE);
}

static struct grpc_verdict judge_reply(struct grpc_reply *r, const char *service, enum vital_class unimplemented)
{
    struct grpc_verdict v;
    grpc_reply_judge(r, service, 1u << GRPC_SERVING, unimplemented, &v);
    return v;
}

TEST(streams_that_end_otherwise)
{
    struct grpc_reply r;
    grpc_reply_reset(&r);
    r.error = 7;
    struct grpc_verdict v = judge_reply(&r, "s", VITAL_WARN);
    CHECK_TEXT(v.text, "took the call back (HTTP/2 error 7)");
    CHECK_INT(v.reason, VITAL_R_RESET);
    grpc_reply_reset(&r);
    v = judge_reply(&r, "s", VITAL_WARN);
    CHECK_TEXT(v.text, "answers HTTP/2, but no gRPC");
    grpc_reply_field(&r, ":status", 7, "200", 3);
    grpc_reply_field(&r, "content-type", 12, "application/grpc", 16);
    grpc_reply_field(&r, "grpc-nothing", 12, "x", 1);
    r.error = 2;
    v = judge_reply(&r, "s", VITAL_WARN);
    CHECK_TEXT(v.text, "ended the call without a status (HTTP/2 error 2)");
    CHECK_INT(v.reason, VITAL_R_RESET);
    grpc_reply_field(&r, "grpc-status", 11, "12", 2);
    v = judge_reply(&r, "", VITAL_PASS);
    CHECK_INT(v.class, VITAL_PASS);
    CHECK_INT(v.reason, VITAL_R_OK);
    grpc_reply_field(&r, "grpc-status", 11, "0", 1);
    grpc_reply_data(&r, (const unsigned char *)"\0\0\0\0\2\x08\1", 7);
    CHECK_TEXT(judge_reply(&r, "", VITAL_WARN).text, "says SERVING of itself");
    CHECK_TEXT(grpc_status_name(-1), "an unknown status");
    CHECK_TEXT(grpc_status_name(16), "UNAUTHENTICATED");
}

TEST(long_words_of_a_server_are_cut)
{
    struct grpc_reply r;
    char text[4 * sizeof r.said];
    memset(text, 'x', sizeof text);
    grpc_reply_reset(&r);
    grpc_reply_field(&r, "grpc-message", 12, text, sizeof text);
    CHECK_INT(strlen(r.said), sizeof r.said - 1);
}
