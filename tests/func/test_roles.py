"""The paths by which load balancers ask for a database's primary or replicas, against a real pair of servers."""
import pytest

from daemon import Vitald, check_config, wait_for
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
