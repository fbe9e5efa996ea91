/* LD_PRELOAD: the FAIL_AT-th allocation of the process fails; all others work. FAIL_COUNT_TO names a file that gets the number
 * of allocations at exit, so that a test knows how far there is to go.
 *
 * With FAIL_FILE, SIGUSR2 begins anew while the process runs: the number of allocations so far goes to FAIL_COUNT_TO, and the
 * one to fail, counted from then on, is read from that file (0: none). */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static atomic_ulong count, fail_at;
static const char *fail_file, *count_file;

static void begin_anew(int signo)
{
    char text[32] = "";
    (void)signo;
    unsigned long n = atomic_load(&count), digit = sizeof text - 1;
    int from = open(fail_file, O_RDONLY | O_CLOEXEC);
    ssize_t len = from < 0 ? 0 : read(from, text, sizeof text - 1);
    unsigned long at = 0;
    for (ssize_t i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++)
        at = at * 10 + (unsigned long)(text[i] - '0');
    if (from >= 0)
        close(from);
    text[digit] = '\n';
    do
        text[--digit] = (char)('0' + n % 10);
    while (n /= 10);
    int to = open(count_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to >= 0 && write(to, text + digit, sizeof text - digit) > 0)
        close(to);
    atomic_store(&count, 0);
    atomic_store(&fail_at, at);
}

__attribute__((constructor)) static void begin(void)
{
    const char *n = getenv("FAIL_AT");
    atomic_store(&fail_at, n ? strtoul(n, NULL, 10) : 0);
    atomic_store(&count, 0);
    fail_file = getenv("FAIL_FILE");
    count_file = getenv("FAIL_COUNT_TO");
    if (fail_file && count_file)
        signal(SIGUSR2, begin_anew);
}

__attribute__((destructor)) static void end(void)
{
    const char *path = fail_file ? NULL : getenv("FAIL_COUNT_TO");
    unsigned long n = atomic_load(&count);
    FILE *f = path ? fopen(path, "w") : NULL;
    if (f) {
        fprintf(f, "%lu\n", n);
        fclose(f);
    }
}

static int fails(void)
{
    if (atomic_fetch_add(&count, 1) + 1 != atomic_load(&fail_at))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n) { return fails() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t m) { return fails() ? NULL : __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { return fails() ? NULL : __libc_realloc(p, n); }
