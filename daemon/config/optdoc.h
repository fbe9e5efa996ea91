/* Documentation that the option rows write themselves: --dump-options=yaml|schema|man, and `make docs`. Modules that are
 * installed as .so files beside the binary are included. */
#ifndef CONFIG_OPTDOC_H
#define CONFIG_OPTDOC_H

struct buf;

void optdoc_yaml(struct buf *);      /* a reference, itself a configuration that can be loaded */
void optdoc_schema(struct buf *);    /* JSON schema for editors */
void optdoc_man(struct buf *);       /* vitald-probes(7), mdoc */
void optdoc_sections(struct buf *);  /* the option tables of vitald.yaml(5): goes into man/vitald.yaml.5.in */

#endif
