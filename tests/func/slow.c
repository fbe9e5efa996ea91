/* LD_PRELOAD: what helper threads do, as the file in SLOW says at that moment: getaddrinfo() does "ok", "fail", "slow" (until it
 * says otherwise); TLS handshakes "hold" (likewise). */
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void mood(char word[16])
{
    FILE *f = fopen(getenv("SLOW"), "re");
    memset(word, 0, 16);
    if (f) {
        if (!fgets(word, 16, f))
            word[0] = 0;
        fclose(f);
    }
    word[strcspn(word, "\n")] = 0;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    char word[16];
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (hints && hints->ai_flags & AI_NUMERICHOST)
        return real(host, service, hints, out);
    for (mood(word); !strcmp(word, "slow"); mood(word))
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    if (!strcmp(word, "fail"))
        return EAI_AGAIN;
    return real("127.0.0.1", service, hints, out);
}

int SSL_do_handshake(void *session)
{
    char word[16];
    int (*real)(void *);
    *(void **)&real = dlsym(RTLD_NEXT, "SSL_do_handshake");
    for (mood(word); !strcmp(word, "hold"); mood(word))
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    return real(session);
}
