/* What the parts of the unit module share: what is known of a unit, what that means, and the connection to the bus. */
#ifndef PROBES_UNIT_PARTS_H
#define PROBES_UNIT_PARTS_H

#include <systemd/sd-bus.h>

#include "vital_probe.h"

enum { UNITS_MAX = 32, UNIT_NAME_MAX = 256, UNIT_SHOWN = 200 };

struct unit_conf {
    struct vital_list units;             /* of const char *: names, ".service" may be left out */
    uint64_t transition_limit;
    uint8_t oneshot;                     /* enum vital_class: pass, warn, fail */
};

/* As systemd says it, in its own words. */
struct unit_state {
    char load[16], active[16], sub[24];
    char type[16], result[24];           /* of a service that does not run; "" = not asked, or not answered */
    int32_t status;                      /* with result "exit-code" or "signal" */
    uint32_t restarts;
    uint64_t changing_since;             /* since we see it on its way; 0 = it is not */
};

struct unit_finding {
    enum vital_class class;
    enum vital_reason reason;
    char text[UNIT_SHOWN + 128];
};

/* ---- unit_state.c: pure ---- */

const char *unit_full_name(const char *name, char room[UNIT_NAME_MAX]);      /* "app" is "app.service" */
bool unit_name_is_valid(const char *name);
bool unit_is_changing(const struct unit_state *);        /* activating, deactivating: neither here nor there */
bool unit_wants_details(const char *name, const struct unit_state *);
void unit_judge(const struct unit_conf *, const char *name, const struct unit_state *, uint64_t now, struct unit_finding *);

/* ---- unit_bus.c: the connection, and one question at a time; nothing in it waits ---- */

struct unit_bus {
    sd_bus *bus;
    struct vital_io *watch, *alarm;
    sd_bus_slot *list, *details[UNITS_MAX];
    unsigned waiting;                    /* for so many details */
    bool edge;                           /* something changed that nobody asked about */
    bool answered;                       /* all that was asked is here */
    enum vital_reason error;             /* of the question; OK = none */
    char error_text[256];
    struct unit_state units[UNITS_MAX];  /* in the order of the configuration */
};

struct unit { struct unit_bus link; };

bool unit_bus_open(struct vital_probe *);                /* false: error says why */
void unit_bus_ask(struct vital_probe *);                 /* unit_answered() comes when all is known */
void unit_bus_forget(struct vital_probe *);              /* the question; a connection that never came up goes with it */
void unit_bus_close(struct vital_probe *);

/* unit.c: called when the bus has been served and nothing of sd-bus is on the stack. */
void unit_served(struct vital_probe *);

#endif
