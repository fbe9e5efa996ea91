#include "mysql_error.h"

#include <errno.h>
#include <stdlib.h>

static const struct { unsigned code; enum vital_reason reason; const char *hint; } codes[] = {
    /* the server's */
    { 1040, VITAL_R_TOO_MANY_CLIENTS, NULL },
    { 1043, VITAL_R_BAD_REPLY, NULL },
    { 1044, VITAL_R_PERMISSION, "the database does not exist or the user may not use it" },
    { 1045, VITAL_R_AUTH, NULL },
    { 1049, VITAL_R_NO_DATABASE, NULL },
    { 1053, VITAL_R_STOPPING, NULL },
    { 1129, VITAL_R_PERMISSION, "this host is blocked after too many broken connections (max_connect_errors): FLUSH HOSTS" },
    { 1130, VITAL_R_PERMISSION, "no account of the server allows this host" },
    { 1142, VITAL_R_PERMISSION, NULL },
    { 1143, VITAL_R_PERMISSION, NULL },
    { 1203, VITAL_R_TOO_MANY_CLIENTS, "the user's own limit (max_user_connections)" },
    { 1205, VITAL_R_BUSY, NULL },
    { 1226, VITAL_R_TOO_MANY_CLIENTS, "a limit of the user's account" },
    { 1227, VITAL_R_PERMISSION, NULL },
    { 1251, VITAL_R_CONFIG, "the account's login method is not supported by the client library" },
    { 1290, VITAL_R_READ_ONLY, NULL },
    { 1317, VITAL_R_TIMEOUT, NULL },
    { 1370, VITAL_R_PERMISSION, NULL },
    { 1524, VITAL_R_CONFIG, "the server has not loaded the account's login method" },
    { 1698, VITAL_R_AUTH, "the account may use another login method, such as unix_socket" },
    { 1820, VITAL_R_AUTH, "the password must be changed" },
    { 1836, VITAL_R_READ_ONLY, NULL },
    { 1862, VITAL_R_AUTH, "the password has expired" },
    { 1927, VITAL_R_CLOSED, "somebody killed the connection" },
    { 1969, VITAL_R_TIMEOUT, NULL },
    { 3024, VITAL_R_TIMEOUT, NULL },
    { 3032, VITAL_R_STOPPING, "the server is in offline mode" },
    { 3118, VITAL_R_AUTH, "the account is locked" },
    { 3159, VITAL_R_TLS, "the server accepts TLS only: set `tls`" },
    { 4031, VITAL_R_CLOSED, NULL },
    { 4151, VITAL_R_AUTH, "the account is locked" },
    /* the library's */
    { 2005, VITAL_R_DNS, NULL },
    { 2006, VITAL_R_CLOSED, NULL },
    { 2007, VITAL_R_BAD_REPLY, NULL },
    { 2012, VITAL_R_BAD_REPLY, NULL },
    { 2013, VITAL_R_CLOSED, NULL },
    { 2020, VITAL_R_TOO_LARGE, "a row may have 1 MiB" },
    { 2027, VITAL_R_BAD_REPLY, NULL },
    { 2049, VITAL_R_CONFIG, "the account's login method is older than MySQL 4.1 and not supported" },
    { 2055, VITAL_R_CLOSED, NULL },
    { 2059, VITAL_R_CONFIG, "the plugin for the account's login method is not installed (package libmariadb3)" },
    { 2061, VITAL_R_AUTH, NULL },
    { 5010, VITAL_R_CONFIG, "the account's login method would show the password; it is refused" },
};

static const struct { int error; enum vital_reason reason; } systems[] = {
    { ECONNREFUSED, VITAL_R_REFUSED },     { ENOENT, VITAL_R_NOT_FOUND },       { EACCES, VITAL_R_PERMISSION }, { EPERM, VITAL_R_PERMISSION },
    { ETIMEDOUT, VITAL_R_TIMEOUT },        { EHOSTUNREACH, VITAL_R_UNREACHABLE }, { ENETUNREACH, VITAL_R_UNREACHABLE },
    { ECONNRESET, VITAL_R_RESET },         { EPIPE, VITAL_R_CLOSED },           { EMFILE, VITAL_R_NO_FDS },     { ENFILE, VITAL_R_NO_FDS },
};

static const struct { const char *words; enum vital_reason reason; } certificates[] = {
    { "certificate has expired", VITAL_R_CERT_EXPIRED },
    { "certificate is not yet valid", VITAL_R_CERT_EXPIRED },
    { "Validation of SSL server certificate failed", VITAL_R_CERT_NAME },
    { "self-signed certificate", VITAL_R_CERT_UNTRUSTED },
    { "self signed certificate", VITAL_R_CERT_UNTRUSTED },
    { "local issuer certificate", VITAL_R_CERT_UNTRUSTED },
    { "verify the first certificate", VITAL_R_CERT_UNTRUSTED },
    { "certificate verify failed", VITAL_R_CERT_UNTRUSTED },
    { "issuer certificate", VITAL_R_CERT_UNTRUSTED },
    { "(110)", VITAL_R_TIMEOUT },
    { "unexpected eof", VITAL_R_TLS },
};

/* "... (111)", "... (111 "Connection refused")", "..., system error: 104" */
static int system_error(const char *message)
{
    const char *at = strstr(message, "system error: ");
    at = at ? at + strlen("system error: ") : strrchr(message, '(');
    long n = at ? strtol(at + (*at == '('), NULL, 10) : 0;
    return n > 0 && n < 4096 ? (int)n : 0;
}

static bool carries_system_error(unsigned code)
{
    return code == 2001 || code == 2002 || code == 2003 || code == 2004 || code == 2013 || code == 2055;
}

static void read_system(struct mysql_verdict *v, const char *message)
{
    int error = system_error(message);
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++)
        if (systems[i].error == error) {
            v->system = error;
            v->reason = systems[i].reason;
            v->class = v->reason == VITAL_R_NO_FDS ? VITAL_INTERNAL : VITAL_FAIL;
        }
}

static void read_certificate(struct mysql_verdict *v, const char *message)
{
    v->reason = VITAL_R_TLS;
    for (size_t i = 0; i < sizeof certificates / sizeof *certificates; i++)
        if (strstr(message, certificates[i].words)) {
            v->reason = certificates[i].reason;
            return;
        }
}

struct mysql_verdict mysql_error_verdict(unsigned code, const char *message)
{
    struct mysql_verdict v = { VITAL_FAIL, code < 2000 || code >= 3000 ? VITAL_R_QUERY : VITAL_R_UNREACHABLE, NULL, 0 };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].code == code) {
            v.reason = codes[i].reason;
            v.hint = codes[i].hint;
        }
    if (carries_system_error(code))
        read_system(&v, message);
    else if (code == 2026)
        read_certificate(&v, message);
    else if (code == 1047 && strstr(message, "WSREP"))
        v = (struct mysql_verdict){ VITAL_FAIL, VITAL_R_CLUSTER, "a Galera node outside of its cluster's primary component, or not synced yet", 0 };
    return v;
}

bool mysql_error_is_end(unsigned code)
{
    return code == 1053 || code == 1927 || code == 4031 || (code >= 2000 && code < 3000);
}

bool mysql_error_is_vague(unsigned code, const char *message)
{
    return (code == 2002 || code == 2003 || code == 2004) && !mysql_error_verdict(code, message).system;
}
