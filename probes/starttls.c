#include "starttls.h"

#include <stdio.h>

#include "net.h"

const char *const starttls_words[] = { "none", "smtp", "imap", "pop3", "ldap", "postgres", "mysql", NULL };
_Static_assert(sizeof starttls_words / sizeof *starttls_words == STARTTLS_COUNT + 1, "a word for every protocol");

/* A line protocol: each reply must begin with `want` (other lines that begin with `skip` or, in SMTP, are continued
 * with '-', are passed over), then `say` is sent; the last row has nothing more to say. */
struct line_step { const char *want, *say; };

static const struct line_step smtp_steps[] = { { "220", "EHLO vitald\r\n" }, { "250", "STARTTLS\r\n" }, { "220", NULL } };
static const struct line_step imap_steps[] = { { "* OK", "a STARTTLS\r\n" }, { "a OK", NULL } };
static const struct line_step pop3_steps[] = { { "+OK", "STLS\r\n" }, { "+OK", NULL } };

/* LDAP, RFC 4511 4.14: ExtendedRequest with the name 1.3.6.1.4.1.1466.20037 in context tag 0. */
static const char ldap_request[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16" "1.3.6.1.4.1.1466.20037";
/* PostgreSQL's SSLRequest: length 8, code 80877103. */
static const char postgres_request[] = "\x00\x00\x00\x08\x04\xd2\x16\x2f";

/* MySQL's SSLRequest: packet 1; PROTOCOL_41, SSL, SECURE_CONNECTION and LONG_PASSWORD; 16 MiB packets; utf8; 23 zeros. */
enum { MYSQL_HEADER = 4, MYSQL_REQUEST = 36, MYSQL_CLIENT_SSL = 0x0800, MYSQL_TOO_MANY = 1040 };
static const char mysql_request[MYSQL_REQUEST] = "\x20\x00\x00\x01\x01\x8a\x00\x00\x00\x00\x00\x01\x21";

static enum starttls_result refuse(struct starttls *s, enum vital_reason reason, const char *what, const char *bytes, size_t len)
{
    char shown[160];
    s->reason = reason;
    snprintf(s->text, sizeof s->text, "STARTTLS (%s): %s: %s", starttls_words[s->protocol], what,
             net_excerpt(bytes, len, 120, shown, sizeof shown));
    return STARTTLS_FAILED;
}

/* Bytes behind the last plain reply would be taken for an answer that came through TLS: somebody may have put them there. */
static enum starttls_result last_reply(struct starttls *s, size_t used)
{
    if (s->have > used)
        return refuse(s, VITAL_R_BAD_REPLY, "the server goes on in plain text after it agreed to TLS", s->reply + used, s->have - used);
    return STARTTLS_READY;
}

static void consume(struct starttls *s, size_t len)
{
    s->have = (uint16_t)(s->have - len);
    memmove(s->reply, s->reply + len, s->have);
}

static bool begins(const char *line, size_t len, const char *with)
{
    size_t n = strlen(with);
    return len >= n && !memcmp(line, with, n);
}

static enum starttls_result feed_lines(struct starttls *s, struct vital_probe *p, struct vital_io *io, const struct line_step *steps)
{
    for (const char *end; (end = memchr(s->reply, '\n', s->have));) {
        const struct line_step *step = &steps[s->step];
        size_t used = (size_t)(end - s->reply) + 1, len = used - 1;
        if (len && s->reply[len - 1] == '\r')
            len--;
        bool wanted = begins(s->reply, len, step->want);
        bool continued = s->protocol == STARTTLS_SMTP && wanted && len > 3 && s->reply[3] == '-';
        bool untagged = s->protocol == STARTTLS_IMAP && s->step > 0 && begins(s->reply, len, "* ");
        if (!wanted && !untagged)
            return refuse(s, VITAL_R_CONFIG, "the server does not agree", s->reply, len);
        if (!continued && !untagged) {
            if (!step->say)
                return last_reply(s, used);
            p->host->write(io, step->say, strlen(step->say));
            s->step++;
        }
        consume(s, used);
    }
    return STARTTLS_MORE;
}

/* The length of a BER element's header, its content's length in *len; 0 = not all here, -1 = not BER as LDAP uses it. */
static int ber_header(const unsigned char *at, size_t have, size_t *len)
{
    if (have < 2)
        return 0;
    if (at[1] < 0x80) {
        *len = at[1];
        return 2;
    }
    size_t bytes = at[1] & 0x7f;
    if (!bytes || bytes > 4)
        return -1;
    if (have < 2 + bytes)
        return 0;
    *len = 0;
    for (size_t i = 0; i < bytes; i++)
        *len = *len << 8 | at[2 + i];
    return (int)(2 + bytes);
}

/* SEQUENCE { messageID 1, [APPLICATION 24] { resultCode ENUMERATED, matchedDN, diagnosticMessage ... } } */
static enum starttls_result feed_ldap(struct starttls *s)
{
    const unsigned char *at = (const unsigned char *)s->reply;
    size_t len = 0, inner = 0;
    int head = ber_header(at, s->have, &len);
    if (head < 0 || (s->have && at[0] != 0x30) || len > STARTTLS_REPLY_MAX)
        return refuse(s, VITAL_R_BAD_REPLY, "this is not LDAP", s->reply, s->have);
    if (!head || s->have < (size_t)head + len)
        return STARTTLS_MORE;
    const unsigned char *body = at + head;
    static const unsigned char id[] = { 0x02, 0x01, 0x01 };
    int op = len > sizeof id && !memcmp(body, id, sizeof id) && body[sizeof id] == 0x78 ? ber_header(body + sizeof id, len - sizeof id, &inner) : 0;
    if (op <= 0 || sizeof id + (size_t)op + 3 > len || body[3 + op] != 0x0a || body[4 + op] != 1)
        return refuse(s, VITAL_R_BAD_REPLY, "the answer is not the one to an extended request", s->reply, s->have);
    char code[32];
    int n = snprintf(code, sizeof code, "result code %u", body[5 + op]);
    if (body[5 + op])
        return refuse(s, VITAL_R_CONFIG, "the server does not agree", code, (size_t)n);
    return last_reply(s, (size_t)head + len);
}

static enum starttls_result feed_postgres(struct starttls *s)
{
    if (!s->have)
        return STARTTLS_MORE;
    if (s->reply[0] == 'S')
        return last_reply(s, 1);
    if (s->reply[0] == 'N')
        return refuse(s, VITAL_R_CONFIG, "the server offers no TLS", s->reply, s->have);
    return refuse(s, VITAL_R_BAD_REPLY, "this is not PostgreSQL, or it refuses at once", s->reply, s->have);
}

static enum starttls_result mysql_error(struct starttls *s, const unsigned char *payload, size_t len)
{
    unsigned code = len >= 3 ? payload[1] | (unsigned)payload[2] << 8 : 0;
    size_t text = len < 3 ? len : 3;
    return refuse(s, code == MYSQL_TOO_MANY ? VITAL_R_TOO_MANY_CLIENTS : VITAL_R_AUTH, "the server refuses at once",
                  (const char *)payload + text, len - text);
}

static enum starttls_result feed_mysql(struct starttls *s, struct vital_probe *p, struct vital_io *io)
{
    const unsigned char *at = (const unsigned char *)s->reply;
    if (s->have < MYSQL_HEADER)
        return STARTTLS_MORE;
    size_t len = at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16;
    if (!len || len > STARTTLS_REPLY_MAX - MYSQL_HEADER)
        return refuse(s, VITAL_R_BAD_REPLY, "this is not MySQL", s->reply, s->have);
    if (s->have < MYSQL_HEADER + len)
        return STARTTLS_MORE;
    const unsigned char *payload = at + MYSQL_HEADER;
    if (payload[0] == 0xff)
        return mysql_error(s, payload, len);
    /* version 10, the server's version as text, thread id (4), challenge (8), filler (1), capabilities */
    const unsigned char *version_end = memchr(payload + 1, 0, len - 1);
    size_t caps = version_end ? (size_t)(version_end - payload) + 1 + 4 + 8 + 1 : len;
    if (payload[0] != 10 || caps + 2 > len)
        return refuse(s, VITAL_R_BAD_REPLY, "this is not MySQL", s->reply, s->have);
    if (!((payload[caps] | (unsigned)payload[caps + 1] << 8) & MYSQL_CLIENT_SSL))
        return refuse(s, VITAL_R_CONFIG, "the server offers no TLS", (const char *)payload + 1, (size_t)(version_end - payload) - 1);
    enum starttls_result result = last_reply(s, MYSQL_HEADER + len);
    if (result == STARTTLS_READY)
        p->host->write(io, mysql_request, sizeof mysql_request);
    return result;
}

void starttls_begin(struct starttls *s, enum starttls_protocol protocol)
{
    s->protocol = (uint8_t)protocol;
    s->step = 0;
    s->tls = false;
    s->have = 0;
    s->reason = VITAL_R_OK;
    s->text[0] = '\0';
}

void starttls_open(struct starttls *s, struct vital_probe *p, struct vital_io *io)
{
    if (s->protocol == STARTTLS_LDAP)
        p->host->write(io, ldap_request, sizeof ldap_request - 1);
    else if (s->protocol == STARTTLS_POSTGRES)
        p->host->write(io, postgres_request, sizeof postgres_request - 1);
}

enum starttls_result starttls_feed(struct starttls *s, struct vital_probe *p, struct vital_io *io, const char *bytes, size_t len)
{
    static const struct line_step *const lines[STARTTLS_COUNT] = {
        [STARTTLS_SMTP] = smtp_steps, [STARTTLS_IMAP] = imap_steps, [STARTTLS_POP3] = pop3_steps,
    };
    if (len > sizeof s->reply - s->have)
        return refuse(s, VITAL_R_TOO_LARGE, "the server says too much before TLS", bytes, len);
    memcpy(s->reply + s->have, bytes, len);
    s->have = (uint16_t)(s->have + len);
    if (lines[s->protocol])
        return feed_lines(s, p, io, lines[s->protocol]);
    if (s->protocol == STARTTLS_LDAP)
        return feed_ldap(s);
    return s->protocol == STARTTLS_POSTGRES ? feed_postgres(s) : feed_mysql(s, p, io);
}
