/* The status page: one document without outside assets, rendered from the whole picture, useful without scripts.
 *
 * What is wrong stands first, with cause and since when; each probe has its history and latencies as small drawings; the
 * last transitions stand at the end. Every state is told by a shape and a word as well as by colour. Times are absolute;
 * the script shows them in the reader's zone and fetches the page anew when something happens (page.js). */
#ifndef VIEW_HTML_H
#define VIEW_HTML_H

#include "view/view.h"

view_fn html_page;

/* The header lines that belong to it: nothing runs or loads but its own style and script, named by their hashes. */
const char *html_headers(void);

#endif
