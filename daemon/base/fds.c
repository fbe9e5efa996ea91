#include "base/fds.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

void fds_hold_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)       /* inherited by programs that we start, as it should be */
            _exit(71); /* EX_OSERR; there is nowhere to say why */
}

bool fds_allowed(unsigned count)
{
    struct rlimit files;
    return getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_max >= count;
}
