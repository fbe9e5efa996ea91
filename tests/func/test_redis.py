"""The redis module against real servers, and against fakes for what real servers will not do."""
import json
import os
import re
import signal
import subprocess
import tempfile
import time

import pytest

from daemon import BUILD, Vitald, check_config, wait_for
from fault_kit import CALM, DEAD, Watch, groups
from redis_kit import FAST, Redis, fill, replica_of, timed

pytestmark = pytest.mark.skipif(not os.path.exists("/usr/bin/redis-server"), reason="redis-server is not installed")


def probes(**rows):
    """name={...options of redis...} as configuration, one attempt every 200 ms."""
    lines = [f"  {name}: {{ redis: {json.dumps(options)} }}" for name, options in rows.items()]
    return FAST + "probes:\n" + "\n".join(lines) + "\n" + groups(*rows)


def outcome(v, name, class_, reason, text=None):
    want = {"class_": class_, "reason": reason, **({"text": text} if text else {})}
    return v.wait_outcome(name, **want)["outcome"]["text"]


def numbers(v, name):
    return {n["name"]: n["value"] for n in v.probe(name)["numbers"] if not n.get("labels")}


# ---- logins and transports


def test_plain_tls_unix_and_acl(ca):
    crt, key = ca.issue("redis")
    stranger, stranger_key = ca.issue("elsewhere", san="DNS:elsewhere.example")
    acl = ("user default off\nuser admin on >apw ~* &* +@all\nuser app on >ppw ~* &* -@all +ping +info +role +select +set\n"
           "user poor on >xpw ~* &* -@all +ping\n")
    tls = ["--tls-port", "0", "--tls-ca-cert-file", ca.ca, "--tls-auth-clients", "no"]
    with Redis(*tls, "--tls-cert-file", crt, "--tls-key-file", key, config=acl, admin=["--user", "admin", "--pass", "apw"]) as r, \
            Redis() as other:
        tls_port = other.port      # a free one: that server leaves first
        other.kill()
        assert r.command("config", "set", "tls-port", tls_port) == "OK"
        login = {"user": "app", "password": "ppw"}
        secure = f"rediss://localhost:{tls_port}"
        with Vitald(probes(
                plain={"url": f"redis://app:ppw@{r.address}/3", "role": "master", "write_test": "vitald:test"},
                unix={"url": f"unix:{r.unix}", **login},
                tls={"url": secure, "tls": {"ca": ca.ca}, "certificate": {"warn_below": 10}, **login},
                name={"url": secure, "tls": {"ca": ca.ca, "name": "other.example"}, **login},
                untrusted={"url": secure, **login},
                nobody={"url": r.url},
                wrong={"url": r.url, "user": "app", "password": "secret-but-wrong"},
                poor={"url": r.url, "user": "poor", "password": "xpw"},
                needy={"url": r.url, "user": "poor", "password": "xpw", "memory": {"warn_above": "80%"}},
                mute={"url": r.url, "user": "poor", "password": "xpw", "role": "master", "info": False},
                database={"url": f"redis://app:ppw@{r.address}/99"})) as v:
            for name in ("plain", "unix", "tls"):
                v.wait_state(name, "up")
            assert "certificate_days" in numbers(v, "tls") and numbers(v, "plain")["clients"] > 0
            assert "INFO is not permitted" in outcome(v, "poor", "pass", "ok")
            outcome(v, "name", "fail", "cert_name")
            outcome(v, "untrusted", "fail", "cert_untrusted")
            outcome(v, "nobody", "fail", "auth", "NOAUTH")
            outcome(v, "wrong", "fail", "auth", "WRONGPASS")
            outcome(v, "needy", "fail", "permission")
            outcome(v, "mute", "fail", "permission", "NOPERM")
            outcome(v, "database", "fail", "no_database")
            r.command("config", "set", "tls-cert-file", stranger, "tls-key-file", stranger_key)
            r.command("client", "kill", "type", "normal")
            outcome(v, "tls", "fail", "cert_name")
            text = v.get("/status").body.decode() + v.get("/metrics").text + v.log()
            assert "secret-but-wrong" not in text and "ppw" not in text


def test_a_password_that_rotates_never_shows():
    with Redis("--requirepass", "one", admin=["--pass", "one"]) as r, tempfile.TemporaryDirectory() as d:
        secret = f"{d}/secret"
        with open(secret, "w") as f:
            f.write("one\n")
        with Vitald(CALM + f"probes:\n  cache: {{ redis: {{ url: '{r.url}', password: {{ file: {secret} }} }} }}\n"
                    f"  fresh: {{ redis: {{ url: '{r.url}', password: {{ file: {secret} }}, hold: false }} }}\n") as v:
            v.wait_state("cache", "up")
            v.wait_state("fresh", "up")
            w = Watch(v)
            for old, new in (("one", "two"), ("two", "three")):
                with open(secret + ".new", "w") as f:
                    f.write(new)
                os.rename(secret + ".new", secret)
                r.admin = ["--pass", old]
                assert r.command("config", "set", "requirepass", new) == "OK"
                seen = {n: v.probe(n)["attempts"]["pass"] for n in ("cache", "fresh")}
                for n in seen:
                    wait_for(lambda n=n: v.probe(n)["attempts"]["pass"] > seen[n] + 2, "logins with the new password")
            # between the file's change and the server's, a login may meet either of them; what counts is that none stays refused
            assert v.probe("cache")["attempts"]["fail"] <= 2
            w.quiet("cache", "fresh")


def test_a_password_that_rotates_after_a_reload_never_shows():
    """What a reload leaves as it is goes on to read its files, and keeps what it has read to itself."""
    with Redis("--requirepass", "one-pass", admin=["--pass", "one-pass"]) as r, tempfile.TemporaryDirectory() as d:
        secret = f"{d}/secret"
        with open(secret, "w") as f:
            f.write("one-pass\n")
        config = CALM + f"probes:\n  cache: {{ redis: {{ url: '{r.url}', password: {{ file: {secret} }} }} }}\n"
        with Vitald(config) as v:
            v.wait_state("cache", "up")
            v.reload(config + "  other: { file: /etc/passwd }\n")
            v.wait_state("other", "up")
            v.reload(config)
            with open(secret + ".new", "w") as f:
                f.write("two-pass\n")
            os.rename(secret + ".new", secret)
            assert r.command("config", "set", "requirepass", "two-pass") == "OK"
            seen = v.probe("cache")["attempts"]["pass"]
            wait_for(lambda: v.probe("cache")["attempts"]["pass"] > seen + 3, "logins with the new password")
            assert v.probe("cache")["attempts"]["fail"] <= 1
            assert "two-pass" not in v.log() + v.get("/status").text


def test_a_password_that_rotates_while_both_are_good_costs_no_attempt():
    """As it is done with ACLs: the server takes the new one too, the file changes, the old one goes."""
    with Redis("--requirepass", "one", admin=["--pass", "one"]) as r, tempfile.TemporaryDirectory() as d:
        secret = f"{d}/secret"
        with open(secret, "w") as f:
            f.write("one\n")
        login = {"url": r.url, "password": {"file": secret}}
        with Vitald(probes(held=login, fresh={**login, "hold": False})) as v:
            for n in ("held", "fresh"):
                v.wait_state(n, "up")

            def passes():
                seen = {n: v.probe(n)["attempts"]["pass"] for n in ("held", "fresh")}
                for n in seen:
                    wait_for(lambda n=n: v.probe(n)["attempts"]["pass"] > seen[n] + 2, f"{n} goes on")
            assert r.command("acl", "setuser", "default", ">two") == "OK"
            passes()
            with open(secret + ".new", "w") as f:
                f.write("two\n")
            os.rename(secret + ".new", secret)
            passes()
            assert r.command("acl", "setuser", "default", "<one") == "OK"
            passes()
            for n in ("held", "fresh"):
                assert v.probe(n)["attempts"]["fail"] == 0, v.probe(n)


# ---- what a server can suffer from


def test_loading_tells_its_progress_and_ends():
    with Redis() as r:
        r.command("debug", "populate", 20000, "k", 100)
        r.command("save")
        with Vitald(probes(cache={"url": r.url, "write_test": "vitald:t"})) as v:
            v.wait_state("cache", "up")
            w = Watch(v)
            r.kill()
            w.sees("cache", "fail", "refused", first=DEAD)
            r.start("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024", wait=False)
            w.mark()
            w.changes("cache", "fail", "loading", r"is loading its data into memory: \d+% done", within=10)
            wait_for(lambda: "OK" in r.command("config", "set", "key-load-delay", "0"), "the load goes on")
            w.recovers("cache", within=10)


def test_memory_full_and_free_again():
    with Redis() as r, Vitald(probes(seen={"url": r.url}, tried={"url": r.url, "info": False, "write_test": "vitald:t"},
                                     share={"url": r.url, "memory": {"warn_above": "50%", "full": "ignore"}})) as v:
        for n in ("seen", "tried", "share"):
            v.wait_state(n, "up")
        w = Watch(v)
        r.command("config", "set", "maxmemory", "1mb")
        w.sees("seen", "fail", "memory", "refuses writes")
        w.sees("tried", "fail", "memory", "OOM")
        w.sees("share", "warn", "memory", "warns above 50%")
        r.command("config", "set", "maxmemory", "100mb")
        w.recovers("seen", "tried", "share")


def test_a_save_that_fails_warns_and_refused_writes_fail():
    with Redis() as r, Vitald(probes(mild={"url": r.url}, strict={"url": r.url, "persistence": "fail"})) as v:
        v.wait_state("mild", "up")
        w = Watch(v)
        os.mkdir(f"{r.dir}/dump.rdb")            # in the way of the file
        r.command("set", "x", 1)
        r.command("bgsave")
        assert "rdb_last_bgsave_status:err" in wait_for(
            lambda: "bgsave_status:err" in r.command("info", "persistence") and r.command("info", "persistence"), "the save fails")
        w.sees("mild", "warn", "persistence", "background save failed")
        w.sees("strict", "fail", "persistence")
        r.command("config", "set", "save", "1 1")   # with save points, writes are refused, and PING says so
        w.sees("mild", "fail", "persistence", "MISCONF")
        os.rmdir(f"{r.dir}/dump.rdb")
        r.command("bgsave")
        w.recovers("mild", "strict", within=10)


def test_hang_and_busy():
    with Redis() as r, Vitald(probes(cache={"url": r.url})) as v:
        v.wait_state("cache", "up")
        w = Watch(v)
        r.signal(signal.SIGSTOP)
        w.sees("cache", "fail", "timeout", f"{r.address} accepts connections, but does not answer PING within")
        r.signal(signal.SIGCONT)
        w.recovers("cache")
        r.command("config", "set", "busy-reply-threshold", 50)
        script = subprocess.Popen(["redis-cli", "-p", str(r.port), "eval", "while true do end", "0"], stdout=subprocess.DEVNULL)
        w.sees("cache", "fail", "busy", first="busy|timeout")
        r.command("script", "kill")
        script.wait(10)
        w.recovers("cache")


def test_too_many_clients():
    with Redis() as r, Vitald(probes(held={"url": r.url, "clients": {"warn_above": "80%"}}, fresh={"url": r.url, "hold": False})) as v:
        v.wait_state("held", "up")
        v.wait_state("fresh", "up")
        w = Watch(v)
        r.command("config", "set", "maxclients", 20)
        sockets = fill(r.port, 30)
        w.sees("fresh", "fail", "too_many_clients", "max number of clients")
        w.sees("held", "warn", "too_many_clients", "clients of 20")
        for s in sockets:
            s.close()
        w.recovers("fresh", "held")


def test_commands_of_the_users_own():
    with Redis() as r, Vitald(probes(queue={"url": r.url, "commands": [
            {"command": "LLEN celery", "fail_above": 2}, {"command": ["GET", "the flag"], "name": "flag", "matches": "^(on|\\(nil\\))$"}]})) as v:
        v.wait_state("queue", "up")
        r.command("rpush", "celery", 1, 2, 3)
        outcome(v, "queue", "fail", "threshold", "LLEN celery is 3, fails above 2")
        assert 'probe="queue",command="LLEN celery"' in v.get("/metrics").text
        r.command("ltrim", "celery", 1, 0)
        r.command("set", "the flag", "off")
        outcome(v, "queue", "fail", "mismatch", 'flag is "off"')
        r.command("set", "the flag", "on")
        v.wait_state("queue", "up")


# ---- replication


def test_replica_with_its_link_cut():
    with Redis() as master, replica_of(master) as replica, replica_of(master, "--replica-serve-stale-data", "no") as strict:
        for r in (replica, strict):
            wait_for(lambda r=r: r.info("master_link_status") == "up", "link")
        with Vitald(probes(master={"url": master.url, "role": "master", "replicas": {"warn_below": 2}, "lag": {"warn_above": "5s"}},
                           replica={"url": replica.url, "role": "replica", "lag": {"fail_above": "1s"}},
                           strict={"url": strict.url, "role": "replica"},
                           wrong={"url": replica.url, "role": "master"})) as v:
            for n in ("master", "replica", "strict"):
                v.wait_state(n, "up")
            assert "2 replicas" in v.probe("master")["outcome"]["text"]
            outcome(v, "wrong", "fail", "role", "is a replica, a master is expected")
            w = Watch(v)
            strict.signal(signal.SIGSTOP)
            strict.kill()
            w.sees("master", "warn", "replication", "1 replica online")
            w.sees("strict", "fail", "refused", first=DEAD)
            strict.start("--replicaof", "127.0.0.1", str(master.port))
            w.recovers("master", "strict", within=5)
            master.signal(signal.SIGSTOP)        # the link stays up, and says nothing
            w.sees("replica", "fail", "lagging", "has heard nothing from its master", within=3)
            w.sees("master", "fail", "timeout")
            master.signal(signal.SIGCONT)
            w.recovers("replica", "master", within=5)
            master.kill()
            w.sees("replica", "fail", "replication", "link to its master 127.0.0.1 is down")
            w.sees("strict", "fail", "replication", "MASTERDOWN")
            master.start()
            w.recovers("master", "replica", "strict", within=10)


# ---- edges


@pytest.mark.parametrize("policy, what", [("fall: 1", "first failed attempt"), ("fall: 3, on_edge: confirm", "verdict with on_edge: confirm")])
def test_a_server_that_dies_is_seen_at_once(policy, what):
    """interval 60 s: only the edge can be that early. The verdict shows it, for /status may be a quarter of a second old."""
    took = []
    with Redis() as r, Vitald("defaults: { interval: 60s, interval_unsettled: 20ms, timeout: 2s, rise: 1 }\nprobes:\n"
                              f"  cache: {{ redis: {{ url: '{r.url}' }}, {policy} }}\ngroups:\n  ready: {{ all: [cache] }}\n") as v:
        for _ in range(5):
            v.wait_code("/readyz", 200)
            took.append(timed(r.kill, lambda: v.get("/readyz").status == 503, what))
            assert re.fullmatch(DEAD, v.wait_outcome("cache", class_="fail")["outcome"]["reason"])
            r.start()
            v.ctl("run", "cache")
    print(f"\nkilled -> {what}: " + ", ".join(f"{x * 1000:.1f} ms" for x in took))
    assert sorted(took)[2] < 1, "that was no edge"


@pytest.mark.parametrize("policy", ["on_edge: hasten", "on_edge: confirm"])
def test_one_that_accepts_and_drops_makes_no_storm(server, policy):
    s = server(lambda sock: (sock.recv(4096), sock.sendall(b"+PONG\r\n"), sock.close()))
    conf = f"defaults: {{ interval: 30s, interval_unsettled: 500ms, timeout: 1s, fall: 3, {policy} }}\nprobes:\n" \
           f"  cache: {{ redis: {{ url: 'redis://127.0.0.1:{s.port}', info: false }} }}\n"
    with Vitald(conf) as v:
        wait_for(lambda: s.accepted >= 3, "edges bring it back")
        began, count = time.monotonic(), s.accepted
        wait_for(lambda: s.accepted >= count + 4, "and again")
        took = time.monotonic() - began
        assert took > 4 * 0.5 * 0.7, f"4 attempts in {took:.2f} s"
        assert v.probe("cache")["state"] == "up"


# ---- strangers


@pytest.mark.parametrize("answer, reason", [
    (b"*2147483647\r\n", "too_large"),
    (b"*1\r\n" * 7 + b"*1025\r\n", "too_large"),
    (b"*1\r\n" * 40, "bad_reply"),
    (b"+" + b"a" * 400000, "too_large"),
    (b"$500000000\r\n" + b"a" * 400000, "too_large"),
    (b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "bad_reply"),
    (b"%1\r\n+server\r\n+redis\r\n", "bad_reply"),
    (b"+WHAT\r\n", "bad_reply"),
    (b"-ERR max number of clients reached\r\n", "too_many_clients"),
    (b"", "closed"),
], ids=["bomb", "wide", "deep", "line", "bulk", "http", "resp3", "no-pong", "full", "mute"])
def test_hostile_replies(server, answer, reason):
    def serve(sock):
        sock.recv(4096)
        sock.sendall(answer)
        sock.shutdown(1)
    s = server(serve)
    with Vitald(probes(cache={"url": f"redis://127.0.0.1:{s.port}", "info": False})) as v:
        outcome(v, "cache", "fail", reason)


def test_silence_is_a_timeout(server):
    s = server(lambda sock: sock.recv(4096) and sock.recv(4096))
    with Vitald(probes(cache={"url": f"redis://127.0.0.1:{s.port}"})) as v:
        outcome(v, "cache", "fail", "timeout")


# ---- without a configuration


def test_the_environment_is_enough():
    with Redis("--requirepass", "s3cr3t", admin=["--pass", "s3cr3t"]) as r:
        for env in ({"REDIS_URL": f"redis://:s3cr3t@{r.address}/1"},
                    {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(r.port), "REDIS_PASSWORD": "s3cr3t", "REDIS_DB": "2"}):
            out = subprocess.run([f"{BUILD}/vitald", "--once"], env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True, timeout=60)
            assert out.returncode == 0 and " redis " in out.stdout and "s3cr3t" not in out.stdout + out.stderr, out.stdout + out.stderr


# ---- bounds


def test_many_probes_hold_one_connection_each():
    with Redis() as r, Vitald(probes(**{f"p{i}": {"url": r.url} for i in range(200)})) as v:
        wait_for(lambda: all(p["state"] == "up" for p in v.status()["probes"] if p["type"] == "redis"), "all are up")
        r.command("client", "kill", "type", "normal")
        seen = v.probe("p0")["attempts"]["pass"]
        wait_for(lambda: v.probe("p0")["attempts"]["pass"] > seen + 2, "they go on")
        assert r.command("client", "list").count("\n") + 1 <= 201
        fds = v.fds()
        for _ in range(3):
            r.kill()
            wait_for(lambda: v.probe("p199")["state"] == "down", "down")
            r.start()
            wait_for(lambda: all(p["state"] == "up" for p in v.status()["probes"] if p["type"] == "redis"), "up again")
        wait_for(lambda: v.fds() <= fds + 2, "no descriptor is left behind")


@pytest.mark.parametrize("options, text", [
    ("{ url: 'http://x' }", "no scheme of Redis"),
    ("{ mode: sentinel, hosts: [a] }", "which master"),
    ("{ url: 'redis://x', commands: [ 'BLPOP q 0' ] }", "not for a health check"),
    ("{ url: 'redis://x', rol: master }", "did you mean `role`"),
])
def test_mistakes_in_the_configuration(options, text):
    r = check_config(f"probes:\n  cache: {{ redis: {options} }}\n")
    assert r.returncode == 1 and text in r.stderr + r.stdout, r.stderr + r.stdout
