"""The servers of a campaign, behind one set of verbs: kill, revive, stop, go. Each is a real program from the kits of tests/func."""
import contextlib
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import bus_kit
import conftest
import mysql_kit
import postgres_kit
import redis_kit
from daemon import free_port, wait_for
from truth import ANY, LOOSE, spells

FUNC = os.path.dirname(os.path.abspath(conftest.__file__))


def below(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(p) for p in out.split()]


def send(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Server:
    """One process and its children, listening on `ports`."""

    def __init__(self, name, ports):
        self.name, self.ports = name, ports

    @property
    def process(self):
        raise NotImplementedError

    def family(self):
        return [self.process.pid, *below(self.process.pid)]

    def stop(self):
        send(self.family(), signal.SIGSTOP)

    def go(self):
        send(self.family(), signal.SIGCONT)

    def kill(self):
        send(self.family(), signal.SIGKILL)
        self.process.wait()

    def revive(self):
        raise NotImplementedError

    def end(self):
        if self.process.poll() is None:
            self.go()
            self.kill()


class Program(Server):
    """A server that is nothing but a command line. ready: whether it answers."""

    def __init__(self, name, ports, command, ready, env=None):
        super().__init__(name, ports)
        self.command, self.ready, self.env = command, ready, env
        self.dir = tempfile.mkdtemp(prefix="sv")
        self.revive()

    process = None

    def revive(self):
        with open(f"{self.dir}/log", "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        wait_for(self.ready, f"{self.name} answers", timeout=60)

    def end(self):
        super().end()
        shutil.rmtree(self.dir, ignore_errors=True)


class Held(Server):
    """A server of the kits; `kit` has process and start()."""

    def __init__(self, name, kit, ports=None):
        super().__init__(name, ports or [kit.port])
        self.kit = kit

    @property
    def process(self):
        return self.kit.process

    def revive(self):
        self.kit.start()

    def end(self):
        super().end()
        self.kit.__exit__(None, None, None)


class Postgres(Held):
    def revive(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.kit.data}/postmaster.pid")
        self.kit.start()

    def restart(self):
        self.kit.signal(signal.SIGINT)
        self.kit.process.wait(60)
        self.kit.start()


class Web(Held):
    """nginx, on PORT and TLSPORT, with a certificate of its own."""

    def __init__(self, name, ca, servers=""):
        self.ca, self.number = ca, 0
        text = ("server { listen 127.0.0.1:PORT; listen 127.0.0.1:TLSPORT ssl; ssl_certificate DIR/cert; ssl_certificate_key DIR/key;"
                f" location / {{ return 200 \"{name}\\n\"; }} }}\n{servers}")
        self.certs = tempfile.mkdtemp(prefix="sc")
        self.certify(ca.issue(name))
        kit = conftest.Nginx(text, DIR=self.certs).start()
        super().__init__(name, kit, [kit.port, kit.tls_port])

    def certify(self, pair):
        for path, to in zip(pair, ("cert", "key")):
            shutil.copy(path, f"{self.certs}/{to}")

    def reload(self, pair):
        """With this certificate; true when new connections get it."""
        self.certify(pair)
        old = set(below(self.process.pid))
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: set(below(self.process.pid)) - old and not old & set(below(self.process.pid)), "nginx has new workers", timeout=60)

    def stop(self):
        # the workers first: a master that misses one would make another
        send(reversed(self.family()), signal.SIGSTOP)

    def kill(self):
        self.process.send_signal(signal.SIGSTOP)
        super().kill()

    def end(self):
        super().end()
        shutil.rmtree(self.certs, ignore_errors=True)


def redis(name, *options, **more):
    return Held(name, redis_kit.Redis(*options, **more, port=free_port()))


class Sentinels(Server):
    """Three Sentinels, a master, two replicas. The verbs are about the Sentinels."""
    RULES = [(r"\+tilt", r"-tilt", LOOSE), (r"\+sdown master", r"-sdown master|\+switch-master", ANY), (r"\+sdown sentinel (\S+)", r"-sdown sentinel (\S+)", LOOSE)]

    def __init__(self, name):
        self.kit = redis_kit.Sentinels(patience=2000)
        super().__init__(name, [x.port for x in self.kit.sentinels])

    def family(self):
        return [x.process.pid for x in self.kit.sentinels]

    def kill(self):
        for x in self.kit.sentinels:
            x.kill()

    def revive(self):
        for x in self.kit.sentinels:
            if x.process.poll() is not None:
                x.start()
        wait_for(self.agree, "the Sentinels agree", timeout=90, every=0.1)

    def master(self):
        """The one that all of them name; None while they differ."""
        named = {x.command("sentinel", "get-master-addr-by-name", "mymaster").split()[-1] for x in self.kit.sentinels}
        return next((x for x in [self.kit.master, *self.kit.replicas] if {str(x.port)} == named), None)

    def agree(self):
        return self.master() and all(x.command("sentinel", "ckquorum", "mymaster").startswith("OK 3") for x in self.kit.sentinels)

    def spells(self, end):
        return [s for x in self.kit.sentinels for s in spells(x.log(), self.RULES, end)]

    def end(self):
        self.kit.__exit__(None, None, None)


class Cluster(Server):
    """A Redis cluster of three masters and three replicas. The verbs are about all six."""
    RULES = [(r"Marking node (\S+) as failing", r"Clear FAIL state for node (\S+):", LOOSE), (r"FAIL message received from \S+ about (\S+)", r"Clear FAIL state for node (\S+):", LOOSE),
             (r"Cluster state changed: fail", r"Cluster state changed: ok", ANY)]

    def __init__(self, name):
        self.kit = redis_kit.Cluster(patience=2000)
        super().__init__(name, [n.port for n in self.kit.nodes])

    def family(self):
        return [n.process.pid for n in self.kit.nodes]

    def kill(self):
        for n in self.kit.nodes:
            n.kill()

    def revive(self):
        for n in self.kit.nodes:
            if n.process.poll() is not None:
                n.start()
        self.settle()

    def go(self):
        super().go()
        self.settle()

    def settle(self):
        wait_for(lambda: self.kit.whole() and not any("fail" in n.command("cluster", "nodes") for n in self.kit.nodes), "the cluster is whole", timeout=90, every=0.1)

    def spells(self, end):
        return [s for n in self.kit.nodes for s in spells(n.log(), self.RULES, end)]

    def end(self):
        send(self.family(), signal.SIGCONT)
        self.kit.__exit__()


class Units(Server):
    """A systemd on a bus of its own. The verbs are about systemd."""

    def __init__(self, name, place):
        super().__init__(name, [])
        self.bus = bus_kit.Bus(place, bus_kit.build(f"{place}/systemd1"))
        self.bus.start()
        self.revive()

    def family(self):
        return [self.bus.fake.pid]

    def kill(self):
        self.bus.stop("fake")

    def revive(self):
        self.bus.start_fake()
        self.be("app", "active running simple success 0")
        self.be("job", "inactive dead oneshot success 0")

    def be(self, unit, state):
        self.bus.say(f"set {unit}.service {state}")

    def end(self):
        self.bus.stop()


HBA = "local all all trust\nlocal replication all trust\nhost all all samenet scram-sha-256\n"


def postgres(name):
    kit = postgres_kit.Postgres("max_connections = 60", hba=HBA).start()
    postgres_kit.make_users(kit)
    return Postgres(name, kit)


def standby(name, primary):
    return Postgres(name, postgres_kit.Postgres(base_of=primary.kit, hba=HBA).start())


class MariaDB(Held):
    def __init__(self, name):
        self.template = mysql_kit.Template()
        super().__init__(name, mysql_kit.MariaDB(self.template))

    def end(self):
        super().end()
        self.template.__exit__()


def dns(name):
    """dnsmasq at 127.0.0.53, for the names below .test"""
    def ready():
        out = subprocess.run(["/usr/bin/python3", "-c", "import socket; s = socket.socket(2, 2); s.settimeout(1); "
                              "s.sendto(b'\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\3app\\4test\\0\\0\\1\\0\\1', ('127.0.0.53', 53)); s.recv(512)"], capture_output=True)
        return out.returncode == 0
    return Program(name, [53], ["dnsmasq", "-k", "--conf-file=/dev/null", "--user=root", "--no-resolv", "--no-hosts", "--bind-interfaces", "--listen-address=127.0.0.53",
                                "--pid-file=", "--address=/app.test/127.0.0.1", "--txt-record=txt.test,hello", "--mx-host=test,mail.test,10",
                                "--host-record=mail.test,127.0.0.7"], ready)


def grpc(name):
    port = free_port()
    code = (f"import sys; sys.path.insert(0, {FUNC!r})\nimport grpc, concurrent.futures, time\nimport grpc_kit\n"
            "h = grpc_kit.Health({'': 'SERVING', 'shop': 'SERVING'})\n"
            "h.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[h])\n"
            f"assert h.server.add_insecure_port('127.0.0.1:{port}')\nh.server.start()\nwhile True: time.sleep(3600)\n")

    def ready():
        import socket
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False
    return Program(name, [port], [sys.executable, "-c", code], ready)


class HangFS(Server):
    """The file system of tests/func/hangfs.c."""

    def __init__(self, name, place):
        super().__init__(name, [])
        self.control, self.mount = f"{place}/control", f"{place}/mount"
        os.mkdir(self.mount)
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], check=True, capture_output=True, text=True).stdout.split()
        subprocess.run(["gcc", "-D_GNU_SOURCE", "-O1", "-o", f"{place}/hangfs", f"{FUNC}/hangfs.c", *flags], check=True)
        self.be("ok")
        self.process = subprocess.Popen([f"{place}/hangfs", self.control, self.mount], stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.ismount(self.mount), "hangfs is mounted")

    process = None

    def be(self, mood):
        with open(self.control + ".new", "w") as f:
            f.write(mood)
        os.replace(self.control + ".new", self.control)

    def end(self):
        self.be("ok")
        subprocess.run(["umount", "-l", self.mount], check=False)
        self.process.terminate()
        self.process.wait(10)


def modules():
    """The probe modules that were built as files of their own."""
    return {os.path.basename(p)[:-3] for p in glob.glob(os.path.join(os.environ.get("VITALD_BUILD", os.path.join(FUNC, "../../build")), "modules/*.so"))}
