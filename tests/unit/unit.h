/* A small unit harness: tests register themselves, each runs in a process of its own, so that an abort or a leak of
 * state in one cannot touch another. The program prints one line a test and a closing count. */
#ifndef UNIT_H
#define UNIT_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct unit_test {
    const char *name;
    void (*run)(void);
    struct unit_test *next;
};
static struct unit_test *unit_tests, **unit_tail = &unit_tests;
static unsigned unit_failures;

#define TEST(test_name)                                                                        \
    static void test_name(void);                                                               \
    __attribute__((constructor)) static void test_name##_register(void)                        \
    {                                                                                          \
        static struct unit_test t = { .name = #test_name, .run = test_name };                  \
        *unit_tail = &t;                                                                       \
        unit_tail = &t.next;                                                                   \
    }                                                                                          \
    static void test_name(void)

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);            \
            unit_failures++;                                                                   \
        }                                                                                      \
    } while (0)

#define CHECK_INT(got, want)                                                                   \
    do {                                                                                       \
        long long got_ = (long long)(got), want_ = (long long)(want);                          \
        if (got_ != want_) {                                                                   \
            fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, got_, want_); \
            unit_failures++;                                                                   \
        }                                                                                      \
    } while (0)

#define CHECK_TEXT(got, want)                                                                  \
    do {                                                                                       \
        const char *got_ = (got), *want_ = (want);                                             \
        if (!got_ || !want_ ? got_ != want_ : strcmp(got_, want_) != 0) {                      \
            fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #got,     \
                    got_ ? got_ : "(null)", want_ ? want_ : "(null)");                         \
            unit_failures++;                                                                   \
        }                                                                                      \
    } while (0)

static int unit_run(const struct unit_test *t)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(120);
        t->run();
        fflush(NULL);
        exit(unit_failures ? 1 : 0); /* exit, not _exit: the leak checker wants its say */
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

/* ./test_x [NAME]: all tests, or the one. With UNIT_FIRST in the environment the first failure ends it: who breaks the code
 * on purpose need not see them all. */
int main(int argc, char **argv)
{
    bool first_only = getenv("UNIT_FIRST") != NULL;
    unsigned passed = 0, failed = 0;
    for (const struct unit_test *t = unit_tests; t; t = t->next) {
        if (argc > 1 && strcmp(argv[1], t->name) != 0)
            continue;
        int status = unit_run(t);
        if (status)
            printf("FAIL %s (%s %d)\n", t->name, WIFSIGNALED(status) ? "signal" : "exit",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        failed += status != 0;
        passed += status == 0;
        if (failed && first_only)
            break;
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed || !passed;
}

#endif
