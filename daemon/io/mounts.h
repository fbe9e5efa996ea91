/* Which mount a path lies on, told from its text alone: asking about it touches nothing that may hang. */
#ifndef IO_MOUNTS_H
#define IO_MOUNTS_H

/* The mount point with the longest prefix; "/" when nothing is known. Valid until the next call. */
const char *mounts_find(const char *path);

#endif
