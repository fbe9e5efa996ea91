/* The built-in modules' structs: what probes/builtin.c lists and each module's file defines. */
#ifndef PROBES_BUILTIN_H
#define PROBES_BUILTIN_H

#include "vital_probe.h"

extern const struct vital_module tcp_module, http_module, tls_module, dns_module, ping_module, exec_module, memory_module,
    disk_module, load_module, process_module, file_module, heartbeat_module, self_module;

extern const struct vital_module *const builtin_modules[];

#endif
