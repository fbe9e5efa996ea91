#include "base/resident.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* "size resident shared ...", in pages. */
uint64_t resident_bytes(void)
{
    char text[128], *after;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    uint64_t size = strtoull(text, &after, 10);
    return size == 0 ? 0 : strtoull(after, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}
