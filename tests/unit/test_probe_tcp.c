#include "unit.h"

#include "base/clock.h"
#include "builtin.h"
#include "fake_host.h"

static void certificate(struct vital_io *io, unsigned at, const char *subject, int days)
{
    int64_t now = (int64_t)(clock_wall() / USEC_S);
    io->certs[at] = (struct vital_cert){ subject, "CN=ca", now - 86400, now + days * 86400 + 60, NULL, VITAL_R_OK };
    if (io->cert_count <= at)
        io->cert_count = at + 1;
}

TEST(a_connection_is_enough_unless_more_is_asked)
{
    fake_probe(&tcp_module, "address", "127.0.0.1:8082", NULL);
    fake_start();
    struct vital_io *io = fake_io(FAKE_STREAM);
    CHECK_TEXT(io->dial.host, "127.0.0.1");
    CHECK_TEXT(io->dial.port, "8082");
    CHECK(!io->dial.tls);
    fake.now += 3000;
    fake_open(io);
    CHECK(fake.finished);
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK_TEXT(fake.text, "127.0.0.1:8082 accepts connections");
    CHECK(fake_number("total_seconds") == 0.003);
    CHECK(fake_number("connect_seconds") == 0.001);
    CHECK(isnan(fake_number("tls_seconds")));
    CHECK_INT(fake_open_count(), 0);
    fake_end();
}

TEST(refused_says_where)
{
    fake_probe(&tcp_module, "address", "127.0.0.1:8082", NULL);
    fake_start();
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_REFUSED, "connection refused by 127.0.0.1:8082");
    CHECK_INT(fake.class, VITAL_FAIL);
    CHECK_INT(fake.reason, VITAL_R_REFUSED);
    CHECK_TEXT(fake.text, "connection refused by 127.0.0.1:8082");
    fake_end();
}

TEST(our_own_shortage_is_internal)
{
    fake_probe(&tcp_module, "address", "127.0.0.1:8082", NULL);
    fake_start();
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_NO_FDS, "out of file descriptors");
    CHECK_INT(fake.class, VITAL_INTERNAL);
    CHECK_INT(fake.reason, VITAL_R_NO_FDS);
    fake_end();
}

TEST(send_and_expect_over_split_bytes)
{
    fake_probe(&tcp_module, "address", "[::1]:6379", "send", "PING\r\n", "expect", "+PONG", "quit", "QUIT\r\n", NULL);
    fake_start();
    struct vital_io *io = fake_io(FAKE_STREAM);
    fake_open(io);
    CHECK(!fake.finished);
    fake_data(io, "+PO");
    CHECK(!fake.finished);
    fake_data(io, "NG\r\n");
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK_TEXT(fake.text, "[::1]:6379 answers as expected");
    CHECK_TEXT(io->sent.data, "PING\r\nQUIT\r\n");
    fake_end();
}

TEST(expect_and_matches_must_both_hold)
{
    fake_probe(&tcp_module, "address", "unix:/run/x.sock", "expect", "220 ", "matches", "ESMTP (Postfix|Exim)", NULL);
    fake_start();
    struct vital_io *io = fake_io(FAKE_STREAM);
    CHECK_TEXT(io->dial.unix_path, "/run/x.sock");
    fake_open(io);
    fake_data(io, "220 mail ESMTP ");
    CHECK(!fake.finished);
    fake_data(io, "Exim");
    CHECK_INT(fake.class, VITAL_PASS);
    fake_end();
}

TEST(a_wrong_answer_is_a_mismatch_even_when_the_server_then_waits)
{
    fake_probe(&tcp_module, "address", "127.0.0.1:25", "expect", "220", NULL);
    fake_start();
    fake_open(fake_io(FAKE_STREAM));
    fake_data(fake_io(FAKE_STREAM), "554 go away\r\n");
    CHECK(!fake.finished);
    fake_pass_time(2000000);
    CHECK(fake.finished);
    CHECK_INT(fake.reason, VITAL_R_MISMATCH);
    CHECK_TEXT(fake.text, "127.0.0.1:25 said \"554 go away\\r\\n\" and then nothing more, not what is expected");
    fake_end();
}

TEST(silence_is_left_to_the_deadline)
{
    fake_probe(&tcp_module, "address", "127.0.0.1:25", "expect", "220", NULL);
    fake_start();
    fake_open(fake_io(FAKE_STREAM));
    fake_pass_time(2000000);
    CHECK(!fake.finished);
    CHECK(!fake.running);
    fake_end();
}

TEST(the_cap_ends_it)
{
    char much[200];
    memset(much, 'x', sizeof much);
    fake_probe(&tcp_module, "address", "127.0.0.1:19", "expect", "never", "read_cap", "128", NULL);
    fake_start();
    fake_open(fake_io(FAKE_STREAM));
    fake_data_n(fake_io(FAKE_STREAM), much, sizeof much);
    CHECK_INT(fake.reason, VITAL_R_MISMATCH);
    CHECK(strstr(fake.text, "up to the cap") != NULL);
    fake_end();
}

TEST(ends_before_an_answer)
{
    static const struct { enum vital_reason how, want; const char *text; } cases[] = {
        { VITAL_R_OK, VITAL_R_CLOSED, "127.0.0.1:25 closed the connection before it said anything" },
        { VITAL_R_RESET, VITAL_R_RESET, "127.0.0.1:25 reset the connection before it said anything" },
        { VITAL_R_CERT_EXPIRED, VITAL_R_CERT_EXPIRED, "certificate has expired" },
    };
    fake_probe(&tcp_module, "address", "127.0.0.1:25", "expect", "220", NULL);
    for (unsigned i = 0; i < 3; i++) {
        fake_start();
        fake_open(fake_io(FAKE_STREAM));
        fake_shut(fake_io(FAKE_STREAM), cases[i].how, "certificate has expired");
        CHECK_INT(fake.reason, cases[i].want);
        CHECK_TEXT(fake.text, cases[i].text);
    }
    fake_start();
    fake_open(fake_io(FAKE_STREAM));
    fake_data(fake_io(FAKE_STREAM), "no\x01");
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_OK, NULL);
    CHECK_INT(fake.reason, VITAL_R_MISMATCH);
    CHECK_TEXT(fake.text, "127.0.0.1:25 said \"no\\x01\" and closed, not what is expected");
    fake_end();
}

TEST(slow_warns_with_hysteresis)
{
    fake_probe(&tcp_module, "address", "127.0.0.1:25", "warn_above", "500ms:200ms", NULL);
    static const struct { uint64_t took; enum vital_class want; } runs[] = {
        { 400000, VITAL_PASS }, { 600000, VITAL_WARN }, { 400000, VITAL_WARN }, { 100000, VITAL_PASS }, { 400000, VITAL_PASS },
    };
    for (unsigned i = 0; i < sizeof runs / sizeof *runs; i++) {
        fake_start();
        fake.now += runs[i].took;
        fake_open(fake_io(FAKE_STREAM));
        CHECK_INT(fake.class, runs[i].want);
        CHECK_INT(fake.reason, runs[i].want ? VITAL_R_SLOW : VITAL_R_OK);
    }
    fake_end();
}

TEST(certificates_are_judged_by_the_first_to_expire)
{
    fake_probe(&tcp_module, "address", "mail.example:465", "tls", "true", "certificate.warn_below", "21", "certificate.fail_below", "7", NULL);
    static const struct { int leaf, middle; enum vital_class want; enum vital_reason reason; const char *text; } cases[] = {
        { 100, 300, VITAL_PASS, VITAL_R_OK, "mail.example:465 accepts connections and TLS" },
        { 20, 300, VITAL_WARN, VITAL_R_CERT_EXPIRING, "certificate of CN=leaf expires in 20 days" },
        { 100, 5, VITAL_FAIL, VITAL_R_CERT_EXPIRING, "intermediate certificate of CN=middle expires in 5 days" },
        { -3, 5, VITAL_FAIL, VITAL_R_CERT_EXPIRED, "certificate of CN=leaf expired 2 days ago" },
        { 1, 5, VITAL_FAIL, VITAL_R_CERT_EXPIRING, "certificate of CN=leaf expires in 1 day" },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_start();
        struct vital_io *io = fake_io(FAKE_STREAM);
        CHECK(io->dial.tls != NULL);
        certificate(io, 0, "CN=leaf", cases[i].leaf);
        certificate(io, 1, "CN=middle", cases[i].middle);
        fake_open(io);
        CHECK_INT(fake.class, cases[i].want);
        CHECK_INT(fake.reason, cases[i].reason);
        CHECK_TEXT(fake.text, cases[i].text);
        CHECK((int)floor(fake_number("certificate_days")) == (cases[i].leaf < cases[i].middle ? cases[i].leaf : cases[i].middle));
    }
    fake_end();
}

/* ---- starttls --------------------------------------------------------------------------------------------- */

struct turn { const char *server; size_t len; const char *client; size_t client_len; };
#define SAYS(text) text, sizeof text - 1

static void dialogue(const char *protocol, const struct turn *turns, unsigned count, unsigned chunk)
{
    fake_set("starttls", protocol);
    fake_start();
    struct vital_io *io = fake_io(FAKE_STREAM);
    CHECK(!io->dial.tls);
    fake_open(io);
    size_t seen = 0;
    for (unsigned i = 0; i < count; i++) {
        for (size_t at = 0; at < turns[i].len; at += chunk)
            fake_data_n(io, turns[i].server + at, turns[i].len - at < chunk ? turns[i].len - at : chunk);
        CHECK_INT(io->sent.len - seen, turns[i].client_len);
        if (io->sent.len - seen == turns[i].client_len && turns[i].client_len)
            CHECK(!memcmp(io->sent.data + seen, turns[i].client, turns[i].client_len));
        seen = io->sent.len;
        CHECK_INT(io->tls, i + 1 == count);
    }
    fake_open(io);
    CHECK_INT(fake.class, VITAL_PASS);
}

static const char mysql_greeting[] =
    "\x4a\x00\x00\x00\x0a" "8.0.36\0" "\x0b\0\0\0" "12345678" "\0" "\xff\xff" "\x21" "\x02\0" "\xff\xc1" "\x15"
    "\0\0\0\0\0\0\0\0\0\0" "123456789012\0" "caching_sha2_password\0";
static const char mysql_ssl[36] = "\x20\x00\x00\x01\x01\x8a\x00\x00\x00\x00\x00\x01\x21";
static const char ldap_extended[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16" "1.3.6.1.4.1.1466.20037";

TEST(every_protocol_reaches_tls_however_its_bytes_are_split)
{
    static const struct turn smtp[] = {
        { SAYS("220-mail.example ESMTP\r\n220 hello\r\n"), SAYS("EHLO vitald\r\n") },
        { SAYS("250-mail.example\r\n250-SIZE 1\r\n250 STARTTLS\r\n"), SAYS("STARTTLS\r\n") },
        { SAYS("220 2.0.0 Ready\r\n"), SAYS("") },
    };
    static const struct turn imap[] = {
        { SAYS("* OK [CAPABILITY IMAP4rev1 STARTTLS] Dovecot\r\n"), SAYS("a STARTTLS\r\n") },
        { SAYS("* CAPABILITY x\r\na OK Begin TLS\r\n"), SAYS("") },
    };
    static const struct turn pop3[] = { { SAYS("+OK ready\r\n"), SAYS("STLS\r\n") }, { SAYS("+OK Begin\r\n"), SAYS("") } };
    static const struct turn ldap[] = { { SAYS("\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00"), ldap_extended, sizeof ldap_extended - 1 } };
    static const struct turn ldap_short[] = { { SAYS("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"), ldap_extended, sizeof ldap_extended - 1 } };
    static const struct turn postgres[] = { { SAYS("S"), SAYS("\x00\x00\x00\x08\x04\xd2\x16\x2f") } };
    const struct turn mysql[] = { { mysql_greeting, sizeof mysql_greeting - 1, mysql_ssl, sizeof mysql_ssl } };
    fake_probe(&tcp_module, "address", "db:1", "tls", "true", NULL);
    for (unsigned chunk = 1; chunk < 100; chunk = chunk * 3 + 1) {
        dialogue("smtp", smtp, 3, chunk);
        dialogue("imap", imap, 2, chunk);
        dialogue("pop3", pop3, 2, chunk);
        dialogue("ldap", ldap, 1, chunk);
        dialogue("ldap", ldap_short, 1, chunk);
        dialogue("postgres", postgres, 1, chunk);
        dialogue("mysql", mysql, 1, chunk);
    }
    fake_end();
}

TEST(starttls_refusals)
{
    static const struct { const char *protocol, *server; size_t len; enum vital_reason want; const char *text; } cases[] = {
        { "smtp", SAYS("554 no\r\n"), VITAL_R_CONFIG, "does not agree: 554 no" },
        { "smtp", SAYS("220 a\r\n250 b\r\n220 go\r\n250 injected\r\n"), VITAL_R_BAD_REPLY, "in plain text after" },
        { "imap", SAYS("* BYE no\r\n"), VITAL_R_CONFIG, "* BYE no" },
        { "imap", SAYS("* OK\r\na NO\r\n"), VITAL_R_CONFIG, "a NO" },
        { "pop3", SAYS("-ERR\r\n"), VITAL_R_CONFIG, "-ERR" },
        { "postgres", SAYS("N"), VITAL_R_CONFIG, "offers no TLS" },
        { "postgres", SAYS("E"), VITAL_R_BAD_REPLY, "not PostgreSQL" },
        { "postgres", SAYS("Sx"), VITAL_R_BAD_REPLY, "in plain text after" },
        { "ldap", SAYS("HTTP/1.1"), VITAL_R_BAD_REPLY, "not LDAP" },
        { "ldap", SAYS("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00"), VITAL_R_CONFIG, "result code 52" },
        { "ldap", SAYS("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"), VITAL_R_BAD_REPLY, "extended request" },
        { "ldap", SAYS("\x30\x80"), VITAL_R_BAD_REPLY, "not LDAP" },
        { "mysql", SAYS("\x11\0\0\0\xff\x10\x04" "#08004Too many"), VITAL_R_TOO_MANY_CLIENTS, "Too many" },
        { "mysql", SAYS("\x0b\0\0\0\xff\x69\x04" "blocked!"), VITAL_R_AUTH, "blocked!" },
        { "mysql", SAYS("\x18\0\0\0\x0a" "5.0\0" "\x0b\0\0\0" "12345678" "\0" "\x00\x00" "\x21" "\x02\0" "\0"), VITAL_R_CONFIG, "offers no TLS: 5.0" },
        { "mysql", SAYS("SSH-2.0-OpenSSH"), VITAL_R_BAD_REPLY, "not MySQL" },
        { "mysql", SAYS("\x02\0\0\0\x0a" "5"), VITAL_R_BAD_REPLY, "not MySQL" },
        { "mysql", SAYS("\x00\0\0\0"), VITAL_R_BAD_REPLY, "not MySQL" },
        { "mysql", SAYS("\x01\0\0\0\xff"), VITAL_R_AUTH, "refuses at once" },
        { "mysql", SAYS("\x18\0\0\0\x09" "5.0\0" "\x0b\0\0\0" "12345678" "\0" "\xff\xff" "\x21" "\x02\0" "\0"), VITAL_R_BAD_REPLY, "not MySQL" },
        { "mysql", SAYS("\x06\0\0\0\x0a" "5.0\0" "x"), VITAL_R_BAD_REPLY, "not MySQL" },
        { "mysql", SAYS("\x18\0\0\0\x0a" "5.0\0" "\x0b\0\0\0" "12345678" "\0" "\xff\xff" "\x21" "\x02\0" "\0more"), VITAL_R_BAD_REPLY, "in plain text after" },
        { "ldap", SAYS("\x30\x85\0\0\0\0\1"), VITAL_R_BAD_REPLY, "not LDAP" },
        { "ldap", SAYS("\x30\x82\x7f\xff"), VITAL_R_BAD_REPLY, "not LDAP" },
        { "ldap", SAYS("\x30\x03\x02\x01\x01"), VITAL_R_BAD_REPLY, "extended request" },
        { "ldap", SAYS("\x30\x04\x02\x01\x02\x78"), VITAL_R_BAD_REPLY, "extended request" },
        { "ldap", SAYS("\x30\x05\x02\x01\x01\x78\x85"), VITAL_R_BAD_REPLY, "extended request" },
        { "ldap", SAYS("\x30\x05\x02\x01\x01\x78\x07"), VITAL_R_BAD_REPLY, "extended request" },
        { "ldap", SAYS("\x30\x08\x02\x01\x01\x78\x07\x0b\x01\x00"), VITAL_R_BAD_REPLY, "extended request" },
        { "ldap", SAYS("\x30\x08\x02\x01\x01\x78\x07\x0a\x02\x00"), VITAL_R_BAD_REPLY, "extended request" },
        { "smtp", SAYS("\n"), VITAL_R_CONFIG, "does not agree" },
        { "smtp", SAYS("22\n"), VITAL_R_CONFIG, "does not agree: 22" },
        { "smtp", SAYS("220\n250\n454\n"), VITAL_R_CONFIG, "does not agree: 454" },
        { "pop3", SAYS("+OK\n+O\n"), VITAL_R_CONFIG, "does not agree: +O" },
    };
    fake_probe(&tcp_module, "address", "db:1", "tls", "true", NULL);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_set("starttls", cases[i].protocol);
        fake_start();
        fake_open(fake_io(FAKE_STREAM));
        fake_data_n(fake_io(FAKE_STREAM), cases[i].server, cases[i].len);
        CHECK(fake.finished);
        CHECK_INT(fake.reason, cases[i].want);
        if (!strstr(fake.text, cases[i].text))
            CHECK_TEXT(fake.text, cases[i].text);
        if (fake.running)
            fake_pass_time(2000000);
    }
    fake_set("starttls", "smtp");
    fake_start();
    char flood[1100];
    memset(flood, '2', sizeof flood);
    fake_data_n(fake_io(FAKE_STREAM), flood, sizeof flood);
    CHECK_INT(fake.reason, VITAL_R_TOO_LARGE);
    fake_end();
}

TEST(a_handshake_that_cannot_begin_ends_the_attempt)
{
    fake_probe(&tcp_module, "address", "db:1", "tls", "true", "starttls", "postgres", NULL);
    fake_start();
    fake_io(FAKE_STREAM)->no_tls = true;
    fake_open(fake_io(FAKE_STREAM));
    fake_data(fake_io(FAKE_STREAM), "S");
    CHECK_INT(fake.reason, VITAL_R_TLS);
    fake_end();
}

TEST(a_stale_name_is_told)
{
    fake_probe(&tcp_module, "address", "db.example:1", NULL);
    fake_start();
    fake_io(FAKE_STREAM)->info.stale_name = true;
    fake_open(fake_io(FAKE_STREAM));
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK_TEXT(fake.text, "db.example:1 accepts connections; its name cannot be resolved now, this was the last known address");
    fake_end();
}

TEST(what_cannot_work_is_refused_early)
{
    fake_probe(&tcp_module, "address", "db:1", "starttls", "smtp", NULL);
    CHECK(!fake_prepare());
    CHECK_TEXT(fake.diag, "starttls: it needs TLS settings too: add `tls: true`");
    fake_set("starttls", "none");
    fake_set("send", "x");
    CHECK(fake_prepare());
    CHECK_INT(fake.warnings, 1);
    fake_set("address", "db");
    CHECK(!fake_prepare());
    CHECK_TEXT(fake.diag, "address: a port is needed: db:PORT");
}

TEST(leaving_in_the_middle_frees_all)
{
    fake_probe(&tcp_module, "address", "db:1", "expect", "x", NULL);
    fake_start();
    fake_open(fake_io(FAKE_STREAM));
    fake_data(fake_io(FAKE_STREAM), "something else");
    fake_end();
}
