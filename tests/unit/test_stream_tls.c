#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "throwaway_ca.h"

#include "io/pool.h"
#include "stream_stage.h"

/* ---- the library's steps, held up and counted; and threads that cannot be had ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint steps, steps_on_loop;
#define BURN (50 * USEC_MS)
static atomic_bool burns, burnt;    /* so much processor time, before anything else */
static unsigned held = UINT32_MAX;  /* so many wait at the gate */
static pthread_t loop_thread;

static uint64_t processor_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * USEC_S + (uint64_t)t.tv_nsec / 1000;
}

int SSL_do_handshake(SSL *ssl)
{
    int (*real)(SSL *);
    *(void **)&real = dlsym(RTLD_NEXT, "SSL_do_handshake");
    bool waits = atomic_fetch_add(&steps, 1) < held;
    atomic_fetch_add(&steps_on_loop, pthread_equal(pthread_self(), loop_thread));
    for (uint64_t from = processor_time(); burns && !burnt;)
        burnt = processor_time() - from >= BURN;
    if (waits)
        pthread_mutex_lock(&gate);
    if (waits)
        pthread_mutex_unlock(&gate);
    return real(ssl);
}

/* For what wakes no loop: that a helper begins, or that a test has turned the clock. */
static void brief_turn(void)
{
    loop_wait(clock_now() + USEC_MS);
    timer_run(loop_timers(), loop_now());
    loop_reap();
}

static void until_steps(unsigned count)
{
    while (steps < count)
        brief_turn();
}

static bool no_threads;

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return no_threads ? EAGAIN : real(thread, attr, run, arg);
}

/* ---- TLS: a server in a process of its own, which does as it is told ---- */

static struct issued ca;
static struct vital_tls *trusting;

enum manner { ECHO, ABRUPT, RESET, SILENT, TALK_PLAIN, WANT_CERTIFICATE, FLOOD, STARTTLS };

static _Noreturn void serve_tls(int listener, SSL_CTX *ctx, enum manner manner, int report)
{
    char bytes[16384] = "";
    signal(SIGPIPE, SIG_IGN);
    int peer = accept(listener, NULL, NULL);
    if (manner == SILENT)
        pause();
    if (manner == TALK_PLAIN) {
        dprintf(peer, "220 hello\r\n");
        pause();
    }
    if (manner == STARTTLS) {
        dprintf(peer, "220 hello\r\n");
        if (recv(peer, bytes, sizeof bytes, 0) <= 0)
            _exit(1);
        dprintf(peer, "220 go\r\n");
    }
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, peer);
    int done = SSL_accept(ssl), n = done == 1 ? SSL_read(ssl, bytes, sizeof bytes) : 0;
    if (manner == RESET)
        reset(peer);
    if (manner == ABRUPT)
        close(peer);
    if (manner == FLOOD)
        for (unsigned i = 0; i < 40; i++)
            SSL_write(ssl, bytes, sizeof bytes);
    if (manner == ECHO || manner == STARTTLS)
        SSL_write(ssl, bytes, n);
    if (manner == ECHO || manner == FLOOD)
        SSL_shutdown(ssl);
    int end = SSL_read(ssl, bytes, sizeof bytes);
    bool goodbye = SSL_get_error(ssl, end) == SSL_ERROR_ZERO_RETURN;
    if (write(report, goodbye ? "g" : "-", 1) != 1)
        _exit(1);
    _exit(0);
}

static int reported;
static pid_t server;

static void serving_as(enum manner manner, const char *names, int to)
{
    static bool prepared;
    int ends[2];
    if (!prepared)
        tls_prepare();
    prepared = true;
    ca = issue(NULL, "Test CA", NULL, -1, 100);
    struct issued it = issue(&ca, "the server", names, -20, to);
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    CHECK_INT(pipe(ends), 0);
    server = fork();
    if (server == 0) {
        SSL_CTX *ctx = serving(&it);
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.cert);
        if (manner == WANT_CERTIFICATE)
            SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        close(ends[0]);
        serve_tls(listener, ctx, manner, ends[1]);
    }
    close(listener);
    close(ends[1]);
    reported = ends[0];
    issued_free(&it);
    char path[64], *error;
    snprintf(path, sizeof path, "/tmp/vitald-ca-%d.pem", (int)getpid());
    write_cert(path, ca.cert);
    trusting = tls_context(&(struct tls_settings){ .ca = path, .verify = true }, &error);
    CHECK(trusting != NULL);
    unlink(path);
    start();
}

static void tls_finish(void)
{
    finish();
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    tls_release(trusting);
    issued_free(&ca);
}

#define TO_TLS { .host = "127.0.0.1", .port = port, .tls = trusting, .tls_name = "a.test" }

TEST(a_talk_over_tls)
{
    static struct seen s = { .say = "hello" };
    serving_as(ECHO, "DNS:a.test", 10);
    dial(&s, (struct vital_dial)TO_TLS);
    until(&s.closes);
    CHECK_INT(s.opens, 1);
    CHECK_TEXT(s.info.tls_version, "TLSv1.3");
    CHECK(s.info.tls > 0 && s.info.connect > 0);
    CHECK_INT(s.len, 5);
    CHECK_INT(s.reason, VITAL_R_OK);
    CHECK(s.cert_count >= 1);
    CHECK_TEXT(s.subject, "CN = the server");
    tls_finish();
}

TEST(tls_ends_are_told_apart)
{
    static struct seen s[2];
    static const struct { enum manner manner; enum vital_reason reason; } table[] = { { ABRUPT, VITAL_R_OK }, { RESET, VITAL_R_RESET } };
    for (unsigned i = 0; i < 2; i++) {
        s[i].say = "hello";
        serving_as(table[i].manner, "DNS:a.test", 10);
        dial(&s[i], (struct vital_dial)TO_TLS);
        until(&s[i].closes);
        CHECK_INT(s[i].opens, 1);
        CHECK_INT(s[i].reason, table[i].reason);
        tls_finish();
    }
}

TEST(closing_says_goodbye)
{
    char said = 0;
    serving_as(STARTTLS, "DNS:a.test", 10);
    static struct seen plain = { .say = "STARTTLS\r\n" };
    dial(&plain, (struct vital_dial)TO_PORT);
    while (!plain.len || plain.data[plain.len - 1] != '\n' || !strstr(plain.data, "go"))
        turn();
    CHECK_INT(plain.opens, 1);
    plain.say = "secret";
    plain.len = plain.datas = 0;
    CHECK(stream_starttls(plain.stream, trusting, "a.test", NULL));
    CHECK_INT(plain.opens, 1); /* not inside */
    CHECK(!stream_write(plain.stream, "x", 1)); /* nothing in the clear from now on */
    until(&plain.datas);
    CHECK_INT(plain.opens, 2);
    CHECK(!strncmp(plain.data, "secret", 6));
    CHECK(!stream_starttls(plain.stream, trusting, "a.test", NULL)); /* once */
    stream_close(plain.stream);
    loop_reap();
    CHECK_INT(read(reported, &said, 1), 1);
    CHECK_INT(said, 'g');
    tls_finish();
}

TEST(a_starttls_with_the_wrong_name_fails_later)
{
    static struct seen s = { .say = "STARTTLS\r\n" };
    serving_as(STARTTLS, "DNS:a.test", 10);
    dial(&s, (struct vital_dial)TO_PORT);
    while (!strstr(s.data, "go"))
        turn();
    CHECK(stream_starttls(s.stream, trusting, "b.test", NULL));
    CHECK_INT(s.closes, 0);
    until(&s.closes);
    CHECK_INT(s.reason, VITAL_R_CERT_NAME);
    CHECK(s.cert_count >= 1);
    tls_finish();
}

TEST(a_refused_certificate_is_shown_at_the_end)
{
    static struct seen expired, other;
    serving_as(ECHO, "DNS:a.test", -1);
    dial(&expired, (struct vital_dial)TO_TLS);
    until(&expired.closes);
    CHECK_INT(expired.opens, 0);
    CHECK_INT(expired.reason, VITAL_R_CERT_EXPIRED);
    CHECK_TEXT(expired.subject, "CN = the server");
    CHECK(strstr(expired.text, "has expired") != NULL);
    tls_finish();
    serving_as(ECHO, "DNS:a.test", 10);
    dial(&other, (struct vital_dial){ .host = "127.0.0.1", .port = port, .tls = trusting });
    until(&other.closes);
    CHECK_INT(other.reason, VITAL_R_CERT_NAME);
    tls_finish();
}

TEST(a_wanted_client_certificate_is_a_failure_of_tls_not_an_empty_answer)
{
    static struct seen s = { .say = "GET / HTTP/1.1\r\n\r\n" };
    serving_as(WANT_CERTIFICATE, "DNS:a.test", 10);
    dial(&s, (struct vital_dial)TO_TLS);
    until(&s.closes);
    CHECK_INT(s.reason, VITAL_R_TLS);
    CHECK(strstr(s.text, "client certificate") != NULL);
    tls_finish();
}

TEST(a_peer_without_tls_is_told_apart_from_a_silent_one)
{
    static struct seen plain, silent;
    serving_as(TALK_PLAIN, "DNS:a.test", 10);
    dial(&plain, (struct vital_dial)TO_TLS);
    until(&plain.closes);
    CHECK_INT(plain.reason, VITAL_R_TLS);
    CHECK(strstr(plain.text, "does not speak TLS") != NULL);
    tls_finish();
    serving_as(SILENT, "DNS:a.test", 10);
    dial(&silent, (struct vital_dial)TO_TLS);
    for (uint64_t end = clock_now() + 50 * USEC_MS; clock_now() < end;) {
        loop_wait(end);
        timer_run(loop_timers(), clock_now());
    }
    CHECK_INT(silent.opens + silent.closes, 0);
    CHECK(loop_turns() < 20);
    stream_close(silent.stream);
    tls_finish();
}

TEST(a_tls_flood_is_read_whole)
{
    static struct seen s = { .say = "hello" };
    serving_as(FLOOD, "DNS:a.test", 10);
    dial(&s, (struct vital_dial)TO_TLS);
    until(&s.closes);
    CHECK_INT(s.len, 40 * 16384);
    CHECK_INT(s.reason, VITAL_R_OK);
    tls_finish();
}

TEST(a_slow_step_holds_up_nobody_and_whoever_leaves_meanwhile_leaves_nothing)
{
    static struct seen slow, other = { .say = "hello" };
    struct vital_stream_info info;
    struct vital_cert certs[4];
    serving_as(ECHO, "DNS:a.test", 10);
    char tls_port[sizeof port];
    memcpy(tls_port, port, sizeof port);
    loop_thread = pthread_self();
    pthread_mutex_lock(&gate);
    dial(&slow, (struct vital_dial){ .host = "127.0.0.1", .port = tls_port, .tls = trusting, .tls_name = "a.test" });
    until_steps(1);
    int plain = listen_on(AF_INET, "127.0.0.1", NULL);
    dial(&other, (struct vital_dial)TO_PORT);
    int peer = accept_one(plain);
    until(&other.opens);
    CHECK_INT(stream_held(other.stream), 0);
    close(peer);
    until(&other.closes);
    close(plain);
    stream_info(slow.stream, &info); /* while a helper has it: what is known so far */
    CHECK(info.connect > 0 && !info.tls_version && !info.tls);
    CHECK_INT(stream_certificates(slow.stream, certs, 4), 0);
    CHECK(stream_held(slow.stream) > 0);
    stream_close(slow.stream);
    CHECK_INT(stream_count(), 0);
    for (unsigned i = 0; i < 3; i++) {
        loop_wait(0);
        loop_reap();
    }
    CHECK(loop_fd_count() > descriptors); /* else it may already be somebody else's */
    pthread_mutex_unlock(&gate);
    while (loop_fd_count() > descriptors + 1) /* and the eventfd by which helpers come home */
        turn();
    CHECK_INT(slow.opens + slow.closes, 0);
    CHECK_INT(steps_on_loop, 0);
    tls_finish();
}

static void count_queued(const char *name, const struct pool_stats *stats, void *queued)
{
    if (!strcmp(name, "tls"))
        *(unsigned *)queued = stats->queued;
}

/* A clock that stands until it is turned. */
static _Atomic uint64_t clock_stands_at;
static uint64_t standing_clock(void) { return clock_stands_at; }

TEST(a_target_that_keeps_a_helper_does_not_keep_the_others)
{
    static struct seen slow, other = { .say = "hello" };
    char tls_port[sizeof port];
    unsigned queued = 0;
    serving_as(ECHO, "DNS:a.test", 10);
    memcpy(tls_port, port, sizeof port);
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    held = 1;
    clock_stands_at = clock_now();
    clock_replace(standing_clock, NULL);
    pthread_mutex_lock(&gate);
    dial(&slow, (struct vital_dial)TO_TLS);
    until_steps(1);
    dial(&other, (struct vital_dial){ .host = "127.0.0.1", .port = tls_port, .tls = trusting, .tls_name = "a.test" });
    for (; !queued; pool_each(count_queued, &queued))
        brief_turn();
    CHECK_INT(steps, 1);
    clock_stands_at += 101 * USEC_MS; /* and not by what other pools have patience for */
    while (!other.closes)
        brief_turn();
    CHECK_INT(other.reason, VITAL_R_OK);
    CHECK_INT(slow.opens + slow.closes, 0);
    stream_close(slow.stream);
    close(listener);
    pthread_mutex_unlock(&gate);
    while (loop_fd_count() > descriptors + 1)
        turn();
    tls_finish();
}

TEST(what_a_step_computes_is_the_targets)
{
    static struct seen s;
    serving_as(ECHO, "DNS:a.test", 10);
    burns = true;
    pthread_mutex_lock(&gate);
    uint64_t began = clock_now();
    dial(&s, (struct vital_dial)TO_TLS);
    until_steps(1);
    while (!burnt)
        sched_yield();
    uint64_t lag = stream_held(s.stream);
    CHECK(lag + BURN <= clock_now() - began);
    stream_close(s.stream);
    pthread_mutex_unlock(&gate);
    while (loop_fd_count() > descriptors + 1)
        turn();
    tls_finish();
}

TEST(who_has_left_takes_no_helper_from_the_others)
{
    enum { ALL = 5 /* helpers, with those that stand in */ };
    static struct seen s[ALL + 1];
    unsigned queued = 0;
    serving_as(SILENT, "DNS:a.test", 10);
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    pthread_mutex_lock(&gate);
    for (unsigned i = 0; i < ALL; i++)
        dial(&s[i], (struct vital_dial)TO_TLS);
    until_steps(ALL);
    dial(&s[ALL], (struct vital_dial)TO_TLS);
    for (; !queued; pool_each(count_queued, &queued))
        turn();
    for (unsigned i = 0; i <= ALL; i++)
        stream_close(s[i].stream);
    close(listener);
    pthread_mutex_unlock(&gate);
    while (loop_fd_count() > descriptors + 1)
        turn();
    CHECK_INT(steps, ALL);
    tls_finish();
}

/* What came after the permission to begin wakes the stream as its timer does. */
TEST(a_step_is_taken_once_although_two_wake_it)
{
    static struct seen s;
    unsigned queued = 0;
    serving_as(SILENT, "DNS:a.test", 10);
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    dial(&s, (struct vital_dial)TO_PORT);
    int peer = accept_one(listener);
    until(&s.opens);
    dprintf(peer, "no TLS at all\r\n");
    pthread_mutex_lock(&gate);
    CHECK(stream_starttls(s.stream, trusting, "a.test", NULL));
    until_steps(1);
    pool_each(count_queued, &queued);
    CHECK_INT(queued, 0);
    pthread_mutex_unlock(&gate);
    until(&s.closes);
    CHECK_INT(s.closes, 1);
    CHECK(strstr(s.text, "does not speak TLS") != NULL);
    close(peer);
    close(listener);
    tls_finish();
}

TEST(without_a_thread_the_loop_shakes_hands_itself)
{
    static struct seen s = { .say = "hello" };
    serving_as(ECHO, "DNS:a.test", 10);
    loop_thread = pthread_self();
    no_threads = true;
    dial(&s, (struct vital_dial)TO_TLS);
    until(&s.closes);
    CHECK_INT(s.opens, 1);
    CHECK(s.len == 5 && !memcmp(s.data, "hello", 5));
    CHECK(steps_on_loop > 0);
    CHECK_INT(steps_on_loop, steps);
    tls_finish();
}

/* After all that the library does at exit(). */
static void still_there(void)
{
    CHECK_INT(OPENSSL_init_crypto(0, NULL), 1); /* 0 = it was taken down */
    _exit(unit_failures != 0);
}

TEST(at_exit_a_helper_still_has_the_library)
{
    atexit(still_there);
    tls_prepare();
    SSL_CTX_free(SSL_CTX_new(TLS_client_method()));
}
