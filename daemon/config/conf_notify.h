/* The section `notify`: receivers, decoded. A receiver is whom to tell, of what, and when; its outlets are the ways there.
 * What an outlet points to lives as long as the receiver's counted options, so a message on its way outlives a reload. */
#ifndef CONFIG_CONF_NOTIFY_H
#define CONFIG_CONF_NOTIFY_H

#include "base/template.h"
#include "config/conf.h"

enum outlet_kind { OUTLET_WEBHOOK, OUTLET_EXEC, OUTLET_ALERTMANAGER, OUTLET_KIND_COUNT };   /* webhook exec alertmanager */
const char *outlet_kind_text(unsigned);
int outlet_kind_from(const char *);

/* Where a request goes. The path often is the credential, so nothing but `text` may be shown. */
struct conf_endpoint {
    const char *host, *port, *unix_path, *path;
    const char *user;
    const struct vital_secret *password;
    const char *host_field;                /* for Host: with brackets, with the port where it is not the scheme's */
    bool https;
};
struct conf_outlet {
    enum outlet_kind kind;
    const char *text;                      /* printable: scheme and host, or the program's path */
    uint64_t timeout;
    const struct template *body;           /* NULL: every fact there is */
    /* webhook, alertmanager */
    struct conf_endpoint to;
    const struct vital_tls *tls;
    const struct vital_secret *bearer;
    struct vital_list headers;             /* struct vital_pair */
    struct vital_list labels;
    uint64_t resend;
    /* exec */
    struct vital_list command;             /* const char * */
    struct vital_list env;
    const char *dir;
};

/* Whose outcome decides when to tell: conf_receiver.rule of front/notify_policy.h in the same units. */
struct conf_receiver {
    const char *name;
    struct conf_options *options;
    struct conf_outlet *outlets; uint32_t outlet_count;
    const uint32_t *groups; uint32_t group_count;
    bool every_probe;
    const uint32_t *probes; uint32_t probe_count;      /* unless every_probe */
    enum { TELL_WARN, TELL_FAIL } least;
    bool resolved;
    uint64_t group_wait, repeat, retry_for, flap_window;
    uint32_t flap_changes, queue;
    struct diag_place place;
};

/* The names of a message's facts, ended by NULL: placeholders of templates. The order is that of enum notice_field. */
extern const char *const conf_notice_fields[];
void conf_receivers_free(struct conf *);
void conf_lint_receivers(const struct conf *, struct diag *);

#endif
