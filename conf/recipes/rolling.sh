#!/bin/sh
# rolling.sh VERSION: updates one instance after the other: takes it out of nginx's list, updates it, waits until vitald calls it ready,
# puts it back. When one does not get ready, it and all that were updated before it go back to the version that they had, in the same
# careful way. Exits 0 when all run VERSION, 1 when all run the old one again, 2 when it did not begin, 3 when going back failed too.
#
# vitald's part is rolling.yaml, nginx's is blue-green.conf. What may differ is below, and is taken from the environment.
set -eu

: "${INSTANCES:=shop1=127.0.0.1:8081 shop2=127.0.0.1:8082 shop3=127.0.0.1:8083}"
: "${SERVERS:=/etc/nginx/shop.servers}"       # the list that nginx includes
: "${UPDATE:=/usr/local/bin/shop-update}"     # followed by instance and version: installs it and restarts the instance; must let the
                                              # requests finish that are under way
: "${CURRENT:=/usr/local/bin/shop-version}"   # followed by the instance: prints the version that it runs
: "${NGINX_COMMAND:=nginx}" "${NGINX_PID:=/run/nginx.pid}"      # (NGINX itself means something to nginx)
: "${VITALCTL:=vitalctl}"
: "${READY_WITHIN:=60}"                       # seconds
: "${READY_FOR:=10s}"                         # it must have been ready for that long: longer than vitald needs to see a fault
: "${LINGER:=30}"                             # seconds for nginx's old workers to finish what they do

say() { printf 'rolling: %s\n' "$*"; }

workers() { pgrep -P "$(cat "$NGINX_PID")" || true; }

# The old workers go when their last request is answered; the new ones have the new list.
wait_for_old_workers() {
    tries=$((LINGER * 5))
    for pid in $1; do
        while kill -0 "$pid" 2>/dev/null && [ "$tries" -gt 0 ]; do
            tries=$((tries - 1))
            sleep 0.2
        done
    done
}

# route [NAME]: all instances get users, but for NAME. The list is replaced as a whole, and put back when nginx does not like it.
route() {
    for each in $INSTANCES; do
        if [ "${each%%=*}" = "${1:-}" ]; then
            printf 'server %s down;\n' "${each#*=}"
        else
            printf 'server %s;\n' "${each#*=}"
        fi
    done >"$SERVERS.new"
    [ ! -e "$SERVERS" ] || cp "$SERVERS" "$SERVERS.old"
    mv "$SERVERS.new" "$SERVERS"
    if ! $NGINX_COMMAND -t -q; then
        mv "$SERVERS.old" "$SERVERS"
        say "nginx refuses the configuration: nothing was changed"
        return 1
    fi
    before=$(workers)
    $NGINX_COMMAND -s reload
    wait_for_old_workers "$before"
}

# What vitald measured before a restart says nothing about what runs after it, and a quick restart falls between two attempts. So the
# probe counts as down meanwhile, and what ends that is an attempt that begins afterwards.
expect_restart() { $VITALCTL force "$1-health" down --for 1h >/dev/null; }

ready() {
    end=$(($(date +%s) + READY_WITHIN))
    until last=$($VITALCTL run "$1-health" 2>&1); do
        if [ "$(date +%s)" -ge "$end" ]; then
            say "$last"
            $VITALCTL resume "$1-health" >/dev/null
            return 1
        fi
        sleep 0.2
    done
    $VITALCTL resume "$1-health" >/dev/null
    $VITALCTL wait "$1" --for "$READY_FOR" --timeout "${READY_WITHIN}s"
}

# update NAME VERSION: fails when it does not get ready; then it is still without users.
update() {
    route "$1" || return 1
    say "$1: updating to $2"
    expect_restart "$1" || return 1
    $UPDATE "$1" "$2" || { $VITALCTL resume "$1-health" >/dev/null || true; return 1; }
    ready "$1" || return 1
    route || return 1
    say "$1: runs $2 and has users again"
}

go_back() {
    trap '' INT TERM HUP
    say "$1; going back to $previous"
    for name in $touched; do
        update "$name" "$previous" || { say "$name does not get ready with $previous either: it has no users, look at it"; exit 3; }
    done
    say "all run $previous again"
    exit 1
}

[ $# -eq 1 ] || { echo "usage: rolling.sh VERSION" >&2; exit 2; }
first=${INSTANCES%%=*}
previous=$($CURRENT "$first")
for entry in $INSTANCES; do        # less than all of them now is no time to take one away
    $VITALCTL wait "${entry%%=*}" --timeout 1s --quiet || { say "${entry%%=*} is not ready now: not begun"; exit 2; }
done

touched=""
trap 'go_back "interrupted"' INT TERM HUP
for entry in $INSTANCES; do
    touched="${entry%%=*} $touched"
    update "${entry%%=*}" "$1" || go_back "${entry%%=*} does not get ready with $1"
done
say "all run $1"
