"""The postgres module against real servers, and against fakes for what real servers will not do."""
import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import pytest

from daemon import BUILD, Vitald, check_config, free_port, wait_for
from fault_kit import CALM, DEAD, Watch
from postgres_kit import AUTH_OK, BIN, FAST, READY, PgBouncer, Postgres, error, make_users, message, probes, startup

pytestmark = pytest.mark.skipif(not BIN, reason="postgresql is not installed")


@pytest.fixture(scope="module")
def template():
    """A stopped server with users and tables: copied, others are there in 0.1 s."""
    with Postgres() as p:
        p.start()
        make_users(p)
        p.signal(signal.SIGINT)
        p.process.wait(20)
        yield p


@pytest.fixture(scope="module")
def tls(ca):
    return ca.issue("server")


@pytest.fixture
def primary(template, tls, ca):
    with Postgres(f"max_connections = 12\nsuperuser_reserved_connections = 2\nssl_ca_file = '{template.dir}/ca.crt'", tls=tls, copy=template) as p:
        with open(ca.ca) as f, open(f"{template.dir}/ca.crt", "w") as to:
            to.write(f.read())
        yield p.start()


def outcome(v, name, class_, reason, text=None):
    want = {"class_": class_, "reason": reason, **({"text": text} if text else {})}
    return v.wait_outcome(name, **want)["outcome"]["text"]


def numbers(v, name):
    return {n["name"]: n["value"] for n in v.probe(name)["numbers"] if not n.get("labels")}


def most_memory(v):
    """Bytes at the worst moment; a sanitizer's own are not ours."""
    with open(f"/proc/{v.pid}/status") as f:
        return 0 if re.search("address|thread", BUILD) else int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) << 10


def passes(v, *names, more=2):
    """That many attempts that pass, from now on."""
    seen = {n: v.probe(n)["attempts"]["pass"] for n in names}
    for n in names:
        wait_for(lambda n=n: v.probe(n)["attempts"]["pass"] >= seen[n] + more, f"{n} passes")


# ---- logins


def test_logins_tls_and_the_reasons_for_their_failure(primary, ca, tls):
    crt, key = ca.issue("probe")
    everything = {"url": primary.url(mode="verify-full"), "tls": {"ca": ca.ca}, "certificate": {"warn_below": 7}, "connections": {"warn_above": "95%"},
                  "xid_age": {"warn_above": "50%"}, "transaction_age": {"warn_above": "1h"}}
    hostile = {"PGSERVICE": "nix", "PGHOSTADDR": "10.255.255.1", "PGOPTIONS": "-c nonsense=1", "PGPASSWORD": "bad", "PGSSLMODE": "disable", "PGTZ": "Nowhere",
               "PGSSLROOTCERT": "/nix", "PGREQUIRESSL": "0", "PGDATABASE": "nix", "PGPORT": "1", "PGTARGETSESSIONATTRS": "standby", "PGCHANNELBINDING": "disable"}
    with Vitald(probes(
            full=everything,
            ca={"url": primary.url(mode="verify-ca", host="127.0.0.2"), "tls": {"ca": ca.ca}},
            auto={"url": f"postgres://probe:ppw@localhost:{primary.port}/postgres"},
            socket={"url": f"unix:{primary.dir}/.s.PGSQL.{primary.port}", "user": "probe", "database": "postgres"},
            certificate={"url": f"postgres://probe@localhost:{primary.port}/certified?sslmode=require", "tls": {"cert": crt, "key": {"file": key}}},
            name={"url": primary.url(mode="verify-full", host="127.0.0.2"), "tls": {"ca": ca.ca}},
            untrusted={"url": primary.url(mode="verify-full")},
            missing={"url": primary.url(mode="verify-full"), "tls": {"ca": "/nix/ca.pem"}},
            empty={"url": primary.url(mode="verify-full"), "tls": {"ca": key}},
            plain={"url": primary.url(mode="disable")},
            wrong={"url": primary.url(password="secret-but-wrong")},
            nobody={"url": f"postgres://nobody@localhost:{primary.port}/postgres?sslmode=require"},
            nowhere={"url": primary.url(database="nix")},
            refused={"hosts": [f"127.0.0.1:{free_port()}"], "password": "ppw"}), env=hostile) as v:
        for name in ("full", "ca", "auto", "socket", "certificate"):
            v.wait_state(name, "up")
        n = numbers(v, "full")
        assert 28 < n["certificate_days"] < 31 and n["tls"] == 1 and n["standby"] == 0 and n["max_connections"] == 10 and n["connections"] >= 1
        assert n["xid_age"] > 0 and n["transaction_age_seconds"] >= 0 and n["login_seconds"] > 0
        outcome(v, "full", "pass", "ok", r"^primary \d+\.\d+ at localhost:\d+$")
        outcome(v, "name", "fail", "cert_name")
        outcome(v, "untrusted", "fail", "cert_untrusted")
        outcome(v, "missing", "fail", "not_found", "/nix/ca.pem")
        outcome(v, "empty", "fail", "config", "no certificate in the file of")
        outcome(v, "plain", "fail", "auth", "no encryption")
        outcome(v, "wrong", "fail", "auth", "28P01")
        outcome(v, "nobody", "fail", "auth", "no password is configured")
        outcome(v, "nowhere", "fail", "no_database", "3D000")
        outcome(v, "refused", "fail", "refused")
        shown = v.get("/status").text + v.get("/metrics").text + v.get("/healthz?verbose").text + v.log()
        assert "secret-but-wrong" not in shown and "ppw" not in shown
        old, old_key = ca.issue("old", not_before="20200101000000Z", not_after="20210101000000Z")
        install(primary, old, old_key)
        outcome(v, "full", "fail", "cert_expired")
        install(primary, *tls)
        v.wait_state("full", "up")


def install(server, crt, key):
    for path, name in ((crt, "server.crt"), (key, "server.key")):
        with open(path) as f, open(f"{server.data}/{name}", "w") as to:
            to.write(f.read())
    server.sql("select pg_reload_conf()")


def test_without_tls_is_said_and_a_password_file_is_read_before_each_login(template):
    hba = "local all all trust\nhost all all samenet scram-sha-256\n"
    with Postgres(copy=template, hba=hba) as p, tempfile.TemporaryDirectory() as d:
        p.start()
        secret, passfile = f"{d}/secret", f"{d}/pgpass"

        def rotate(password):
            for path, text in ((secret, password), (passfile, f"# all of them\nlocalhost:{p.port}:postgres:probe:{password}\n")):
                with open(path + ".new", "w") as f:
                    f.write(text)
                os.rename(path + ".new", path)

        rotate("ppw")
        url = f"postgres://probe@localhost:{p.port}/postgres"
        with Vitald(probes(CALM, auto={"url": url, "password": {"file": secret}}, listed={"url": url, "passfile": passfile, "sslmode": "disable"},
                           held={"url": url, "password": {"file": secret}, "hold": True, "login_every": "1ms"},
                           strict={"url": url, "password": "ppw", "sslmode": "require"})) as v:
            for name in ("auto", "listed", "held"):
                v.wait_state(name, "up")
            outcome(v, "auto", "pass", "ok", "without TLS")
            outcome(v, "strict", "fail", "tls", "does not support SSL")
            w = Watch(v)
            for password in ("two", "three"):
                p.sql(f"begin; alter role probe password '{password}'; commit")
                rotate(password)
                passes(v, "auto", "listed", "held", more=3)
            # between the server's change and the file's, one attempt may meet the old one; with a new value none is lost
            for name in ("auto", "listed", "held"):
                assert v.probe(name)["attempts"]["fail"] <= 2, v.probe(name)
            w.quiet("auto", "listed", "held")


# ---- queries


def test_queries_and_what_they_must_answer(primary):
    def ask(*queries, **more):
        return {"url": primary.url(), "queries": list(queries), **more}
    with Vitald(probes(
            FAST.replace("timeout: 1s", "timeout: 3s"),
            good=ask("select 1", {"query": "select count(*) from stuff", "name": "stuff", "equals": "3", "warn_above": 10},
                     {"query": "select x from stuff where x is not null order by 1", "min_rows": 2, "max_rows": 2}, {"query": "show server_version", "matches": r"^\d+"}),
            value=ask({"query": "select 'ko'", "equals": "ok"}), null=ask({"query": "select null", "equals": "ok"}),
            rows=ask({"query": "select 1 where false", "name": "none", "min_rows": 1}), above=ask({"query": "select 7", "warn_above": 5}),
            table=ask("select * from nix"), allowed=ask("select * from secret"), division=ask("select 1/0"), two=ask("select 1; select 2"),
            long=ask("select pg_sleep(60)"), endless=ask("select generate_series(1, 100000000)"), copy=ask("copy stuff to stdout"),
            huge=ask("select repeat('x', 40000000)"), slow=ask("select pg_sleep(0.05)", warn_above="20ms"))) as v:
        v.wait_state("good", "up")
        labelled = {(n["name"], n["labels"]["query"]): n["value"] for n in v.probe("good")["numbers"] if n.get("labels")}
        assert labelled["query_value", "stuff"] == 3 and labelled["query_rows", "select 1"] == 1
        outcome(v, "value", "fail", "mismatch", "yields ko, not ok")
        outcome(v, "null", "fail", "mismatch", "null")
        outcome(v, "rows", "fail", "count", "0 rows")
        outcome(v, "above", "warn", "threshold", "is 7, warns above 5")
        outcome(v, "table", "fail", "query", "42P01")
        outcome(v, "allowed", "fail", "permission", "42501")
        outcome(v, "division", "fail", "query", "22012")
        outcome(v, "two", "fail", "query", "42601")
        outcome(v, "long", "fail", "timeout", "57014|does not answer the query")     # after a slow login, we are first
        outcome(v, "endless", "fail", "too_large", "1000 rows")
        outcome(v, "copy", "fail", "query", "COPY")
        outcome(v, "huge", "fail", "too_large")
        outcome(v, "slow", "warn", "slow")
        wait_for(lambda: primary.sql("select count(*) from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid() "
                                     "and now() - query_start > interval '3 s'") == "0", "the server cancels what nobody waits for")
        assert most_memory(v) < 120 << 20


def test_read_only_connections_and_old_transactions(primary):
    limits = {"connections": {"warn_above": "50%", "fail_above": "80%"}, "transaction_age": {"fail_above": "1s"}}
    with Vitald(probes(writer={"url": primary.url(), "role": "primary", "writable": True}, standby={"url": primary.url(), "role": "standby"},
                       limits={"url": primary.url(), **limits}, poor={"url": primary.url("poor", "xpw"), **limits})) as v:
        v.wait_state("writer", "up")
        v.wait_state("limits", "up")
        outcome(v, "standby", "fail", "role", "is a primary, a standby is expected")
        outcome(v, "poor", "warn", "permission", "grant pg_monitor")
        primary.reload("default_transaction_read_only = on")
        outcome(v, "writer", "fail", "read_only", "default_transaction_read_only")
        primary.sql("alter system reset default_transaction_read_only")
        primary.sql("select pg_reload_conf()")
        v.wait_state("writer", "up")
        with primary.session("begin; select 1"):
            outcome(v, "limits", "fail", "age", "transaction is .* old")
        v.wait_state("limits", "up")
        with contextlib.ExitStack() as sessions:
            for _ in range(8):
                sessions.enter_context(primary.session("select 1"))
            outcome(v, "limits", "fail", "threshold", "of 10 connections are in use")
        v.wait_state("limits", "up")


def test_too_many_clients_and_the_held_session_is_given_back(primary):
    count = "select count(*) from pg_stat_activity where application_name = 'vitald'"
    with Vitald(probes(held={"url": primary.url(), "hold": True, "login_every": "1ms"}, calm={"url": primary.url(), "hold": True, "login_every": 0})) as v:
        v.wait_state("held", "up")
        v.wait_state("calm", "up")
        wait_for(lambda: primary.sql(count) == "2", "one connection each")
        taken, w = contextlib.ExitStack(), Watch(v)

        def take_all():
            with contextlib.suppress(AssertionError, BrokenPipeError):
                taken.enter_context(primary.session("select 1", user="probe"))
            return primary.sql(count) == "1"
        with taken:
            wait_for(take_all, "the held session is given back, and taken by somebody else")
            w.sees("held", "fail", "too_many_clients", "53300")
            passes(v, "calm")      # who is in, stays in: why there is login_every
        w.recovers("held")


# ---- replication


def test_standby_lag_roles_and_promotion(primary, tls):
    with Postgres(tls=tls, base_of=primary) as standby:
        with open(f"{standby.data}/postgresql.auto.conf", "a") as f:
            f.write(f"primary_conninfo = 'host={primary.dir} port={primary.port} user=postgres application_name=r1'\n")
        standby.start()
        lag = {"lag": {"fail_above": "300ms"}, "lag_bytes": {"warn_above": "1GiB"}}
        both = {"hosts": [f"127.0.0.1:{free_port()}", standby.address, primary.address], "user": "probe", "password": "ppw", "database": "postgres", "sslmode": "require"}
        with Vitald(probes(FAST.replace("timeout: 1s", "timeout: 3s"), behind={"url": standby.url(), "role": "standby", **lag}, seen={"url": primary.url(), "standbys": ["r1"], **lag},
                           count={"url": primary.url(), "standby_count": {"warn_below": 1, "fail_below": 1}}, other={"url": primary.url(), "standbys": ["r2"]},
                           poor={"url": primary.url("poor", "xpw"), "standbys": ["r1"]}, writer={**both, "role": "primary"}, reader={**both, "role": "standby"},
                           wrong={"url": standby.url(), "role": "primary"}, read_only={"url": standby.url(), "writable": True})) as v:
            for name in ("behind", "seen", "count", "writer", "reader"):
                v.wait_state(name, "up")
            n = numbers(v, "behind")
            assert n["standby"] == 1 and n["receiver"] == 1 and "lag_bytes" in n
            assert {x["labels"]["standby"] for x in v.probe("seen")["numbers"] if x.get("labels")} == {"r1"}
            outcome(v, "other", "fail", "replication", "r2 is not connected")
            outcome(v, "poor", "fail", "permission", "grant pg_monitor")
            outcome(v, "wrong", "fail", "role", "is a standby, a primary is expected")
            outcome(v, "read_only", "fail", "read_only", "a standby")
            # an idle primary: the last transaction gets older and older, nothing is missing
            passes(v, "behind", "seen", more=4)
            w = Watch(v)
            standby.sql("select pg_wal_replay_pause()")
            primary.sql("create table more as select generate_series(1, 1000) x")
            w.sees("behind", "fail", "lagging", "its replay is paused", within=0.3)
            w.sees("seen", "fail", "lagging", "standby r1 is", within=0.3)
            standby.sql("select pg_wal_replay_resume()")
            w.recovers("behind", "seen")
            primary.kill()
            w.sees("behind", "warn", "replication", "receives nothing from its primary")
            w.sees("writer", "fail", "role", first=DEAD + "|stopping|role|starting|timeout")
            standby.sql("select pg_promote()")
            w.recovers("writer", "wrong", "read_only")
            outcome(v, "reader", "fail", "role", "is a primary")


def test_starting_up_and_shutting_down(primary, tls):
    with Postgres("hot_standby = on\nrestore_command = 'sleep 600'", tls=tls, base_of=primary) as late, \
            Vitald(probes(late={"url": late.url()}, leaving={"url": primary.url()})) as v:
        v.wait_state("leaving", "up")
        v.wait_state("late", "down")
        w = Watch(v)
        late.start(wait=False)
        w.changes("late", "fail", "starting", "starting up", within=10)
        w.mark()
        late.stop()
        late.start("-c", "restore_command=", wait=False)
        w.recovers("late")
        with primary.session("select 1"):
            primary.signal(signal.SIGTERM)
            w.sees("leaving", "fail", "stopping", "shutting down")
        primary.process.wait(20)
        outcome(v, "leaving", "fail", "refused")
        primary.start(wait=False)
        w.recovers("leaving")


# ---- hangs, crashes, edges


def test_hang_crash_and_recovery(primary):
    other = f"localhost:{primary.port}"
    with Vitald(probes(db={"url": primary.url()}, held={"url": primary.url(), "hold": True, "login_every": 0},
                       several={"hosts": [other, f"127.0.0.1:{free_port()}"], "user": "probe", "password": "ppw", "database": "postgres"})) as v:
        for name in ("db", "held", "several"):
            v.wait_state(name, "up")
        w = Watch(v)
        primary.freeze()
        w.sees("db", "fail", "timeout", "accepts connections, but does not|does not answer the query")     # as far as it had come
        w.sees("held", "fail", "timeout")
        w.sees("several", "fail", "timeout", "refused")
        primary.thaw()
        w.recovers("db", "held", "several")
        primary.kill()
        for name in ("db", "held"):
            w.sees(name, "fail", "refused", first=DEAD + "|stopping|starting|query")
        wait_for(lambda: not primary.children(), "all processes are gone")
        os.unlink(f"{primary.data}/postmaster.pid")
        primary.start(wait=False)
        w.recovers("db", "held")
        assert v.probe("db")["attempts"]["internal"] == 0


@pytest.mark.parametrize("policy, what", [("fall: 1", "first failed attempt"), ("fall: 3, on_edge: confirm", "verdict with on_edge: confirm")])
def test_a_server_that_dies_is_seen_at_once(primary, policy, what):
    """interval 60 s: only the edge can be that early."""
    took = []
    with Vitald(f"defaults: {{ interval: 60s, interval_unsettled: 20ms, timeout: 1s, rise: 1, {policy} }}\nprobes:\n"
                f"  db: {{ postgres: {json.dumps({'url': primary.url(), 'hold': True})} }}\n") as v:
        for _ in range(3):
            v.wait_code("/readyz", 200)
            began = time.monotonic()
            primary.kill()
            wait_for(lambda: v.get("/readyz").status == 503, what, every=0.001)
            took.append(time.monotonic() - began)
            wait_for(lambda: not primary.children(), "all processes are gone")
            os.unlink(f"{primary.data}/postmaster.pid")
            primary.start()
            v.ctl("run", "db")
    print(f"\n{what}: {', '.join(f'{t * 1000:.1f}' for t in sorted(took))} ms after the server's death")
    assert sorted(took)[1] < 1, "that was no edge"


def test_many_probes_take_few_connections_and_survive_a_restart(primary):
    many = {f"p{i}": {"url": primary.url()} for i in range(200)}
    slow = "defaults: { interval: 4s, timeout: 2s, rise: 1, fall: 1 }\n"
    seen = 0
    with Vitald(probes(policy=slow, **many)) as v:
        def all_are(state):
            return all(p["state"] == state for p in v.status()["probes"] if p["name"].startswith("p"))
        wait_for(lambda: all_are("up"), "all up")
        fds = v.fds()
        for _ in range(40):
            seen = max(seen, int(primary.sql("select count(*) from pg_stat_activity where application_name = 'vitald'")))
        assert 0 < seen <= 8, seen     # as many as attempts at one address at a time
        primary.signal(signal.SIGINT)
        primary.process.wait(20)
        wait_for(lambda: all_are("down"), "all down")
        primary.start()
        wait_for(lambda: all_are("up"), "all up again")
        wait_for(lambda: v.fds() <= fds + 8, "no descriptors are left behind")


def until_idle(server, answers):
    """Relays to the real server, and hangs up when it has answered that often (the login is the first)."""
    def handle(sock):
        with socket.create_connection(("127.0.0.1", server.port)) as behind, sock:
            threading.Thread(target=relay, args=(sock, behind), daemon=True).start()
            relay(behind, sock, answers)
    return handle


def relay(source, sink, answers=0):
    seen = 0
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
            seen += data.count(READY)
            if answers and seen >= answers:
                sink.shutdown(socket.SHUT_RDWR)
                return


@pytest.mark.parametrize("policy", ["on_edge: hasten", "on_edge: confirm"])
def test_a_session_that_is_dropped_at_once_makes_no_storm(template, server, policy):
    with Postgres(copy=template, hba="local all all trust\nhost all all samenet scram-sha-256\n") as p:
        p.start()
        s = server(until_idle(p, 2))
        with Vitald(f"defaults: {{ interval: 30s, interval_unsettled: 500ms, timeout: 2s, {policy} }}\nprobes:\n  db: {{ postgres: {{ url: "
                    f"'postgres://probe:ppw@127.0.0.1:{s.port}/postgres?sslmode=disable', hold: true, login_every: 0 }} }}\n") as v:
            wait_for(lambda: s.accepted >= 3, "edges bring it back")
            began, count = time.monotonic(), s.accepted
            wait_for(lambda: s.accepted >= count + 4, "and again")
            took = time.monotonic() - began
            assert took > 4 * 0.5 * 0.7, f"4 attempts in {took:.2f} s"      # jitter takes a part of it
            assert v.probe("db")["state"] == "up" and v.probe("db")["attempts"]["fail"] == 0


# ---- PgBouncer


@pytest.mark.skipif(not os.path.exists("/usr/sbin/pgbouncer"), reason="pgbouncer is not installed")
def test_through_pgbouncer(primary):
    with PgBouncer(primary) as b:
        url = f"postgres://probe:ppw@127.0.0.1:{b.port}/postgres"
        query = {"queries": ["select 1", {"query": "select count(*) from stuff -- all", "equals": "3"}]}
        with Vitald(probes(pooled={"url": url, "pooler": True, **query, "connections": {"warn_above": "90%"}}, long={"url": url, "pooler": True, "queries": ["select pg_sleep(9)"]},
                           direct={"url": url}, wrong={"url": url.replace("ppw", "bad"), "pooler": True}, nowhere={"url": url.replace(f"{b.port}/postgres", f"{b.port}/nix"), "pooler": True})) as v:
            v.wait_state("pooled", "up")
            assert numbers(v, "pooled")["standby"] == 0
            v.wait_outcome("direct", class_="fail", text="unsupported startup parameter")
            outcome(v, "wrong", "fail", "auth")
            outcome(v, "nowhere", "fail", "no_database")
            outcome(v, "long", "fail", "timeout", "57014")
            w = Watch(v)
            w.calm("pooled")
            with b.full():
                w.sees("pooled", "fail", "too_many_clients", within=2)
            w.recovers("pooled", within=2)
            w.calm("pooled")
            primary.kill()
            w.sees("pooled", "fail", text="server|terminat|closed", first="unreachable|timeout|closed|stopping|busy")


# ---- what real servers will not do


def after_startup(*data, then=lambda s: s.recv(1)):
    def handle(sock):
        startup(sock)
        for d in data:
            sock.sendall(d)
        then(sock)
    return handle


def endlessly(piece):
    def handle(sock):
        startup(sock)
        sock.sendall(AUTH_OK)
        while True:
            sock.sendall(piece * 100)
    return handle


def silent(sock):
    while sock.recv(1000):
        pass


def scram(iterations):
    """Asks for a proof that takes that many rounds of hashing."""
    def handle(sock):
        startup(sock)
        sock.sendall(message(b"R", struct.pack("!I", 10), b"SCRAM-SHA-256\0\0"))
        first = sock.recv(4096)
        if not first:
            return      # nothing to prove with
        nonce = re.search(rb"r=([^,]+)", first).group(1)
        sock.sendall(message(b"R", struct.pack("!I", 11), b"r=" + nonce + b"abc,s=QUJDREVGR0hJSktMTU5PUA==,i=" + str(iterations).encode()))
        sock.recv(1)
    return handle


HOSTILE = {
    "silence": (silent, "timeout", "does not speak TLS|does not answer"),
    "close": (lambda s: None, "closed", None),
    "http": (lambda s: (s.recv(8), s.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")), "bad_reply|tls", None),
    "garbage": (after_startup(b"\xff" * 4000), "bad_reply", None),
    "starting": (after_startup(error("57P03", "the database system is starting up"), then=lambda s: None), "starting", None),
    "full": (after_startup(error("53300", "sorry, too many clients already"), then=lambda s: None), "too_many_clients", None),
    "control": (after_startup(error("XX000", "a\x1b[31m" + "x" * 20000), then=lambda s: None), "query", r"a\\x1b\[31mxxx"),
    "length": (after_startup(b"E" + struct.pack("!I", 0x7fffffff)), "bad_reply|timeout|closed|query", None),
    "parameters": (endlessly(message(b"S", b"a\0", b"b" * 1000 + b"\0")), "bad_reply|timeout", None),
    "mute": (after_startup(AUTH_OK, READY), "timeout", "does not answer the query"),
    "strange": (after_startup(AUTH_OK, READY, message(b"T", b"\x7f\xff"), READY), "bad_reply|query|closed|timeout|reset", None),
    "scram": (scram(2000000000), "bad_reply", "still being computed"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_servers(server, name):
    handle, reason, text = HOSTILE[name]
    closing = name in ("close", "http", "starting", "full", "control")

    def serve(sock):
        try:
            handle(sock)
        finally:
            if closing:
                sock.shutdown(socket.SHUT_RDWR)
    s = server(serve)
    with Vitald(probes(db={"hosts": [f"127.0.0.1:{s.port}"], "user": "u", "password": "ppw"}, good={"hosts": [f"127.0.0.1:{s.port}"], "user": "u"})) as v:
        got = v.wait_outcome("db", class_="fail", **({"text": text} if text else {}))["outcome"]
        assert re.fullmatch(reason, got["reason"]), got
        assert most_memory(v) < 120 << 20
        began = time.monotonic()
        assert v.get("/livez").status == 200
        assert time.monotonic() - began < 2, "the loop was held"


# ---- configuration


def test_the_environment_is_enough(template):
    with Postgres(copy=template, hba="local all all trust\nhost all all samenet scram-sha-256\n") as p:
        p.start()
        for env in ({"DATABASE_URL": f"postgresql+asyncpg://probe:ppw@localhost:{p.port}/postgres?sslmode=prefer&pool_size=5"},
                    {"POSTGRES_HOST": "localhost", "POSTGRES_PORT": str(p.port), "POSTGRES_USER": "probe", "POSTGRES_PASSWORD": "ppw", "POSTGRES_DB": "postgres"}):
            out = subprocess.run([f"{BUILD}/vitald", "--once"], env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True, timeout=60)
            assert out.returncode == 0 and " postgres " in out.stdout and "ppw" not in out.stdout + out.stderr, out.stdout + out.stderr


def test_findings_name_the_variable_that_they_are_about():
    env = {"PATH": os.environ["PATH"], "POSTGRES_HOST": "localhost", "POSTGRES_PASSWORD_FILE": "/nonexistent/password"}
    done = subprocess.run([f"{BUILD}/vitald", "--check-config"], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "environment variable POSTGRES_PASSWORD_FILE: error: `password`" in done.stderr, done.stderr


def test_connections_are_told_and_mistakes_are_explained():
    good = check_config(probes(one={"url": "postgres://db/app"}, two={"url": "postgres://db/app", "hold": True}))
    assert good.returncode == 0 and "takes 1 connection of the server while an attempt runs" in good.stderr
    assert "1 connection of the server all the time, and 1 more" in good.stderr
    for options, text in (({"url": "postgres://db/app", "sslmode": "prefer"}, "fall back to clear text"), ({"url": "postgres:///app"}, "there is no host"),
                          ({"hosts": ["a"], "role": "master"}, "primary"), ({"url": "postgres://u:hidden@db/app", "passfile": "/x"}, "password already")):
        bad = check_config(probes(db=options))
        assert bad.returncode == 1 and text in bad.stderr and "hidden" not in bad.stderr, bad.stderr
