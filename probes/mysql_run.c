#include <mariadb/mysql.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mysql_error.h"
#include "mysql_parts.h"

enum { COLUMNS_MAX = 128, OWN_ROWS_MAX = 64, PACKET_MAX = 1 << 20, SECONDS_MAX = 3600 };
static const char methods[] = "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519";

uint64_t mysql_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t left(const struct mysql_job *j)
{
    uint64_t now = mysql_clock();
    return now < j->deadline ? j->deadline - now : 0;
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

static void note(struct mysql_failure *f, unsigned code, const char *text)
{
    f->code = code;
    mysql_shown(text, f->text, sizeof f->text);
}

typedef void row_fn(struct mysql_seen *, const struct mysql_row *, void *arg);

/* There is more than anybody wants. Without the socket the library has nothing left that it could read to the end. */
static void cut_off(MYSQL *my)
{
    shutdown(mysql_get_socket(my), SHUT_RDWR);
}

static unsigned fetch(struct mysql_job *j, MYSQL *my, MYSQL_RES *result, unsigned rows_max, row_fn *fn, void *arg)
{
    const char *names[COLUMNS_MAX];
    unsigned columns = mysql_num_fields(result), rows = 0;
    const MYSQL_FIELD *fields = mysql_fetch_fields(result);
    columns = columns < COLUMNS_MAX ? columns : COLUMNS_MAX;
    for (unsigned i = 0; i < columns; i++)
        names[i] = fields[i].name;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result));) {
        if (rows++ == rows_max || !left(j)) {
            cut_off(my);
            break;
        }
        const struct mysql_row r = { columns, names, (const char *const *)row };
        fn(&j->seen, &r, arg);
    }
    return rows;
}

/* False: this question failed, *f says why. Rows above the limit count as an end of the conversation. */
static bool ask(struct mysql_job *j, MYSQL *my, int stage, const char *sql, unsigned rows_max, row_fn *fn, void *arg, struct mysql_failure *f)
{
    j->stage = stage;
    if (!left(j)) {
        note(f, 2013, "no time left");
        return false;
    }
    if (mysql_real_query(my, sql, strlen(sql))) {
        note(f, mysql_errno(my), mysql_error(my));
        return false;
    }
    MYSQL_RES *result = mysql_use_result(my);
    unsigned rows = result ? fetch(j, my, result, rows_max, fn, arg) : 0;
    unsigned code = mysql_errno(my);
    if (rows > rows_max)
        note(f, 2020, "there are more rows than are looked at");
    else if (code)
        note(f, code, mysql_error(my));
    if (result)
        mysql_free_result(result);
    return rows <= rows_max && !code;
}

/* The conversation is over; false, for the caller's return. */
static bool stop(struct mysql_job *j, int stage, const struct mysql_failure *f)
{
    j->seen.failure = *f;
    j->seen.failed_at = (enum mysql_stage)stage;
    return false;
}

static bool goes_on(struct mysql_job *j, int stage, const struct mysql_failure *f)
{
    return !f->code || !mysql_error_is_end(f->code) || stop(j, stage, f);
}

/* ---- the questions ------------------------------------------------------------------------------------------ */

static bool is_on(const char *value)
{
    return value && strcmp(value, "0") != 0 && strcmp(value, "OFF") != 0;
}

static void see_variables(struct mysql_seen *s, const struct mysql_row *r, void *arg)
{
    (void)arg;
    if (r->count < 3)
        return;
    s->read_only = is_on(r->values[0]) || is_on(r->values[1]);
    s->connections_max = r->values[2] ? strtod(r->values[2], NULL) : -1;
}

static void see_status(struct mysql_seen *s, const struct mysql_row *r, void *arg)
{
    (void)arg;
    const struct { const char *name; double *to; } wanted[] = {
        { "Threads_connected", &s->connections }, { "Threads_running", &s->running },
        { "Connection_errors_max_connections", &s->refused }, { "Uptime", &s->uptime },
    };
    for (size_t i = 0; r->count >= 2 && r->values[0] && r->values[1] && i < sizeof wanted / sizeof *wanted; i++)
        if (!strcmp(r->values[0], wanted[i].name))
            *wanted[i].to = strtod(r->values[1], NULL);
}

static bool ask_status(struct mysql_job *j, MYSQL *my)
{
    struct mysql_failure f = { 0 };
    return (ask(j, my, MYSQL_STATUS, "SELECT @@global.read_only, @@global.innodb_read_only, @@global.max_connections", 1, see_variables, NULL, &f)
            && ask(j, my, MYSQL_STATUS, "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Threads_running', "
                   "'Connection_errors_max_connections', 'Uptime')", OWN_ROWS_MAX, see_status, NULL, &f)) || stop(j, MYSQL_STATUS, &f);
}

static void see_channel(struct mysql_seen *s, const struct mysql_row *r, void *arg)
{
    (void)arg;
    struct mysql_channel c;
    if (!mysql_channel_read(r, &c))
        s->strange_replication = true;
    else if (s->channel_count < MYSQL_CHANNELS_MAX)
        s->channels[s->channel_count] = c;
    s->channel_count++;
}

/* Newest words first; the older are tried where a server does not know them. */
static bool ask_replication(struct mysql_job *j, MYSQL *my)
{
    static const char *const ways[][2] = { { "SHOW REPLICA STATUS", "SHOW SLAVE STATUS" }, { "SHOW ALL REPLICAS STATUS", "SHOW ALL SLAVES STATUS" } };
    struct mysql_failure *f = &j->seen.replication;
    for (unsigned i = 0; i < 2; i++) {
        *f = (struct mysql_failure){ 0 };
        if (ask(j, my, MYSQL_REPLICATION, ways[j->seen.mariadb][i], OWN_ROWS_MAX, see_channel, NULL, f) || f->code != MYSQL_E_SYNTAX)
            break;
    }
    return goes_on(j, MYSQL_REPLICATION, f);
}

static void see_gtid(struct mysql_seen *s, const struct mysql_row *r, void *arg)
{
    (void)arg;
    const char *value = r->count && r->values[0] ? r->values[0] : "";
    s->gtid_reached = is_on(*value ? value : NULL);
    snprintf(s->gtid_at, sizeof s->gtid_at, "%s", value);
}

static bool ask_gtid(struct mysql_job *j, MYSQL *my)
{
    char sql[4200];
    bool mariadb_form = mysql_gtid_form(j->ask.gtid) == MYSQL_GTID_MARIADB;
    if (mariadb_form != j->seen.mariadb)
        return true;
    if (mariadb_form)
        snprintf(sql, sizeof sql, "SELECT @@global.gtid_current_pos");
    else    /* nothing in it can end the quotes: see mysql_gtid_form() */
        snprintf(sql, sizeof sql, "SELECT GTID_SUBSET('%.4096s', @@global.gtid_executed)", j->ask.gtid);
    ask(j, my, MYSQL_GTID, sql, 1, see_gtid, NULL, &j->seen.gtid);
    return goes_on(j, MYSQL_GTID, &j->seen.gtid);
}

static void see_answer(struct mysql_seen *s, const struct mysql_row *r, void *arg)
{
    (void)s;
    struct mysql_answer *a = arg;
    if (a->rows++ || !r->count || !r->values[0])
        return;
    a->has_value = true;
    a->cut = strlen(r->values[0]) >= sizeof a->value;
    snprintf(a->value, sizeof a->value, "%s", r->values[0]);
}

/* What was asked by us must not go on in the server when we are gone, and must not write. */
static bool ask_limits(struct mysql_job *j, MYSQL *my)
{
    char sql[80];
    struct mysql_failure f = { 0 };
    if (j->seen.mariadb)
        snprintf(sql, sizeof sql, "SET SESSION max_statement_time = %.3f", (double)left(j) / 1e6 + 0.001);
    else
        snprintf(sql, sizeof sql, "SET SESSION max_execution_time = %llu", (unsigned long long)left(j) / 1000 + 1);
    ask(j, my, MYSQL_LIMITS, sql, 0, NULL, NULL, &f);
    if (!goes_on(j, MYSQL_LIMITS, &f)) /* a server that is too old for it goes without */
        return false;
    f = (struct mysql_failure){ 0 };
    return ask(j, my, MYSQL_LIMITS, "SET SESSION TRANSACTION READ ONLY", 0, NULL, NULL, &f) || stop(j, MYSQL_LIMITS, &f);
}

static bool ask_query(struct mysql_job *j, MYSQL *my, unsigned which)
{
    struct mysql_answer *a = &j->seen.answers[which];
    uint64_t began = mysql_clock();
    a->asked = true;
    ask(j, my, MYSQL_QUERY + (int)which, j->ask.queries[which], MYSQL_ROWS_MAX, see_answer, a, &a->failure);
    a->took = mysql_clock() - began;
    return goes_on(j, MYSQL_QUERY + (int)which, &a->failure);
}

/* ---- the conversation --------------------------------------------------------------------------------------- */

/* A private key is memory that the library opens as a file; the caller closes it. -1: none. */
static int key_file(const struct mysql_job *j, char path[32])
{
    const char *key = j->ask.key;
    int fd = key && j->ask.tls ? memfd_create("vitald-mysql", MFD_CLOEXEC) : -1;
    if (fd >= 0 && write(fd, key, strlen(key)) != (ssize_t)strlen(key)) {
        close(fd);
        fd = -1;
    }
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

/* Nothing is left to files, the environment or the server: no my.cnf is read, each option that has a variable is given. */
static void set_options(const struct mysql_job *j, MYSQL *my, const char *key)
{
    uint64_t seconds = (left(j) + 999999) / 1000000;
    unsigned patience = seconds < 1 ? 1 : seconds < SECONDS_MAX ? (unsigned)seconds : SECONDS_MAX, off = 0, tcp = MYSQL_PROTOCOL_TCP;
    unsigned long packet = PACKET_MAX;
    my_bool on = 1;
    mysql_options(my, MYSQL_OPT_CONNECT_TIMEOUT, &patience);
    mysql_options(my, MYSQL_OPT_READ_TIMEOUT, &patience);
    mysql_options(my, MYSQL_OPT_WRITE_TIMEOUT, &patience);
    mysql_options(my, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    mysql_options(my, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_options(my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(my, MARIADB_OPT_RESTRICTED_AUTH, methods);
    mysql_options4(my, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "vitald");
    if (!j->ask.socket)
        mysql_options(my, MYSQL_OPT_PROTOCOL, &tcp); /* else "localhost" would be a unix socket */
    if (!j->ask.tls)
        return;
    mysql_options(my, MYSQL_OPT_SSL_ENFORCE, &on);
    mysql_options(my, MYSQL_OPT_SSL_CA, j->ask.ca);
    mysql_options(my, MYSQL_OPT_SSL_CERT, j->ask.cert);
    mysql_options(my, MYSQL_OPT_SSL_KEY, key);
    mysql_options(my, MARIADB_OPT_TLS_PASSPHRASE, ""); /* else OpenSSL asks on the terminal */
    if (j->ask.verify)
        mysql_options(my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
}

static bool log_in(struct mysql_job *j, MYSQL *my)
{
    const struct mysql_ask *a = &j->ask;
    uint64_t began = mysql_clock();
    j->stage = MYSQL_LOGIN;
    char key[32];
    int fd = key_file(j, key);
    set_options(j, my, a->key && a->tls ? key : NULL);
    bool in = mysql_real_connect(my, a->socket ? NULL : a->host, a->user, a->password, *a->database ? a->database : NULL, a->port, a->socket, 0);
    if (fd >= 0)
        close(fd);
    if (!in) {
        struct mysql_failure f;
        note(&f, mysql_errno(my), mysql_error(my));
        return stop(j, MYSQL_LOGIN, &f);
    }
    j->seen.login = mysql_clock() - began;
    const char *version = mysql_get_server_info(my);
    mysql_shown(version, j->seen.version, sizeof j->seen.version);
    j->seen.mariadb = version && strstr(version, "MariaDB");
    j->seen.no_tls = a->tls && !mysql_get_ssl_cipher(my); /* a server without TLS is not refused by the library unless it verifies */
    return !j->seen.no_tls;
}

static void converse(struct mysql_job *j, MYSQL *my)
{
    bool on = log_in(j, my) && ask_status(j, my) && (!j->ask.replication || ask_replication(j, my)) && (!j->ask.gtid || ask_gtid(j, my))
           && (!j->ask.query_count || ask_limits(j, my));
    for (unsigned i = 0; on && i < j->ask.query_count; i++)
        on = ask_query(j, my, i);
    j->seen.complete = on;
}

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static void begin_library(void) { mysql_library_init(0, NULL, NULL); }

void mysql_job_run(void *block)
{
    struct mysql_job *j = block;
    MYSQL my;
    if (!left(j)) /* it has waited for a thread too long: nobody listens any more */
        return;
    j->started = mysql_clock();
    pthread_once(&library_once, begin_library);
    mysql_thread_init();
    if (mysql_init(&my)) {
        converse(j, &my);
        mysql_close(&my);
    }
    mysql_thread_end();
}
