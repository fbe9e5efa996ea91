"""What the rows stand on: processes on their own core, the kernel's account of them, peers, load, numbers."""
import contextlib
import http.client
import json
import math
import mmap
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("VITALD_BUILD", "build"))
HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(BUILD, "bench")
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
PATIENCE = 60


class Unavailable(Exception):
    """Why a row, or a peer in it, cannot run here."""


# -- what a row returns


class Result:
    """ours, peer: one number per round. most: the ratio (or, without a peer, the value) that is owed; aim: reported only."""

    def __init__(self, name, unit, ours, peer=None, peer_name="", most=None, aim=None, note=""):
        self.name, self.unit, self.peer_name, self.most, self.aim, self.note = name, unit, peer_name, most, aim, note
        self.ours = [float(x) for x in ours]
        self.peer = [float(x) for x in peer] if peer else None

    @property
    def measure(self):
        ours = statistics.median(self.ours)
        return ours / (statistics.median(self.peer) or math.nan) if self.peer else ours

    @property
    def holds(self):
        return None if self.most is None else bool(self.measure <= self.most)

    def as_dict(self):
        rounds = [{"ours": o, "peer": p} for o, p in zip(self.ours, self.peer or [None] * len(self.ours))]
        return {"name": self.name, "unit": self.unit, "ours": statistics.median(self.ours), "peer_name": self.peer_name or None,
                "peer": statistics.median(self.peer) if self.peer else None, "ratio": self.measure if self.peer else None,
                "target": self.most, "aim": self.aim, "holds": self.holds, "rounds": rounds, "note": self.note}


def wait_for(fact, what, timeout=PATIENCE, every=0.002):
    end = time.monotonic() + timeout
    while not (value := fact()):
        if time.monotonic() > end:
            raise RuntimeError(f"never became true: {what}")
        time.sleep(every)
    return value


def exponent(points):
    """The power with which y grows with x: least squares on logarithms of (x, y)."""
    logs = [(math.log(x), math.log(y)) for x, y in points if y > 0]
    if len(logs) < 2:
        return math.nan
    mx, my = statistics.mean(x for x, _ in logs), statistics.mean(y for _, y in logs)
    return sum((x - mx) * (y - my) for x, y in logs) / sum((x - mx) ** 2 for x, _ in logs)


# -- the kernel's account


def family(pid):
    """The process and all below it."""
    found, at = [pid], 0
    while at < len(found):
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{found[at]}/task"):
                with open(f"/proc/{found[at]}/task/{task}/children") as f:
                    found += [int(p) for p in f.read().split()]
        at += 1
    return found


def each_task(pid, name):
    for p in family(pid):
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{p}/task"):
                with contextlib.suppress(OSError), open(f"/proc/{p}/task/{task}/{name}") as f:
                    yield f.read()


def cpu_us(pid):
    """CPU time of all threads of the family, microseconds, as the scheduler counts it."""
    return sum(int(text.split()[0]) for text in each_task(pid, "schedstat")) / 1000


def sleeps(pid):
    """How often any of its threads went to sleep: each is a wake-up."""
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M).group(1)) for text in each_task(pid, "status"))


def pss(pid):
    """Memory of the family in bytes; pages shared with others count in proportion."""
    total = 0
    for p in family(pid):
        with contextlib.suppress(OSError), open(f"/proc/{p}/smaps_rollup") as f:
            total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1)) * 1024
    return total


def private(pid):
    """Bytes that would be free again without the family."""
    total = 0
    for p in family(pid):
        with contextlib.suppress(OSError), open(f"/proc/{p}/smaps_rollup") as f:
            total += sum(int(n) for n in re.findall(r"^Private_\w+:\s+(\d+)", f.read(), re.M)) * 1024
    return total


def rss(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- processes


def go_first():
    """All of us, servers and load alike, before the machine's other work; without the right to it, as we are."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -12)
    with contextlib.suppress(OSError):      # sessions share the cores evenly, whatever the priorities within them
        os.setsid()
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as f:
        f.write("-12\n")


def free_port():
    """Below the ephemeral range, where nobody's outgoing connection sits."""
    for _ in range(200):
        port = 20000 + int.from_bytes(os.urandom(2), "big") % 12000
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("0.0.0.0", port))
            return port
    raise RuntimeError("no free port from 20000 to 31999")


def program(name, package):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        raise Unavailable(f"{name} is not installed (Debian package {package})")
    return path


@contextlib.contextmanager
def on_core(core):
    """Children begun inside run there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def is_open(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A process of its own directory on the server's core; ends with the block."""
    core = SERVER_CORE

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="vb")
        self.port = free_port()
        self.log = os.path.join(self.dir, "log")

    def file(self, name, text, mode=0o644):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def start(self, *command, env=None):
        with on_core(self.core), open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir,
                                            env={"PATH": os.environ["PATH"], "HOME": self.dir, **(env or {})})

    def wait_open(self):
        def ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"{type(self).__name__} ended with {self.process.returncode}:\n{self.text()}")
            return is_open(self.port)
        wait_for(ready, f"{type(self).__name__} listens")
        return self

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-4000:]

    @property
    def pid(self):
        return self.process.pid

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Vitald(Server):
    """config: YAML without listen and control; None: no configuration at all."""
    LISTEN = "serve: [verdicts, status, metrics], max_connections: 20000, max_per_source: 20000"

    GRPC = "grpc"        # as `listen`: a second listener, for gRPC

    def __init__(self, config="", listen="", wait=True, env=None):
        super().__init__()
        self.env = env or {}
        if listen == self.GRPC:
            self.grpc_port = free_port()
            listen = f" }}\n  - {{ address: '127.0.0.1:{self.grpc_port}', serve: grpc, max_connections: 2000, max_per_source: 2000"
        self.socket = os.path.join(self.dir, "c.sock")
        self.listen = listen
        if config is not None:
            self.write(config)
        self.config = config
        self.launch()
        if wait:
            self.wait_open()

    def write(self, config):
        self.conf = self.file("vitald.yaml", f"control: {{ path: {self.socket} }}\nlog: {{ level: warning }}\n"
                              f"listen:\n  - {{ address: '127.0.0.1:{self.port}', {self.LISTEN}{self.listen} }}\n{config}")

    def launch(self):
        arguments = ["-c", self.conf] if self.config is not None else []
        # as root: what it reads anew lies in a directory that is ours alone
        self.start(os.path.join(BUILD, "vitald"), *arguments, env={"VITALD_USER": "root", "VITALD_LISTEN": f"127.0.0.1:{self.port}", "XDG_RUNTIME_DIR": self.dir,
                                                                      **self.env})

    def settle(self, path="/readyz"):
        wait_for(lambda: self.get(path)[0] == 200, f"{path} passes", every=0.05)
        return self

    def ctl(self, *arguments, binary="vitalctl"):
        done = subprocess.run([os.path.join(BUILD, binary), "--socket", self.socket, *arguments], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{binary} {' '.join(arguments)}: exit {done.returncode}: {done.stderr}{done.stdout[:300]}")
        return done

    def metric(self, name, labels=""):
        return float(re.search(rf"^{name}{re.escape(labels)} (\S+)$", self.get("/metrics")[1], re.M).group(1))

    def attempts(self, outcome="pass"):
        return self.metric("vitald_attempts_total", f'{{outcome="{outcome}"}}')


class Counters:
    def __init__(self, directory):
        self.path = os.path.join(directory, "counters")
        with open(self.path, "wb") as f:
            f.write(bytes(24))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 24)

    def read(self):
        work, accepts, errors = struct.unpack("QQQ", self.map[:24])
        return {"work": work, "accepts": accepts, "errors": errors}


class Responder(Server):
    """The bare epoll responder: a floor on the server's core, or the target of probes on the other."""

    def __init__(self, core=SERVER_CORE):
        super().__init__()
        self.core = core
        self.counters = Counters(self.dir)
        self.start(os.path.join(OUT, "responder"), str(self.port), self.counters.path)
        self.wait_open()


class Checker(Server):
    """The bare batching epoll client."""

    def __init__(self, target, rate, targets):
        super().__init__()
        self.counters = Counters(self.dir)
        self.start(os.path.join(OUT, "checker"), str(target), self.counters.path, str(rate), str(targets))


class Nginx(Server):
    def __init__(self, core=SERVER_CORE, tls=False, keepalive="keepalive_requests 10000000;"):
        super().__init__()
        self.core = core
        program("nginx", "nginx-light")
        os.mkdir(os.path.join(self.dir, "tmp"))
        certificate = ""
        if tls:
            make_certificate(self.dir)
            certificate = f"ssl_certificate {self.dir}/server.crt; ssl_certificate_key {self.dir}/server.key; ssl_session_cache off; ssl_session_tickets off;"
        user = "user root;" if os.getuid() == 0 else ""
        temporary = " ".join(f"{kind}_temp_path {self.dir}/tmp/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf = self.file("nginx.conf", f"""
            {user} daemon off; pid {self.dir}/pid; worker_processes 1; error_log {self.dir}/error.log crit;
            worker_rlimit_nofile 20000; events {{ worker_connections 19000; }}
            http {{ access_log off; default_type text/plain; {keepalive} {temporary}
              server {{ listen 0.0.0.0:{self.port} backlog=4096 {'ssl' if tls else ''}; {certificate} location / {{ return 200 "pass\\n"; }} }} }}""")
        self.start(program("nginx", "nginx-light"), "-p", self.dir, "-e", f"{self.dir}/error.log", "-c", conf)
        self.wait_open()


class Haproxy(Server):
    """An HTTP answer of its own, or, with `checks`, a checker of so many servers."""

    def __init__(self, checks=0, target=0, inter="500ms", maxconn=2000):
        super().__init__()
        path = program("haproxy", "haproxy")
        text = f"""
global
 nbthread 1
 {f"maxconn {maxconn}" if maxconn else ""}
defaults
 mode http
 timeout connect 2s
 timeout client 60s
 timeout server 60s
frontend f
 bind 127.0.0.1:{self.port} backlog 4096
 http-request return status 200 content-type text/plain string "pass\\n"
"""
        if checks:
            text += f"backend b\n option httpchk\n http-check send meth GET uri / ver HTTP/1.1 hdr Host localhost hdr Connection close\n default-server check inter {inter}\n"
            text += "".join(f" server s{i} {address(i)}:{target}\n" for i in range(checks))
        self.start(path, "-db", "-f", self.file("haproxy.cfg", text))
        self.wait_open()


class Monit(Server):
    """Debian's default, with the same interval as ours and the same two things looked at: memory and the root file system."""

    def __init__(self):
        super().__init__()
        path = program("monit", "monit")
        conf = self.file("monitrc", f"""
set daemon 10
set log {self.dir}/monit.log
set pidfile {self.dir}/monit.pid
set idfile {self.dir}/id
set statefile {self.dir}/state
set httpd port {self.port} and use address 127.0.0.1 allow localhost
check system host if memory usage > 95% then alert
check filesystem root with path / if space usage > 95% then alert
""", 0o600)
        self.start(path, "-I", "-c", conf)
        self.wait_open()


class Blackbox(Server):
    def __init__(self):
        super().__init__()
        path = program("prometheus-blackbox-exporter", "prometheus-blackbox-exporter")
        conf = self.file("bb.yml", "modules: {http_2xx: {prober: http, http: {preferred_ip_protocol: ip4}}}\n")
        self.start(path, f"--config.file={conf}", f"--web.listen-address=127.0.0.1:{self.port}")
        self.wait_open()


class Redis(Server):
    core = LOAD_CORE

    def __init__(self):
        super().__init__()
        self.start(program("redis-server", "redis-server"), "--port", str(self.port), "--save", "", "--daemonize", "no", "--dir", self.dir,
                   "--maxclients", "15000")
        self.wait_open()


class Dns(Server):
    core = LOAD_CORE

    def __init__(self):
        super().__init__()
        self.start(program("dnsmasq", "dnsmasq-base"), "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--no-resolv", "--no-hosts",
                   f"--port={self.port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--dns-forward-max=2000", "--address=/bench.test/127.0.0.9")
        self.wait_open()


class Mariadb(Server):
    core = LOAD_CORE

    def __init__(self):
        super().__init__()
        where = ["--no-defaults", f"--datadir={self.dir}/m", "--user=root"]
        subprocess.run([program("mariadb-install-db", "mariadb-server"), *where, "--skip-test-db"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.start(program("mariadbd", "mariadb-server"), *where, f"--socket={self.dir}/m.sock", f"--port={self.port}", "--bind-address=127.0.0.1",
                   f"--pid-file={self.dir}/m.pid", "--skip-grant-tables", "--skip-log-error")
        self.wait_open()


class Postgres(Server):
    core = LOAD_CORE

    def __init__(self, connections=400):
        super().__init__()
        homes = sorted(f"/usr/lib/postgresql/{v}/bin" for v in (os.listdir("/usr/lib/postgresql") if os.path.isdir("/usr/lib/postgresql") else []))
        if not homes:
            raise Unavailable("no PostgreSQL server is installed (Debian package postgresql)")
        as_user = []
        if os.getuid() == 0:      # it refuses root
            shutil.chown(self.dir, "nobody")
            as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        subprocess.run([*as_user, f"{homes[-1]}/initdb", "-D", f"{self.dir}/p", "-U", "postgres", "--auth=trust", "--no-sync", "--locale=C.UTF-8",
                        "--no-instructions"], check=True, stdout=subprocess.DEVNULL, cwd=self.dir, env={"PATH": os.environ["PATH"], "HOME": self.dir})
        self.start(*as_user, f"{homes[-1]}/postgres", "-D", f"{self.dir}/p", "-p", str(self.port), "-h", "127.0.0.1", "-k", self.dir, "-F",
                   "-c", f"max_connections={connections}")
        self.wait_open()


class Systemd:
    """The tests' fake of systemd behind a bus of its own: where there is a real one, its units are not ours to ask a thousand times."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="vb")
        address = f"unix:path={self.dir}/bus"
        self.env = {"DBUS_SYSTEM_BUS_ADDRESS": address}
        source = os.path.join(ROOT, "tests/func/fake_systemd1.c")
        subprocess.run(["cc", "-O1", "-D_GNU_SOURCE", "-o", f"{self.dir}/fake", source, "-lsystemd"], check=True)
        with open(f"{self.dir}/bus.conf", "w") as f:
            f.write(f'<busconfig><type>session</type><listen>{address}</listen><policy context="default"><allow send_destination="*" '
                    'eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>')
        with on_core(LOAD_CORE):
            self.bus = subprocess.Popen([program("dbus-daemon", "dbus-daemon"), f"--config-file={self.dir}/bus.conf", "--nofork"], stderr=subprocess.DEVNULL)
            wait_for(lambda: os.path.exists(f"{self.dir}/bus"), "the bus listens")
            self.fake = subprocess.Popen([f"{self.dir}/fake"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **self.env})
        self.answer()
        print("set app.service active running simple success 0", file=self.fake.stdin, flush=True)
        self.answer()

    def answer(self):
        if not self.fake.stdout.readline():
            raise RuntimeError("the fake systemd ended")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.fake, self.bus):
            process.kill()
            process.wait()


def make_certificate(directory):
    """An authority and a server's certificate for localhost and 127.0.0.0/8's first addresses: ca.crt, server.crt, server.key."""
    openssl = program("openssl", "openssl")

    def run(*arguments):
        subprocess.run([openssl, *arguments], check=True, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("req", "-x509", *new_key, "-days", "30", "-subj", "/CN=bench", "-keyout", "ca.key", "-out", "ca.crt")
    run("req", *new_key, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    with open(os.path.join(directory, "ext"), "w") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1")
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "ext", "-out", "server.crt")


# -- configurations


def address(i):
    """A loopback address of its own for each probe, so that caps and caches by address see what they would see outside."""
    return f"127.1.{i // 250}.{i % 250 + 1}" if i < 62500 else f"127.2.{(i - 62500) // 250}.{i % 250 + 1}"


def probes(count, body, **settings):
    """body: the probe's one line, with {a} for its address and {i} for its number. Settings go into `defaults`."""
    defaults = "".join(f"  {k}: {v}\n" for k, v in settings.items())
    return (f"defaults:\n{defaults}" if defaults else "") + "probes:\n" + "".join(f"  p{i}: {{ {body.format(a=address(i), i=i)} }}\n" for i in range(count))


SPREAD = "groups: { ready: [p0] }\n"      # members of ready begin within 250 ms; all others over their interval


# -- load


def load(kind, port, seconds, connections, rate=0, path="/readyz"):
    with on_core(LOAD_CORE):
        done = subprocess.run([os.path.join(OUT, "load"), kind, "127.0.0.1", str(port), path, str(connections), str(seconds), str(rate)],
                              capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    if not result["answers"] or result["wrong"] > result["answers"] / 1000 or result["errors"] > result["answers"] / 1000:
        raise RuntimeError(f"the load saw wrong answers: {result}")
    return result


def wrk(port, seconds, connections, path="/readyz", core=LOAD_CORE):
    with on_core(core):
        done = subprocess.run([program("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}{path}"],
                              capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout:
        raise RuntimeError(f"wrk saw wrong answers:\n{done.stdout}")
    return int(re.search(r"(\d+) requests in", done.stdout).group(1))


def cpu_per(server, work):
    """Microseconds of the server's CPU for each unit; work() returns how many units it did."""
    before = cpu_us(server.pid)
    units = work()
    return (cpu_us(server.pid) - before) / units


# -- the machine


def machine():
    def first(path, pattern):
        with contextlib.suppress(OSError, AttributeError), open(path) as f:
            return re.search(pattern, f.read(), re.M).group(1)
        return "?"

    def version(*command):
        with contextlib.suppress(OSError):
            done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
            found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
            return found.group(0) if found else "?"
        return "not installed"
    uname = os.uname()
    return {"cpu": first("/proc/cpuinfo", r"model name\s*: (.*)"), "cores": len(CORES), "server_core": SERVER_CORE, "load_core": LOAD_CORE,
            "memory_kb": int(first("/proc/meminfo", r"MemTotal:\s+(\d+)")), "kernel": uname.release, "virtual": "hypervisor" in first("/proc/cpuinfo", r"^flags\s*: (.*)"),
            "load_average": os.getloadavg()[0], "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "compiler": version(os.environ.get("CC", "gcc"), "--version"), "nginx": version("nginx", "-v"), "haproxy": version("haproxy", "-v"),
            "monit": version("monit", "-V"), "blackbox_exporter": version("prometheus-blackbox-exporter", "--version"), "wrk": version("wrk", "-v")}
