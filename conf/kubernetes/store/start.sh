#!/bin/sh
# redis-0 is the master, the others follow it. The configuration is read from the input: the password is in no list of arguments.
set -eu
password=$(cat /run/secrets/redis/redis)
role=""
[ "$POD_NAME" = redis-0 ] || role="replicaof redis-0.redis 6379"
exec redis-server - <<END
dir /data
appendonly yes
requirepass "$password"
masterauth "$password"
$role
END
