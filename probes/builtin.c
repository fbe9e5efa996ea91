/* The modules that are part of vitald itself. One line a module; the order is that of the manual. */
#include "builtin.h"

#include <stddef.h>

const struct vital_module *const builtin_modules[] = {
    &tcp_module,
    &http_module,
    &tls_module,
    &dns_module,
    &ping_module,
    &exec_module,
    &memory_module,
    &disk_module,
    &load_module,
    &process_module,
    &file_module,
    &heartbeat_module,
    &self_module,
    NULL,
};
