"""The mysql module against real MariaDB servers, and against a pretender for what real servers will not do."""
import json
import os
import signal
import subprocess
import tempfile
import time

import pytest

import mysql_kit
from daemon import BUILD, Vitald, check_config, wait_for
from fault_kit import CALM, DEAD, Watch, groups
from mysql_kit import FAST, MariaDB, MySQL8, Template

pytestmark = pytest.mark.skipif(not os.path.exists("/usr/sbin/mariadbd"), reason="mariadb-server is not installed")


def rows(**probes):
    return "probes:\n" + "\n".join(f"  {name}: {{ mysql: {json.dumps(options)} }}" for name, options in probes.items()) + "\n" + groups(*probes)


def outcome(v, name, class_, reason, text=None):
    want = {"class_": class_, "reason": reason, **({"text": text} if text else {})}
    return v.wait_outcome(name, **want)["outcome"]["text"]


def numbers(v, name):
    return {n["name"]: n["value"] for n in v.probe(name)["numbers"]}


@pytest.fixture(scope="module")
def template():
    with Template() as t:
        yield t


@pytest.fixture(scope="module")
def tls(ca):
    crt, key = ca.issue("mysql")
    stranger, stranger_key = ca.issue("elsewhere", san="DNS:elsewhere.example")
    expired, expired_key = ca.issue("late", not_before="20200101000000Z", not_after="20210101000000Z")
    for f in (crt, key, stranger, stranger_key, expired, expired_key, ca.ca):
        os.chmod(f, 0o644)
    os.chmod(ca.dir, 0o755)
    return {"ca": ca.ca, "good": (crt, key), "stranger": (stranger, stranger_key), "expired": (expired, expired_key)}


def with_certificate(tls, name):
    return [f"--ssl-ca={tls['ca']}", f"--ssl-cert={tls[name][0]}", f"--ssl-key={tls[name][1]}"]


@pytest.fixture(scope="module")
def primary(template, tls):
    with MariaDB(template, *with_certificate(tls, "good"), "--max-connections=10") as server:
        yield server


@pytest.fixture(scope="module")
def replica(template, primary):
    with MariaDB(template, "--read-only", number=2) as server:
        server.replicate(primary)
        yield server


# ---- logins and transports


def test_logins_databases_and_transports(primary, tls):
    at = {"host": "localhost", "port": primary.port, "user": "vitald", "password": "vpw"}
    with Vitald(FAST + rows(
            url={"url": primary.url(database="shop"), "role": "primary", "connections": {"warn_above": "80%"}},
            named={"url": f"mysql://localhost:{primary.port}", "user": "vitald", "password": "vpw"},
            unix={"socket": primary.socket, "user": "vitald", "password": "vpw"},
            verified={**at, "tls": {"ca": tls["ca"]}},
            untrusted={**at, "sslmode": "verify-full"},
            encrypted={**at, "user": "secure", "password": "spw", "sslmode": "require"},
            certified={**at, "user": "certified", "password": "", "tls": {"ca": tls["ca"], "cert": tls["good"][0], "key": {"file": tls["good"][1]}}},
            plain={**at, "user": "secure", "password": "spw"},
            wrong={"url": primary.url(password="secret-but-wrong")},
            nodb={"url": primary.url("boss", "bpw", "nothere")},
            forbidden={"url": primary.url(database="mysql")},
            poor={"url": primary.url("poor", "ppw")},
            open={"host": "127.0.0.1", "port": primary.port, "user": "open"},
            needy={"url": primary.url("poor", "ppw"), "replication": "required"},
            nosocket={"socket": "/nonexistent/my.sock", "user": "x"},
            noname={"url": "mysql://u:p@no-such-host.invalid"},
            refused={"url": f"mysql://u:p@127.0.0.1:{mysql_kit.free_port()}"}), env={"MYSQL_PWD": "x", "MYSQL_TCP_PORT": "1", "MYSQL_UNIX_PORT": "/x"}) as v:
        for name in ("url", "named", "unix", "verified", "encrypted", "certified", "open"):
            v.wait_state(name, "up")
        got = numbers(v, "url")
        assert got["max_connections"] == 10 and got["connections"] >= 1 and got["read_only"] == 0 and got["login_seconds"] > 0
        assert "MariaDB 10." in outcome(v, "url", "pass", "ok", "writable")
        outcome(v, "untrusted", "fail", "cert_untrusted")
        outcome(v, "plain", "fail", "auth", "1045")
        outcome(v, "wrong", "fail", "auth", "Access denied for user 'vitald'")
        outcome(v, "nodb", "fail", "no_database", "1049")
        outcome(v, "forbidden", "fail", "permission", "1044")
        assert "not permitted" in outcome(v, "poor", "pass", "ok")
        outcome(v, "needy", "fail", "permission", "1227.*|grant REPLICA MONITOR")
        outcome(v, "nosocket", "fail", "not_found", "/nonexistent/my.sock: No such file")
        outcome(v, "noname", "fail", "dns", "no-such-host.invalid")
        outcome(v, "refused", "fail", "refused")
        assert v.probe("url")["target"].endswith("/shop")
        text = v.get("/status").body.decode() + v.get("/metrics").text + v.log()
        assert "secret-but-wrong" not in text and "vpw" not in text


def test_certificates_of_another_name_and_expired(template, tls):
    with MariaDB(template, *with_certificate(tls, "stranger")) as server:
        at = {"host": "127.0.0.1", "port": server.port, "user": "vitald", "password": "vpw"}
        with Vitald(FAST + rows(name={**at, "tls": {"ca": tls["ca"]}},
                                chain={**at, "sslmode": "verify-ca", "tls": {"ca": tls["ca"]}})) as v:
            outcome(v, "name", "fail", "cert_name")
            v.wait_state("chain", "up")
            server.sql("CREATE USER x@'%'")      # still the same server below the next certificate
            server.signal(signal.SIGTERM)
            server.process.wait(20)
            server.options = with_certificate(tls, "expired")
            server.start()
            outcome(v, "name", "fail", "cert_expired")
            outcome(v, "chain", "fail", "cert_expired")


def test_a_password_that_rotates_never_shows(primary):
    primary.sql("CREATE USER turning@'%' IDENTIFIED BY 'one'")
    with tempfile.TemporaryDirectory() as d:
        secret = f"{d}/secret"
        with open(secret, "w") as f:
            f.write("one\n")
        with Vitald(CALM + rows(db={"host": "127.0.0.1", "port": primary.port, "user": "turning", "password": {"file": secret}})) as v:
            v.wait_state("db", "up")
            w = Watch(v)
            with open(secret + ".new", "w") as f:
                f.write("two\n")
            primary.sql("ALTER USER turning@'%' IDENTIFIED BY 'two'")
            os.rename(secret + ".new", secret)
            before = v.probe("db")["attempts"]["pass"]
            wait_for(lambda: v.probe("db")["attempts"]["pass"] > before + 2, "logins with the new password")
            assert v.probe("db")["attempts"]["fail"] <= 2        # what fell between the two lines above
            w.quiet("db")


# ---- what is asked


def test_queries(primary):
    ask = {"url": primary.url(database="shop")}
    with Vitald(FAST + rows(
            good={**ask, "queries": ["SELECT 1", {"query": "SELECT COUNT(*) FROM queue", "name": "depth", "fail_above": 10, "equals": "3"},
                                     {"query": "SELECT id FROM queue", "min_rows": 3, "max_rows": 3}, {"query": "SELECT 'ok-7'", "matches": "^ok-[0-9]$"}]},
            deep={**ask, "queries": [{"query": "SELECT COUNT(*) FROM queue", "warn_above": 1, "fail_above": 100}]},
            other={**ask, "queries": [{"query": "SELECT 'no'", "name": "flag", "equals": "yes"}]},
            text={**ask, "queries": [{"query": "SELECT 'many'", "fail_above": 1}]},
            null={**ask, "queries": [{"query": "SELECT NULL", "equals": "1"}]},
            norow={**ask, "queries": [{"query": "SELECT id FROM queue WHERE id > 99", "min_rows": 1}]},
            typo={**ask, "queries": ["SELEKT 1", {"query": "SELECT 5", "equals": "6"}]},
            write={**ask, "user": None, "queries": ["DELETE FROM queue"]} | {"url": primary.url("boss", "bpw", "shop")},
            two={**ask, "queries": ["SELECT 1; SELECT 2"]},
            flood={**ask, "queries": ["SELECT * FROM seq_1_to_100000"]},
            large={**ask, "queries": ["SELECT REPEAT('x', 2000000)"]})) as v:
        v.wait_state("good", "up")
        got = v.probe("good")["numbers"]
        assert any(n["name"] == "query_value" and n["labels"] == {"query": "depth"} and n["value"] == 3 for n in got), got
        outcome(v, "deep", "warn", "threshold", "query 1 answers 3, warns above 1")
        outcome(v, "other", "fail", "mismatch", "flag answers no, expected yes")
        outcome(v, "text", "fail", "mismatch", "no number")
        outcome(v, "null", "fail", "mismatch", "NULL")
        outcome(v, "norow", "fail", "count", "at least 1")
        outcome(v, "typo", "fail", "query", "query 1: error 1064.*query 2 answers 5, expected 6")
        outcome(v, "write", "fail", "query", "READ ONLY")
        outcome(v, "two", "fail", "query", "1064")
        outcome(v, "flood", "fail", "too_large", "more rows")
        outcome(v, "large", "fail", "closed", "larger than 1 MiB")
    assert primary.sql("SELECT COUNT(*) FROM shop.queue") == "3"


def test_a_query_that_takes_too_long_does_not_go_on_in_the_server(primary):
    with Vitald(FAST + rows(slow={"url": primary.url(), "queries": [{"query": "SELECT SLEEP(600) AS dreaming", "name": "dream"}]},
                            late={"url": primary.url(), "warn_above": "1us"})) as v:
        outcome(v, "slow", "fail", "timeout", "no answer to dream within")
        outcome(v, "late", "warn", "slow")
        v.ctl("pause", "slow")
        wait_for(lambda: "dreaming" not in primary.sql("SELECT info FROM information_schema.processlist WHERE user = 'vitald'"), "the query ends")


def test_positions(primary):
    primary.sql("INSERT INTO shop.queue VALUES (100); DELETE FROM shop.queue WHERE id = 100")
    here = primary.sql("SELECT @@global.gtid_current_pos")
    domain, server, number = here.split(",")[0].split("-")
    with Vitald(FAST + rows(here={"url": primary.url(), "gtid": here}, ahead={"url": primary.url(), "gtid": f"{domain}-{server}-{int(number) + 2}"},
                            mysql={"url": primary.url(), "gtid": "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5"})) as v:
        v.wait_state("here", "up")
        outcome(v, "ahead", "fail", "lagging", f"not reached {domain}-{server}-{int(number) + 2}, it is at")
        outcome(v, "mysql", "fail", "config", "the server is MariaDB")
        primary.sql("INSERT INTO shop.queue VALUES (100); DELETE FROM shop.queue WHERE id = 100")
        v.wait_state("ahead", "up")


# ---- replication


def test_roles_and_replication(primary, replica):
    asked = {"url": replica.url(), "role": "replica", "lag": {"warn_above": "2s", "fail_above": "1h"}}
    with Vitald(FAST + rows(replica=asked, auto={"url": replica.url()}, blind={"url": replica.url(), "replication": "ignore"},
                            promoted={"url": replica.url(), "role": "primary"}, primary={"url": primary.url(), "role": "primary"},
                            demoted={"url": primary.url(), "role": "replica"}, lonely={"url": primary.url(), "replication": "required"})) as v:
        for name in ("replica", "auto", "blind", "primary"):
            v.wait_state(name, "up")
        got = numbers(v, "replica")
        assert got["replication_channels"] == 1 and got["replication_io_running"] == got["replication_sql_running"] == 1 and got["lag_seconds"] >= 0
        outcome(v, "promoted", "fail", "role", "read-only")
        outcome(v, "demoted", "fail", "role", "writable.*; the server replicates from nowhere")
        outcome(v, "lonely", "fail", "replication", "no source is configured")

        w = Watch(v)
        replica.sql("STOP SLAVE SQL_THREAD")
        w.sees("replica", "fail", "replication", f"from 127.0.0.1:{primary.port} is broken: the SQL thread is stopped")
        w.sees("auto", "fail", "replication")
        assert "lag_seconds" not in numbers(v, "replica")
        v.wait_state("blind", "up")
        replica.sql("SET GLOBAL read_only = 0")
        w.sees("auto", "warn", "replication")
        replica.sql("SET GLOBAL read_only = 1; START SLAVE")
        w.recovers("replica", "auto")

        replica.sql("STOP SLAVE IO_THREAD")
        w.sees("replica", "fail", "replication", "the IO thread is stopped")
        replica.sql("START SLAVE")
        w.recovers("replica", within=5)

        primary.sql("ALTER USER repl@'%' IDENTIFIED BY 'changed'; KILL USER repl@'%'")
        w.sees("replica", "fail", "replication", "the IO thread is .*error 1045.*Access denied", within=5)
        primary.sql("ALTER USER repl@'%' IDENTIFIED BY 'rpw'")
        replica.sql("STOP SLAVE; START SLAVE")
        w.recovers("replica", within=5)

        replica.sql("SET STATEMENT sql_log_bin = 0 FOR INSERT INTO shop.queue VALUES (77)")
        primary.sql("INSERT INTO shop.queue VALUES (77)")
        w.sees("replica", "fail", "replication", "the SQL thread is stopped: error 1062: .*Duplicate entry")
        replica.sql("DELETE FROM shop.queue WHERE id = 77; START SLAVE")
        w.recovers("replica", within=5)
        primary.sql("DELETE FROM shop.queue WHERE id = 77")


def test_lag_and_several_sources(template, primary, replica):
    with MariaDB(template, number=3) as second:
        with Vitald(FAST + rows(warned={"url": replica.url(), "lag": {"warn_above": "500ms"}},
                                failed={"url": replica.url(), "lag": {"warn_above": "1ms", "fail_above": "900ms"}})) as v:
            for name in ("warned", "failed"):
                v.wait_state(name, "up")
            replica.sql("STOP SLAVE; CHANGE MASTER TO master_delay=600; START SLAVE")
            w = Watch(v)
            w.calm("warned", "failed")                      # its threads stood still for a moment
            primary.sql("INSERT INTO shop.queue VALUES (50); DELETE FROM shop.queue WHERE id = 50")
            w.sees("warned", "warn", "lagging", "replication from .* is .* s behind, warns above 500 ms", within=2)
            w.sees("failed", "fail", "lagging", within=2)
            replica.sql("STOP SLAVE; CHANGE MASTER TO master_delay=0; START SLAVE")
            w.recovers("warned", "failed", within=5)
            w.calm("warned", "failed")                      # what was held back for so long is late while it is applied

            replica.sql(f"SET GLOBAL gtid_domain_id=9; CHANGE MASTER 'second' TO master_host='127.0.0.1', master_port={second.port}, "
                        "master_user='repl', master_password='rpw', master_log_file='bin.000001', master_log_pos=4, master_use_gtid=no")
            w.sees("failed", "fail", "replication", "replication channel second from .* is broken: the SQL thread is stopped; the IO thread says No")
            labels = [n["labels"]["channel"] for n in v.probe("failed")["numbers"] if n["name"] == "replication_io_running"]
            assert sorted(labels) == ["default", "second"]
            replica.sql("RESET SLAVE 'second' ALL")
            w.recovers("failed")


# ---- what a server can suffer from


def test_no_connection_is_left(primary):
    with Vitald(FAST + rows(share={"url": primary.url(), "connections": {"warn_above": "50%"}}, count={"url": primary.url(), "connections": {"fail_above": 5}},
                            plain={"url": primary.url()})) as v:
        for name in ("share", "count", "plain"):
            v.wait_state(name, "up")
        w = Watch(v)
        clients = primary.sessions(6)
        try:
            w.sees("share", "warn", "threshold", "of 10 connections are open, warns above 50%", within=5)
            w.sees("count", "fail", "threshold", within=5)
            clients += primary.sessions(8)
            w.sees("plain", "fail", "too_many_clients", "1040", within=5)
        finally:
            for c in clients:
                c.kill()
                c.wait()
        w.recovers("plain", "share", "count", within=5)
        wait_for(lambda: numbers(v, "plain").get("refused_connections", 0) > 0, "refusals are counted")


def test_many_probes_take_two_connections(primary):
    many = {f"p{i}": {"url": primary.url()} for i in range(200)}
    wait_for(lambda: primary.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'vitald'") == "0", "nobody of before is left")
    primary.sql("FLUSH STATUS")
    most = 0

    def three_attempts_each():
        nonlocal most
        out = subprocess.run(["ss", "-Htn", "state", "established", f"dport = :{primary.port}"], capture_output=True, text=True, check=True).stdout
        most = max(most, len(out.splitlines()))
        return all(p["attempts"]["pass"] >= 3 for p in v.status()["probes"])
    with Vitald("defaults: { interval: 1s, timeout: 900ms, rise: 1, fall: 1 }\n" + rows(**many)) as v:
        wait_for(three_attempts_each, "three attempts each")
        assert not [p["name"] for p in v.status()["probes"] if p["state"] != "up" or p["attempts"]["fail"]]
        # now, for an attempt that is under way at our end is cut off
        assert primary.sql("SHOW GLOBAL STATUS LIKE 'Aborted_c%'").split()[1::2].count("0") == 3
    assert 1 <= most <= 4       # two; but they come and go while ss walks through the table
    # the server buries connections a little later than we close them
    assert int(primary.sql("SHOW GLOBAL STATUS LIKE 'Max_used_connections'").split()[1]) < 10


def test_hang_kill_and_the_way_back(primary, replica):
    """Threads stuck in one server: the loop goes on, each probe holds one thread, all of them come back."""
    hung = {f"hung{i}": {"url": replica.url()} for i in range(4)}      # more than there are threads
    with Vitald(FAST + rows(**hung, well={"url": primary.url()})) as v:
        for name in (*hung, "well"):
            v.wait_state(name, "up")
        w = Watch(v)
        replica.signal(signal.SIGSTOP)
        try:
            for name in hung:
                w.sees(name, "fail", "timeout", within=5, text="no answer to .* within|still hangs|still wait")
            began = time.monotonic()
            assert v.get("/livez").status == 200
            assert time.monotonic() - began < 0.5
            seen = v.probe("well")["attempts"]["pass"]
            wait_for(lambda: v.probe("well")["attempts"]["pass"] > seen + 1, "the healthy one gets a thread")
            assert v.probe("well")["state"] == "up"
            threads = [open(f"/proc/{v.pid}/task/{t}/comm").read().strip() for t in os.listdir(f"/proc/{v.pid}/task")]
            assert threads.count("mysql") <= 4, threads      # two a server
            assert not [n for n in hung if v.probe(n)["attempts"]["internal"]], "who finds no thread knows why"
        finally:
            replica.signal(signal.SIGCONT)
        w.recovers(*hung, within=5)
        replica.kill()
        for name in hung:
            w.sees(name, "fail", "refused", first=DEAD, within=5)
        replica.start()
        w.recovers(*hung, within=5)
        replica.signal(signal.SIGTERM)
        replica.process.wait(20)
        w.sees("hung0", "fail", "refused", first=DEAD + "|stopping", within=5)
        replica.start()
        w.recovers("hung0", within=5)
        assert v.probe("well")["attempts"]["fail"] == 0


def test_what_only_a_pretender_does(server):
    fakes = {n: server(getattr(mysql_kit, f)) for n, f in {
        "mute": "silent", "gone": "at_once_gone", "web": "web", "stalls": "stalls_in_tls", "open": "without_tls", "strict": "without_tls",
        "greedy": "wants_the_password", "endless": "endless_rows"}.items()}
    at = {n: {"host": "127.0.0.1", "port": s.port, "user": "u", "password": "please-keep-me"} for n, s in fakes.items()}
    for n in ("stalls", "open"):
        at[n]["sslmode"] = "require"
    at["strict"]["sslmode"] = "verify-full"
    with Vitald("defaults: { interval: 5s, timeout: 4s, rise: 1, fall: 1 }\n" + rows(**{n: at[n] for n in at if n not in ("mute", "stalls")})) as v:
        outcome(v, "gone", "fail", "closed", "instead of greeting")
        outcome(v, "web", "fail", "closed", "another protocol")
        outcome(v, "open", "fail", "tls", "does not offer TLS")
        outcome(v, "strict", "fail", "tls", "TLS")
        assert "please-keep-me" not in outcome(v, "greedy", "fail", "config", "is refused")
        outcome(v, "endless", "fail", "too_large")
    with Vitald(FAST + rows(**{n: at[n] for n in ("mute", "stalls")})) as v:
        outcome(v, "mute", "fail", "timeout", "no answer to the login within")
        outcome(v, "stalls", "fail", "timeout", "login")


def test_what_is_different_with_mysql_8(server):
    """No real one: Debian has none. The login by caching_sha2_password, both ways, and the words for replication, old and new."""
    with MySQL8("vpw") as short, MySQL8("vpw", cached=False) as long, MySQL8("vpw", old=True) as old:
        at = {n: {"url": f"mysql://vitald:vpw@127.0.0.1:{server(s).port}", "role": "replica", "lag": {"warn_above": "10s"}}
              for n, s in {"short": short, "long": long, "old": old}.items()}
        here, ahead = short.gtid, short.gtid.replace("1-77", "1-99")
        with Vitald(FAST + rows(**at, asking={**at["short"], "queries": ["SELECT 1"], "gtid": here}, ahead={**at["short"], "gtid": ahead},
                                late={**at["short"], "lag": {"fail_above": "2s"}}, wrong={"url": at["short"]["url"].replace("vpw", "bad")},
                                wrong_long={"url": at["long"]["url"].replace("vpw", "bad")})) as v:
            for name in (*at, "asking"):
                v.wait_state(name, "up")
                assert numbers(v, name)["lag_seconds"] == 4
            assert "MySQL 8.4.3" in outcome(v, "short", "pass", "ok") and "MySQL 5.7" in outcome(v, "old", "pass", "ok")
            outcome(v, "ahead", "fail", "lagging", "has not reached")
            outcome(v, "late", "fail", "lagging", "from db1:3306 is 4 s behind")
            outcome(v, "wrong", "fail", "auth", "1045")
            outcome(v, "wrong_long", "fail", "auth", "1045")
        assert not [q for q in short.asked + long.asked if "SLAVE" in q or "max_statement_time" in q], "words that MySQL 8.4 does not know"


# ---- configuration


@pytest.mark.parametrize("options, text", [
    ({"url": "postgres://u:p@h/db"}, "no scheme of MySQL"),
    ({"user": "u"}, "say where the server is"),
    ({"url": "mysql://u:p@h", "host": "h"}, "named twice"),
    ({"url": "mysql://h"}, "say who logs in"),
    ({"url": "mysql://u:p@h/a/b"}, "name of a database"),
    ({"url": "mysql://u:p@h/a", "database": "b"}, "in one place"),
    ({"host": "a,b", "user": "u"}, "one name or address"),
    ({"socket": "/s", "user": "u", "sslmode": "verify-full"}, "no host name to verify"),
    ({"host": "h", "user": "u", "sslmode": "disable", "tls": {"ca": "/ca"}}, "there is no TLS"),
    ({"host": "h", "user": "u", "sslmode": "require", "tls": {"cert": "/c"}}, "both `cert` and `key`"),
    ({"host": "h", "user": "u", "gtid": "latest"}, "a position is"),
    ({"host": "h", "user": "u", "replication": "ignore", "lag": {"warn_above": "1s"}}, "is ignored"),
    ({"host": "h", "user": "u", "queries": [{"query": "SELECT 1", "min_rows": 3, "max_rows": 2}]}, "no answer can fulfil both"),
])
def test_refused_configurations(options, text):
    done = check_config(rows(db=options))
    assert done.returncode != 0 and text in done.stderr, done.stderr


def test_without_a_configuration(primary):
    env = {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": str(primary.port), "MYSQL_USER": "vitald", "MYSQL_PASSWORD": "vpw", "MYSQL_DB": "shop",
           "VITALD_LISTEN": "127.0.0.1:0"}
    done = subprocess.run([os.path.join(BUILD, "vitald"), "--once"], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], **env})
    assert "mysql" in done.stdout and "vpw" not in done.stdout, done.stdout + done.stderr
    assert any(line.startswith("+") and " mysql " in line for line in done.stdout.splitlines()), done.stdout + done.stderr
