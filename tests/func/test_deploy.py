"""The deployments of conf/recipes as they are: a real nginx, real instances, users who ask all the time, and not one failed answer."""
import os
import re
import signal
import subprocess
import sys

import pytest

from conftest import Nginx
from daemon import BUILD, ROOT, Vitald, free_port, wait_for
from lb_kit import Users, recipe

# An instance: answers its version after 20 ms, /health as its version says, and on SIGTERM when its last request is answered.
SHOP = r"""
import http.server, signal, sys, threading, time
port, version = int(sys.argv[1]), sys.argv[2]
begun = time.monotonic()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            code = 503 if version == "broken" or (version == "fades" and failing.is_set()) else 200
        else:
            time.sleep(0.02)
            code = 503 if version == "broken" or (version == "fades" and failing.is_set()) else 200
            if version == "fades":
                failing.set()
        body = version.encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

failing = threading.Event()
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
server.daemon_threads = False
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever(poll_interval=0.02)
server.server_close()
"""

# What an operator's own command would be: it ends the instance of that name, waits for its end, starts the version and goes.
MANAGER = r"""#!/bin/sh
set -eu
cd "$(dirname "$0")"
what=$(basename "$0") name=$1
echo "$what $*" >>calls
if [ "$what" = version ]; then cat "$name.version"; exit; fi
if [ -e "$name.pid" ]; then
    kill "$(cat "$name.pid")" 2>/dev/null || true
    while [ -d "/proc/$(cat "$name.pid")" ] && ! grep -q '^State:.Z' "/proc/$(cat "$name.pid")/status" 2>/dev/null; do sleep 0.01; done
    rm "$name.pid"
fi
if [ "$what" = stop ]; then exit; fi
version=${2:-$(cat next)}
echo "$version" >"$name.version"
PYTHON shop.py "$(cat "$name.port")" "$version" </dev/null >>"$name.log" 2>&1 &
echo $! >"$name.pid"
"""

QUICK = {"interval: 2s": "interval: 50ms\n  interval_unsettled: 20ms\n  rise: 1\n  fall: 2"}


class Site:
    """nginx, vitald and instances NAME -> port, with the recipe's own files."""

    def __init__(self, directory, kind, names):
        self.dir, self.kind, self.names = str(directory), kind, names
        self.servers = f"{self.dir}/servers"
        self.ports = {name: free_port() for name in names}
        for name, text in {"shop.py": SHOP, **{f"{n}.port": str(p) for n, p in self.ports.items()}}.items():
            self.write(name, text)
        for tool in ("start", "stop", "update", "version"):
            self.write(tool, MANAGER.replace("PYTHON", sys.executable))
            os.chmod(f"{self.dir}/{tool}", 0o755)
        old = {name: f"127.0.0.1:{8081 + i}" for i, name in enumerate(names)}
        pairs = [(old[name], f"127.0.0.1:{self.ports[name]}") for name in names]
        config = recipe(f"{kind}.yaml", *pairs, *QUICK.items())
        self.config = re.sub(r"^listen:\n(  .*\n)+", "", config, flags=re.M)
        self.conf = recipe("blue-green.conf", ("/etc/nginx/shop.servers", self.servers), ("listen 80;", "listen 127.0.0.1:PORT;"))

    def write(self, name, text):
        with open(f"{self.dir}/{name}", "w") as f:
            f.write(text)

    def read(self, name):
        with open(f"{self.dir}/{name}") as f:
            return f.read()

    def manage(self, tool, *args):
        subprocess.run([f"{self.dir}/{tool}", *args], check=True, timeout=30)

    def __enter__(self):
        self.vitald = Vitald(self.config)
        self.nginx = Nginx(self.conf)
        return self

    def begin(self):
        self.nginx.start()

    def __exit__(self, *exc):
        self.nginx.__exit__(*exc)
        for name in self.names:
            self.manage("stop", name)
        self.vitald.__exit__(*exc)

    def environment(self, **more):
        return {"PATH": os.environ["PATH"], "SERVERS": self.servers, "START": f"{self.dir}/start", "STOP": f"{self.dir}/stop", "UNIT": "",
                "UPDATE": f"{self.dir}/update", "CURRENT": f"{self.dir}/version",
                "NGINX_COMMAND": f"nginx -e {self.nginx.dir}/error.log -p {self.nginx.dir} -c {self.nginx.conf}",
                "NGINX_PID": f"{self.nginx.dir}/nginx.pid", "VITALCTL": f"{BUILD}/vitalctl --socket {self.vitald.control}",
                "READY_FOR": "300ms", "READY_WITHIN": "60", "WATCH": "1s", **more}

    def script(self, *args, **more):
        r = subprocess.run(["sh", f"{ROOT}/conf/recipes/{self.kind}.sh", *args], env=self.environment(**more), capture_output=True, text=True,
                           timeout=120)
        print(r.stdout, r.stderr)
        return r


@pytest.fixture
def blue_green(tmp_path):
    with Site(tmp_path, "blue-green", ["blue", "green"]) as s:
        s.write("next", "v1")
        s.manage("start", "blue")
        s.write("servers", f"# blue has the users\nserver 127.0.0.1:{s.ports['blue']};\n")
        s.begin()
        s.vitald.wait_code("/healthz/blue", 200)
        yield s


def environment_of(site):
    return {"BLUE": f"127.0.0.1:{site.ports['blue']}", "GREEN": f"127.0.0.1:{site.ports['green']}"}


def test_scripts_are_clean():
    scripts = [f"{ROOT}/conf/recipes/{name}.sh" for name in ("blue-green", "rolling")] + [f"{ROOT}/conf/kubernetes/store/start.sh"]
    r = subprocess.run(["shellcheck", "-s", "sh", *scripts], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout


def test_blue_green_switches_without_a_failed_request_there_and_back(blue_green):
    s = blue_green
    with Users(s.nginx.port) as users:
        for version, colour in ("v2", "green"), ("v3", "blue"):
            users.next()
            s.write("next", version)
            r = s.script(**environment_of(s))
            assert r.returncode == 0 and f"{colour} has the users" in r.stdout
            assert {body for _, body in users.next()} == {version}
        assert users.failures() == [] and len(users.seen) > 100
    assert s.read("servers") == f"# blue has the users\nserver 127.0.0.1:{s.ports['blue']};\n"
    assert not os.path.exists(f"{s.dir}/green.pid")


def test_blue_green_keeps_the_old_colour_when_the_new_one_never_gets_ready(blue_green):
    s = blue_green
    before = s.read("servers")
    with Users(s.nginx.port) as users:
        s.write("next", "broken")
        r = s.script(**environment_of(s), READY_WITHIN="1")
        assert r.returncode == 1 and "green is not ready: blue keeps the users" in r.stdout
        users.next()
        assert {seen for seen in users.seen} == {(200, "v1")}
    assert s.read("servers") == before and not os.path.exists(f"{s.dir}/green.pid")


def test_blue_green_goes_back_when_the_new_colour_fails_with_users(blue_green):
    """It fails from its first user on: the old colour, still the backup, answers for it."""
    s = blue_green
    with Users(s.nginx.port) as users:
        s.write("next", "fades")
        r = s.script(**environment_of(s), WATCH="20s")
        assert r.returncode == 1 and "green failed; sending the users back to blue" in r.stdout
        assert {body for _, body in users.next()} == {"v1"}
        assert users.failures() == []
        assert "fades" in {body for _, body in users.seen}
    assert s.read("servers").startswith("# blue has the users\n") and not os.path.exists(f"{s.dir}/green.pid")


def test_blue_green_interrupted_changes_nothing(blue_green):
    s = blue_green
    before = s.read("servers")
    s.write("next", "broken")
    process = subprocess.Popen(["sh", f"{ROOT}/conf/recipes/blue-green.sh"], env=s.environment(**environment_of(s), READY_WITHIN="60"),
                               stdout=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: os.path.exists(f"{s.dir}/green.pid"), "green starts")
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1 and s.read("servers") == before, said
    wait_for(lambda: not os.path.exists(f"{s.dir}/green.pid"), "green ends")


def test_blue_green_says_what_it_needs(blue_green):
    s = blue_green
    before = s.read("servers")
    s.write("servers", f"server 127.0.0.1:{s.ports['blue']};\n")
    r = s.script(**environment_of(s))
    assert r.returncode == 2 and "does not say who has the users" in r.stdout
    s.write("servers", before)
    r = s.script(**{**environment_of(s), "GREEN": "no:such:address"})
    assert r.returncode == 1 and "nginx refuses the configuration" in r.stdout
    assert s.read("servers") == before and not os.path.exists(f"{s.dir}/green.pid")


@pytest.fixture
def rolling(tmp_path):
    names = ["shop1", "shop2", "shop3"]
    with Site(tmp_path, "rolling", names) as s:
        for name in names:
            s.manage("update", name, "v1")
        s.write("servers", "".join(f"server 127.0.0.1:{s.ports[n]};\n" for n in names))
        s.begin()
        for name in names:
            s.vitald.wait_code(f"/healthz/{name}", 200)
        yield s


def roll(site, version, **more):
    return site.script(version, INSTANCES=" ".join(f"{n}=127.0.0.1:{p}" for n, p in site.ports.items()), **more)


def test_rolling_update_without_a_failed_request(rolling):
    s = rolling
    with Users(s.nginx.port) as users:
        r = roll(s, "v2")
        assert r.returncode == 0 and "all run v2" in r.stdout
        assert {body for _, body in users.next(30)} == {"v2"}
        assert users.failures() == []
    assert s.read("servers") == "".join(f"server 127.0.0.1:{p};\n" for p in s.ports.values())


def test_rolling_update_rolls_all_of_it_back(rolling):
    s = rolling
    s.write("update", s.read("update").replace("version=${2:-", 'if [ "$1 $2" = "shop2 v2" ]; then set -- "$1" broken; fi\nversion=${2:-'))
    with Users(s.nginx.port) as users:
        r = roll(s, "v2", READY_WITHIN="6")      # shop1 has to get ready in that time
        assert r.returncode == 1 and "shop2 does not get ready with v2; going back to v1" in r.stdout
        assert {body for _, body in users.next(30)} == {"v1"}
        assert users.failures() == [] and "broken" not in {body for _, body in users.seen}
        assert "v2" in {body for _, body in users.seen}                 # shop1 had it for a while
    assert [s.read(f"{n}.version").strip() for n in s.names] == ["v1", "v1", "v1"]
    assert "update shop3 v2" not in s.read("calls")


def test_rolling_update_does_not_begin_on_a_weak_fleet(rolling):
    s = rolling
    s.manage("stop", "shop3")
    s.vitald.wait_code("/healthz/shop3", 503)
    r = roll(s, "v2")
    assert r.returncode == 2 and "shop3 is not ready now: not begun" in r.stdout
    assert "update shop1 v2" not in s.read("calls")
