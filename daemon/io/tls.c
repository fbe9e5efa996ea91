#include "io/tls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "io/tls_context.h"

enum { FILE_MAX = 4 * 1024 * 1024, FILES_MAX = 1024, STEP = 16 * 1024, ASKED = 4096 };

/* What the settings amount to, once all files are read. */
struct material {
    bool system_ca;
    struct buf ca, cert;
    const char *key;             /* PEM; NULL = no client certificate */
    size_t key_len;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list contexts = { &contexts, &contexts };

/* ---- memory ---- */

static void *take(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return size ? mem_grow(NULL, size) : NULL;
}

static void *take_more(void *old, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    if (size)
        return mem_grow(old, size);
    mem_free(old);
    return NULL;
}

static void give_back(void *block, const char *file, int line)
{
    (void)file, (void)line;
    mem_free(block);
}

void tls_prepare(void)
{
    if (!CRYPTO_set_mem_functions(take, take_more, give_back))
        log_line(LOG_WARNING, "OpenSSL keeps its own memory: it was used before");
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

/* ---- reading ---- */

static char *read_file(const char *what, const char *path, struct buf *into)
{
    char *room;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = -1;
    while (fd >= 0 && (room = buf_reserve(into, STEP)) && (n = read(fd, room, STEP)) > 0)
        into->len += (size_t)n;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (into->over)
        return mem_printf("the %s file %s is larger than 4 MiB: is it the right file?", what, path);
    if (n < 0)
        return mem_printf("cannot read the %s file %s: %s", what, path, strerror(error));
    buf_char(into, '\n');
    return NULL;
}

/* Read here and now, not on demand by OpenSSL: that would touch a configured path on the loop. */
static char *read_directory(const char *path, struct buf *into)
{
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    if (count < 0)
        return mem_printf("cannot read the CA directory %s: %s", path, strerror(errno));
    char *error = NULL;
    for (int i = 0; i < count; i++) {
        struct stat s;
        char *file = mem_printf("%s/%s", path, names[i]->d_name);
        if (!error && i < FILES_MAX && stat(file, &s) == 0 && S_ISREG(s.st_mode))
            error = read_file("CA", file, into);
        mem_free(file);
        free(names[i]);
    }
    free(names);
    buf_char(into, '\n');
    return error;
}

static bool is_system_directory(const char *path)
{
    return !strcmp(path, "/etc/ssl/certs") || !strcmp(path, X509_get_default_cert_dir());
}

static char *read_ca(const char *path, struct material *m)
{
    struct stat s;
    if (!path || is_system_directory(path)) {
        m->system_ca = true;
        return NULL;
    }
    if (stat(path, &s) == 0 && S_ISDIR(s.st_mode))
        return read_directory(path, &m->ca);
    return read_file("CA", path, &m->ca);
}

static char *read_material(const struct tls_settings *s, struct material *m)
{
    char *error = s->serves && !s->ca ? NULL : read_ca(s->ca, m);
    if (!error && s->cert)
        error = read_file("certificate", s->cert, &m->cert);
    if (error)
        return error;
    if (s->key && !s->cert)
        return mem_printf("a key without a certificate: set cert too");
    if (s->key) {
        m->key = s->key->value;
        m->key_len = s->key->len;
    } else if (s->cert) { /* both in one file is common */
        m->key = m->cert.data;
        m->key_len = m->cert.len;
    }
    return NULL;
}

static void material_free(struct material *m)
{
    mem_wipe(m->cert.data, m->cert.room);
    buf_free(&m->cert);
    buf_free(&m->ca);
}

static void digest_add(EVP_MD_CTX *d, const void *bytes, size_t len)
{
    EVP_DigestUpdate(d, &len, sizeof len); /* "ab","c" is not "a","bc" */
    if (len)
        EVP_DigestUpdate(d, bytes, len);
}

static void digest(const struct tls_settings *s, const struct material *m, unsigned char out[TLS_DIGEST])
{
    unsigned numbers[] = { s->min_version, s->verify, m->system_ca, s->serves, s->demands };
    EVP_MD_CTX *d = EVP_MD_CTX_new();
    if (!d || EVP_DigestInit_ex(d, EVP_sha256(), NULL) != 1)
        abort(); /* no SHA-256, no TLS */
    digest_add(d, numbers, sizeof numbers);
    digest_add(d, s->name, s->name ? strlen(s->name) : 0);
    digest_add(d, s->alpn, s->alpn ? strlen(s->alpn) : 0);
    digest_add(d, m->ca.data, m->ca.len);
    digest_add(d, m->cert.data, m->cert.len);
    digest_add(d, m->key, m->key_len);
    EVP_DigestFinal_ex(d, out, NULL);
    EVP_MD_CTX_free(d);
}

/* ---- building ---- */

const char *tls_library_says(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return text ? text : "unknown error";
}

/* Not on a terminal, and not from standard input either. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return -1;
}

static X509 *next_certificate(BIO *bio)
{
    return PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
}

static bool at_end(void)
{
    bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (end)
        ERR_clear_error();
    return end;
}

static char *trust(SSL_CTX *ctx, const char *path, const struct buf *pem)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    unsigned count = 0;
    for (X509 *x; (x = next_certificate(bio)); count++) {
        X509_STORE_add_cert(store, x);
        X509_free(x);
    }
    bool fine = at_end();
    BIO_free(bio);
    if (!fine)
        return mem_printf("the CA certificates in %s are damaged: %s", path, tls_library_says());
    if (!count)
        return mem_printf("there is no certificate in %s: PEM is expected (-----BEGIN CERTIFICATE-----)", path);
    /* What is named is trusted, also an intermediate or a server's own certificate. */
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    return NULL;
}

static bool has_hashed_names(const char *path)
{
    bool found = false;
    DIR *d = opendir(path);
    if (!d)
        return false;
    for (struct dirent *e; !found && (e = readdir(d));)
        found = strlen(e->d_name) == 10 && e->d_name[8] == '.';
    closedir(d);
    return found;
}

/* The directory is looked up certificate by certificate, when one is needed; loading the whole bundle takes 25 ms and a
 * megabyte. Hosts that have nothing but the bundle pay for it. */
static void trust_system(SSL_CTX *ctx)
{
    const char *dir = getenv(X509_get_default_cert_dir_env());
    SSL_CTX_set_default_verify_dir(ctx);
    if (getenv(X509_get_default_cert_file_env()) || !has_hashed_names(dir ? dir : X509_get_default_cert_dir()))
        SSL_CTX_set_default_verify_file(ctx);
    ERR_clear_error();
}

static char *use_chain(SSL_CTX *ctx, const char *path, const struct buf *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    X509 *x = next_certificate(bio);
    bool fine = x && SSL_CTX_use_certificate(ctx, x) == 1;
    X509_free(x);
    while (fine && (x = next_certificate(bio)))
        fine = SSL_CTX_add0_chain_cert(ctx, x) == 1;
    fine = fine && at_end();
    BIO_free(bio);
    return fine ? NULL : mem_printf("the certificate in %s cannot be used: %s", path, tls_library_says());
}

static char *use_key(SSL_CTX *ctx, const struct tls_settings *s, const struct material *m)
{
    const char *origin = s->key && s->key->origin ? s->key->origin : s->key ? "the configuration" : s->cert;
    BIO *bio = BIO_new_mem_buf(m->key, (int)m->key_len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    char *error = NULL;
    if (!key)
        error = mem_printf("no usable private key in %s: %s; PEM without a passphrase is expected%s", origin, tls_library_says(),
                           s->key && !s->key->origin ? ", or { file: PATH } for a file that holds it" : "");
    else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        error = mem_printf("the private key in %s does not belong to the certificate in %s: %s", origin, s->cert, tls_library_says());
    EVP_PKEY_free(key);
    return error;
}

static void set_versions(SSL_CTX *ctx, unsigned min_version)
{
    static const int versions[] = { [10] = TLS1_VERSION, [11] = TLS1_1_VERSION, [12] = TLS1_2_VERSION, [13] = TLS1_3_VERSION };
    bool known = min_version >= 10 && min_version <= 13;
    SSL_CTX_set_min_proto_version(ctx, known ? versions[min_version] : TLS1_2_VERSION);
    if (known && min_version < 12) { /* those sign with SHA-1, which higher levels refuse */
        SSL_CTX_set_security_level(ctx, 0);
        SSL_CTX_set_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
    }
}

static char *use_identity(struct vital_tls *t, const struct tls_settings *s, const struct material *m)
{
    char *error = use_chain(t->ctx, s->cert, &m->cert);
    if (!error)
        error = use_key(t->ctx, s, m);
    t->expires = error ? 0 : tls_seconds(X509_get0_notAfter(SSL_CTX_get0_certificate(t->ctx)));
    return error;
}

static void set_client(SSL_CTX *ctx, const struct tls_settings *s)
{
    /* A probe tests the whole handshake, so no session is used twice. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_verify(ctx, s->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_max_send_fragment(ctx, ASKED); /* its buffers stay small: many attempts run at once */
    tls_record_chains(ctx);
}

static char *build(struct vital_tls *t, const struct tls_settings *s, const struct material *m)
{
    SSL_CTX *ctx = t->ctx = SSL_CTX_new(s->serves ? TLS_server_method() : TLS_client_method());
    if (!ctx)
        return mem_printf("OpenSSL cannot make a context: %s", tls_library_says());
    set_versions(ctx, s->min_version);
    /* A peer that closes without a goodbye has still closed: whether it said all is known from its framing. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    t->name = mem_copy(s->name);
    t->verify = s->verify;
    char *error = NULL;
    if (m->system_ca)
        trust_system(ctx);
    else if (s->ca)
        error = trust(ctx, s->ca, &m->ca);
    if (!error && s->cert)
        error = use_identity(t, s, m);
    if (error)
        return error;
    if (s->serves)
        return tls_serve(t, s);
    set_client(ctx, s);
    return NULL;
}

/* ---- sharing ---- */

static struct vital_tls *find(const unsigned char wanted[TLS_DIGEST])
{
    LIST_EACH(l, &contexts) {
        struct vital_tls *t = LIST_OWNER(l, struct vital_tls, link);
        if (!memcmp(t->digest, wanted, TLS_DIGEST))
            return tls_hold(t);
    }
    return NULL;
}

static void context_free(struct vital_tls *t)
{
    SSL_CTX_free(t->ctx);
    mem_free(t->name);
    mem_free(t);
}

static struct vital_tls *find_locked(const unsigned char wanted[TLS_DIGEST])
{
    pthread_mutex_lock(&lock);
    struct vital_tls *t = find(wanted);
    pthread_mutex_unlock(&lock);
    return t;
}

/* Ours, or the one that another thread has built meanwhile. */
static struct vital_tls *share(struct vital_tls *t)
{
    pthread_mutex_lock(&lock);
    struct vital_tls *other = find(t->digest);
    if (!other)
        list_append(&contexts, &t->link);
    pthread_mutex_unlock(&lock);
    if (!other)
        return t;
    context_free(t);
    return other;
}

/* Not under the lock, which the loop takes too. */
static struct vital_tls *make(const struct tls_settings *s, const struct material *m, const unsigned char wanted[TLS_DIGEST], char **error)
{
    struct vital_tls *t = mem_alloc(sizeof *t);
    t->references = 1;
    memcpy(t->digest, wanted, TLS_DIGEST);
    *error = build(t, s, m);
    if (!*error)
        return share(t);
    context_free(t);
    return NULL;
}

struct vital_tls *tls_context(const struct tls_settings *s, char **error)
{
    struct material m = { .ca = BUF((size_t)FILE_MAX), .cert = BUF((size_t)FILE_MAX) };
    unsigned char wanted[TLS_DIGEST];
    struct vital_tls *t = NULL;
    ERR_clear_error();
    *error = read_material(s, &m);
    if (!*error) {
        digest(s, &m, wanted);
        t = find_locked(wanted);
        if (!t)
            t = make(s, &m, wanted, error);
    }
    material_free(&m);
    return t;
}

struct vital_tls *tls_hold(const struct vital_tls *shared)
{
    struct vital_tls *t = (struct vital_tls *)(uintptr_t)shared; /* const to its users; its count is ours */
    if (t)
        atomic_fetch_add(&t->references, 1);
    return t;
}

void tls_release(const struct vital_tls *shared)
{
    struct vital_tls *t = (struct vital_tls *)(uintptr_t)shared;
    if (!t)
        return;
    unsigned n = atomic_load(&t->references);
    while (n > 1) /* a connection's: without the lock */
        if (atomic_compare_exchange_weak(&t->references, &n, n - 1))
            return;
    pthread_mutex_lock(&lock); /* so that nobody finds it between its last release and its removal */
    bool last = atomic_fetch_sub(&t->references, 1) == 1;
    if (last)
        list_remove(&t->link);
    pthread_mutex_unlock(&lock);
    if (last)
        context_free(t);
}

int64_t tls_expires(const struct vital_tls *t)
{
    return t->expires;
}

bool tls_same(const struct vital_tls *a, const struct vital_tls *b)
{
    return a == b || (a && b && !memcmp(a->digest, b->digest, TLS_DIGEST));
}
