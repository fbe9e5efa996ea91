/* The files: front: a file exists while its group passes (or warns), for nginx, keepalived and scripts. Removed when it
 * fails, at exit, and at boot until it passes; one that has an `otherwise` holds that instead. The path is the user's and may hang, so a helper thread does the work. */
#ifndef FRONT_FILES_H
#define FRONT_FILES_H

void files_adopt(void);        /* after core_adopt() */
void files_publish(void);      /* once a turn */
void files_close(void);        /* at exit: removes them; waits a moment for a helper that is at it, never for one that hangs */

#endif
