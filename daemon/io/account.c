#include "io/account.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

static bool take(int fd, void *out, size_t size)
{
    char *at = out;
    while (size) {
        ssize_t n = read(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static _Noreturn void tell(account_fn *look, const char *name, void *out, size_t size, int fd)
{
    int error = look(name, out);
    bool told = write(fd, &error, sizeof error) == sizeof error && write(fd, out, size) == (ssize_t)size;
    _exit(!told);
}

int account_apart(account_fn *look, const char *name, void *out, size_t size)
{
    int ends[2], error = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return look(name, out);
    pid_t child = fork();
    if (child == 0)
        tell(look, name, out, size, ends[1]);
    close(ends[1]);
    bool told = child > 0 && take(ends[0], &error, sizeof error) && take(ends[0], out, size);
    close(ends[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    if (child < 0)
        return look(name, out);
    return told ? error : EAGAIN; /* it died of it, and so might we */
}
