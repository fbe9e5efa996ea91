/* link: probes/redis.c probes/redis_*.c -lhiredis -lpcre2-8 */
/* The redis module before a server, Sentinels, a cluster, a replica that is written to, a server that is asked people's own commands. See wire.h. */
#include "wire.h"

extern const struct vital_module *const vital_module;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void begin(unsigned which)
{
    if (which % 5 == 0)
        fake_probe(vital_module, "url", "redis://cache:6379", NULL);
    else if (which % 5 == 1)
        fake_probe(vital_module, "mode", "sentinel", "hosts", "s1", "hosts", "s2:26380", "master", "m", "password", "pw", NULL);
    else if (which % 5 == 2)
        fake_probe(vital_module, "mode", "cluster", "hosts", "n1:7000", "hosts", "n2:7000", NULL);
    else if (which % 5 == 3)
        fake_probe(vital_module, "url", "redis://:pw@cache:6379", "role", "replica", "write_test", "k", NULL);
    else {
        fake_probe(vital_module, "url", "redis://cache:6379", NULL);
        fake_block("commands", "command", "LLEN celery", "warn_above", "100", "fail_above", "1000", NULL);
        fake_block("commands", "command", "GET", "command", "a key", "name", "flag", "equals", "on", NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wire_run(begin, data, size);
    return 0;
}
