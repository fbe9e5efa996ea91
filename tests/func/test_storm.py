"""What many daemons do to one server: they must not be what keeps it down."""
import contextlib
import os
import signal
import time

import pytest

from daemon import BUILD, Vitald, wait_for
from postgres_kit import BIN, Postgres, make_users

DAEMONS, HOLDERS, CLIENTS = 200, 20, 20
INTERVAL, UNSETTLED, FALL, RISE = 5, 1, 3, 2

pytestmark = [pytest.mark.skipif(not BIN, reason="postgresql is not installed"),
              pytest.mark.skipif("address" in BUILD, reason="two hundred instrumented daemons are too many for one machine")]


def sidecar(server, holds):
    return Vitald(f"defaults: {{ interval: {INTERVAL}s, interval_unsettled: {UNSETTLED}s, timeout: 4s, rise: {RISE}, fall: {FALL} }}\n"
                  f"probes:\n  db: {{ postgres: {{ url: '{server.url(mode='disable')}', hold: {str(holds).lower()}, login_every: 0 }} }}\n", wait=False)


def wait_all(daemons, code, what):
    """Each is asked until it has answered this once, and then left alone."""
    waiting = list(daemons)

    def reached():
        waiting[:] = [v for v in waiting if v.get("/readyz", timeout=30).status != code]
        return not waiting
    wait_for(reached, what, timeout=90, every=0.2)


def attempts(daemons):
    return sum(sum(v.probe("db")["attempts"].values()) for v in daemons)


def sessions(server):
    return int(server.sql("select count(*) from pg_stat_activity where application_name = 'vitald'"))


def open_clients(server, stack):
    """The application comes back, all at once; whoever is refused fails the test."""
    began = time.monotonic()
    for _ in range(CLIENTS):
        stack.enter_context(server.session("select 1", user="probe"))
    return time.monotonic() - began


def test_two_hundred_daemons_survive_a_restart_of_their_server():
    settings = "max_connections = 100\nlog_connections = on"
    with Postgres(settings, hba="local all all trust\nhost all all samenet scram-sha-256\n") as server, contextlib.ExitStack() as stack:
        server.start()
        make_users(server)
        daemons = [stack.enter_context(sidecar(server, i < HOLDERS)) for i in range(DAEMONS)]
        stack.callback(lambda: [v.signal(signal.SIGINT) for v in daemons])      # they leave side by side
        for v in daemons:
            v.port = int(v.wait_log(r"listening on http://127\.0\.0\.1:(\d+)", timeout=60).group(1))
        wait_all(daemons, 200, "all are green")
        application = stack.enter_context(contextlib.ExitStack())
        open_clients(server, application)

        before, began = attempts(daemons), time.monotonic()
        server.signal(signal.SIGINT)
        server.process.wait(30)
        application.close()
        wait_all(daemons, 503, "all are red")
        old = len(server.log())
        server.start()
        took = open_clients(server, application)
        most = sessions(server)
        wait_all(daemons, 200, "all are green again")
        most = max(most, sessions(server))
        passed, made = time.monotonic() - began, attempts(daemons) - before

        log = server.log()[old:]
        print(f"\n{DAEMONS} daemons, max_connections 100: down and up again in {passed:.1f} s with {made} attempts; {CLIENTS} clients were in after "
              f"{took:.2f} s; at most {most} sessions of ours seen, {log.count('connection received')} connections since the start")
        assert "too many clients" not in log
        assert most < 60, "the holders' sessions, and the few attempts of a moment"
        # what the intervals allow: the settled pace, and a few quick ones for each of the two changes of state
        assert made <= DAEMONS * (passed / (INTERVAL * 0.9) + FALL + RISE)
        wait_for(lambda: sessions(server) >= HOLDERS, "the holders hold again")
        wait_for(lambda: sessions(server) <= HOLDERS, "and nobody else does between attempts")
        assert sum(v.probe("db")["attempts"]["internal"] for v in daemons) == 0
        assert all(len(os.listdir(f"/proc/{v.pid}/fd")) < 40 for v in daemons)
