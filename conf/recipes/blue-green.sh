#!/bin/sh
# blue-green.sh: starts the colour that has no users, waits until vitald calls it ready, sends the users there, watches it, and stops
# the other one. When it never gets ready nothing is switched; when it fails while it is watched the users are sent back. Exits 0 when
# the new colour has the users, 1 when the old one kept them, 2 when it could not even try.
#
# vitald's part is blue-green.yaml, nginx's is blue-green.conf. What may differ is below, and is taken from the environment.
set -eu

: "${BLUE:=127.0.0.1:8081}" "${GREEN:=127.0.0.1:8082}"
: "${SERVERS:=/etc/nginx/shop.servers}"       # the list that nginx includes
: "${START:=systemctl restart}"               # followed by the unit
: "${STOP:=systemctl stop}"                   # must let the requests finish that are under way
: "${UNIT=shop@}"                             # followed by the colour
: "${NGINX_COMMAND:=nginx}" "${NGINX_PID:=/run/nginx.pid}"      # (NGINX itself means something to nginx)
: "${VITALCTL:=vitalctl}"
: "${READY_WITHIN:=60}"                       # seconds
: "${READY_FOR:=10s}"                         # it must have been ready for that long: longer than vitald needs to see a fault
: "${WATCH:=30s}"                             # how long the old colour is kept to go back to
: "${LINGER:=30}"                             # seconds for nginx's old workers to finish what they do

say() { printf 'blue-green: %s\n' "$*"; }

address() {
    case $1 in
    blue) echo "$BLUE" ;;
    green) echo "$GREEN" ;;
    esac
}

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

# route COLOUR [BACKUP]: where nginx sends users. The list is replaced as a whole, and put back when nginx does not like it.
route() {
    {
        printf '# %s has the users\nserver %s;\n' "$1" "$(address "$1")"
        [ $# -eq 1 ] || printf 'server %s backup;\n' "$(address "$2")"
    } >"$SERVERS.new"
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

give_up() { # give_up WHY: the old colour has the users, the new one ends
    say "$1"
    $STOP "$UNIT$new" || true
    $VITALCTL resume "$new-health" >/dev/null || true
    exit 1
}

go_back() { # go_back WHY
    say "$1; sending the users back to $old"
    route "$old"
    give_up "$old has the users again"
}

case $(head -n 1 "$SERVERS" 2>/dev/null) in
*green*) old=green new=blue ;;
*blue*) old=blue new=green ;;
*) say "$SERVERS does not say who has the users: write \`# blue has the users\` and \`server $BLUE;\` into it"; exit 2 ;;
esac

trap 'give_up "interrupted: $old keeps the users"' INT TERM HUP
say "$old has the users; starting $new"
expect_restart "$new" || exit 2
$START "$UNIT$new" || give_up "$new does not start: $old keeps the users"
ready "$new" || give_up "$new is not ready: $old keeps the users"

trap 'go_back "interrupted"' INT TERM HUP
route "$new" "$old" || give_up "$old keeps the users"
say "$new has the users; watching it for $WATCH"
if $VITALCTL wait "$new" --until fail --timeout "$WATCH" --quiet 2>/dev/null; then
    go_back "$new failed"
else
    code=$?
    [ $code -eq 1 ] || go_back "$new could not be watched (vitalctl left with $code)"
fi
route "$new"
trap '' INT TERM HUP
$STOP "$UNIT$old"
say "$new has the users, $old is stopped"
