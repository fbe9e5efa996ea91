"""For tests with load balancers: recipes of conf/recipes with this machine's addresses, an application, its users, HAProxy."""
import contextlib
import csv
import http.client
import http.server
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from daemon import ROOT, wait_for


def recipe(name, *pairs):
    """The recipe with each (old, new) replaced; what it does not say is a mistake in the test, or in the recipe."""
    with open(f"{ROOT}/conf/recipes/{name}") as f:
        text = f.read()
    for old, new in pairs:
        assert old in text, f"{name} does not say {old}"
        text = text.replace(old, str(new))
    return text


class App:
    """An application: answers its name, and /health as it is told. Each has its own loopback address."""

    def __init__(self, name, host, port):
        self.name, self.host, self.port, self.healthy, self.delay = name, host, port, True, 0
        self.hold = threading.Event()
        self.hold.set()
        self.server = None
        self.start()

    def start(self):
        app = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self):
                if self.path == "/health":
                    app.hold.wait(20)
                code = 503 if self.path == "/health" and not app.healthy else 500 if self.path == "/broken" else 200
                body = app.name.encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *args):
                pass
        self.server = http.server.ThreadingHTTPServer((self.host, self.port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
        self.server = None


class Users:
    """Somebody asks the balancer all the time, each time on a new connection. `seen`: (status, body); status 0 = no answer."""

    def __init__(self, port, path="/"):
        self.port, self.path, self.seen, self.over = port, path, [], False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def ask(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            c.request("GET", self.path)
            r = c.getresponse()
            return r.status, r.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            c.close()

    def run(self):
        while not self.over:
            self.seen.append(self.ask())
            time.sleep(0.005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.over = True
        self.thread.join(10)

    def next(self, count=20):
        """The next answers."""
        start = len(self.seen)
        wait_for(lambda: len(self.seen) >= start + count + 1, "users ask")
        return self.seen[start + 1:start + 1 + count]

    def failures(self, start=0):
        return [s for s in self.seen[start:] if s[0] != 200]


class HAProxy:
    """A real HAProxy; SOCKET in the configuration becomes its stats socket."""

    def __init__(self, config):
        self.dir = tempfile.mkdtemp(prefix="hp")
        self.socket = f"{self.dir}/admin.sock"
        with open(f"{self.dir}/h.cfg", "w") as f:
            f.write(config.replace("SOCKET", self.socket))
        self.process = None

    def __enter__(self):
        with open(f"{self.dir}/log", "wb") as log:
            self.process = subprocess.Popen(["haproxy", "-db", "-f", f"{self.dir}/h.cfg"], stdout=log, stderr=log)

        def answers():
            assert self.process.poll() is None, open(f"{self.dir}/log").read()
            return os.path.exists(self.socket) and self.stats()
        wait_for(answers, "HAProxy runs")
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        if exc[0]:
            print(open(f"{self.dir}/log").read())
        shutil.rmtree(self.dir, ignore_errors=True)

    def command(self, text):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            try:
                s.connect(self.socket)
            except OSError:
                return ""
            s.sendall(text.encode() + b"\n")
            got = b""
            while chunk := s.recv(65536):
                got += chunk
        return got.decode()

    def stats(self):
        return {r["svname"]: r for r in csv.DictReader(self.command("show stat").lstrip("# ").splitlines())}

    def server(self, name):
        return self.stats()[name]

    def wait_for(self, name, **want):
        """Until HAProxy believes this of the server: status, weight, ... ; a value may be a function."""
        last = {}

        def reached():
            last.update(self.server(name))
            return all(w(last[k]) if callable(w) else last[k] == str(w) for k, w in want.items()) and last
        try:
            return wait_for(reached, f"{name}: {want}")
        except AssertionError as e:
            keys = ("status", "weight", "check_status", "check_code", "last_chk", "agent_status", "last_agt")
            raise AssertionError(f"{e}; it is {[last[k] for k in keys]}") from None
