/* Error numbers of server and library, and what they mean for a check. Pure. */
#ifndef PROBES_MYSQL_ERROR_H
#define PROBES_MYSQL_ERROR_H

#include "vital_probe.h"

struct mysql_verdict {
    enum vital_class class;
    enum vital_reason reason;
    const char *hint;       /* what to do, or NULL */
    int system;             /* errno that the library's text carries where it says something, else 0 */
};

/* message: the text that came with it; the library hides system errors and certificate problems in there. */
struct mysql_verdict mysql_error_verdict(unsigned code, const char *message);
/* After it nothing more can be asked. */
bool mysql_error_is_end(unsigned code);
/* The library lost the reason why a TCP connection could not be made. */
bool mysql_error_is_vague(unsigned code, const char *message);

enum { MYSQL_E_SYNTAX = 1064 };

#endif
