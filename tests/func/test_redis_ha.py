"""The redis module against three Sentinels and against a cluster, with failovers."""
import json
import os
import signal

import pytest

from daemon import Vitald, wait_for
from fault_kit import DEAD, Watch, groups
from redis_kit import FAST, Cluster, Redis, Sentinels

pytestmark = pytest.mark.skipif(not os.path.exists("/usr/bin/redis-sentinel"), reason="redis-sentinel is not installed")


def probes(**rows):
    lines = [f"  {name}: {{ redis: {json.dumps(options)} }}" for name, options in rows.items()]
    return FAST + "probes:\n" + "\n".join(lines) + "\n" + groups(*rows)


def outcome(v, name, class_, reason, text=None):
    return v.wait_outcome(name, class_=class_, reason=reason, **({"text": text} if text else {}))["outcome"]["text"]


def number(v, probe, name):
    return next((n["value"] for n in v.probe(probe)["numbers"] if n["name"] == name), None)


def test_sentinel_failover_quorum_and_names():
    with Sentinels() as s:
        hosts = [x.address for x in s.sentinels]
        with Vitald(probes(app={"mode": "sentinel", "hosts": hosts, "master": "mymaster", "write_test": "vitald:t"},
                           typo={"mode": "sentinel", "hosts": hosts, "master": "mymasters"})) as v:
            v.wait_state("app", "up")
            assert f"the master {s.master.address}" in v.probe("app")["outcome"]["text"]
            assert number(v, "app", "sentinels") == 3
            outcome(v, "typo", "fail", "config", 'knows no master "mymasters"')

            w = Watch(v)
            s.master.kill()                     # the first failed attempt, then the new master, without anybody's help
            w.sees("app", "fail", "refused", first=DEAD)
            w.recovers("app", within=15)
            new = next(r for r in s.replicas if r.info("role") == "master")
            assert f"the master {new.address}" in v.probe("app")["outcome"]["text"]
            s.master.start()
            wait_for(lambda: s.master.info("role") == "slave", "the old master comes back as a replica")
            assert v.probe("app")["state"] == "up"

            s.sentinels[0].signal(signal.SIGSTOP)   # one hangs: the others are asked, within the same attempt
            passed = v.probe("app")["attempts"]["pass"]
            wait_for(lambda: v.probe("app")["attempts"]["pass"] > passed + 2, "attempts go on")
            w.mark()
            s.sentinels[1].kill()
            assert "NOQUORUM" in w.sees("app", "warn", "quorum", "cannot be failed over", within=5)
            s.sentinels[1].start()
            s.sentinels[0].signal(signal.SIGCONT)
            w.recovers("app", within=15)

            for x in s.sentinels:
                x.kill()
            assert "no Sentinel tells where mymaster is" in w.sees("app", "fail", "refused", first=DEAD)
            for x in s.sentinels:
                x.start()
            w.recovers("app", within=15)


def test_tilt():
    with Sentinels() as s, Vitald(probes(app={"mode": "sentinel", "hosts": [s.sentinels[0].address], "master": "mymaster"})) as v:
        v.wait_state("app", "up")
        s.sentinels[0].signal(signal.SIGSTOP)
        outcome(v, "app", "fail", "timeout")
        # a clock that stood still for two seconds is what Sentinel calls TILT
        before = v.probe("app")["attempts"]["fail"]
        wait_for(lambda: v.probe("app")["attempts"]["fail"] > before + 3, "more than two seconds")
        s.sentinels[0].signal(signal.SIGCONT)
        outcome(v, "app", "warn", "quorum", "TILT")
        assert number(v, "app", "sentinel_tilt") == 1


def test_cluster():
    with Cluster() as k:
        seeds = [n.address for n in k.nodes[:2]]
        with Vitald(probes(cluster={"mode": "cluster", "hosts": ["127.0.0.1:1", *seeds]},
                           strict={"mode": "cluster", "hosts": seeds, "replicas": {"fail_below": 1}, "failed_nodes": "ignore"})) as v, \
                Redis() as alone:
            v.wait_state("cluster", "up")
            v.wait_state("strict", "up")
            assert number(v, "cluster", "cluster_slots_served") == 16384 and number(v, "cluster", "cluster_masters") == 3

            # one slot uncovered, and only one node knows
            w = Watch(v)
            k.nodes[2].command("cluster", "delslots", 16383)
            assert "cluster_state:ok" in k.nodes[0].command("cluster", "info")
            w.sees("cluster", "fail", "cluster", f"master {k.nodes[2].address} says that the cluster is down: 16383 of 16384")
            k.nodes[2].command("cluster", "addslots", 16383)
            w.recovers("cluster", within=5)

            # a replica in maintenance: never red
            failed = v.probe("cluster")["attempts"]["fail"]
            replica = k.replica_of(k.nodes[0])
            replica.kill()
            w.sees("cluster", "warn", "cluster", "1 of 6 nodes has failed, " + replica.address, within=5)
            w.sees("strict", "fail", "replication", f"master {k.nodes[0].address} has 0 replicas", within=5)
            replica.start()
            w.recovers("cluster", "strict", within=10)
            assert v.probe("cluster")["attempts"]["fail"] == failed

            # a master dies, its replica takes over
            heir = k.replica_of(k.nodes[1])
            k.nodes[1].kill()
            w.sees("cluster", "fail", "cluster")
            w.recovers("cluster", within=10, to="degraded")
            outcome(v, "cluster", "warn", "cluster", "has failed, " + k.nodes[1].address)
            assert heir.info("role") == "master" and number(v, "cluster", "cluster_slots_served") == 16384
            k.nodes[1].start()
            w.recovers("cluster", within=10)

            # a master that hangs: its slots are not served, whatever the others still believe
            k.nodes[2].signal(signal.SIGSTOP)
            w.sees("cluster", "fail", "cluster")
            k.nodes[2].signal(signal.SIGCONT)
            w.recovers("cluster", within=10)

            v.reload(probes(cluster={"mode": "cluster", "hosts": [alone.address]}))
            outcome(v, "cluster", "fail", "config", "cluster support disabled")
