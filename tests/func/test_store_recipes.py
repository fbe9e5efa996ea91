"""The recipes for data stores against what they are for: real servers in the topology that the recipe's first line names, with the
accounts that its comments make. Only addresses and ports are others."""
import contextlib
import os
import re

import pytest

import mysql_kit
import redis_kit
from daemon import Vitald
from lb_kit import recipe
from postgres_kit import BIN, PgBouncer, Postgres

PASSWORD = "kX9-2vQ0"
ENV = {"PGPASSWORD": PASSWORD, "REDIS_PASSWORD": PASSWORD, "SENTINEL_PASSWORD": PASSWORD + "-s", "MYSQL_PASSWORD": PASSWORD}

needs_postgres = pytest.mark.skipif(not BIN, reason="postgresql is not installed")
needs_redis = pytest.mark.skipif(not os.path.exists("/usr/bin/redis-sentinel"), reason="redis is not installed")
needs_mysql = pytest.mark.skipif(not os.path.exists("/usr/sbin/mariadbd"), reason="mariadb-server is not installed")


def told(text, pattern):
    """The statements of a comment, with the password that it leaves open."""
    found = re.search(pattern, text)
    assert found, f"the recipe does not say how the account is made: {pattern}"
    return found.group(1).replace("'...'", f"'{PASSWORD}'").replace("'PASSWORD'", f"'{PASSWORD}'").replace(">PASSWORD", f">{PASSWORD}")


def becomes_ready(text, places, ca=None):
    """places: (what stands in the recipe, what stands there instead); each must be there."""
    for old, new in (("address: 0.0.0.0:8686", "address: 127.0.0.1:0\n    serve: [verdicts, status]"), *places):
        assert old in text, old
        text = text.replace(old, new)
    with Vitald(text, env={**ENV, **({"SSL_CERT_FILE": ca} if ca else {})}) as v:
        names = [p["name"] for p in v.status()["probes"]]
        for name in names:
            v.wait_state(name, "up")
        v.wait_code("/readyz", 200)
        assert v.group("ready")["verdict"] == "pass", v.group("ready")
        return names


@needs_postgres
def test_postgres(ca):
    primary_and_standbys, pgbouncer = recipe("postgres-primary-standbys.yaml"), recipe("postgres-pgbouncer.yaml")
    tls = ca.issue("server")
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(Postgres("max_wal_senders = 6", tls=tls))
        primary.start()
        primary.sql(told(primary_and_standbys, r"#   (CREATE ROLE .*;)").split(";")[0])
        primary.sql("grant pg_monitor to vitald")
        primary.sql("create database app")
        standbys = [stack.enter_context(Postgres(tls=tls, base_of=primary)).start() for _ in range(2)]
        one, two, three = (s.address for s in (primary, *standbys))
        assert becomes_ready(primary_and_standbys, [("hosts: [db1.example, db2.example, db3.example]", f"hosts: [{two}, '{one}', '{three}']"),
                                                    ("//db2.example/", f"//{two}/")], ca.ca) == ["writer", "reader", "self"]
        pool = stack.enter_context(PgBouncer(primary))
        with open(f"{pool.dir}/users", "a") as f:
            f.write(f'"vitald" "{PASSWORD}"\n')
        pool.process.send_signal(1)     # reads it again
        becomes_ready(pgbouncer, [("127.0.0.1:6432", f"127.0.0.1:{pool.port}"), ("@db1.example/", f"@{one}/")])


@needs_redis
def test_redis_standalone(ca):
    text = recipe("redis-standalone.yaml")
    crt, key = ca.issue("redis")
    acl = told(text, r"#   ACL SETUSER (.*)").split()
    with redis_kit.Redis() as cache, redis_kit.replica_of(cache) as replica, redis_kit.Redis() as queue, redis_kit.Redis() as other:
        tls_port = other.port       # a free one: that server leaves first
        other.kill()
        queue.command("config", "set", "tls-cert-file", crt, "tls-key-file", key, "tls-ca-cert-file", ca.ca, "tls-auth-clients", "no")
        assert queue.command("config", "set", "tls-port", tls_port) == "OK"
        for r in (cache, replica, queue):
            assert r.command("acl", "setuser", *acl) == "OK"
        becomes_ready(text, [("//cache.example:6379", f"//{cache.address}"), ("//cache-replica.example:6379", f"//{replica.address}"),
                             ("//queue.example:6380", f"//localhost:{tls_port}")], ca.ca)


@needs_redis
def test_redis_sentinel():
    with redis_kit.Sentinels(PASSWORD, PASSWORD + "-s") as s:
        hosts = ", ".join(x.address for x in s.sentinels)
        becomes_ready(recipe("redis-sentinel.yaml"), [("[sentinel-1.example, sentinel-2.example, sentinel-3.example]", f"[{hosts}]")])


@needs_redis
def test_redis_cluster():
    text = recipe("redis-cluster.yaml")
    acl = told(text, r"#   ACL SETUSER (.*?)  ").split()
    with redis_kit.Cluster() as k:
        for n in k.nodes:
            assert n.command("acl", "setuser", *acl) == "OK"
        assert k.nodes[0].command("acl", "setuser", *told(text, r"#   ACL SETUSER (vitald-node .*?)  ").split()) == "OK"
        hosts = ", ".join(n.address for n in k.nodes[:3])
        becomes_ready(text, [("[redis-1.example, redis-2.example, redis-3.example]", f"[{hosts}]"), ("//redis-1.example:6379", f"//{k.nodes[0].address}")])


@needs_mysql
def test_mysql(ca):
    text = recipe("mysql-primary-replicas.yaml")
    crt, key = ca.issue("mysql")
    for path in (crt, key, ca.ca):
        os.chmod(path, 0o644)
    os.chmod(ca.dir, 0o755)
    tls = [f"--ssl-ca={ca.ca}", f"--ssl-cert={crt}", f"--ssl-key={key}"]
    with mysql_kit.Template() as template, mysql_kit.MariaDB(template, *tls, fill=False) as primary, \
            mysql_kit.MariaDB(template, *tls, "--read-only", number=2, fill=False) as one, \
            mysql_kit.MariaDB(template, *tls, "--read-only", number=3, fill=False) as two:
        primary.sql("CREATE USER repl@'%' IDENTIFIED BY 'rpw'; GRANT REPLICATION SLAVE ON *.* TO repl@'%'")
        for r in (one, two):
            r.replicate(primary)
        primary.sql("CREATE DATABASE shop; CREATE TABLE shop.outbox (sent INT)")
        primary.sql(told(text, r"#   MariaDB:  (.*)"))
        becomes_ready(text, [(f"host: db{i}.example", f"host: localhost\n      port: {s.port}") for i, s in enumerate((primary, one, two), 1)]
                      + [("/etc/ssl/certs/ca-certificates.crt", ca.ca)])
