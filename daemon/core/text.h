/* Texts of strangers, cut to size without leaving half a character. */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H

#include <stddef.h>

size_t text_cut(char *room, size_t size, const char *text);      /* returns the length; text may be NULL */
size_t text_cut_at(const char *text, size_t max);                /* how many of its bytes fit into max */

#endif
