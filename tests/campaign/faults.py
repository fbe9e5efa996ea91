"""The faults. Each is a generator: it breaks something, yields while it is broken, and mends it. What it claims is the truth of every
probe that it touches; while it is at work on something, nobody can know."""
import contextlib
import datetime
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import postgres_kit
from daemon import wait_for
from town import DOWN
from truth import ORDER, UP
from watch import tree_pids

ROOM = frozenset(ORDER)
HOUR = 3600


def named(name):
    def change(fault):
        fault.__name__ = name
        return fault
    return change


class Effect:
    """What a fault says of the probes that need `server`."""

    def __init__(self, run, server, fault, spares=True):
        """spares: what it means nothing for is not touched, not even while it happens."""
        self.run, self.key, self.after = run, (server, fault, time.time()), []
        self.touched = {p.name: p.meaning(server, fault) for p in run.town.probes if p.meaning(server, fault) is not None and not (spares and p.meaning(server, fault) == UP)}

    def now(self, states=None, only=None):
        """states: of every probe that is touched; None: what the fault means for each; UP: it is over."""
        for name, meaning in self.touched.items():
            if not only or name in only:
                self.run.claim(self.key, name, None if (states or meaning) == UP else states or meaning)

    @contextlib.contextmanager
    def turning(self, to=None):
        """While something is done, nobody knows; then it means what it means, or it is over."""
        self.now(ROOM)
        yield
        self.now(to)


def kill(run, name):
    server, e = run.town.servers[name], Effect(run, name, "kill")
    with e.turning():
        server.kill()
    yield
    with e.turning(UP):
        server.revive()


def stop(run, name):
    server, e = run.town.servers[name], Effect(run, name, "stop")
    with e.turning():
        server.stop()
    yield
    with e.turning(UP):
        server.go()


def restart(run, name):
    """A quick one: it is down for a moment."""
    server, e = run.town.servers[name], Effect(run, name, "restart")
    with e.turning(UP):
        server.restart()
    yield


def nft(*words):
    subprocess.run(["nft", *words], check=True, capture_output=True)


def network():
    """The rules into which `cut` and `lossy` put ports."""
    nft("add table inet c; add set inet c cut { type inet_service; }; add set inet c lossy { type inet_service; };"
        "add chain inet c i { type filter hook input priority 0; };"
        "add rule inet c i tcp dport @cut drop; add rule inet c i tcp sport @cut drop; add rule inet c i udp dport @cut drop;"
        "add rule inet c i tcp dport @lossy numgen random mod 100 < 20 drop; add rule inet c i udp dport @lossy numgen random mod 100 < 20 drop")


def ports(run, name):
    return "{ " + ", ".join(map(str, run.town.servers[name].ports)) + " }"


def cut(run, name):
    e = Effect(run, name, "cut")
    with e.turning():
        nft("add", "element", "inet", "c", "cut", ports(run, name))
    yield
    with e.turning(UP):
        nft("delete", "element", "inet", "c", "cut", ports(run, name))


def lossy(run, name):
    """A fifth of the packets is lost: nothing can be said of its probes, but vitald must live with it."""
    e = Effect(run, name, "lossy")
    e.now(ROOM)
    nft("add", "element", "inet", "c", "lossy", ports(run, name))
    yield
    nft("delete", "element", "inet", "c", "lossy", ports(run, name))
    run.rest(1)         # what was lost is sent again
    e.now(UP)


def delay(run, name):
    """Every packet comes 20 ms later: slow, and no fault."""
    def netem(*words):
        subprocess.run(["tc", "qdisc", "change", "dev", "lo", "root", "netem", *words], check=True)
    netem("delay", "20ms", "5ms")
    yield
    netem("delay", "0ms")


def deaf(run, name):
    """No ICMP."""
    e = Effect(run, name, "cut")
    with e.turning():
        nft("add rule inet c i icmp type echo-request drop")
    yield
    with e.turning(UP):
        rules = subprocess.run(["nft", "-a", "list", "chain", "inet", "c", "i"], capture_output=True, text=True).stdout
        nft("delete", "rule", "inet", "c", "i", "handle", next(x for x in rules.splitlines() if "icmp" in x).split()[-1])


def expire(run, name):
    """A certificate that ended an hour ago."""
    server, e = run.town.servers[name], Effect(run, name, "expire")
    hours = [f"{datetime.datetime.utcnow() - datetime.timedelta(hours=h):%Y%m%d%H%M%SZ}" for h in (48, 1)]
    old = run.town.ca.issue(f"{name}-old", not_before=hours[0], not_after=hours[1])
    good = run.town.ca.issue(f"{name}-new")
    with e.turning():
        server.reload(old)
    yield
    with e.turning(UP):
        server.reload(good)


def text(run, name):
    """A file that says something else."""
    e = Effect(run, name, "kill")
    with e.turning():
        run.town.write("mark", "broken\n")
    yield
    with e.turning(UP):
        run.town.write("mark", "fine\n")


def exits(code):
    @named(f"exit {code}")
    def change(run, name):
        e = Effect(run, name, "warn" if code == 1 else "kill")
        with e.turning():
            run.town.write("switch", f"{code}\n")
        yield
        with e.turning(UP):
            run.town.write("switch", "0\n")
    return change


def silence(run, name):
    """The job that beats does not."""
    e = Effect(run, name, "kill")
    with e.turning():
        run.beating = False
    yield
    with e.turning(UP):
        run.beating = True


def full(run, name):
    e = Effect(run, name, "kill")
    with e.turning():
        with open(f"{run.town.path('disk')}/ballast", "wb") as f, contextlib.suppress(OSError):
            while f.write(bytes(65536)):
                f.flush()
    yield
    with e.turning(UP):
        os.unlink(f"{run.town.path('disk')}/ballast")


def hang(run, name):
    """A file system in which every call waits."""
    e = Effect(run, name, "kill")
    with e.turning():
        run.town.servers[name].be("hang")
    yield
    with e.turning(UP):
        run.town.servers[name].be("ok")


def eio(run, name):
    e = Effect(run, name, "kill")
    with e.turning():
        run.town.servers[name].be("eio")
    yield
    with e.turning(UP):
        run.town.servers[name].be("ok")


def rotate(run, name):
    """A new password, first in the file, then in the server, as a rotation goes."""
    server, e = run.town.servers[name], Effect(run, name, "rotate")
    new = f"pw{time.time_ns()}"
    with e.turning(UP):
        run.town.write("redis.pw", new + "\n", 0o600)
        server.kit.command("config", "set", "requirepass", new)
        server.kit.admin = ["--pass", new]
        server.kit.options[server.kit.options.index("--requirepass") + 1] = new
        replica = run.town.servers["replica"].kit
        replica.command("config", "set", "masterauth", new)
        replica.options[replica.options.index("--masterauth") + 1] = new
        wait_for(lambda: replica.info("master_link_status") == "up", "the replica's link", timeout=60, every=0.1)
    yield


def promote(run, name):
    """The standby becomes a primary; in the end it is made anew from the old one."""
    server, e = run.town.servers[name], Effect(run, name, "promote")
    rebuilt = Effect(run, name, "kill")
    with e.turning():
        server.kit.sql("select pg_promote()")
    yield
    e.now(ROOM)
    with rebuilt.turning(UP):
        kit, primary = server.kit, run.town.servers["pg"].kit
        server.kill()
        shutil.rmtree(kit.data)
        kit.copy_running(primary)
        with open(f"{kit.data}/postgresql.auto.conf", "a") as f:
            f.write(f"port = {kit.port}\nunix_socket_directories = '{kit.dir}'\n")
        postgres_kit.give_away(kit.data)
        kit.start()
    e.now(UP)


# ---- of Sentinels, clusters, units and clocks

def failover(how):
    """The master goes and Sentinel makes another one. From then on all is well: with the old one dead, and when it is back."""
    @named(f"failover {how}")
    def change(run, name):
        server, e = run.town.servers[name], Effect(run, name, "failover")
        with e.turning(UP):
            old = server.master()
            old.kill() if how == "kill" else old.signal(signal.SIGSTOP)
            wait_for(lambda: server.master() not in (None, old) and server.master().info("role") == "master" and server.agree(), "another master", timeout=120, every=0.1)
        yield
        old.start() if how == "kill" else old.signal(signal.SIGCONT)
        wait_for(lambda: old.info("role") == "slave", "the old master follows the new one", timeout=120, every=0.2)
    return change


def quorum(run, name):
    """One Sentinel is left: it knows the master, but nobody could make another."""
    server, e = run.town.servers[name], Effect(run, name, "quorum")
    with e.turning():
        left, *others = server.kit.sentinels
        for x in others:
            x.kill()
        wait_for(lambda: "NOQUORUM" in left.command("sentinel", "ckquorum", "mymaster"), "the Sentinel that is left feels alone", timeout=60, every=0.1)
    yield
    with e.turning(UP):
        server.revive()


def lose_replica(run, name):
    server, e = run.town.servers[name], Effect(run, name, "replica")
    with e.turning():
        victim = server.kit.replica_of(server.kit.masters()[0])
        victim.kill()
        wait_for(lambda: server.kit.given_up(victim), "the others give it up", timeout=60, every=0.1)
    yield
    with e.turning(UP):
        server.revive()


def lose_master(how):
    """Its replica takes over: every slot is served, and a node is missing."""
    @named(f"lose_master {how}")
    def change(run, name):
        server, e = run.town.servers[name], Effect(run, name, "master", spares=False)
        with e.turning():
            victim = server.kit.masters()[-1]
            heir = server.kit.replica_of(victim)
            victim.kill() if how == "kill" else victim.signal(signal.SIGSTOP)
            wait_for(lambda: heir.info("role") == "master" and server.kit.given_up(victim), "its replica takes over", timeout=60, every=0.1)
        yield
        with e.turning(UP):
            server.revive() if how == "kill" else server.go()
    return change


def lose_slot(run, name):
    """A master forgets one of its slots: no other node knows."""
    server, e = run.town.servers[name], Effect(run, name, "slot")
    with e.turning():
        node = server.kit.masters()[0]
        me = next(x for x in node.command("cluster", "nodes").splitlines() if "myself" in x)
        slot = re.split("[- ]", me)[-1]
        node.command("cluster", "delslots", slot)
    yield
    with e.turning(UP):
        node.command("cluster", "addslots", slot)
        server.settle()


def unit(word, state):
    @named(word)
    def change(run, name):
        server, e = run.town.servers[name], Effect(run, name, word)
        with e.turning():
            server.be("app", state)
        yield
        with e.turning(UP):
            server.be("app", "active running simple success 0")
    return change


def unplug(run, name):
    """The bus goes, with all that is on it."""
    server, e = run.town.servers[name], Effect(run, name, "kill")
    with e.turning():
        server.bus.stop()
    yield
    with e.turning(UP):
        server.bus.start()
        server.revive()


def jump(word, seconds):
    """vitald's own clock jumps. Only what is about dates may notice: certificates, the age of a file."""
    @named(word)
    def change(run, name):
        e = Effect(run, name, word)
        with e.turning():
            run.town.set_clock(seconds)
        yield
        with e.turning(UP):
            run.town.set_clock(0)
    return change


# ---- of vitald itself

def stall(run, _):
    """It stands still: nobody can be answered."""
    seconds = run.stall_for()
    with run.standing():
        run.town.vitald.signal(signal.SIGSTOP)
        run.rest(seconds)
        run.town.vitald.signal(signal.SIGCONT)
    yield


def reload(run, _):
    """A configuration that is wrong, one that has a probe more, and the old one again."""
    v = run.town.vitald
    broken = run.town.config().replace("probes:\n", "probes:\n  typo: { htpp: 1 }\n")
    v.reload(broken, ok=False)
    yield
    v.reload(run.town.config(extra="  newcomer: { file: /etc/passwd }\n"))
    run.rest(1)
    v.reload(run.town.config())


def relaunch(run, _):
    """A restart while a file system hangs. What is true does not change by it, and what hangs holds nobody up."""
    v, fuse, hung = run.town.vitald, run.town.servers.get("fuse"), Effect(run, "fuse", "kill")
    beats = Effect(run, "job", "kill")
    if fuse:
        with hung.turning():
            fuse.be("hang")
        run.rest(run.town.bound("fuse-file")[0] + 0.5)
    old = [v.pid, *tree_pids(v.pid)]
    beats.now(ROOM)             # those before it are forgotten, and the manual says so
    with run.standing(run.restarts):
        run.town.relaunch()
    yield
    beats.now(UP)
    if fuse:
        with hung.turning(UP):
            fuse.be("ok")
    wait_for(lambda: not any(os.path.exists(f"/proc/{p}") for p in old), "nothing of the old vitald is left", timeout=60, every=0.1)


def flood(run, _):
    """From another address: as many requests as two processes can make, and connections that never end a request."""
    command = [sys.executable, f"{os.path.dirname(os.path.abspath(__file__))}/flood.py", str(run.town.port)]
    crowd = [subprocess.Popen([*command, f"127.0.0.{66 + i}"]) for i in range(2)]
    yield
    for p in crowd:
        p.terminate()
        p.wait()


def starve(run, _):
    """No descriptor is left: attempts cannot be made, and what cannot be tried is not called a failure."""
    v = run.town.vitald
    old = resource.prlimit(v.pid, resource.RLIMIT_NOFILE)
    key = ("vitald", "starve", time.time())
    with run.hungry():
        for p in run.town.probes:
            run.claim(key, p.name, ROOM - DOWN)
        resource.prlimit(v.pid, resource.RLIMIT_NOFILE, (v.fds(), old[1]))
        yield
        resource.prlimit(v.pid, resource.RLIMIT_NOFILE, old)
    for p in run.town.probes:
        run.claim(key, p.name, None)


# fault, the servers that it can hit, what must be there for it
OF_SERVERS = [
    (kill, ["web1", "web2", "web3", "web4", "redis", "replica", "pg", "standby", "maria", "dns", "rpc"], None),
    (stop, ["web1", "web2", "web3", "web4", "redis", "replica", "pg", "standby", "maria", "dns", "rpc"], None),
    (cut, ["web1", "web2", "web3", "web4", "redis", "replica", "pg", "standby", "maria", "dns", "rpc", "sentinel"], "nft"),
    (lossy, ["web1", "web4", "redis", "pg", "maria", "dns"], "nft"),
    (delay, ["net"], "netem"),
    (restart, ["pg"], None),
    (expire, ["web4"], None),
    (text, ["mark"], None),
    (exits(1), ["switch"], None),
    (exits(2), ["switch"], None),
    (silence, ["job"], None),
    (deaf, ["icmp"], "nft"),
    (full, ["disk"], "tmpfs"),
    (hang, ["fuse"], "fuse"),
    (eio, ["fuse"], "fuse"),
    (rotate, ["redis"], None),
    (promote, ["standby"], None),
    (kill, ["units"], None),
    (stop, ["units"], None),
    (unplug, ["units"], None),
    (unit("fails", "failed failed simple exit-code 1"), ["units"], None),
    (unit("starts", "activating start notify success 0"), ["units"], None),
    (quorum, ["sentinel"], None),
    (lose_replica, ["cluster"], None),
    (lose_slot, ["cluster"], None),
    *[(fault, ["sentinel"], "long") for fault in (failover("kill"), failover("stop"), kill, stop)],
    *[(fault, ["cluster"], "long") for fault in (lose_master("kill"), lose_master("stop"), kill, stop)],
]
JUMPS = [jump("ahead", 2 * HOUR), jump("behind", -2 * HOUR), jump("far", 60 * 24 * HOUR)]
OF_SERVERS += [(fault, ["clock"], "faketime") for fault in JUMPS]
OF_VITALD = [stall, reload, flood, starve, relaunch]
# what else a fault needs for itself: `expire` and a clock that is wrong would change each other's meaning
HOLDS = {promote: {"pg", "standby"}, rotate: {"redis", "replica"}, relaunch: {"vitald", "fuse", "job"}, **{j: {"clock", "web4"} for j in JUMPS}}
EARLY = {relaunch}    # in the first half only, so that one process lives through the second
ALONE = {starve}      # what it hides of other faults could not be told from blindness
