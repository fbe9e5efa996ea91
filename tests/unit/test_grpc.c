#include "unit.h"

#include "base/grpc.h"

TEST(a_message_comes_in_pieces)
{
    struct buf whole = BUF(1024);
    struct span service = { 0 };
    grpc_put_request(&whole, "ready");
    CHECK_INT(whole.len, 5 + 7);
    for (size_t step = 1; step <= whole.len; step++) {
        struct grpc_reader r = { { 0 } };
        enum grpc_read got = GRPC_MORE;
        for (size_t at = 0; at < whole.len; at += step) {
            const char *bytes = whole.data + at;
            size_t len = whole.len - at < step ? whole.len - at : step;
            CHECK(got == GRPC_MORE);
            got = grpc_read(&r, &bytes, &len);
            CHECK_INT(len, 0);
        }
        CHECK(got == GRPC_WHOLE && grpc_get_request(grpc_message(&r), &service) && span_is(service, "ready"));
        grpc_reader_reset(&r);
    }
    buf_free(&whole);
}

TEST(what_is_too_large_or_compressed_is_refused_by_its_head)
{
    struct grpc_reader r = { { 0 } };
    const char *large = "\0\0\0\x10\x01", *compressed = "\1\0\0\0\0";
    size_t len = 5;
    CHECK(grpc_read(&r, &large, &len) == GRPC_TOO_LARGE);
    grpc_reader_reset(&r);
    len = 5;
    CHECK(grpc_read(&r, &compressed, &len) == GRPC_COMPRESSED);
    grpc_reader_reset(&r);
}

TEST(protobuf_is_read_to_its_end)
{
    static const struct { const char *bytes; size_t len; bool fine; const char *service; } cases[] = {
        { "", 0, true, "" }, { "\x0a\0", 2, true, "" }, { "\x0a\1a\x0a\1b", 6, true, "b" }, { "\x10\x96\x01\x0a\1a", 6, true, "a" },
        { "\x15xxxx\x0a\1a", 8, true, "a" }, { "\x11xxxxxxxx", 9, true, "" }, { "\x08\1", 2, false, "" }, { "\x0a\5ab", 4, false, "" },
        { "\x0b", 1, false, "" }, { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, false, "" }, { "\0\0", 2, false, "" }, { "\x0a", 1, false, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span service;
        CHECK_INT(grpc_get_request((struct span){ cases[i].bytes, cases[i].len }, &service), cases[i].fine);
        CHECK(!cases[i].fine || span_is(service, cases[i].service));
    }
}

TEST(replies_and_status_messages_go_both_ways)
{
    struct buf out = BUF(1024), back = BUF(1024);
    uint64_t serving;
    for (unsigned i = 0; i < GRPC_SERVINGS; i++) {
        buf_reset(&out);
        grpc_put_reply(&out, i);
        CHECK(grpc_get_reply((struct span){ out.data + GRPC_HEAD, out.len - GRPC_HEAD }, &serving) && serving == i);
    }
    buf_reset(&out);
    grpc_put_message(&out, "100 % \xc3\xa4\n");
    CHECK_TEXT(out.data, "100 %25 %C3%A4%0A");
    grpc_get_message((struct span){ out.data, out.len }, &back);
    CHECK_TEXT(back.data, "100 % \xc3\xa4\n");
    buf_reset(&back);
    grpc_get_message((struct span){ "%4", 2 }, &back);
    CHECK_TEXT(back.data, "%4");
    CHECK_INT(grpc_status_from_digits((struct span){ "5", 1 }), GRPC_NOT_FOUND);
    CHECK_INT(grpc_status_from_digits((struct span){ "99", 2 }), GRPC_UNKNOWN);
    CHECK_INT(grpc_status_from_digits((struct span){ "x", 1 }), -1);
    buf_free(&out);
    buf_free(&back);
}

TEST(lists_of_services_are_written_whatever_their_length)
{
    struct buf content = BUF(4096), out = BUF(4096);
    char name[301];
    memset(name, 'x', 300);
    name[300] = '\0';
    grpc_put_listed(&content, "a", GRPC_SERVING);
    CHECK_INT(content.len, 2 + 3 + 4);
    CHECK(!memcmp(content.data, "\x0a\x07\x0a\x01" "a\x12\x02\x08\x01", 9));
    grpc_put_list(&out, &content);
    CHECK(out.len == 14 && !memcmp(out.data, "\0\0\0\0\x09", 5));
    buf_reset(&content);
    grpc_put_listed(&content, name, GRPC_NOT_SERVING);
    CHECK(!memcmp(content.data, "\x0a\xb3\x02\x0a\xac\x02xx", 8) && !memcmp(content.data + content.len - 4, "\x12\x02\x08\x02", 4));
    buf_reset(&out);
    grpc_put_request(&out, "");
    CHECK(out.len == GRPC_HEAD && !memcmp(out.data, "\0\0\0\0\0", 5));
    buf_free(&content);
    buf_free(&out);
}

TEST(replies_that_are_none_are_refused)
{
    static const struct { const char *bytes; size_t len; bool fine; uint64_t serving; } cases[] = {
        { "", 0, true, GRPC_SERVING_UNKNOWN }, { "\x08\1", 2, true, 1 }, { "\x08\xe7\7", 3, true, 999 }, { "\x12\3abc\x08\1", 7, true, 1 },
        { "\x0a\1a", 3, false, 0 }, { "\x08", 1, false, 0 }, { "\x08\x80", 2, false, 0 }, { "\x0b", 1, false, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t serving;
        CHECK_INT(grpc_get_reply((struct span){ cases[i].bytes, cases[i].len }, &serving), cases[i].fine);
        CHECK(!cases[i].fine || serving == cases[i].serving);
    }
    static const struct { const char *digits; int status; } digits[] = { { "", -1 }, { "0", 0 }, { "16", 16 }, { "17", GRPC_UNKNOWN }, { "999", GRPC_UNKNOWN }, { "1000", -1 }, { "/", -1 }, { "1:", -1 }, { "-1", -1 } };
    for (size_t i = 0; i < sizeof digits / sizeof *digits; i++)
        CHECK_INT(grpc_status_from_digits((struct span){ digits[i].digits, strlen(digits[i].digits) }), digits[i].status);
}

TEST(messages_are_unescaped_where_they_are_escaped)
{
    static const struct { const char *sent, *text; } cases[] = { { "%", "%" }, { "a%4", "a%4" }, { "%zz", "%zz" }, { "%4z", "%4z" }, { "%41%6a%6A", "Ajj" }, { "%%41", "%A" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF(64);
        grpc_get_message((struct span){ cases[i].sent, strlen(cases[i].sent) }, &out);
        CHECK_TEXT(out.data, cases[i].text);
        buf_free(&out);
    }
    struct buf out = BUF(64);
    grpc_get_message((struct span){ "%4\0x", 4 }, &out);
    CHECK(out.len == 4 && !memcmp(out.data, "%4\0x", 4));
    buf_reset(&out);
    grpc_put_message(&out, "a\x7f~ ");
    CHECK_TEXT(out.data, "a%7F~ ");
    buf_free(&out);
}

TEST(names_of_status)
{
    CHECK_TEXT(grpc_status_text(GRPC_NOT_FOUND), "NOT_FOUND");
    CHECK_TEXT(grpc_status_text(GRPC_STATUSES), "?");
    CHECK_INT(grpc_status_from("UNAUTHENTICATED"), 16);
    CHECK_INT(grpc_status_from("ok"), -1);
    CHECK_TEXT(grpc_serving_text(GRPC_SERVING), "SERVING");
    CHECK_TEXT(grpc_serving_text(GRPC_SERVINGS), "?");
    CHECK_INT(grpc_serving_from("NOT_SERVING"), GRPC_NOT_SERVING);
    CHECK_INT(grpc_serving_from(""), -1);
}
