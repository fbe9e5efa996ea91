"""Real Redis servers, Sentinels and clusters in directories of their own, and ways to break them."""
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from daemon import free_port, wait_for

FAST = """
defaults: { interval: 200ms, interval_unsettled: 100ms, timeout: 1s, rise: 1, fall: 1, jitter: 0% }
"""


class Redis:
    """redis-server with these options; `command(...)` asks it as admin."""

    def __init__(self, *options, config="", sentinel=False, admin=(), start=True, port=None):
        self.dir = tempfile.mkdtemp(prefix="rd")
        self.port, self.bus = (port, 0) if port else (free_port(), free_port())      # the cluster's bus has one of its own
        self.options, self.sentinel, self.admin = list(options), sentinel, list(admin)
        self.unix = f"{self.dir}/r.sock"
        self.conf = f"{self.dir}/r.conf"
        with open(self.conf, "w") as f:
            f.write(config)
        self.process = None
        if start:
            self.start()

    def start(self, *more, wait=True):
        with open(f"{self.dir}/log", "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", self.conf, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir,
                 *([] if self.sentinel else ["--unixsocket", self.unix, "--save", "", "--enable-debug-command", "yes",
                                             "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]),
                 *self.options, *more, *(["--sentinel"] if self.sentinel else [])], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        if wait:
            wait_for(self.answers, f"redis on {self.port} answers")
        return self

    def answers(self):
        assert self.process.poll() is None, self.log()
        return "PONG" in self.command("ping")

    def log(self):
        with open(f"{self.dir}/log", errors="replace") as f:
            return f.read()

    def command(self, *words, timeout=10):
        out = subprocess.run(["redis-cli", "-p", str(self.port), "--no-auth-warning", *self.admin, *map(str, words)],
                             capture_output=True, text=True, timeout=timeout)
        return out.stdout.strip() or out.stderr.strip()

    def info(self, field):
        return next((line.split(":", 1)[1].strip() for line in self.command("info").splitlines() if line.startswith(field + ":")), None)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"redis://{self.address}"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
        if exc and exc[0]:
            print(self.log()[-1500:])
        shutil.rmtree(self.dir, ignore_errors=True)


def replica_of(master, *options):
    return Redis("--replicaof", "127.0.0.1", str(master.port), *options)


class Sentinels:
    """A master, two replicas and three Sentinels that watch them; with passwords of their own when they are given."""

    def __init__(self, password=None, sentinel_password=None, patience=500):
        """patience: milliseconds without an answer until one is called dead."""
        login = ["--requirepass", password, "--masterauth", password] if password else []
        admin = ["--pass", password] if password else []
        self.master = Redis(*login, admin=admin)
        self.replicas = [Redis("--replicaof", "127.0.0.1", str(self.master.port), *login, admin=admin) for _ in range(2)]
        for r in self.replicas:
            wait_for(lambda r=r: r.info("master_link_status") == "up", "the replica's link")
        watch = (f"sentinel monitor mymaster 127.0.0.1 {self.master.port} 2\nsentinel down-after-milliseconds mymaster {patience}\n"
                 "sentinel failover-timeout mymaster 2000\n")
        if password:
            watch += f"sentinel auth-pass mymaster {password}\nsentinel sentinel-pass {sentinel_password}\nrequirepass {sentinel_password}\n"
        self.sentinels = [Redis(config=watch, sentinel=True, admin=["--pass", sentinel_password] if password else []) for _ in range(3)]
        for s in self.sentinels:
            wait_for(lambda s=s: self.field(s, "num-slaves") == "2" and self.field(s, "num-other-sentinels") == "2", "Sentinels know each other")

    @staticmethod
    def field(sentinel, name):
        lines = sentinel.command("sentinel", "master", "mymaster").splitlines()
        return lines[lines.index(name) + 1] if name in lines else None

    @property
    def all(self):
        return [*self.sentinels, self.master, *self.replicas]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for r in self.all:
            r.signal(signal.SIGCONT) if r.process.poll() is None else None
            r.__exit__(*exc)


class Cluster:
    """Three masters with a replica each. nodes[0..2] begin as masters, nodes[3..5] as replicas."""

    def __init__(self, patience=1000):
        self.nodes = []
        for _ in range(6):
            node = Redis("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", str(patience), start=False)
            node.options += ["--cluster-port", str(node.bus)]
            self.nodes.append(node.start())
        out = subprocess.run(["redis-cli", "--cluster", "create", *[n.address for n in self.nodes], "--cluster-replicas", "1", "--cluster-yes"],
                             capture_output=True, text=True, timeout=60)
        assert out.returncode == 0, out.stdout + out.stderr
        wait_for(self.whole, "the cluster is whole")

    def whole(self):
        return all("cluster_state:ok" in n.command("cluster", "info") and n.command("cluster", "nodes").count("slave") == 3
                   and "cluster_known_nodes:6" in n.command("cluster", "info") for n in self.nodes if n.process.poll() is None)

    def masters(self):
        return [n for n in self.nodes if n.process.poll() is None and n.info("role") == "master"]

    def given_up(self, node):
        """All the others call it failed, and the cluster whole."""
        sees = [(n.command("cluster", "nodes"), n.command("cluster", "info")) for n in self.nodes if n is not node]
        return all(any(f":{node.port}@" in x and "fail" in x and "fail?" not in x for x in nodes.splitlines()) and "cluster_state:ok" in info for nodes, info in sees)

    def replica_of(self, master):
        me = master.command("cluster", "myid")
        line = next(x for x in master.command("cluster", "nodes").splitlines() if f"slave {me}" in x)
        port = int(line.split()[1].split("@")[0].split(":")[1])
        return next(n for n in self.nodes if n.port == port)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for n in self.nodes:
            n.__exit__(*exc)


def fill(port, count):
    """Connections that stay open; the caller closes them."""
    made = []
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", port), 2)
        made.append(s)
    return made


def timed(action, fact, what):
    """Seconds from the action to the fact."""
    began = time.monotonic()
    action()
    wait_for(fact, what, every=0.001)
    return time.monotonic() - began
