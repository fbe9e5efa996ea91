"""The faults. Each is a generator: it breaks something, yields while it is broken, and mends it. What it claims is the truth of every
probe that it touches; while it is at work on something, nobody can know."""
import contextlib
import datetime
import os
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

ROOM = frozenset(ORDER)


class Effect:
    """What a fault says of the probes that need `server`."""

    def __init__(self, run, server, fault):
        self.run, self.key, self.after = run, (server, fault, time.time()), []
        self.touched = {p.name: p.meaning(server, fault) for p in run.town.probes if p.meaning(server, fault) not in (None, UP)}

    def now(self, states=None, only=None):
        """states: of every probe that is touched; None: what the fault means for each; UP: it is over."""
        for name, meaning in self.touched.items():
            if not only or name in only:
                self.run.claim(self.key, name, None if states == UP else states or meaning)

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
    (cut, ["web1", "web2", "web3", "web4", "redis", "replica", "pg", "standby", "maria", "dns", "rpc"], "nft"),
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
]
OF_VITALD = [stall, reload, flood, starve]
ALONE = {starve}      # what it hides of other faults could not be told from blindness
