/* TLS contexts belong to io/ and come through hooks: who has one built, with which settings, and that each is released. */
#include "unit.h"

#include <sys/stat.h>

#include "config_modules.h"

#include "base/clock.h"
#include "base/tls_settings.h"
#include "config/opt.h"

static unsigned contexts;
static int64_t expires;

static const struct vital_tls *build_context(const void *settings, char **error)
{
    const struct tls_settings *s = settings;
    if (s->cert && !strcmp(s->cert, "/bad")) {
        *error = mem_copy("cannot read /bad");
        return NULL;
    }
    if (s->name && !strcmp(s->name, "mute"))
        return NULL;
    struct tls_settings *kept = mem_alloc(sizeof *kept);
    *kept = *s;
    contexts++;
    return (const struct vital_tls *)kept;
}

static void release_context(const struct vital_tls *t)
{
    mem_free((void *)(uintptr_t)t);
    contexts--;
}

static bool same_context(const struct vital_tls *a, const struct vital_tls *b)
{
    return ((const struct tls_settings *)a)->min_version == ((const struct tls_settings *)b)->min_version;
}

static int64_t context_expires(const struct vital_tls *t)
{
    (void)t;
    return expires;
}

static const struct conf_hooks tls_hooks = { .tls_build = build_context, .tls_release = release_context, .tls_same = same_context, .tls_expires = context_expires };

TEST(listeners_speak_tls)
{
    conf_set_hooks(&tls_hooks);
    struct loaded l = load_text("listen:\n  - { address: ':1', tls: { cert: /c, client_ca: /ca, client_names: [a] } }\n  - { address: ':2', serve: grpc, tls: { cert: /c, client_ca: /ca, client: optional } }\n"
                                "  - { address: ':3', serve: all, tls: { cert: /c, client_ca: /ca } }\n");
    CHECK_TEXT(l.text, "");
    CHECK_INT(contexts, 3);
    const struct conf_access *a = &l.conf->listeners[0].access, *b = &l.conf->listeners[1].access;
    CHECK(a->settings.demands && a->settings.verify && a->settings.serves && a->open == SERVE_VERDICTS && a->name_count == 1);
    CHECK_TEXT(a->settings.alpn, "http/1.1");
    CHECK_TEXT(b->settings.alpn, "h2");
    CHECK(!b->settings.demands && b->settings.verify);
    unload(&l);
    CHECK_INT(contexts, 0);
    l = load_text("listen:\n  - { address: ':1', tls: { cert: /bad } }\n  - { address: ':2', tls: { cert: /c, client: optional } }\n");
CHECK(!l.conf && strstr(l.text, ":2:27: error: `tls`: cannot read /bad\n") && strstr(l.text, ":3:27: error: `tls`: `client` and `client_names` need `client_ca`"));
    unload(&l);
    CHECK_INT(contexts, 0);
}

TEST(tls_of_probes_and_receivers)
{
    conf_set_hooks(&tls_hooks);
    struct loaded l = load_text("probes: { a: { http: 'https://h' }, b: { http: { url: 'https://h', tls: { min_version: 1.3 } } }, c: { http: 'https://h' }, d: { http: 'http://h' } }\n"
                                "notify: { r: { webhook: 'https://h/' }, s: { webhook: { url: 'https://h/', tls: { verify: false } } } }\n");
    CHECK_TEXT(l.text, "");
    const struct conf_options *a = probe_named(l.conf, "a")->options;
    CHECK(conf_options_equal(a, probe_named(l.conf, "c")->options));
    CHECK(!conf_options_equal(a, probe_named(l.conf, "b")->options));
    CHECK(!opt_same(a->module->opts, a->data, probe_named(l.conf, "d")->options->data, 0));
    unload(&l);
    CHECK_INT(contexts, 0);
    l = load_text("probes: { a: { http: { url: 'https://h', tls: { name: mute } } } }\nnotify: { plain: { webhook: { url: 'http://h/', tls: true } } }\n");
    CHECK(!l.conf && strstr(l.text, "`tls`: the TLS context cannot be built"));
    CHECK(strstr(l.text, "receiver `plain`: `tls`: the URL does not begin with https://"));
    unload(&l);
    CHECK_INT(contexts, 0);
    conf_set_hooks(&(struct conf_hooks){ .tls_build = build_context, .tls_release = release_context });
    l = load_text("probes: { a: { http: 'https://h' }, c: { http: 'https://h' } }");
    CHECK(!conf_options_equal(probe_named(l.conf, "a")->options, probe_named(l.conf, "c")->options)); /* nobody can say */
    unload(&l);
}

static void tls_lint(const char *text, int64_t in, const char *part)
{
    conf_set_hooks(&tls_hooks);
    expires = in == INT64_MAX ? in : (int64_t)(clock_wall() / USEC_S) + in;
    struct loaded l = load_text(text);
    CHECK_TEXT(l.text, "");
    conf_lint(l.conf, &l.diag);
    char *said = findings(&l.diag);
    if (part ? !strstr(said, part) : strstr(said, "certificate") != NULL)
        CHECK_TEXT(said, part);
    mem_free(said);
    unload(&l);
}

TEST(certificates_that_end)
{
    const char *text = "listen: { address: '127.0.0.1:1', tls: { cert: /c } }";
    tls_lint(text, -5, "listener 127.0.0.1:1: the certificate in /c has expired: clients will refuse it");
    tls_lint(text, 86400 + 3600, "listener 127.0.0.1:1: the certificate in /c expires in 1 day: renew it");
    tls_lint(text, 3 * 86400 + 3600, "the certificate in /c expires in 3 days: renew it");
    tls_lint(text, 15 * 86400, NULL);
    tls_lint(text, INT64_MAX, NULL);
    tls_lint("listen: { address: '10.0.0.1:1', serve: [status], tls: { cert: /c, client_ca: /ca } }", INT64_MAX, NULL);
}

TEST(a_key_that_everybody_can_read)
{
    const char *path = temp_file("geheim\n");
    char text[256];
    snprintf(text, sizeof text, "listen: { address: '127.0.0.1:1', tls: { cert: /c, key: { file: %s } } }", path);
    chmod(path, 0644);
    tls_lint(text, INT64_MAX, "listener 127.0.0.1:1: everybody on this host can read the private key in ");
    chmod(path, 0600);
    tls_lint(text, INT64_MAX, NULL);
    unlink(path);
}
