"""The paths by which load balancers ask for a database's primary or replicas, against a real pair of servers."""
import csv
import os
import re
import subprocess

import pytest

from daemon import Vitald, check_config, free_port, wait_for
from lb_kit import HAProxy, recipe
from postgres_kit import BIN, FAST, Postgres, make_users, probes

pytestmark = pytest.mark.skipif(not BIN, reason="postgresql is not installed")
PUBLIC = 'listen: ["127.0.0.1:0"]\n'


@pytest.fixture(scope="module")
def pair(ca):
    with Postgres(tls=ca.issue("roles")) as primary:
        primary.start()
        make_users(primary)
        with Postgres(base_of=primary) as standby:
            yield primary, standby.start()


def watch(server, **more):
    return Vitald(PUBLIC + probes(db={"url": server.url(), **more}))


def says(v, path, **more):
    answer = v.get(path, **more)
    return answer.status, answer.text


def until(v, path, status, text):
    wait_for(lambda: says(v, path) == (status, text), f"{path}: {status} {text}")


def test_primary_and_replica(pair):
    primary, standby = pair
    with watch(primary) as p, watch(standby) as s:
        for path in ("/primary", "/leader", "/master", "/read-write", "/read-only"):
            until(p, path, 200, "pass primary\n")
        assert says(p, "/replica") == (503, "fail primary: a replica is asked for\n")
        for path in ("/replica", "/read-only", "/replica?lag=10MB", "/replica?lag=1min"):
            until(s, path, 200, "pass replica\n")
        for path in ("/primary", "/leader", "/master", "/read-write"):
            assert says(s, path) == (503, "fail replica: a primary is asked for\n")
        # as HAProxy and Patroni's other clients ask
        assert says(s, "/replica", method="OPTIONS") == (200, "") and says(s, "/primary", method="OPTIONS") == (503, "")
        assert says(s, "/replica", method="HEAD") == (200, "") and says(s, "/replica", method="POST")[0] in (405, 411)
        assert s.raw(b"OPTIONS /replica?lag=1MB HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert says(s, "/replica?lag=fast") == (400, "lag is a size like 10MB or a time like 5s\n")
        answer = s.get("/replica", headers={"Accept": "application/json"})
        assert answer.json["role"] == "replica" and answer.json["lag_bytes"] is not None and answer.headers["Vitald-Oldest-Sample"]
        assert "db" not in answer.text


def test_lag_a_promotion_and_the_end(pair):
    primary, standby = pair
    with watch(standby) as s:
        until(s, "/replica?lag=100kB", 200, "pass replica\n")
        standby.sql("select pg_wal_replay_pause()")
        primary.sql("create table filler as select repeat('x', 1000) from generate_series(1, 2000)")
        wait_for(lambda: s.get("/replica?lag=100kB").status == 503, "the replica is behind")
        assert "bytes behind, 102400 at most" in s.get("/replica?lag=100kB").text
        assert s.get("/replica").status == 200 and s.get("/replica?lag=1GB").status == 200
        standby.sql("select pg_wal_replay_resume()")
        until(s, "/replica?lag=100kB", 200, "pass replica\n")
        standby.sql("select pg_promote()")
        until(s, "/primary", 200, "pass primary\n")
        assert s.get("/replica").status == 503
        standby.sql("alter system set default_transaction_read_only = on; ")
        standby.sql("select pg_reload_conf()")
        until(s, "/read-write", 503, "fail primary: it is read-only\n")
        assert s.get("/primary").status == 200
        standby.stop()
        until(s, "/primary", 503, "fail primary: the server is down\n")
        assert s.get("/read-only").status == 503


def test_which_probe_speaks(pair):
    primary, _ = pair
    two = probes(a={"url": primary.url()}, b={"url": "postgres://u:p@127.0.0.1:1/x"})
    with Vitald(PUBLIC + two) as v:
        assert v.get("/primary").status == 404
        v.reload(PUBLIC + two + "role_probe: a\n")
        until(v, "/primary", 200, "pass primary\n")
        v.reload(PUBLIC + two + "role_probe: b\n")
        wait_for(lambda: v.get("/primary").status == 503, "b speaks")
        v.reload(PUBLIC + two + "role_probe: a\naliases: { /primary: live }\n")
        assert says(v, "/primary") == (200, "pass\n")               # what the configuration says comes first
    with Vitald(PUBLIC + FAST) as v:
        assert v.get("/primary").status == 404


@pytest.mark.parametrize("name,text", [("nosuch", "there is no `nosuch`"), ("t", "a probe of another type"), ("ready", "a group")])
def test_wrong_names_are_refused(name, text):
    r = check_config(f"probes: {{ t: {{ tcp: '127.0.0.1:1' }} }}\ngroups: {{ ready: [t] }}\nrole_probe: {name}\n")
    assert r.returncode != 0 and text in r.stderr, r.stderr


# ---- the recipe: HAProxy sends writes to the primary and reads to standbys, also after a failover


def through(port):
    """What a client of HAProxy's port is connected to: "f" for a primary, "t" for a standby, else what went wrong."""
    done = subprocess.run(["psql", "-X", "-A", "-t", "-d", f"host=127.0.0.1 port={port} user=probe dbname=postgres sslmode=require connect_timeout=5", "-c", "select pg_is_in_recovery()"],
                          capture_output=True, text=True, timeout=30, env={**os.environ, "PGPASSWORD": "ppw"})
    return done.stdout.strip() or done.stderr


def beside(server, host, port):
    """The recipe's vitald for this server, where HAProxy asks for it."""
    text = recipe("haproxy-postgres.yaml", ("0.0.0.0:8686", f"{host}:{port}"), ("127.0.0.1:8687", "127.0.0.1:0"), ("vitald@127.0.0.1/postgres", f"probe@127.0.0.1:{server.port}/postgres"),
                  ("change-me", "ppw"), ("sslmode: disable", "sslmode: require"), ("interval: 2s", "interval: 200ms"), ("timeout: 1s", "timeout: 2s"))
    return Vitald(text)


def test_recipe_follows_a_failover(ca):
    writes, reads, asked = free_port(), free_port(), free_port()
    with Postgres(tls=ca.issue("failover")) as one:
        one.start()
        make_users(one)
        with Postgres(base_of=one) as two, beside(one, "127.0.0.1", asked), beside(two.start(), "127.0.0.2", asked):
            config = recipe("haproxy-postgres.cfg", ("/run/haproxy/admin.sock", "SOCKET"), (":5000", f"127.0.0.1:{writes}"), (":5001", f"127.0.0.1:{reads}"),
                            ("10.0.0.11:5432", f"127.0.0.1:{one.port}"), ("10.0.0.12:5432", f"127.0.0.2:{two.port}"), ("port 8686", f"port {asked}"), ("inter 2s", "inter 100ms"))
            with HAProxy(config) as ha:
                def believed():
                    rows = csv.DictReader(ha.command("show stat").lstrip("# ").splitlines())
                    return {f"{r['pxname']} {r['svname']}": re.sub(r" .*", "", r["status"]) for r in rows if r["svname"].startswith("db")}
                wait_for(lambda: believed() == {"writes db1": "UP", "writes db2": "DOWN", "reads db1": "DOWN", "reads db2": "UP"}, "HAProxy knows the roles")
                assert through(writes) == "f" and through(reads) == "t"
                one.kill()
                two.sql("select pg_promote()")
                wait_for(lambda: believed() == {"writes db1": "DOWN", "writes db2": "UP", "reads db1": "DOWN", "reads db2": "DOWN"}, "HAProxy knows the failover")
                assert through(writes) == "f"
