/* The commands of vitalctl; main.c has the table of them. Each returns the exit code. */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

struct args;

int status_run(const struct args *);
int explain_run(const struct args *);
int wait_run(const struct args *);
int check_run(const struct args *);
int check_misused(const struct args *, const char *text);      /* the exit code, once a wrong command line is told as -o wants it */
int drain_run(const struct args *);
int undrain_run(const struct args *);
int pause_run(const struct args *);
int resume_run(const struct args *);
int maintenance_run(const struct args *);
int force_run(const struct args *);
int attempt_run(const struct args *);
int beat_run(const struct args *);
int notify_run(const struct args *);
int reload_run(const struct args *);
int stop_run(const struct args *);
int events_run(const struct args *);
int stats_run(const struct args *);
int version_run(const struct args *);

#endif
