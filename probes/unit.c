/* unit: what systemd says about one unit or several; it tells by itself when one of them changes. */
#include "unit_parts.h"

static const char *const class_words[] = { [VITAL_PASS] = "pass", [VITAL_WARN] = "warn", [VITAL_FAIL] = "fail", NULL };

static const struct vital_opt unit_opts[] = {
    VITAL_OPT(struct unit_conf, units, STRINGS, .flags = VITAL_BARE | VITAL_TARGET | VITAL_REQUIRED, .min = 1, .max = UNITS_MAX,
              .help = "names of units; without a suffix, services"),
    VITAL_OPT(struct unit_conf, transition_limit, DURATION, .def = "90s",
              .help = "a unit that is being started or stopped warns, and after this time fails"),
    VITAL_OPT(struct unit_conf, oneshot, WORD, .words = class_words, .def = "pass",
              .help = "what it means that a service of Type=oneshot does not run, and that its last run succeeded"),
    VITAL_OPT_END,
};

enum { ACTIVE_UNITS, FAILED_UNITS, ACTIVE };
static const struct vital_number unit_numbers[] = {
    [ACTIVE_UNITS] = { "active_units", "", "how many of the units are active", false, NULL },
    [FAILED_UNITS] = { "failed_units", "", "how many of them have failed", false, NULL },
    [ACTIVE] = { "active", "", "1 when this unit is active, else 0", false, "unit" },
    { .name = NULL },
};

static const char *name_at(const struct unit_conf *c, uint32_t i, char room[UNIT_NAME_MAX])
{
    return unit_full_name(((const char *const *)c->units.items)[i], room);
}

static bool unit_prepare(void *conf, struct vital_diag *diag)
{
    const struct unit_conf *c = conf;
    char name[UNIT_NAME_MAX], other[UNIT_NAME_MAX];
    bool good = true;
    for (uint32_t i = 0; i < c->units.count; i++) {
        const char *given = ((const char *const *)c->units.items)[i];
        if (!unit_name_is_valid(given)) {
            diag->error(diag, "units", "\"%.100s\" cannot be the name of a unit; write for instance nginx.service", given);
            good = false;
            continue;
        }
        for (uint32_t k = 0; k < i; k++)
            if (unit_name_is_valid(((const char *const *)c->units.items)[k]) && !strcmp(name_at(c, i, name), name_at(c, k, other))) {
                diag->error(diag, "units", "\"%.100s\" is there twice", given);
                good = false;
            }
    }
    return good;
}

static void report(struct vital_probe *p, const struct unit_bus *b)
{
    const struct unit_conf *c = p->conf;
    char name[UNIT_NAME_MAX];
    unsigned active = 0, failed = 0;
    for (uint32_t i = 0; i < c->units.count; i++) {
        bool is_active = !strcmp(b->units[i].active, "active") || !strcmp(b->units[i].active, "reloading");
        active += is_active;
        failed += !strcmp(b->units[i].active, "failed");
        vital_number_of(p, ACTIVE, name_at(c, i, name), is_active);
    }
    vital_number(p, ACTIVE_UNITS, active);
    vital_number(p, FAILED_UNITS, failed);
}

/* The worst unit speaks for all. */
static void judge(struct vital_probe *p, const struct unit_bus *b)
{
    const struct unit_conf *c = p->conf;
    struct unit_finding worst = { 0 }, f;
    unsigned bad = 0;
    for (uint32_t i = 0; i < c->units.count; i++) {
        char name[UNIT_NAME_MAX];
        unit_judge(c, name_at(c, i, name), &b->units[i], vital_now(p), &f);
        bad += f.class != VITAL_PASS;
        if (i == 0 || f.class > worst.class)
            worst = f;
    }
    report(p, b);
    if (c->units.count == 1)
        vital_finish(p, worst.class, worst.reason, "%s", worst.text);
    else if (!bad)
        vital_finish(p, worst.class, worst.reason, "all %u units are as they should be; %s", (unsigned)c->units.count, worst.text);
    else
        vital_finish(p, worst.class, worst.reason, "%u of %u units: %s", bad, (unsigned)c->units.count, worst.text);
}

static void give_up(struct vital_probe *p, const struct unit_bus *b)
{
    vital_finish(p, VITAL_FAIL, b->error, "%s", b->error_text);
}

void unit_served(struct vital_probe *p)
{
    struct unit_bus *b = &((struct unit *)p->priv)->link;
    bool edge = b->edge, answered = b->answered;
    b->edge = b->answered = false;
    if (vital_left(p) && answered) {
        if (b->error != VITAL_R_OK)
            give_up(p, b);
        else
            judge(p, b);
    } else if (edge) {
        p->host->nudge(p);
    }
}

static void unit_start(struct vital_probe *p)
{
    if (unit_bus_open(p))
        unit_bus_ask(p);
    else
        give_up(p, &((struct unit *)p->priv)->link);
}

static void unit_cancel(struct vital_probe *p)
{
    unit_bus_forget(p);
}

static void unit_release(struct vital_probe *p)
{
    unit_bus_close(p);
}

static const struct vital_module unit_module = {
    VITAL_MODULE_HEAD,
    .name = "unit",
    .summary = "units of systemd: active, failed, on their way, or not there",
    .manual =
        "Active passes, failed and inactive fail, with how the service ended. A unit that is being started or stopped warns, and fails after "
        "`transition_limit`; one that ended and waits to be started again fails. A service of Type=oneshot whose last run succeeded may be "
        "inactive (`oneshot`).\n\n"
        "systemd tells on the system bus when a unit changes, so that a service that dies shows at once and not at the next interval. Without a system "
        "bus the probe fails as not_available, and each attempt looks for one. In a container there is usually none: check the service itself there.",
    .opts = unit_opts,
    .numbers = unit_numbers,
    .conf_size = sizeof(struct unit_conf),
    .priv_size = sizeof(struct unit),
    .prepare = unit_prepare,
    .start = unit_start,
    .cancel = unit_cancel,
    .release = unit_release,
};
VITAL_EXPORT(unit_module);
