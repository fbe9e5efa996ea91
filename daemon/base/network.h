/* Networks in CIDR notation, IPv4 and IPv6: 10.0.0.0/8, 2001:db8::/32; a bare address is a network of one. */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

struct sockaddr;

struct network { uint8_t bytes[16]; uint8_t bits; };     /* IPv4 as ::ffff:a.b.c.d, so bits goes to 128 for both */

/* NULL, or what is wrong with the text. */
const char *network_parse(const char *text, struct network *);
/* An IPv4 client of a dual-stack socket is an IPv4 client. False for what is no IP address. */
bool network_holds(const struct network *, const struct sockaddr *);

#endif
