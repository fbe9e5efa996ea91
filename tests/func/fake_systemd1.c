/* org.freedesktop.systemd1 on a private bus, as much of it as the unit probe asks for. Units and their states come as lines on
 * standard input; each answer is on standard output:
 *   set NAME ACTIVE SUB TYPE RESULT STATUS     the unit is so from now on, and whoever listens is told
 *   quiet NAME ACTIVE SUB TYPE RESULT STATUS   the same without telling
 *   hang / wake                                calls are not answered / are again */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

static struct unit { char name[128], active[32], sub[32], type[32], result[32]; int status; } units[16];
static unsigned count, calls;
static int hangs;

static struct unit *find(const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(units[i].name, name))
            return &units[i];
    return NULL;
}

static int list(sd_bus_message *m)
{
    sd_bus_message *r;
    const char *name;
    sd_bus_message_new_method_return(m, &r);
    sd_bus_message_open_container(r, 'a', "(ssssssouso)");
    sd_bus_message_enter_container(m, 'a', "s");
    while (sd_bus_message_read(m, "s", &name) > 0) {
        struct unit *u = find(name);
        char *path;
        sd_bus_path_encode("/org/freedesktop/systemd1/unit", name, &path);
        sd_bus_message_append(r, "(ssssssouso)", name, name, u ? "loaded" : "not-found", u ? u->active : "inactive",
                              u ? u->sub : "dead", "", path, 0u, "", "/");
        free(path);
    }
    sd_bus_message_close_container(r);
    return sd_bus_send(NULL, r, NULL);
}

static int details(sd_bus_message *m)
{
    char *name = NULL;
    sd_bus_path_decode(sd_bus_message_get_path(m), "/org/freedesktop/systemd1/unit", &name);
    struct unit *u = name ? find(name) : NULL;
    int rc = u ? sd_bus_reply_method_return(m, "a{sv}", 5, "Ignored", "t", (uint64_t)1, "Type", "s", u->type, "Result", "s", u->result,
                                            "ExecMainStatus", "i", u->status, "NRestarts", "u", 2u)
               : sd_bus_reply_method_errorf(m, "org.freedesktop.DBus.Error.UnknownObject", "no such unit");
    free(name);
    return rc;
}

static int on_message(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    (void)arg, (void)error;
    if (!sd_bus_message_is_method_call(m, NULL, NULL))
        return 0;
    calls++;
    if (hangs)
        return 1;
    if (sd_bus_message_is_method_call(m, NULL, "ListUnitsByNames"))
        list(m);
    else if (sd_bus_message_is_method_call(m, NULL, "GetAll"))
        details(m);
    else
        sd_bus_reply_method_return(m, "");
    return 1;
}

static void tell(sd_bus *bus, const struct unit *u)
{
    char *path;
    sd_bus_path_encode("/org/freedesktop/systemd1/unit", u->name, &path);
    sd_bus_emit_signal(bus, path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", "org.freedesktop.systemd1.Unit", 2,
                       "Id", "s", u->name, "ActiveState", "s", u->active, 0);
    free(path);
}

static void order(sd_bus *bus, const char *line)
{
    struct unit u = { 0 };
    char verb[16] = "";
    int n = sscanf(line, "%15s %127s %31s %31s %31s %31s %d", verb, u.name, u.active, u.sub, u.type, u.result, &u.status);
    hangs = !strcmp(verb, "hang") ? 1 : !strcmp(verb, "wake") ? 0 : hangs;
    if (n == 7) {
        struct unit *at = find(u.name);
        *(at ? at : &units[count++]) = u;
        if (!strcmp(verb, "set"))
            tell(bus, &u);
    }
    sd_bus_flush(bus);
    printf("%u\n", calls);
    fflush(stdout);
}

int main(void)
{
    sd_bus *bus = NULL;
    char line[512];
    setvbuf(stdin, NULL, _IONBF, 0);
    if (sd_bus_open_system(&bus) < 0 || sd_bus_add_filter(bus, NULL, on_message, NULL) < 0 ||
        sd_bus_request_name(bus, "org.freedesktop.systemd1", 0) < 0)
        return 1;
    puts("ready");
    fflush(stdout);
    for (;;) {
        while (sd_bus_process(bus, NULL) > 0)
            continue;
        struct pollfd p[] = { { .fd = sd_bus_get_fd(bus), .events = POLLIN }, { .fd = 0, .events = POLLIN } };
        poll(p, 2, -1);
        if (p[1].revents && !fgets(line, sizeof line, stdin))
            return 0;
        if (p[1].revents)
            order(bus, line);
    }
}
