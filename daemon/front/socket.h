/* Making one listening socket from an address. Errors come back as texts that say what to do. */
#ifndef FRONT_SOCKET_H
#define FRONT_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct vital_url;

/* The descriptor, or -1 and *error (heap, the caller's). only_v6: [::] leaves IPv4 to another listener. */
int socket_listen(const struct vital_url *, uint16_t mode, bool only_v6, char **error);
/* Only bound, so that connections are refused until somebody calls listen(); TCP. */
int socket_bind(const struct vital_url *, char **error);
/* Is what this socket is bound to that address? For inherited sockets. */
bool socket_is_at(int fd, const struct vital_url *);
/* "127.0.0.1:80", "[::1]:80", "unix:/run/x.sock" */
const char *socket_peer(int fd, char *room, size_t size);     /* who is connected; "a local client" on a unix socket */
const char *socket_text(const struct sockaddr_storage *, socklen_t, char *room, size_t size);

#endif
