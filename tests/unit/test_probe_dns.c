#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "builtin.h"
#include "dns_message.h"
#include "fake_host.h"

/* ---- messages --------------------------------------------------------------------------------------------- */

struct message { uint8_t bytes[4096]; size_t len; };

static void put(struct message *m, const void *bytes, size_t len)
{
    memcpy(m->bytes + m->len, bytes, len);
    m->len += len;
}

static void put16(struct message *m, unsigned value)
{
    const uint8_t two[2] = { (uint8_t)(value >> 8), (uint8_t)value };
    put(m, two, 2);
}

/* The head and question of an answer to this query. */
static struct message answer_to(const uint8_t *query, size_t len, unsigned flags, unsigned records)
{
    struct message m = { .len = len };
    memcpy(m.bytes, query, len);
    m.bytes[2] = (uint8_t)(0x80 | flags >> 8);
    m.bytes[3] = (uint8_t)flags;
    m.bytes[7] = (uint8_t)records;
    return m;
}

/* A record of the question's name (a pointer to it). */
static void record(struct message *m, unsigned type, unsigned ttl, const void *data, size_t len)
{
    put(m, "\xc0\x0c", 2);
    put16(m, type);
    put16(m, 1);
    put16(m, 0);
    put16(m, ttl);
    put16(m, (unsigned)len);
    put(m, data, len);
}

static const char *value_of(unsigned type, const char *data, size_t len)
{
    static struct dns_record r;
    uint8_t query[DNS_QUERY_MAX];
    struct dns_answer a;
    size_t n = dns_query(query, 7, "x.example.com", (uint16_t)type);
    struct message m = answer_to(query, n, 0, 1);
    record(&m, type, 60, data, len);
    uint8_t *exact = malloc(m.len);
    memcpy(exact, m.bytes, m.len);
    CHECK(!dns_answer_open(exact, m.len, query, n, &a));
    int more = dns_answer_next(&a, &r);
    CHECK(more < 0 || dns_answer_next(&a, &(struct dns_record){ 0 }) == 0);
    free(exact);
    return more > 0 ? r.value : "(malformed)";
}
#define VALUE(type, data) value_of(type, data, sizeof data - 1)

TEST(values_are_written_as_in_zone_files)
{
    CHECK_TEXT(VALUE(1, "\x0a\x00\x00\x07"), "10.0.0.7");
    CHECK_TEXT(VALUE(28, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"), "2001:db8::1");
    CHECK_TEXT(VALUE(5, "\x03www\xc0\x0e"), "www.example.com");
    CHECK_TEXT(VALUE(2, "\x02ns\x00"), "ns");
    CHECK_TEXT(VALUE(12, "\x00"), ".");
    CHECK_TEXT(VALUE(15, "\x00\x0a\x04mail\xc0\x0e"), "10 mail.example.com");
    CHECK_TEXT(VALUE(33, "\x00\x00\x00\x05\x01\x85\x04ldap\xc0\x0e"), "0 5 389 ldap.example.com");
    CHECK_TEXT(VALUE(16, "\x08v=spf1 a\x05 \"-\xff\x01"), "v=spf1 a \"-\\255\\001");
    CHECK_TEXT(VALUE(6, "\x02ns\xc0\x0e\x05" "a.b.c\xc0\x0e\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\xff\xff\xff\xff"),
               "ns.example.com a\\.b\\.c.example.com 1 2 3 4 4294967295");
    CHECK_TEXT(VALUE(257, "\x00\x05issueca.example"), "0 issue ca.example");
    CHECK_TEXT(VALUE(99, "whatever"), "");
    CHECK_TEXT(VALUE(5, "\x04" "a\\ b\x01~\x00"), "a\\\\\\032b.~");
    CHECK_TEXT(VALUE(5, "\x01\x7f\x00"), "\\127");
    CHECK_TEXT(VALUE(16, ""), "");
}

TEST(malformed_values_are_refused)
{
    static const struct { unsigned type; const char *data; size_t len; } cases[] = {
#define CASE(type, data) { type, data, sizeof data - 1 }
        CASE(1, "\x0a\x00\x00"), CASE(1, "\x0a\x00\x00\x07\x00"), CASE(28, "\x0a\x00\x00\x07"), CASE(5, "\x03ww"), CASE(5, "\x03www"), CASE(5, "\xc0"),
        CASE(5, "\xc0\x2b"),                  /* to itself */
        CASE(5, "\xc0\xff"),                  /* beyond the end */
        CASE(5, "\x01" "a\xc0\x2b"),          /* into its own name */
        CASE(5, "\x80" "aaaa\x00"),           /* a label type that does not exist */
        CASE(5, "\x02ns\x00\x00"),            /* bytes behind the name */
        CASE(5, "\xc0\x3b\xc0\x2b"), CASE(33, "\x00\x00\x00\x05\x01"), CASE(15, "\x00\x0a\x01" "a"), CASE(28, "\x0a"), CASE(6, "\x01" "a\x00\x00"),
        CASE(257, "\x00\x01"), CASE(6, "\x00\x00\x00\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\5"),
        CASE(15, "\x00"), CASE(15, "\x00\x0a"), CASE(6, "\x00\x00"), CASE(257, "\x00"), CASE(257, "\x00\x00"), CASE(257, "\x00\x09issue"),
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_TEXT(value_of(cases[i].type, cases[i].data, cases[i].len), "(malformed)");
    CHECK_TEXT(VALUE(16, "\x09short"), "(malformed)");
    CHECK_TEXT(VALUE(6, "\xc0\x2d\x01" "a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "(malformed)"); /* forward */
}

TEST(every_cut_of_an_answer_is_survived)
{
    uint8_t query[DNS_QUERY_MAX];
    size_t n = dns_query(query, 7, "x.example.com", 15);
    struct message m = answer_to(query, n, 0, 2);
    record(&m, 15, 60, "\x00\x0a\x04mail\xc0\x0e", 9);
    record(&m, 15, 60, "\x00\x14\x02mx\xc0\x0e", 7);
    for (size_t len = 0; len <= m.len; len++) {
        uint8_t *exact = malloc(len ? len : 1);
        struct dns_answer a;
        struct dns_record r;
        memcpy(exact, m.bytes, len);
        int more = -1;
        unsigned count = 0;
        if (!dns_answer_open(exact, len, query, n, &a))
            while ((more = dns_answer_next(&a, &r)) > 0)
                count++;
        CHECK_INT(more == 0, len == m.len);
        CHECK(more != 0 || count == 2);
        free(exact);
    }
}

TEST(only_our_own_answer_counts)
{
    uint8_t query[DNS_QUERY_MAX];
    struct dns_answer a;
    size_t n = dns_query(query, 0x1234, "Host.Example", 1);
    struct message m = answer_to(query, n, 0, 0);
    CHECK(!dns_answer_open(m.bytes, m.len, query, n, &a));
    m.bytes[13] ^= 0x20; /* another case is the same name */
    CHECK(!dns_answer_open(m.bytes, m.len, query, n, &a));
    m.bytes[13] ^= 1;
    CHECK_TEXT(dns_answer_open(m.bytes, m.len, query, n, &a), "another question");
    m = answer_to(query, n, 0, 0);
    m.bytes[1] ^= 1;
    CHECK_TEXT(dns_answer_open(m.bytes, m.len, query, n, &a), "another id");
    CHECK_TEXT(dns_answer_open(query, n, query, n, &a), "not an answer");
    m = answer_to(query, n, 0x0200, 0);
    CHECK(!dns_answer_open(m.bytes, m.len, query, n, &a) && a.truncated);
    m = answer_to(query, DNS_HEADER, 1, 0); /* FORMERR without a question */
    m.bytes[5] = 0;
    CHECK(!dns_answer_open(m.bytes, m.len, query, n, &a) && a.rcode == 1);
    m.bytes[3] = 0;
    CHECK_TEXT(dns_answer_open(m.bytes, m.len, query, n, &a), "another question");
    m.bytes[3] = 1;
    m.bytes[7] = 1; /* records without a question */
    CHECK_TEXT(dns_answer_open(m.bytes, m.len, query, n, &a), "another question");
    m = answer_to(query, n, 0x0800, 0); /* another operation */
    CHECK_TEXT(dns_answer_open(m.bytes, m.len, query, n, &a), "not an answer");
    m = answer_to(query, n, 0, 0);
    CHECK_TEXT(dns_answer_open(m.bytes, n - 1, query, n, &a), "another question");
    CHECK_TEXT(dns_answer_open(m.bytes, DNS_HEADER - 1, query, n, &a), "another id");
    m.bytes[12] ^= 0x20; /* the length of a label is no letter */
    CHECK_TEXT(dns_answer_open(m.bytes, m.len, query, n, &a), "another question");
}

TEST(names_of_queries)
{
    uint8_t q[DNS_QUERY_MAX];
    char label[65], room[80];
    memset(label, 'a', 64);
    label[64] = '\0';
    CHECK_INT(dns_query(q, 1, "a.b", 1), 12 + 5 + 4);
    CHECK_INT(dns_query(q, 1, "a.b.", 1), 12 + 5 + 4);
    CHECK_INT(dns_query(q, 1, ".", 1), 12 + 1 + 4);
    CHECK_INT(dns_query(q, 1, "a..b", 1), 0);
    CHECK_INT(dns_query(q, 1, ".a", 1), 0);
    CHECK_INT(dns_query(q, 1, label, 1), 0);
    char longest[400] = "";
    for (unsigned i = 0; i < 127; i++)
        strcat(longest, i ? ".a" : "a");
    CHECK_INT(dns_query(q, 1, longest, 1), 12 + 255 + 4);
    strcat(longest, ".a");
    CHECK_INT(dns_query(q, 1, longest, 1), 0);
    CHECK(dns_reverse_name("192.0.2.7", room, sizeof room));
    CHECK_TEXT(room, "7.2.0.192.in-addr.arpa");
    CHECK(dns_reverse_name("2001:db8::1", room, sizeof room));
    CHECK_TEXT(room, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    CHECK(!dns_reverse_name("host", room, sizeof room));
    CHECK(!dns_reverse_name("192.0.2.7", room, 22));
    CHECK(!dns_reverse_name("2001:db8::1", room, 73));
    CHECK(dns_reverse_name("2001:db8::1", room, 74));
}

TEST(same_values)
{
    CHECK(dns_same(5, "WWW.example.", "www.Example"));
    CHECK(!dns_same(5, "ww.example", "www.example"));
    CHECK(dns_same(28, "2001:db8:0::1", "2001:db8::1"));
    CHECK(!dns_same(1, "10.0.0.1", "10.0.0.2"));
    CHECK(!dns_same(16, "v=SPF1", "v=spf1"));
    CHECK(!dns_same(257, "0 issue a", "0 issue A"));
    CHECK(dns_same(2, ".", ".") && !dns_same(2, ".", "") && dns_same(2, "", ""));
    CHECK(!dns_same(1, "x", "10.0.0.1") && !dns_same(1, "10.0.0.1", "x") && dns_same(1, "10.0.0.1", "10.0.0.1") && !dns_same(28, "::1", "::2"));
    CHECK_TEXT(dns_rcode_text(3), "NXDOMAIN");
    CHECK_TEXT(dns_rcode_text(10), "NOTZONE");
    CHECK_TEXT(dns_rcode_text(11), "an unknown code");
}

/* ---- the probe, with real datagrams ----------------------------------------------------------------------- */

static int server_fd;
static char server_text[40];
static struct sockaddr_in asker;
static uint8_t question[512];
static size_t question_len;

static void serve(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    server_fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(!bind(server_fd, (struct sockaddr *)&at, sizeof at));
    getsockname(server_fd, (struct sockaddr *)&at, &len);
    snprintf(server_text, sizeof server_text, "127.0.0.1:%u", ntohs(at.sin_port));
}

static bool receive(void)
{
    socklen_t len = sizeof asker;
    ssize_t n = recvfrom(server_fd, question, sizeof question, MSG_DONTWAIT, (struct sockaddr *)&asker, &len);
    question_len = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static void reply(const struct message *m)
{
    CHECK(sendto(server_fd, m->bytes, m->len, 0, (struct sockaddr *)&asker, sizeof asker) == (ssize_t)m->len);
    fake_ready(fake_io(FAKE_WATCH), VITAL_READ);
}

static struct message addresses(unsigned flags, unsigned count)
{
    struct message m = answer_to(question, question_len, flags, count);
    for (unsigned i = 0; i < count; i++) {
        const uint8_t a[4] = { 10, 0, 0, (uint8_t)(i + 1) };
        record(&m, 1, 300 - i, a, 4);
    }
    return m;
}

static void asked(void)
{
    fake_start();
    CHECK(receive());
}

static int fds(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

TEST(a_good_answer)
{
    serve();
    fake_probe(&dns_module, "name", "app.example", "servers", server_text, "expect", "10.0.0.2", NULL);
    int before = fds();
    asked();
    fake.now += 5000;
    struct message m = addresses(0, 2);
    reply(&m);
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK_TEXT(fake.text, "app.example is 10.0.0.1, 10.0.0.2");
    CHECK(fake_number("query_seconds") == 0.005);
    CHECK(fake_number("answers") == 2);
    CHECK(fake_number("ttl_seconds") == 299);
    CHECK_INT(fds(), before);
    CHECK_INT(fake_open_count(), 0);
    fake_end();
}

TEST(values_and_counts)
{
    static const struct { const char *a, *b, *need, *least; enum vital_class class; enum vital_reason reason; const char *text; } cases[] = {
        { "10.0.0.1", "10.0.0.2", "all", "1", VITAL_PASS, VITAL_R_OK, "x is 10.0.0.1, 10.0.0.2" },
        { "10.0.0.1", "10.0.0.9", "all", "1", VITAL_FAIL, VITAL_R_MISMATCH, "x is 10.0.0.1, 10.0.0.2; expected is also 10.0.0.9" },
        { "10.0.0.1", "10.0.0.9", "any", "1", VITAL_PASS, VITAL_R_OK, "x is 10.0.0.1, 10.0.0.2" },
        { "10.0.0.8", "10.0.0.9", "any", "1", VITAL_FAIL, VITAL_R_MISMATCH, "x is 10.0.0.1, 10.0.0.2; none of these is expected" },
        { "10.0.0.1", "10.0.0.2", "all", "3", VITAL_FAIL, VITAL_R_COUNT, "x has 2 A records, at least 3 are expected: 10.0.0.1, 10.0.0.2" },
    };
    serve();
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake.module = NULL;
        fake_probe(&dns_module, "name", "x", "servers", server_text, "expect", cases[i].a, "expect", cases[i].b, "need", cases[i].need,
                   "min_answers", cases[i].least, NULL);
        fake.attempts = 0;
        asked();
        struct message m = addresses(0, 2);
        reply(&m);
        CHECK_INT(fake.class, cases[i].class);
        CHECK_INT(fake.reason, cases[i].reason);
        CHECK_TEXT(fake.text, cases[i].text);
        fake_end();
    }
}

TEST(forgeries_are_passed_over)
{
    serve();
    fake_probe(&dns_module, "name", "x", "servers", server_text, NULL);
    asked();
    struct message m = addresses(0, 1), forged = m, good = m;
    forged.bytes[0] ^= 1;
    reply(&forged);
    CHECK(!fake.finished);
    forged = m;
    forged.bytes[13] = 'y';
    reply(&forged);
    CHECK(!fake.finished);
    reply(&good);
    CHECK_INT(fake.class, VITAL_PASS);
    fake_end();
}

TEST(codes)
{
    serve();
    fake_probe(&dns_module, "name", "x", "servers", server_text, NULL);
    static const struct { unsigned rcode; const char *says; } cases[] = { { 3, "NXDOMAIN" }, { 2, "SERVFAIL" }, { 5, "REFUSED" }, { 11, "an unknown code" } };
    for (unsigned i = 0; i < 4; i++) {
        asked();
        struct message m = addresses(cases[i].rcode, 0);
        reply(&m);
        CHECK_INT(fake.reason, VITAL_R_DNS);
        CHECK(strstr(fake.text, cases[i].says) != NULL);
    }
    fake_set("rcode", "nxdomain");
    asked();
    struct message m = addresses(3, 0);
    reply(&m);
    CHECK_INT(fake.class, VITAL_PASS);
    asked();
    m = addresses(0, 1);
    reply(&m);
    CHECK_INT(fake.reason, VITAL_R_MISMATCH);
    fake_end();
}

TEST(silence_is_asked_twice_and_left_to_the_deadline)
{
    serve();
    fake_probe(&dns_module, "name", "x", "servers", server_text, NULL);
    int before = fds();
    asked();
    fake_pass_time(660000);
    CHECK(!receive());
    fake_pass_time(10000);
    CHECK(receive());
    fake_pass_time(2000000);
    CHECK(!receive());
    CHECK(!fake.finished && !fake.running);
    CHECK_INT(fds(), before);
    fake_end();
}

TEST(the_next_server_is_asked)
{
    char dead[40];
    serve();
    int first = server_fd;
    strcpy(dead, server_text);
    serve();
    fake_probe(&dns_module, "name", "x", "servers", dead, "servers", server_text, NULL);
    /* silent */
    fake_start();
    CHECK(!receive());
    fake_pass_time(1300000);
    CHECK(receive());
    struct message m = addresses(0, 1);
    reply(&m);
    CHECK_INT(fake.class, VITAL_PASS);
    /* nobody there: told at once */
    close(first);
    fake_start();
    fake_ready(fake_io(FAKE_WATCH), VITAL_READ);
    CHECK(receive());
    m = addresses(2, 0); /* and the last one cannot either */
    reply(&m);
    CHECK_INT(fake.reason, VITAL_R_DNS);
    CHECK(strstr(fake.text, server_text) && strstr(fake.text, "SERVFAIL"));
    close(server_fd);
    fake_start();
    fake_ready(fake_io(FAKE_WATCH), VITAL_READ);
    fake_ready(fake_io(FAKE_WATCH), VITAL_READ);
    CHECK_INT(fake.reason, VITAL_R_REFUSED);
    fake_end();
}

TEST(truncated_answers_are_asked_for_over_tcp)
{
    serve();
    fake_probe(&dns_module, "name", "x", "servers", server_text, NULL);
    for (unsigned chunk = 1; chunk < 100; chunk *= 3) {
        asked();
        struct message m = addresses(0x0200, 0);
        reply(&m);
        struct vital_io *io = fake_io(FAKE_STREAM);
        CHECK_TEXT(io->dial.host, "127.0.0.1");
        CHECK_TEXT(io->dial.port, strchr(server_text, ':') + 1);
        fake_open(io);
        CHECK_INT(io->sent.len, question_len + 2);
        CHECK(!memcmp(io->sent.data + 2, question, question_len));
        m = addresses(0, 3);
        memmove(m.bytes + 2, m.bytes, m.len);
        m.bytes[0] = (uint8_t)(m.len >> 8);
        m.bytes[1] = (uint8_t)m.len;
        m.len += 2;
        for (size_t at = 0; at < m.len; at += chunk)
            fake_data_n(io, m.bytes + at, m.len - at < chunk ? m.len - at : chunk);
        CHECK_INT(fake.class, VITAL_PASS);
        CHECK(fake_number("answers") == 3);
    }
    asked();
    struct message m = addresses(0x0200, 0);
    reply(&m);
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_OK, NULL);
    CHECK_INT(fake.reason, VITAL_R_CLOSED);
    asked();
    m = addresses(0x0200, 0);
    reply(&m);
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_REFUSED, "connection refused");
    CHECK_INT(fake.reason, VITAL_R_REFUSED);
    fake_end();
}

TEST(the_systems_servers)
{
    fake_probe(&dns_module, "name", "x", NULL);
    fake_set("transport", "tcp");
    static const struct { const char *text, *host; } cases[] = {
        { "# comment\nsearch lan\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n", "192.0.2.1" },
        { "nameserver\t2001:db8::53", "2001:db8::53" },
        { "nameserver garbage\nnameserver 192.0.2.9\n", "192.0.2.9" },
        { "", "127.0.0.1" },
    };
    for (unsigned i = 0; i < 4; i++) {
        fake_start();
        CHECK_TEXT(fake_io(FAKE_FILE)->text, "/etc/resolv.conf");
        fake_file_text(fake_io(FAKE_FILE), cases[i].text);
        CHECK_TEXT(fake_io(FAKE_STREAM)->dial.host, cases[i].host);
        CHECK_TEXT(fake_io(FAKE_STREAM)->dial.port, "53");
        fake_pass_time(2000000);
    }
    fake_start();
    fake_file_done(fake_io(FAKE_FILE), &(struct vital_file){ .error = ETIMEDOUT, .hung = true });
    CHECK_INT(fake.reason, VITAL_R_HUNG);
    fake_end();
}

TEST(what_cannot_work_is_refused_early)
{
    fake_probe(&dns_module, "name", "a..b", NULL);
    CHECK(!fake_prepare());
    fake_set("name", "a.b");
    CHECK(fake_prepare());
    fake_set("servers", "dns.example");
    CHECK(!fake_prepare());
    fake.module = NULL;
    fake_probe(&dns_module, "name", "a.b", "rcode", "nxdomain", "expect", "x", NULL);
    CHECK(!fake_prepare());
}
