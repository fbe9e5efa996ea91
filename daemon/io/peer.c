#include "io/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/tls_context.h"

void peer_open(struct peer *p, int fd)
{
    *p = (struct peer){ .fd = fd };
}

bool peer_secure(struct peer *p, const struct vital_tls *tls)
{
    ERR_clear_error();
    SSL *ssl = SSL_new(tls->ctx);
    if (ssl && SSL_set_fd(ssl, p->fd) == 1) {
        SSL_set_accept_state(ssl);
        p->ssl = ssl;
        p->tls = tls_hold(tls);
        return true;
    }
    SSL_free(ssl);
    ERR_clear_error();
    return false;
}

/* ---- shaking hands ---- */

static void become_plain(struct peer *p)
{
    SSL_free(p->ssl);
    tls_release(p->tls);
    p->ssl = NULL;
    p->tls = NULL;
}

/* A method's first letter; no TLS record begins so. Looked at once, for what follows may begin like anything. */
static enum peer_step look_at_first_byte(struct peer *p)
{
    char first;
    ssize_t n = recv(p->fd, &first, 1, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return PEER_WANTS_READ;
    if (n <= 0)
        return PEER_LEFT;
    if (first < 'A' || first > 'Z')
        return PEER_READY;
    become_plain(p);
    return PEER_SPEAKS_PLAIN;
}

static enum peer_step failed(struct peer *p, int kind, int error, char *why, size_t size)
{
    unsigned long code = ERR_peek_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    long verified = SSL_get_verify_result(p->ssl);
    p->broken = true;
    ERR_clear_error();
    if (kind == SSL_ERROR_SYSCALL || kind == SSL_ERROR_ZERO_RETURN) {
        snprintf(why, size, "%s", kind == SSL_ERROR_SYSCALL && error ? strerror(error) : "closed during the handshake");
        return PEER_LEFT;
    }
    if (verified != X509_V_OK)
        snprintf(why, size, "client certificate: %s", X509_verify_cert_error_string(verified));
    else
        snprintf(why, size, "%s", text ? text : "protocol error");
    return PEER_FAILED;
}

enum peer_step peer_handshake(struct peer *p, char *why, size_t size)
{
    if (!p->begun) {
        enum peer_step first = look_at_first_byte(p);
        if (first != PEER_READY)
            return first;
        p->begun = true;
    }
    ERR_clear_error();
    errno = 0;
    int n = SSL_accept(p->ssl), error = errno, kind = n == 1 ? SSL_ERROR_NONE : SSL_get_error(p->ssl, n);
    if (kind == SSL_ERROR_NONE)
        return PEER_READY;
    if (kind == SSL_ERROR_WANT_READ)
        return PEER_WANTS_READ;
    if (kind == SSL_ERROR_WANT_WRITE)
        return PEER_WANTS_WRITE;
    return failed(p, kind, error, why, size);
}

/* ---- bytes ---- */

/* What a failed SSL_read() or SSL_write() is as a result of recv() or send(). */
static ssize_t as_socket(struct peer *p, int result, int error)
{
    int kind = SSL_get_error(p->ssl, result);
    ERR_clear_error();
    if (kind == SSL_ERROR_ZERO_RETURN)
        return 0;
    p->broken |= kind == SSL_ERROR_SSL || kind == SSL_ERROR_SYSCALL;
    errno = kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE ? EAGAIN : kind == SSL_ERROR_SYSCALL && error ? error : EPROTO;
    if (errno == EINTR)
        errno = EPROTO; /* it is over for this session, whatever interrupted it */
    return -1;
}

ssize_t peer_read(struct peer *p, char *room, size_t size)
{
    if (!p->ssl)
        return recv(p->fd, room, size, 0);
    ERR_clear_error();
    errno = 0;
    int n = SSL_read(p->ssl, room, size > INT32_MAX ? INT32_MAX : (int)size);
    return n > 0 ? n : as_socket(p, n, errno);
}

/* One record at a time is what the library writes; all that the socket takes is written here, as send() would. */
static ssize_t write_records(struct peer *p, const char *bytes, size_t len)
{
    size_t done = 0;
    while (done < len) {
        size_t left = len - done;
        ERR_clear_error();
        errno = 0;
        int n = SSL_write(p->ssl, bytes + done, left > INT32_MAX ? INT32_MAX : (int)left);
        if (n <= 0) {
            ssize_t failure = as_socket(p, n, errno);
            return done && errno == EAGAIN ? (ssize_t)done : failure < 0 ? failure : (errno = EPIPE, -1);
        }
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t peer_write(struct peer *p, const char *bytes, size_t len)
{
    return p->ssl ? write_records(p, bytes, len) : send(p->fd, bytes, len, MSG_NOSIGNAL);
}

bool peer_has_more(const struct peer *p)
{
    return p->ssl && SSL_pending(p->ssl) > 0;
}

/* ---- the end ---- */

static void say_goodbye(struct peer *p)
{
    if (!p->ssl || p->broken || !SSL_is_init_finished(p->ssl) || SSL_get_shutdown(p->ssl) & SSL_SENT_SHUTDOWN)
        return;
    ERR_clear_error();
    if (SSL_shutdown(p->ssl) < 0)
        p->broken = true; /* the socket is full: the peer does not listen */
    ERR_clear_error();
}

void peer_finish(struct peer *p)
{
    say_goodbye(p);
    shutdown(p->fd, SHUT_WR);
}

void peer_close(struct peer *p)
{
    say_goodbye(p);
    if (p->ssl)
        become_plain(p);
    close(p->fd);
    p->fd = -1;
}

/* ---- who it is ---- */

bool peer_speaks(const struct peer *p, const char *protocol)
{
    const unsigned char *chosen = NULL;
    unsigned len = 0;
    if (p->ssl)
        SSL_get0_alpn_selected(p->ssl, &chosen, &len);
    return len && len == strlen(protocol) && !memcmp(chosen, protocol, len);
}

bool peer_is_resumed(const struct peer *p)
{
    return p->ssl && SSL_session_reused(p->ssl);
}

bool peer_is_certified(const struct peer *p)
{
    return p->ssl && SSL_get0_peer_certificate(p->ssl) && SSL_get_verify_result(p->ssl) == X509_V_OK;
}

/* An embedded NUL makes it another name. */
static bool is_text(const ASN1_STRING *text, const char *name, bool fold)
{
    const char *at = (const char *)ASN1_STRING_get0_data(text);
    size_t len = strlen(name);
    return (size_t)ASN1_STRING_length(text) == len && (fold ? !strncasecmp(at, name, len) : !memcmp(at, name, len));
}

static bool is_address(const ASN1_OCTET_STRING *bytes, const char *name)
{
    unsigned char at[16];
    int len = ASN1_STRING_length(bytes);
    int family = len == 4 ? AF_INET : len == 16 ? AF_INET6 : AF_UNSPEC;
    return family != AF_UNSPEC && inet_pton(family, name, at) == 1 && !memcmp(ASN1_STRING_get0_data(bytes), at, (size_t)len);
}

static bool is_alternative(const GENERAL_NAME *g, const char *name)
{
    switch (g->type) {
    case GEN_DNS: return is_text(g->d.dNSName, name, true);
    case GEN_URI: return is_text(g->d.uniformResourceIdentifier, name, false);
    case GEN_EMAIL: return is_text(g->d.rfc822Name, name, false);
    case GEN_IPADD: return is_address(g->d.iPAddress, name);
    default: return false;
    }
}

static bool has_common_name(X509 *x, const char *name)
{
    const X509_NAME *subject = X509_get_subject_name(x);
    bool found = false;
    for (int at = -1; !found && (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
        unsigned char *text = NULL;
        int len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
        found = len >= 0 && (size_t)len == strlen(name) && !memcmp(text, name, (size_t)len);
        OPENSSL_free(text);
    }
    return found;
}

bool peer_is_named(const struct peer *p, const char *name)
{
    if (!peer_is_certified(p))
        return false;
    X509 *x = SSL_get0_peer_certificate(p->ssl);
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    bool found = has_common_name(x, name);
    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++)
        found = is_alternative(sk_GENERAL_NAME_value(names, i), name);
    GENERAL_NAMES_free(names);
    return found;
}
