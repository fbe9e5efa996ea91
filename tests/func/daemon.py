"""vitald as an object: start it with a configuration, ask it, break it, stop it. All waiting is for facts."""
import contextlib
import fcntl
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("VITALD_BUILD", os.path.join(ROOT, "build"))
PATIENCE = float(os.environ.get("VITALD_PATIENCE", "20"))   # a bound for broken runs, never a pace


def wait_for(fact, what="", timeout=PATIENCE, every=0.005):
    """Polls fact() until it is true and returns it."""
    end = time.monotonic() + timeout
    while True:
        value = fact()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"never became true: {what or fact}")
        time.sleep(every)


def make(target):
    """One at a time: packages and images are cut from the same tree, by tests that run side by side."""
    with open(f"{BUILD}/.staging", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(["make", "-s", "-C", ROOT, target], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Below the kernel's ephemeral range, so that nobody's outgoing connection takes a port between our look and its use; each
# process of a parallel run has ports of its own.
PORTS = 20000 + (os.getpid() * 97) % 12000
WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if WORKER:
    PORTS = 20000 + int(WORKER[2:]) * 1500 + (6000 if "address" in BUILD else 0)
PORT_ROOM = 1500 if WORKER else 12000
ports_given = itertools.count()     # threads may ask too


def free_port(kind=socket.SOCK_STREAM):
    while True:
        port = 20000 + (PORTS - 20000 + next(ports_given) % PORT_ROOM) % 12000
        with socket.socket(socket.AF_INET, kind) as s:
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port))
                return port


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path, timeout=5):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class Vitald:
    """config: YAML text for probes, groups ...; `listen:` and `control:` are added unless it has them."""

    def __init__(self, config="", args=(), env=None, binary="vitald", prefix=(), wait=True):
        self.dir = tempfile.mkdtemp(prefix="vt")
        self.conf = os.path.join(self.dir, "vitald.yaml")
        self.control = os.path.join(self.dir, "c.sock")
        self.write(config)
        self.logfile = os.path.join(self.dir, "log")
        self.binary = os.path.join(BUILD, binary)
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.dir, "VITALD_USER": "root", **(env or {})}   # the directory is ours alone
        for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.environment.setdefault(name, os.environ[name])
        self.command = [*prefix, self.binary, "-c", self.conf, *args]
        self.launch()
        self.port = None
        if wait:
            self.port = int(self.wait_log(r"listening on http://127\.0\.0\.1:(\d+)").group(1))

    def launch(self):
        """A process, or a new one after the old one has left."""
        with open(self.logfile, "ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir)

    # -- configuration

    def write(self, config):
        text = config
        if not re.search(r"^listen:", config, re.M):
            text = "listen:\n  - address: 127.0.0.1:0\n    serve: [verdicts, status, metrics, events, page]\n" + text
        if not re.search(r"^control:", config, re.M):
            text = f"control: {{ path: {self.control} }}\n" + text
        if os.getuid() and not re.search(r"^core_dumps:", config, re.M):
            text = "core_dumps: true\n" + text      # else only root may look at what it has open
        tmp = self.conf + ".new"
        with open(tmp, "w") as f:
            f.write(text)
        os.replace(tmp, self.conf)

    def reload(self, config=None, ok=True):
        if config is not None:
            self.write(config)
        done = self.ctl("reload")
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done

    # -- questions

    def get(self, path, method="GET", headers=None, port=None, timeout=5):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers or {})
            return Answer(connection.getresponse())

    def raw(self, data, port=None, timeout=5):
        """Sends bytes, returns all that comes until the end."""
        with socket.create_connection(("127.0.0.1", port or self.port), timeout=timeout) as s:
            with contextlib.suppress(ConnectionError):
                s.sendall(data)
            got = b""
            with contextlib.suppress(ConnectionError):
                while chunk := s.recv(65536):
                    got += chunk
            return got

    def status(self):
        return self.get("/status").json

    def probe(self, name):
        return next(p for p in self.status()["probes"] if p["name"] == name)

    def group(self, name):
        return next(g for g in self.status()["groups"] if g["name"] == name)

    def ctl(self, *args, timeout=30, binary="vitalctl"):
        return subprocess.run([os.path.join(BUILD, binary), "--socket", self.control, *args], timeout=timeout,
                              capture_output=True, text=True)

    def log(self):
        with open(self.logfile, errors="replace") as f:
            return f.read()

    # -- waiting

    def wait_log(self, pattern, timeout=PATIENCE):
        def seen():
            found = re.search(pattern, self.log())
            if not found and self.process.poll() is not None:
                raise AssertionError(f"vitald ended with {self.process.returncode}:\n{self.log()}")
            return found
        try:
            return wait_for(seen, pattern, timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.log()}") from None

    def wait_state(self, name, state, timeout=PATIENCE):
        last = {}

        def reached():
            last.update(self.probe(name))
            return last["state"] == state and last
        try:
            return wait_for(reached, f"{name} {state}", timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}: {last}") from None

    def wait_outcome(self, name, **want):
        """Until the probe's last outcome has these fields: class_, reason, text (regular expression)."""
        last = {}

        def reached():
            last.update(self.probe(name))
            o = last.get("outcome") or {}
            return (("class_" not in want or o.get("class") == want["class_"]) and
                    ("reason" not in want or o.get("reason") == want["reason"]) and
                    ("text" not in want or re.search(want["text"], o.get("text") or "")) and last if o else False)
        try:
            return wait_for(reached, f"{name} {want}")
        except AssertionError as e:
            raise AssertionError(f"{e}: {last.get('outcome')}") from None

    def wait_code(self, path, code, timeout=PATIENCE):
        return wait_for(lambda: self.get(path).status == code, f"{path} {code}", timeout)

    # -- the process

    @property
    def pid(self):
        return self.process.pid

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def children(self):
        out = subprocess.run(["ps", "-o", "pid=,stat=,comm=", "--ppid", str(self.pid)], capture_output=True, text=True)
        return out.stdout.split("\n")

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, number=None, timeout=10):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if number is None else number)
        return self.process.wait(timeout)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        try:
            code = self.stop()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"vitald did not leave on SIGINT:\n{self.log()}") from None
        finally:
            log = self.log()
            shutil.rmtree(self.dir, ignore_errors=True)
        if exc[0] is None:
            assert code == 0, f"vitald left with {code}:\n{log}"
            assert "Sanitizer" not in log and "runtime error" not in log, log
        elif exc[0]:
            print(log[-8000:])


def once(config, *args, env=None, timeout=60):
    """vitald --once with this configuration."""
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        path = os.path.join(d, "c.yaml")
        with open(path, "w") as f:
            f.write(config)
        return subprocess.run([os.path.join(BUILD, "vitald"), "-c", path, "--once", *args], capture_output=True, text=True,
                              timeout=timeout, env={"PATH": os.environ["PATH"], "VITALD_USER": "root", **(env or {})})


def check_config(config, *args, env=None):
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        path = os.path.join(d, "c.yaml")
        with open(path, "w") as f:
            f.write(config)
        return subprocess.run([os.path.join(BUILD, "vitald"), "-c", path, "--check-config", *args], capture_output=True,
                              text=True, timeout=60, env={"PATH": os.environ["PATH"], **(env or {})}, cwd=d)
