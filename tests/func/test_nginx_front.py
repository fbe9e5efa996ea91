"""A real nginx in front: it asks vitald, or reads what vitald writes. Users go on asking while things break."""
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest

from conftest import Nginx
from daemon import ROOT, Vitald, free_port, wait_for
from lb_kit import App, Users, recipe

OWN = ("127.0.0.1:8687", "127.0.0.1:0")


class Site:
    """One application with its vitald; `standby` is another machine's. conf: the recipe for vitald."""

    def __init__(self, conf, *pairs):
        self.stack = contextlib.ExitStack()
        self.conf, self.pairs = conf, pairs

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            undo.push(self.stack)
            port = free_port()
            self.app, self.standby = App("here", "127.0.0.11", port), App("standby", "127.0.0.12", port)
            self.places = ("127.0.0.1:8080", f"127.0.0.11:{port}"), ("10.0.0.12:8080", f"127.0.0.12:{port}")
            for app in self.app, self.standby:
                self.stack.callback(app.stop)
            self.dir = tempfile.mkdtemp(prefix="vs")
            os.chmod(self.dir, 0o755)      # nginx's workers are somebody else
            self.stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
            self.run = ("/run/vitald", self.dir)
            with open(f"{ROOT}/conf/recipes/{self.conf}") as f:
                said = f.read()
            self.vitald_conf = recipe(self.conf, OWN, self.run, ("interval: 2s", "interval: 100ms"),
                                      *[p for p in self.places if p[0] in said], *self.pairs)
            self.vitald = self.stack.enter_context(Vitald(self.vitald_conf))
            self.vitald.wait_code("/readyz", 200)
            undo.pop_all()
        return self

    def __exit__(self, *exc):
        return self.stack.__exit__(*exc)

    def nginx(self, name, *pairs):
        """nginx with that recipe; PORT is its own."""
        with open(f"{ROOT}/conf/recipes/{name}") as f:
            said = f.read()
        text = recipe(name, ("listen 80;", "listen 127.0.0.1:PORT;"), *[p for p in (*self.places, self.run) if p[0] in said], *pairs)
        n = Nginx(text)
        shutil.copy(f"{ROOT}/conf/recipes/vitald_proxy.conf", n.dir)
        return n


def get(port, path, timeout=5):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    with contextlib.closing(c):
        c.request("GET", path)
        r = c.getresponse()
        return r.status, r.headers, r.read().decode()


# ---- asked through a location


@pytest.mark.parametrize("way", ["unix", "tcp"])
def test_healthz_through_nginx(way):
    with Site("nginx-healthz.yaml") as site:
        pairs = []
        if way == "tcp":
            pairs = [(f"server unix:{site.dir}/http.sock;", f"server 127.0.0.1:{site.vitald.port};")]
        with site.nginx("nginx-healthz.conf", *pairs) as n:
            status, headers, body = get(n.port, "/readyz")
            assert (status, body) == (200, "pass\n") and headers["Cache-Control"] == "no-store"
            assert get(n.port, "/healthz")[0] == 200
            assert get(n.port, "/")[2] == "here"
            site.app.healthy = False
            wait_for(lambda: get(n.port, "/readyz")[0] == 503, "503 through nginx")
            assert get(n.port, "/healthz")[0] == 200      # health leans on nothing outside
            if way == "unix":      # the public socket tells no names, whatever is asked
                assert "app" not in get(n.port, "/readyz?verbose")[2]
            # a vitald that hangs or is gone is an answer too, and a quick one
            site.app.healthy = True
            wait_for(lambda: get(n.port, "/readyz")[0] == 200, "200 again")
            site.vitald.signal(signal.SIGSTOP)
            began = time.monotonic()
            assert get(n.port, "/readyz")[0] == 504
            assert time.monotonic() - began < 3
            site.vitald.signal(signal.SIGCONT)
            wait_for(lambda: get(n.port, "/readyz")[0] == 200, "200 after the stop")
            site.vitald.stop()
            assert get(n.port, "/readyz")[0] == 502


def test_nginx_keeps_its_connections_to_vitald():
    """upstream keepalive: a thousand questions over a few connections."""
    with Site("nginx-healthz.yaml") as site, site.nginx("nginx-healthz.conf") as n:
        for _ in range(200):
            assert get(n.port, "/readyz")[0] == 200
        accepted = next(line for line in site.vitald.get("/metrics").text.splitlines() if line.startswith("vitald_http_connections_accepted_total "))
        assert int(accepted.split()[1]) < 40


# ---- auth_request


def gated(site):
    return site.nginx("nginx-auth-gate.conf", ("server 127.0.0.1:8687;", f"server 127.0.0.1:{site.vitald.port};"))


def test_auth_request_gates_every_request():
    with Site("nginx-healthz.yaml") as site, gated(site) as n, Users(n.port) as users:
        users.next()
        assert users.failures() == []
        # the application's own errors pass as they are
        assert get(n.port, "/broken")[::2] == (500, "here")
        site.vitald.ctl("drain")
        site.vitald.wait_code("/readyz", 503)
        status, headers, body = get(n.port, "/")
        assert (status, body, headers["Retry-After"]) == (503, "not ready\n", "5")
        assert {s for s, _ in users.next()} == {503}
        site.vitald.ctl("undrain")
        site.vitald.wait_code("/readyz", 200)
        users.next(1)
        assert {s for s, _ in users.next()} == {200}


def test_auth_request_without_the_cure_says_500():
    """What the recipe is for: if nginx ever handles 503 itself, the cure can go."""
    with Site("nginx-healthz.yaml") as site:
        n = site.nginx("nginx-auth-gate.conf", ("server 127.0.0.1:8687;", f"server 127.0.0.1:{site.vitald.port};"),
                       ("error_page 500 =503 @unready;", ""))
        with n:
            site.vitald.ctl("drain")
            site.vitald.wait_code("/readyz", 503)
            assert get(n.port, "/")[0] == 500


def test_auth_gate_while_vitald_is_gone():
    """Closed: nobody can say that the application is ready."""
    with Site("nginx-healthz.yaml") as site, gated(site) as n:
        assert get(n.port, "/")[0] == 200
        site.vitald.stop()
        assert get(n.port, "/")[0] == 503


# ---- what vitald writes


def test_the_switch_by_a_file_needs_no_reload():
    with Site("nginx-healthz.yaml") as site, site.nginx("nginx-switch.conf") as n, Users(n.port) as users:
        assert {b for _, b in users.next()} == {"here"}
        for _ in range(3):
            site.vitald.ctl("drain")
            wait_for(lambda: {b for _, b in users.next(5)} == {"standby"}, "the standby serves")
            site.vitald.ctl("undrain")
            wait_for(lambda: {b for _, b in users.next(5)} == {"here"}, "back here")
        site.app.healthy = False
        wait_for(lambda: {b for _, b in users.next(5)} == {"standby"}, "the standby serves")
        site.app.stop()
        users.next(50)
        # SIGINT: the file goes with vitald, so nobody comes to an application that nobody looks after
        site.app.start()
        site.app.healthy = True
        wait_for(lambda: {b for _, b in users.next(5)} == {"here"}, "back here")
        site.vitald.stop()
        wait_for(lambda: {b for _, b in users.next(5)} == {"standby"}, "the standby serves")
        assert users.failures() == []


class Reloader:
    """What nginx-upstream.path has systemd do: reload nginx when the file was replaced."""

    def __init__(self, nginx, path):
        self.nginx, self.path, self.reloads, self.over = nginx, path, 0, False
        self.last = os.stat(path).st_ino, os.stat(path).st_mtime_ns
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over:
            now = os.stat(self.path).st_ino, os.stat(self.path).st_mtime_ns
            if now != self.last:
                self.last = now
                self.nginx.process.send_signal(signal.SIGHUP)
                self.reloads += 1
            time.sleep(0.01)

    def stop(self):
        self.over = True
        self.thread.join()


def test_upstream_by_include_and_reload():
    with Site("nginx-upstream.yaml") as site, site.nginx("nginx-upstream.conf") as n:
        reloader = Reloader(n, f"{site.dir}/nginx-app.conf")
        with Users(n.port) as users:
            assert {b for _, b in users.next()} == {"here"}
            site.vitald.ctl("drain")
            wait_for(lambda: {b for _, b in users.next(5)} == {"standby"}, "the standby serves")
            site.vitald.ctl("undrain")
            wait_for(lambda: {b for _, b in users.next(5)} == {"here"}, "back here")
            assert users.failures() == []      # switched in order: nobody noticed
            # a crash is noticed, by those who came until the probe failed; then no more
            site.app.stop()
            wait_for(lambda: {b for _, b in users.next(50)} == {"standby"}, "only the standby serves")     # nginx's old workers end a moment later
            assert {s for s, _ in users.failures()} <= {502}
        assert reloader.reloads == 3
        reloader.stop()
        site.vitald.stop()
        with open(f"{site.dir}/nginx-app.conf") as f:
            assert f.read() == "server 127.0.0.12:%d;\n" % site.standby.port


def test_the_units_of_the_recipe_are_good():
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    units = [f"{ROOT}/conf/recipes/nginx-upstream.{kind}" for kind in ("path", "service")]
    r = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", *units], capture_output=True, text=True)
    assert "nginx-upstream" not in r.stderr, r.stderr


# ---- keepalived


NETWORK = """set -e
ip link set lo up
ip link add eth0 type veth peer name eth1
ip link set eth1 up
ip addr add 10.0.0.2/24 dev eth0
ip link set eth0 up
exec keepalived -n -l -D -f $1/keepalived.conf -p $1/k.pid -r $1/v.pid -c $1/c.pid
"""


class Keepalived:
    """A real keepalived in a network namespace of its own."""

    def __init__(self, directory, config):
        self.log_path = f"{directory}/keepalived.log"
        with open(f"{directory}/keepalived.conf", "w") as f:
            f.write(config)
        with open(f"{directory}/network", "w") as f:
            f.write(NETWORK)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(["unshare", "-n", "bash", f"{directory}/network", directory], stdout=log, stderr=log)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def addresses(self):
        r = subprocess.run(["nsenter", "-n", "-t", str(self.process.pid), "ip", "-j", "addr", "show", "eth0"], capture_output=True, text=True)
        return {a["local"] for i in json.loads(r.stdout or "[]") for a in i.get("addr_info", [])}

    def stop(self):
        self.process.terminate()
        self.process.wait(15)


def can_make_networks():
    r = subprocess.run(["unshare", "-n", "ip", "link", "add", "a0", "type", "veth", "peer", "name", "a1"], capture_output=True)
    return r.returncode == 0


def test_keepalived_follows_the_file():
    if not can_make_networks():
        pytest.skip("no network namespace can be made here (needs root and veth)")
    with Site("keepalived.yaml") as site:
        path = f"{site.dir}/keepalived"
        wait_for(lambda: os.path.exists(path) and open(path).read() == "0\n", "0 is good")
        k = Keepalived(site.dir, recipe("keepalived.conf", ("/run/vitald/keepalived", path)))
        try:
            has = lambda: "10.0.0.10" in k.addresses()
            try:
                wait_for(has, "it takes the address", timeout=30)
            except AssertionError:
                raise AssertionError(k.log()) from None
            site.app.healthy = False
            wait_for(lambda: not has(), "the address goes while `ready` fails")
            assert open(path).read() == "1\n"
            site.app.healthy = True
            wait_for(has, "and comes back", timeout=30)
            # a missing file would count as good: it must say 1 when vitald leaves
            site.vitald.stop()
            assert open(path).read() == "1\n"
            wait_for(lambda: not has(), "the address goes when vitald leaves")
        finally:
            k.stop()


def test_keepalived_takes_a_missing_file_for_good():
    """Why the recipe's file never goes: if this changes, the recipe can be simpler."""
    if not can_make_networks():
        pytest.skip("no network namespace can be made here (needs root and veth)")
    with Site("keepalived.yaml") as site:
        path = f"{site.dir}/other"
        with open(path, "w") as f:
            f.write("1\n")
        k = Keepalived(site.dir, recipe("keepalived.conf", ("/run/vitald/keepalived", path)))
        try:
            wait_for(lambda: "FAULT" in k.log(), "a fault")
            os.unlink(path)
            wait_for(lambda: "10.0.0.10" in k.addresses(), "no file, no fault", timeout=30)
        finally:
            k.stop()
