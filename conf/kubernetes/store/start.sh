#!/bin/sh
# redis-0 is the master, the others follow it.
set -eu
password=$(cat /run/secrets/redis/redis)
set -- --dir /data --requirepass "$password" --masterauth "$password" --appendonly yes
if [ "$POD_NAME" != redis-0 ]; then
    set -- "$@" --replicaof redis-0.redis 6379
fi
exec redis-server "$@"
