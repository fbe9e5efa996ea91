#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <time.h>

#include "base/mem.h"
#include "base/network.h"
#include "base/secret.h"
#include "base/token.h"
#include "config/conf.h"
#include "front/access.h"
#include "io/digest.h"

/* ---- networks ---- */

static bool holds(const char *network, const char *address)
{
    struct network n;
    struct sockaddr_in four = { .sin_family = AF_INET };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
    const char *why = network_parse(network, &n);
    CHECK(!why);
    if (inet_pton(AF_INET, address, &four.sin_addr) == 1)
        return network_holds(&n, (struct sockaddr *)&four);
    CHECK_INT(inet_pton(AF_INET6, address, &six.sin6_addr), 1);
    return network_holds(&n, (struct sockaddr *)&six);
}

TEST(networks_hold_what_is_in_them)
{
    static const struct { const char *network, *in, *out; } cases[] = {
        { "10.0.0.0/8", "10.255.0.1", "11.0.0.0" },       { "10.0.0.0/8", "10.0.0.0", "9.255.255.255" },
        { "192.168.4.0/22", "192.168.7.255", "192.168.8.0" }, { "192.168.4.0/22", "192.168.4.0", "192.168.3.255" },
        { "1.2.3.4", "1.2.3.4", "1.2.3.5" },               { "1.2.3.4/32", "::ffff:1.2.3.4", "::1.2.3.4" },
        { "128.0.0.0/1", "255.255.255.255", "127.255.255.255" }, { "0.0.0.0/0", "8.8.8.8", "2001:db8::1" },
        { "2001:db8::/32", "2001:db8:ffff::1", "2001:db9::" },   { "::1", "::1", "::2" },
        { "fe80::/10", "febf::1", "fec0::1" },             { "::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0" },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(holds(cases[i].network, cases[i].in));
        CHECK(!holds(cases[i].network, cases[i].out));
    }
    CHECK(holds("::/0", "1.2.3.4") && holds("::/0", "::"));
}

TEST(what_is_no_network)
{
    static const char *const bad[] = { "", "x", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8 ", "10.0.0.0/08x", "10.0.0/8", "10.0.0.1/8",
                                       "::1/64", "::/129", "2001:db8::/1000", "[::1]", "fe80::1%eth0", "010.0.0.0.0", "localhost", "10.0.0.0/8/8",
                                       "1111111111111111111111111111111111111111111111111111111111111" };
    struct network n;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(network_parse(bad[i], &n));
    CHECK(network_parse("10.0.0.1/8", &n) && strstr(network_parse("10.0.0.1/8", &n), "behind its prefix"));
}

TEST(what_has_no_address_is_in_no_network)
{
    struct network n;
    CHECK(!network_parse("0.0.0.0/0", &n));
    CHECK(!network_holds(&n, &(struct sockaddr){ .sa_family = AF_UNIX }));
}

/* ---- tokens ---- */

#define A "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"      /* of "a" */
#define B "3E23E8160039594A33894F6564E1B1348BBD7A0088D42C4ACB73EEAED59C009D"      /* of "b" */

TEST(hashes_line_by_line)
{
    static const struct { const char *text; unsigned count; } cases[] = {
        { A, 1 }, { A "\n", 1 }, { A "\r\n" B "\r\n", 2 }, { "# ours\n\n  " A "\t # a's\n" B "  -\n", 2 }, { A "\n" A "\n", 2 },
        { "", 0 }, { "\n#\n", 0 }, { A "x", 0 }, { "g" A, 0 }, { A A, 0 }, { A "\n" "short\n", 0 }, { A " " B, 0 },
        { "ga978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", 0 }, { "cG978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", 0 },
        { "c@978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", 0 }, { A "\n" "x\n" B, 0 },
    };
    struct token_hash found[TOKEN_HASHES_MAX];
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *why;
        CHECK_INT(token_hashes(cases[i].text, strlen(cases[i].text), found, &why), cases[i].count);
        CHECK(!why == !!cases[i].count);
    }
    struct token_hash wanted;
    digest_sha256("a", 1, wanted.bytes);
    const char *why;
    CHECK_INT(token_hashes(A "\n" B, strlen(A "\n" B), found, &why), 2);
    CHECK(token_same(&found[0], &wanted) && !token_same(&found[1], &wanted));
}

TEST(hashes_have_a_bound)
{
    static char text[(TOKEN_HASHES_MAX + 1) * 65];
    struct token_hash found[TOKEN_HASHES_MAX];
    const char *why;
    for (unsigned i = 0; i <= TOKEN_HASHES_MAX; i++)
        memcpy(text + (size_t)i * 65, A "\n", 65);
    CHECK_INT(token_hashes(text, TOKEN_HASHES_MAX * 65, found, &why), TOKEN_HASHES_MAX);
    CHECK_INT(token_hashes(text, sizeof text, found, &why), 0);
    CHECK(why && strstr(why, "more than 64"));
}

TEST(every_bit_of_a_hash_counts)
{
    struct token_hash a = { { 0 } }, b = { { 0 } };
    CHECK(token_same(&a, &b));
    for (unsigned bit = 0; bit < 8 * TOKEN_HASH; bit++) {
        b.bytes[bit / 8] = (uint8_t)(1u << bit % 8);
        CHECK(!token_same(&a, &b));
        b.bytes[bit / 8] = 0;
    }
}

static struct span field(const char *text)
{
    return (struct span){ text, strlen(text) };
}

TEST(the_token_of_a_field)
{
    CHECK(span_is(token_of(field("Bearer abc")), "abc"));
    CHECK(span_is(token_of(field("bEARER    a-._~+/=9")), "a-._~+/=9"));
    static const char *const bad[] = { "", "Bearer", "Bearer ", "Bearer   ", "Bearerabc", "Basic abc", "Bearer a b", "Bearer a,b", "Bearer \"a\"", "abc",
                                       "Bearer a\tb", "Bearer \xc3\xa4", " Bearer a" };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!token_of(field(bad[i])).at);
}

/* ---- both ---- */

static struct access_grant judge(const struct access *a, const char *head, bool known)
{
    struct http1_request r;
    char text[512];
    snprintf(text, sizeof text, "GET / HTTP/1.0\r\n%s\r\n", head);
    CHECK(http1_request(text, strlen(text), &r) > 0);
    return access_judge(a, &r, known);
}

TEST(what_a_credential_opens)
{
    struct vital_secret one = { 0 }, two = { 0 };
    secret_set(&one, A, strlen(A));
    secret_set(&two, B "\n" A, strlen(B "\n" A));
    const struct conf_token tokens[] = { { &one, SERVE_STATUS }, { &two, SERVE_METRICS } };
    const struct conf_access c = { .tokens = tokens, .token_count = 2, .open = SERVE_VERDICTS };
    struct access *a = access_new(&c);
    struct access_grant g = judge(a, "", false);
    CHECK(g.serve == SERVE_VERDICTS && g.credential == ACCESS_NONE && g.by_token);
    g = judge(a, "Authorization: Bearer a\r\n", false);
    CHECK(g.serve == (SERVE_VERDICTS | SERVE_STATUS | SERVE_METRICS) && g.credential == ACCESS_GOOD);      /* it stands in both */
    g = judge(a, "Authorization: Bearer b\r\n", false);
    CHECK(g.serve == (SERVE_VERDICTS | SERVE_METRICS) && g.credential == ACCESS_GOOD);
    g = judge(a, "Authorization: Bearer c\r\n", false);
    CHECK(g.serve == SERVE_VERDICTS && g.credential == ACCESS_WRONG);
    g = judge(a, "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n", false);
    CHECK(g.serve == SERVE_VERDICTS && g.credential == ACCESS_WRONG);
    g = judge(a, "Authorization: Bearer c\r\n", true);
    CHECK(g.serve == (SERVE_VERDICTS | SERVE_ALL) && g.credential == ACCESS_GOOD);
    access_free(a);
    secret_free(&one);
    secret_free(&two);
}

TEST(without_credentials_all_is_open_and_nothing_is_asked)
{
    struct access *a = access_new(&(struct conf_access){ .open = SERVE_ALL });
    struct access_grant g = judge(a, "Authorization: Basic eDp5\r\n", false);
    CHECK(g.serve == SERVE_ALL && g.credential == ACCESS_NONE && !g.by_token);
    CHECK(!access_has_credentials(a) && access_admits(a, &(struct sockaddr){ .sa_family = AF_INET }));
    access_free(a);
}

static bool is_stranger(const struct access *a, const char *head)
{
    struct http1_request r;
    char text[512];
    snprintf(text, sizeof text, "GET / HTTP/1.0\r\n%s\r\n", head);
    CHECK(http1_request(text, strlen(text), &r) > 0);
    return access_is_stranger(a, &r);
}

TEST(names_of_others_are_known)
{
    static const char *const ours[] = { "status.example.com" };
    struct access *strict = access_new(&(struct conf_access){ .open = SERVE_ALL, .hosts = ours, .host_count = 1 });
    struct access *any = access_new(&(struct conf_access){ .open = SERVE_ALL, .any_host = true });
    static const char *const good[] = { "127.0.0.1:8686", "127.0.0.1", "[::1]:8686", "localhost:8686", "LOCALHOST", "a.localhost:1", "web1", "web1:80", "",
                                        "status.example.com", "Status.Example.com:443", "10.0.0.7", "localhost." };
    static const char *const bad[] = { "evil.example:8686", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "status.example.com.evil.example",
                                       "xstatus.example.com", "evil.example.", "evillocalhost.x", ".localhost" "x.y", "1.2.3.4.nip.io" };
    char head[128];
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(head, sizeof head, "Host: %s\r\n", good[i]);
        CHECK(!is_stranger(strict, head));
    }
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(head, sizeof head, "Host: %s\r\n", bad[i]);
        CHECK(is_stranger(strict, head));
        CHECK(!is_stranger(any, head));
    }
    CHECK(!is_stranger(strict, ""));      /* browsers always send one */
    access_free(strict);
    access_free(any);
}

TEST(tokens_are_replaced_as_a_whole)
{
    struct vital_secret bad = { 0 }, good = { 0 };
    const char *why;
    secret_set(&bad, "no", 2);
    secret_set(&good, B, strlen(B));
    CHECK(!access_tokens_new(&(struct conf_token){ &bad, SERVE_ALL }, 1, &why) && why);
    struct access *a = access_new(&(struct conf_access){ .open = SERVE_VERDICTS });
    access_set_tokens(a, access_tokens_new(&(struct conf_token){ &good, SERVE_ALL }, 1, &why));
    CHECK_INT(judge(a, "Authorization: Bearer b\r\n", false).credential, ACCESS_GOOD);
    access_free(a);
    secret_free(&bad);
    secret_free(&good);
}

