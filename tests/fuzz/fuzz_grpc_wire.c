/* link: probes/grpc.c probes/grpc_reply.c probes/found.c -lpcre2-8 */
/* The grpc module, its HTTP/2 included, before a server. See wire.h. */
#include "wire.h"

extern const struct vital_module *const vital_module;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void begin(unsigned which)
{
    if (which % 2 == 0)
        fake_probe(vital_module, "address", "h:50051", NULL);
    else
        fake_probe(vital_module, "address", "h:50051", "service", "db", "bearer", "hush", "unimplemented", "warn", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wire_run(begin, data, size);
    return 0;
}
