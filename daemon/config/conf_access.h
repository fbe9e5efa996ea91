/* The part of a listener that says whom it serves: TLS, client certificates, tokens, networks. Rows that another listening
 * section can take as they are. */
#ifndef CONFIG_CONF_ACCESS_H
#define CONFIG_CONF_ACCESS_H

#include "config/build.h"

struct tls_rows {
    const char *cert, *client_ca;
    const struct vital_secret *key;
    struct vital_list client_names;
    uint8_t client, min_version;
    uint64_t hsts;
};
struct token_rows { const struct vital_secret *sha256; struct vital_list serve; };
struct access_rows {
    struct tls_rows tls;
    struct vital_list tokens, open, allow, hosts;
    uint64_t reread;
};
extern const struct vital_opt access_tls_rows[], access_token_rows[];
extern const char *const access_words[];      /* the classes */
extern const char *const access_listen_words[];     /* and the other protocol */
extern const char *const access_open_words[];

#define ACCESS_ROWS(st, field)                                                                                                  \
    VITAL_OPT_AS("allow", st, field.allow, STRINGS,                                                                             \
                 .help = "networks that may connect (10.0.0.0/8, 2001:db8::/32, one address); default: all"),                   \
    { .name = "tls", .type = VITAL_BLOCK, .offset = (uint16_t)offsetof(st, field.tls), .rows = access_tls_rows,                 \
      .row_size = sizeof(struct tls_rows), .help = "it speaks TLS, with this certificate" },                                    \
    { .name = "tokens", .type = VITAL_BLOCKS, .offset = (uint16_t)VITAL_TYPED(st, field.tokens, BLOCKS), .rows = access_token_rows, \
      .row_size = sizeof(struct token_rows), .help = "bearer tokens: who sends one may see more" },                             \
    VITAL_OPT_AS("open", st, field.open, STRINGS, .words = access_open_words,                                                   \
                 .help = "what needs no credential; default: verdicts where there are tokens or client_ca, else everything"),   \
    VITAL_OPT_AS("hosts", st, field.hosts, STRINGS,                                                                             \
                 .help = "names that a request may have in Host to see more than verdicts, \"*\" for all; default: all, but on the loopback without tls only names without a dot, *.localhost and addresses, which are always good"), \
    VITAL_OPT_AS("reread", st, field.reread, DURATION, .def = "10s", .min = 100 * USEC_MS, .max = 86400 * USEC_S,               \
                 .help = "how often the files of tls and tokens are looked at: what has changed is taken")

unsigned access_bits(const struct vital_list *words);
/* From decoded rows to l->access; problems are findings. */
void access_read(struct build *, const struct node *map, const struct access_rows *, struct conf_listen *);

#endif
