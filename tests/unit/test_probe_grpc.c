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
