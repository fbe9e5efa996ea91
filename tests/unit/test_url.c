#include "unit.h"

#include <sys/socket.h>

#include "base/url.h"

/* One line that shows all parts, so that a row can be read. */
static const char *shown(const char *error, const struct url *u)
{
    static char text[8192];
    if (error)
        return error;
    snprintf(text, sizeof text, "%s|%s%s|%s%s|%s|%s|%s|%s", u->scheme, u->has_user ? "+" : "", u->user, u->has_password ? "+" : "",
             u->password, u->host, u->port, u->path, u->unix_path);
    return text;
}

static const char *url(const char *text)
{
    static struct url u;
    return shown(url_parse(text, strlen(text), &u), &u);
}

static const char *address(const char *text, bool bare_port)
{
    static struct url u;
    return shown(url_parse_address(text, strlen(text), bare_port, &u), &u);
}

TEST(urls_come_apart)
{
    CHECK_TEXT(url("http://example.org"), "http|||example.org|||");
    CHECK_TEXT(url("HTTP://Example.ORG:8080/A/b?c=D&e#frag"), "http|||example.org|8080|/A/b?c=D&e|");
    CHECK_TEXT(url("http://h?x=1"), "http|||h||/?x=1|");
    CHECK_TEXT(url("http://h/?x=http://a@b:c"), "http|||h||/?x=http://a@b:c|");
    CHECK_TEXT(url("http://h#f"), "http|||h|||");
    CHECK_TEXT(url("http://127.0.0.1:1/"), "http|||127.0.0.1|1|/|");
    CHECK_TEXT(url("http://[::1]:65535/x"), "http|||::1|65535|/x|");
    CHECK_TEXT(url("http://[FE80::A%25eth0]/"), "http|||fe80::a%eth0||/|");
    CHECK_TEXT(url("http://[fe80::a%eth0]/"), "http|||fe80::a%eth0||/|");
    CHECK_TEXT(url("http://my_service.ns.svc."), "http|||my_service.ns.svc.|||");
    CHECK_TEXT(url("postgresql+psycopg2://u:p%40%3a%2F%25@db:5432/app?sslmode=require"),
               "postgresql+psycopg2|+u|+p@:/%|db|5432|/app?sslmode=require|");
    CHECK_TEXT(url("redis://:secret@cache/0"), "redis|+|+secret|cache||/0|");
    CHECK_TEXT(url("redis://u:@cache"), "redis|+u|+|cache|||");
    CHECK_TEXT(url("amqp://u:a:b@mq"), "amqp|+u|+a:b|mq|||");
    CHECK_TEXT(url("http://[fe80::1%25]/"), "http|||fe80::1%25||/|"); /* interface 25 */
    CHECK_TEXT(url("amqp://u:a^{\\}\xc3\xa4@mq"), "amqp|+u|+a^{\\}\xc3\xa4|mq|||"); /* other libraries take such passwords as they are */
    CHECK_TEXT(url("postgres:///app?host=/run/pg"), "postgres|||||/app?host=/run/pg|");
}

TEST(sockets)
{
    CHECK_TEXT(url("unix:/run/x.sock"), "unix||||||/run/x.sock");
    CHECK_TEXT(url("unix:///run/x.sock?db=1"), "unix|||||/?db=1|/run/x.sock");
    CHECK_TEXT(url("unix:///run/a%20b"), "unix||||||/run/a b");
    CHECK_TEXT(url("http+unix://%2Frun%2Fx.sock/v1/health"), "http+unix|||||/v1/health|/run/x.sock");
    CHECK_TEXT(url("postgres://u@%2fvar%2frun:5433/db"), "postgres|+u|||5433|/db|/var/run");
    CHECK_TEXT(url("unix:run/x.sock"), "the socket path must be absolute");
    CHECK_TEXT(url("unix:"), "the socket path must be absolute");
    CHECK_TEXT(url("unix:@abstract"), "the socket path must be absolute");
    CHECK(strstr(url("unix:/a%00b"), "bad percent escape"));
}

TEST(bad_urls_are_refused)
{
    static const char *const bad[] = {
        "", "http", "http:", "http:/x", "http:x", "//h/", "/path", "h:80", "1http://h", "ht tp://h", "+x://h", "h_t://h",
        "http://:80/", "http://h:", "http://h:0", "http://h:080", "http://h:65536", "http://h:99999999", "http://h:8a",
        "http://h:80:90", "http://a@b@c", "http://[::1", "http://[::1]x", "http://[::1]:", "http://[1.2.3.4]", "http://[::g]",
        "http://[]", "http://[fe80::1%]", "http://[fe80::1%a/b]", "http://a..b", "http://.a", "http://1.2.3",
        "http://256.1.1.1", "http://1.2.3.4.5", "http://0x7f000001", "http://127.0.0.0x1", "http://2130706433", "http://a,b/",
        "http://h\xc3\xa4", "http://a%41/", "http://h/ x", "http://h/\n", "http://h/\x7f", "http://h/%", "http://h/%4", "http://h/%zz",
        "http://h/<", "http://h/\"", "http://h/{x}", "http://h/\xc3\xa4", "http://u%:p@h/", "http://u:%0@h/",
        "http://u:p%00@h/", "http://u:p@/%", "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/",
        "abcdefghijklmnopqrstuvwxyz0123456789://h", "http://*/", "http://h/%4", "http://h/%4/", "http://h/%4G", "http://h/%`1", "http://a~b/", "http://a@b:c@d/",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct url u;
        static const struct url none;
        memset(&u, 1, sizeof u);
        const char *error = url_parse(bad[i], strlen(bad[i]), &u);
        if (!error)
            fprintf(stderr, "accepted: %s\n", bad[i]);
        CHECK(error);
        CHECK(!memcmp(&u, &none, sizeof u)); /* no half of a password stays */
    }
}

TEST(a_nul_inside_is_refused)
{
    struct url u;
    CHECK(url_parse("http://h/\0x", 11, &u));
    CHECK(url_parse("http://u:\0@h/", 13, &u));
    CHECK(url_parse("http://h\0:80/", 13, &u));
    CHECK(url_parse_address("h\0:80", 5, false, &u));
}

TEST(limits_hold)
{
    static char text[8192];
    struct url u;
    for (unsigned over = 0; over < 2; over++) {
        size_t n = sizeof u.path - 1 + over;
        memcpy(text, "http://h/", 9);
        memset(text + 9, 'x', n);
        CHECK_INT(url_parse(text, 8 + n, &u) != NULL, over);
        n = sizeof u.password - 1 + over;
        memcpy(text, "http://u:", 9);
        memset(text + 9, 'x', n);
        memcpy(text + 9 + n, "@h", 2);
        CHECK_INT(url_parse(text, 11 + n, &u) != NULL, over);
        n = sizeof u.unix_path - 1 + over;
        memcpy(text, "unix:/", 6);
        memset(text + 6, 'x', n);
        CHECK_INT(url_parse(text, 5 + n, &u) != NULL, over);
    }
    memset(text, 'x', sizeof u.host + 8);
    memcpy(text, "http://", 7);
    CHECK_TEXT(url_parse(text, 7 + sizeof u.host, &u), "the host is too long");
    memcpy(text, "http://[fe80::1%", 16);
    text[8 + sizeof u.host] = ']';       /* one more than there is room for */
    CHECK_TEXT(url_parse(text, 9 + sizeof u.host, &u), "the host is too long");
}

TEST(addresses)
{
    CHECK_TEXT(address("db:5432", false), "|||db|5432||");
    CHECK_TEXT(address("DB", false), "|||db|||");
    CHECK_TEXT(address("[::1]:80", false), "|||::1|80||");
    CHECK_TEXT(address("[::1]", false), "|||::1|||");
    CHECK_TEXT(address("10.0.0.1:80", true), "|||10.0.0.1|80||");
    CHECK_TEXT(address("unix:/run/x", false), "unix||||||/run/x");
    CHECK_TEXT(address(":8686", true), "||||8686||");
    CHECK_TEXT(address("8686", true), "||||8686||");
    CHECK_TEXT(address("10.0.0.1", true), "|||10.0.0.1|||");
    CHECK_TEXT(address("8db:1", true), "|||8db|1||");
    static const char *const bad[] = { "", ":8686", "8686", "::1", "::1:80", "h:", "h:0", "h:1:2", "http://h", "unix:x", "unix:/x?y", "u@h:1", "h 1", "h:1#" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct url u;
        const char *error = url_parse_address(bad[i], strlen(bad[i]), false, &u);
        if (!error)
            fprintf(stderr, "accepted: %s\n", bad[i]);
        CHECK(error);
    }
    CHECK(strstr(address("::1", true), "1 to 65535"));
    CHECK(strstr(address("99999", true), "1 to 65535"));
}

TEST(numeric_hosts)
{
    int family;
    CHECK(url_is_numeric("127.0.0.1", &family) && family == AF_INET);
    CHECK(url_is_numeric("::ffff:1.2.3.4", &family) && family == AF_INET6);
    CHECK(url_is_numeric("fe80::1%eth0.5", &family) && family == AF_INET6);
    CHECK(!url_is_numeric("fe80::1%", &family));
    CHECK(!url_is_numeric("fe80::1%a/b", &family));
    CHECK(!url_is_numeric("fe80::1%0123456789abcdef", &family));
    CHECK(url_is_numeric("fe80::1%0123456789-_abc", &family) && family == AF_INET6);
    CHECK(!url_is_numeric("127.0.0.1%lo", &family));
    CHECK(!url_is_numeric("127.1", &family));
    CHECK(!url_is_numeric("localhost", &family));
    CHECK(!url_is_numeric("", &family));
    CHECK(!url_is_numeric("1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", &family));
}

TEST(decoding)
{
    char room[4];
    CHECK(url_decode("%41b+", 5, room, sizeof room));
    CHECK_TEXT(room, "Ab+");
    CHECK(!url_decode("abcd", 4, room, sizeof room));
    CHECK(!url_decode("%", 1, room, sizeof room));
    CHECK(!url_decode("%4", 2, room, sizeof room));
    CHECK(!url_decode("%4g", 3, room, sizeof room));
    CHECK(!url_decode("%00", 3, room, sizeof room));
    CHECK(url_decode("", 0, room, 1));
    CHECK(!url_decode("", 0, room, 0));
}

TEST(query_parameters)
{
    static const char query[] = "verbose&exclude=a%2Db&x==&exclude=c&&long=12345678&bad=%&last=";
    size_t len = sizeof query - 1;
    char room[8];
    CHECK(url_query(query, len, "verbose", room, sizeof room));
    CHECK_TEXT(room, "");
    CHECK(url_query(query, len, "exclude", room, sizeof room));
    CHECK_TEXT(room, "a-b");
    CHECK(url_query_nth(query, len, "exclude", 1, room, sizeof room));
    CHECK_TEXT(room, "c");
    CHECK(!url_query_nth(query, len, "exclude", 2, room, sizeof room));
    CHECK(url_query(query, len, "x", room, sizeof room));
    CHECK_TEXT(room, "=");
    CHECK(url_query(query, len, "last", room, sizeof room));
    CHECK_TEXT(room, "");
    CHECK(!url_query(query, len, "long", room, sizeof room));
    CHECK(!url_query(query, len, "bad", room, sizeof room));
    CHECK(!url_query(query, len, "verb", room, sizeof room));
    CHECK(!url_query("", 0, "", room, sizeof room));
    CHECK(!url_query(NULL, 0, "x", room, sizeof room));
}
