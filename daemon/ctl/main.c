/* vitalctl: prints what the daemon rendered. libc only, started every few seconds by health checks: it does as little as
 * the command needs. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/ctlproto.h"
#include "base/diag.h"
#include "base/fds.h"
#include "base/mem.h"
#include "ctl/args.h"
#include "ctl/commands.h"
#include "ctl/term.h"

static int help_run(const struct args *);

#define MODES_HELP "Ends by itself after --for, which is 1h unless given; --for 0 lasts until `vitalctl resume`. It survives\nreload and restart."

static const struct command commands[] = {
    { "status", "[PROBE|GROUP]", "Show every probe and group, or one", NULL,
      ARG_SOCKET | ARG_URL | ARG_OUTPUT | ARG_COLOR | ARG_WATCH, 0, 1, "text|json", status_run },
    { "explain", "[PROBE|GROUP]", "Say why a verdict is what it is, since when, and what would change it",
      "Without a name: the group `ready`.", ARG_SOCKET | ARG_URL | ARG_COLOR | ARG_WATCH, 0, 1, NULL, explain_run },
    { "wait", "[GROUP]", "Wait until a group passes (default: ready)",
      "--for: it must have held that long. --timeout is 60s unless given; 0 waits for ever. A daemon that is not there\n"
      "yet, or restarts, is waited for as well. Exit: 0 reached, 1 not in time (the reason is printed), 2 usage or no\n"
      "such group, 3 the daemon cannot be reached.",
      ARG_SOCKET | ARG_URL | ARG_FOR | ARG_TIMEOUT | ARG_UNTIL | ARG_QUIET, 0, 1, NULL, wait_run },
    { "check", "[URL|GROUP]", "Ask for one verdict: exit 0 for pass and warn, 1 otherwise",
      "Asks over HTTP: http://127.0.0.1:8686/healthz, where VITALD_LISTEN changes the address; GROUP asks /healthz/GROUP\n"
      "there. With --socket it asks the control socket. --timeout is 2s unless given. -o nagios prints a plugin's line\n"
      "with performance data and exits 0, 1, 2 or 3.",
      ARG_SOCKET | ARG_URL | ARG_OUTPUT | ARG_TIMEOUT | ARG_QUIET, 0, 1, "text|nagios", check_run },
    { "drain", "", "Fail the groups that drain (ready), so that traffic goes elsewhere", "Lasts until `vitalctl undrain`; over a restart where a `state_file` is configured, or systemd gives a state directory.",
      ARG_SOCKET | ARG_WAIT, 0, 0, NULL, drain_run },
    { "undrain", "", "End a drain", NULL, ARG_SOCKET, 0, 0, NULL, undrain_run },
    { "pause", "PROBE...", "Make no attempts; the last state goes on to count", MODES_HELP,
      ARG_SOCKET | ARG_FOR, 1, ARGS_NAMES_MAX, NULL, pause_run },
    { "maintenance", "PROBE...", "Leave probes out of groups, and notify nobody; attempts go on", MODES_HELP,
      ARG_SOCKET | ARG_FOR, 1, ARGS_NAMES_MAX, NULL, maintenance_run },
    { "force", "PROBE... up|degraded|down", "Let probes count as this, visibly, whatever is measured", MODES_HELP,
      ARG_SOCKET | ARG_FOR, 2, ARGS_NAMES_MAX, NULL, force_run },
    { "resume", "PROBE...", "Back to normal from pause, maintenance or force", NULL,
      ARG_SOCKET, 1, ARGS_NAMES_MAX, NULL, resume_run },
    { "run", "PROBE...", "Make an attempt now and print its outcome", "Exit: 0 when it passes or warns, 1 otherwise.",
      ARG_SOCKET | ARG_TIMEOUT, 1, ARGS_NAMES_MAX, NULL, attempt_run },
    { "beat", "NAME [TEXT]", "Tell a heartbeat probe that its job is alive", NULL, ARG_SOCKET, 1, 2, NULL, beat_run },
    { "notify", "[test RECEIVER...]", "Show the receivers of notifications, or send them a test message",
      "Exit: 0 when it was delivered on every way that the receiver has, 1 otherwise.",
      ARG_SOCKET | ARG_TIMEOUT, 0, ARGS_NAMES_MAX, NULL, notify_run },
    { "reload", "", "Read the configuration again; on an error the old one goes on", "Prints what the daemon has to say about it.",
      ARG_SOCKET | ARG_TIMEOUT, 0, 0, NULL, reload_run },
    { "stop", "", "Drain, answer for `shutdown_delay`, leave: as SIGTERM does", NULL, ARG_SOCKET, 0, 0, NULL, stop_run },
    { "events", "", "Print the last transitions", NULL,
      ARG_SOCKET | ARG_OUTPUT | ARG_COLOR | ARG_SINCE | ARG_FOLLOW | ARG_LAST, 0, 0, "text|json", events_run },
    { "stats", "", "Print the daemon's numbers about itself", NULL, ARG_SOCKET, 0, 0, NULL, stats_run },
    { "version", "", "Print the versions of vitalctl and of the daemon", NULL, ARG_SOCKET, 0, 0, NULL, version_run },
    { "help", "[COMMAND]", "Explain a command", NULL, ARG_SOCKET, 0, 1, NULL, help_run },
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const char *command_name(const void *unused, size_t i)
{
    (void)unused;
    return commands[i].name;
}

static const struct command *find_command(const char *name)
{
    for (unsigned i = 0; i < COMMANDS; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *near = diag_nearest(name, command_name, NULL, COMMANDS);
    if (near)
        term_error("%s: no such command; did you mean %s?", name, near);
    else
        term_error("%s: no such command; `vitalctl help` lists them", name);
    return EXIT_USAGE;
}

static void print_overview(FILE *to)
{
    fputs("usage: vitalctl COMMAND [OPTIONS] [ARGUMENTS]\n\nAsks and commands a running vitald.\n\n", to);
    for (unsigned i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].summary);
    fputs("\n`vitalctl help COMMAND` explains one. The daemon is found at --socket PATH, VITALCTL_SOCKET,\n"
          "/run/vitald/control.sock or $XDG_RUNTIME_DIR/vitald/control.sock.\n", to);
}

static int help_run(const struct args *a)
{
    const struct command *c = a->count ? find_command(a->names[0]) : NULL;
    if (a->count && !c)
        return unknown_command(a->names[0]);
    if (!c) {
        print_overview(stdout);
        return EXIT_OK;
    }
    struct buf out = BUF(CTL_LINE_MAX);
    args_usage(c, &out);
    fputs(out.data, stdout);
    buf_free(&out);
    return EXIT_OK;
}

static bool is_option(const char *word, const char *full, char letter)
{
    return !strcmp(word, full) || (word[0] == '-' && word[1] == letter && !word[2]);
}

static bool asks_for(int argc, char *const *argv, const char *full, char letter)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_option(argv[i], full, letter))
            return true;
    return false;
}

/* What nobody could read is no success: the disk is full, the pipe is closed. */
static int when_told(int code)
{
    if (term_told())
        return code;
    term_error("standard output did not take all of it: is its disk full, or its reader gone?");
    return code == EXIT_OK ? EXIT_NO : code;
}

/* argv: all words but the command's name. */
static int command_run(const struct command *c, int argc, char *const *argv)
{
    struct args args = { .names = { c->name }, .count = 1 };
    if (asks_for(argc, argv, "--help", 'h'))
        return when_told(help_run(&args));
    char *error = args_parse(c, argc, argv, &args);
    if (error) {
        int code = c->run == check_run ? check_misused(&args, error) : EXIT_USAGE;
        term_error("%s", error);
        mem_free(error);
        return code;
    }
    return when_told(c->run(&args));
}

int main(int argc, char **argv)
{
    fds_hold_standard();
    int at = 1 + args_leading(argc - 1, argv + 1);
    const struct command *c = at < argc ? find_command(argv[at]) : NULL;
    if (c) {
        memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof *argv);      /* the options before it join the others */
        return command_run(c, argc - 2, argv + 2);
    }
    if (at < argc)
        return unknown_command(argv[at]);
    if (asks_for(argc - 1, argv + 1, "--version", 'V'))
        return when_told(version_run(&(struct args){ 0 }));
    bool help = asks_for(argc - 1, argv + 1, "--help", 'h');
    print_overview(help ? stdout : stderr);
    return when_told(help ? EXIT_OK : EXIT_USAGE);
}
