/* YAML (so JSON, too) into a tree, through libyaml's events: its own document loader needs seconds for a small file
 * that nests deeply. What two readers could understand differently is refused: anchors, aliases, tags, merge keys,
 * duplicate keys, several documents. */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include <stddef.h>

struct arena;
struct diag;
struct node;

enum { YAML_DEPTH = 16, YAML_BYTES = 64 << 20, YAML_EVENTS = 10000000 };
enum { YAML_KEY = 255 };     /* bytes: YAML ends a key at 1024 characters, and in a dump one may take four */

/* The root, a map for an empty text; NULL after an error that makes the rest meaningless. Other errors are in diag as
 * well, all of them. `file` is not copied. */
struct node *yaml_parse(struct arena *, const char *file, const char *text, size_t len, struct diag *);

#endif
