"""Two hundred database probes of one daemon while their servers die and hang at random: nothing may grow.

VITALD_SOAK: seconds; some minutes are worth it before a release."""
import os
import random
import re
import signal
import time

import pytest

import mysql_kit
import redis_kit
from daemon import BUILD, Vitald, wait_for
from postgres_kit import BIN, Postgres, make_users

SECONDS = float(os.environ.get("VITALD_SOAK", "15"))
POSTGRES, HELD, REDIS, MYSQL = 70, 10, 80, 50
GRACE = 60      # a bound for broken runs

pytestmark = [pytest.mark.skipif(not (BIN and os.path.exists("/usr/sbin/mariadbd") and os.path.exists("/usr/bin/redis-server")),
                                 reason="PostgreSQL, Redis and MariaDB are needed"),
              pytest.mark.skipif("address" in BUILD, reason="what a sanitizer keeps would look like growth")]


def configuration(postgres, redis, mysql):
    lines = [f"  p{i}: {{ postgres: {{ url: '{postgres.url(mode='disable')}', hold: {str(i < HELD).lower()} }} }}" for i in range(POSTGRES)]
    lines += [f"  r{i}: {{ redis: '{redis.url}' }}" for i in range(REDIS)]
    lines += [f"  m{i}: {{ mysql: '{mysql.url()}' }}" for i in range(MYSQL)]
    return ("defaults: { interval: 2s, interval_unsettled: 500ms, interval_down: 1s, timeout: 2s, rise: 1, fall: 1 }\nprobes:\n" + "\n".join(lines) + "\n")


class Victim:
    """A server, the first letter of its probes, and how many sessions of ours it counts."""

    def __init__(self, server, letter, sessions, bound):
        self.server, self.letter, self.sessions, self.bound = server, letter, sessions, bound

    def states(self, v):
        return {p["state"] for p in v.status()["probes"] if re.fullmatch(self.letter + r"\d+", p["name"])}

    def hang(self, stop):
        if hasattr(self.server, "freeze"):
            self.server.freeze() if stop else self.server.thaw()
        else:
            self.server.signal(signal.SIGSTOP if stop else signal.SIGCONT)

    def revive(self):
        if isinstance(self.server, Postgres):
            wait_for(lambda: not self.server.children(), "all processes are gone")
            os.unlink(f"{self.server.data}/postmaster.pid")
        self.server.start()


def trouble(v, victims, kill):
    """Some servers die, or stop to answer; each is given back when that was seen."""
    for x in victims:
        x.server.kill() if kill else x.hang(True)
    for x in victims:
        wait_for(lambda x=x: "down" in x.states(v), f"{x.letter} is seen to fail", timeout=GRACE, every=0.05)
        x.revive() if kill else x.hang(False)
    for x in victims:
        wait_for(lambda x=x: x.states(v) == {"up"}, f"all of {x.letter} are up again", timeout=GRACE, every=0.05)


def size(v):
    with open(f"/proc/{v.pid}/status") as f:
        text = f.read()
    return {"fds": v.fds(), "threads": int(re.search(r"Threads:\s+(\d+)", text).group(1)), "rss_kib": int(re.search(r"VmRSS:\s+(\d+)", text).group(1))}


def test_servers_that_restart_at_random_leave_nothing_behind():
    seed = random.randrange(1 << 32)
    print(f"\nseed {seed}")
    dice = random.Random(seed)
    with Postgres("max_connections = 100", hba="local all all trust\nhost all all samenet scram-sha-256\n") as postgres, redis_kit.Redis() as redis, \
            mysql_kit.Template() as template, mysql_kit.MariaDB(template) as mysql:
        postgres.start()
        make_users(postgres)
        victims = [
            Victim(postgres, "p", lambda: int(postgres.sql("select count(*) from pg_stat_activity where application_name = 'vitald'")), HELD),
            Victim(redis, "r", lambda: int(redis.info("connected_clients")) - 1, REDIS),
            Victim(mysql, "m", lambda: int(mysql.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'vitald'")), 0)]
        with Vitald(configuration(postgres, redis, mysql)) as v:
            for x in victims:
                wait_for(lambda x=x: x.states(v) == {"up"}, f"{x.letter} is up", timeout=GRACE, every=0.05)
            for kill in (False, True, False, True):     # what is allocated once, is allocated now
                trouble(v, victims, kill)
            before, rounds, end = size(v), 0, time.monotonic() + SECONDS
            while time.monotonic() < end or rounds < 3:
                trouble(v, dice.sample(victims, dice.randint(1, 3)), dice.random() < 0.5)
                rounds += 1
            wait_for(lambda: v.fds() <= before["fds"] + 12, "no descriptors are left behind")     # attempts of the moment hold some
            after = size(v)
            print(f"{rounds} rounds, before: {before}, after: {after}")
            assert after["threads"] <= before["threads"] + 2
            assert after["rss_kib"] <= before["rss_kib"] + 4096
            for x in victims:
                wait_for(lambda x=x: x.sessions() <= x.bound, f"the server of {x.letter} counts no more sessions than configured")
            # a server that hangs may keep the threads of its own probes, and of nobody else's
            ours = {p["name"]: p["outcome"]["text"] for p in v.status()["probes"] if p["attempts"]["internal"]}
            assert all(name.startswith("m") for name in ours), ours
