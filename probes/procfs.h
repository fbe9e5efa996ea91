/* The kernel's text files, taken apart: /proc, pressure (PSI), cgroup v2, the mount table.
 *
 * Parsers are pure, take bytes with a length, and say false where the kernel's format is not what we know: a number that
 * was not understood is never zero. procfs_read() is for files that cannot hang: those of proc, sysfs and cgroupfs. */
#ifndef PROBES_PROCFS_H
#define PROBES_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum { PROCFS_SMALL = 4096, PROCFS_TABLE = 1024 * 1024 };   /* how much is read of a small file, and of a table */

/* Appends the file to out; errno, or 0. What is beyond out's cap is left out (out->over). */
int procfs_read(const char *path, struct buf *out);

/* A piece of the caller's bytes. */
struct procfs_text { const char *at; size_t len; };
bool procfs_line(struct procfs_text *rest, struct procfs_text *line);    /* the next line, without its end */
bool procfs_word(struct procfs_text *rest, struct procfs_text *word);    /* the next run of non-blanks */
bool procfs_is(struct procfs_text, const char *text);
bool procfs_uint(struct procfs_text, uint64_t *value);                   /* decimal digits only, no overflow */
bool procfs_decimal(struct procfs_text, double *value);                  /* 12 or 12.34 */

struct procfs_meminfo { uint64_t total, available, swap_total, swap_free; };    /* bytes */
bool procfs_meminfo(struct procfs_text, struct procfs_meminfo *);

struct procfs_pressure { double some, full; bool has_full; };            /* avg10, as ratios */
bool procfs_pressure(struct procfs_text, struct procfs_pressure *);

bool procfs_loadavg(struct procfs_text, double load[3]);

/* Flat "key value" files: memory.stat, memory.events, cpu.stat, vmstat. */
bool procfs_key(struct procfs_text, const char *key, uint64_t *value);
/* memory.max and the like: a number, or "max" = UINT64_MAX. */
bool procfs_limit(struct procfs_text, uint64_t *value);
/* cpu.max: how many processors the quota is worth; 0 = no quota. */
bool procfs_cpu_max(struct procfs_text, double *cpus);

struct procfs_process {
    int64_t pid, parent;
    char name[64];                 /* comm: at most 15 bytes of a program's name, more for kernel threads */
    char state;                    /* R S D Z T ... */
    uint64_t start_ticks;          /* since boot, in clock ticks */
    int64_t resident_pages;
};
bool procfs_stat(struct procfs_text, struct procfs_process *);
/* A pidfile: one number, with blanks around it. */
bool procfs_pidfile(struct procfs_text, int64_t *pid);

/* One line of mountinfo. Paths are still escaped (\040): procfs_unescape(). */
struct procfs_mount {
    uint64_t id;
    struct procfs_text root, point, type, source, super;
};
bool procfs_mount(struct procfs_text line, struct procfs_mount *);
size_t procfs_unescape(struct procfs_text, char *room, size_t size);     /* its length; 0 when it does not fit or holds a NUL */
bool procfs_option(struct procfs_text options, const char *name);        /* in a comma-separated list */
/* The mount that a path lies on: the longest mount point that is a prefix, the last one of equals (it lies on top). */
bool procfs_mount_of(struct procfs_text mountinfo, const char *path, struct procfs_mount *, size_t *point_len);

/* Our own place in /proc/self/cgroup: the v2 path; and the v1 path where v1 holds this controller. */
bool procfs_cgroup(struct procfs_text, char *path, size_t size);
bool procfs_cgroup_v1(struct procfs_text, const char *controller, char *path, size_t size);

#endif
