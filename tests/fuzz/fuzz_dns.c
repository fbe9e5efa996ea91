/* A stranger's answer to a query of ours. The first byte chooses the type, the second says how many records there are; id and question are put right, so that the
 * records are reached. Each value read must compare equal to itself. */
#include <stdlib.h>
#include <string.h>

#include "dns_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const uint8_t *bytes, size_t len, const uint8_t *query, size_t query_len)
{
    struct dns_answer a;
    struct dns_record r;
    if (dns_answer_open(bytes, len, query, query_len, &a))
        return;
    while (dns_answer_next(&a, &r) > 0)
        if (strlen(r.value) >= DNS_VALUE_MAX || (*r.value && !dns_same(r.type, r.value, r.value)))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t query[DNS_QUERY_MAX];
    if (size < 2)
        return 0;
    size_t n = dns_query(query, 0x1234, "host.example", dns_types[data[0] % 10].number);
    read_all(data + 2, size - 2, query, n);
    uint8_t *ours = malloc(size - 2 + n);
    if (!ours)
        return 0;
    memcpy(ours, query, n);
    ours[2] = 0x80;
    ours[7] = data[1];
    memcpy(ours + n, data + 2, size - 2);
    read_all(ours, n + size - 2, query, n);
    free(ours);
    return 0;
}
