"""Out of memory, a dead resolver, a clock that jumps: the right words, and nothing lost."""
import contextlib
import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from conftest import http_ok
from daemon import BUILD, ROOT, Vitald, free_port, wait_for

SANITIZED = "address" in BUILD


@pytest.fixture(scope="module")
def shims():
    with tempfile.TemporaryDirectory(prefix="shim") as d:
        for name in ("failmalloc", "slow"):
            subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", f"{d}/{name}.so", f"{ROOT}/tests/func/{name}.c"], check=True)
        yield d


CONFIG = """probes:
  a: { tcp: "127.0.0.1:1" }
  b: { http: { url: "http://127.0.0.1:1/", headers: { X-Token: "abc" }, contains: "x", matches: "a+b" } }
  c: { disk: / }
groups:
  ready: { any: [a, b], advisory: [c] }
"""


@pytest.mark.skipif(SANITIZED or "thread" in BUILD, reason="the sanitizer's allocator takes the shim's place")
def test_every_allocation_may_fail(shims):
    """Reading and checking a configuration with the n-th allocation failing, for every n: it works, or says why and leaves."""
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        conf, count = f"{d}/c.yaml", f"{d}/count"
        open(conf, "w").write(CONFIG)

        def run(n):
            return subprocess.run([f"{BUILD}/vitald", "-c", conf, "--check-config"], capture_output=True, text=True, timeout=30,
                                  env={"PATH": os.environ["PATH"], "LD_PRELOAD": f"{shims}/failmalloc.so", "FAIL_AT": str(n), "FAIL_COUNT_TO": count})
        assert run(0).returncode == 0
        total = int(open(count).read())
        assert total > 100
        step = max(1, total // 600)
        said = 0
        for n in range(1, total + 1, step):
            r = run(n)
            assert r.returncode in (0, 1, 71), f"allocation {n} of {total}: exit {r.returncode}\n{r.stderr}"
            if r.returncode:
                assert re.search("memory|cannot", r.stderr), f"allocation {n}: {r.stderr!r}"
                said += 1
        assert said > 10


def test_resolver_down_keeps_the_last_addresses_and_says_so(shims, server):
    web = server(http_ok)
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        mood = f"{d}/mood"
        open(mood, "w").write("ok")
        env = {"LD_PRELOAD": f"{shims}/slow.so", "SLOW": mood}
        if SANITIZED:
            env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        with Vitald(f"probes: {{ a: {{ http: \"http://app.test:{web.port}/\", interval: 1s, timeout: 900ms }},"
                    f" b: {{ tcp: \"other.test:{web.port}\", interval: 1s, timeout: 900ms }} }}\n"
                    "groups: { ready: { all: [a] } }\n", env=env) as v:
            v.wait_state("a", "up")
            v.wait_state("b", "up")
            open(mood, "w").write("fail")
            v.reload()
            n = sum(v.probe("a")["attempts"].values())
            wait_for(lambda: sum(v.probe("a")["attempts"].values()) > n + 1, "attempts go on")
            assert v.probe("a")["state"] == "up"
            open(mood, "w").write("ok")


def test_a_name_that_cannot_be_resolved(shims, server):
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        mood = f"{d}/mood"
        open(mood, "w").write("fail")
        env = {"LD_PRELOAD": f"{shims}/slow.so", "SLOW": mood}
        if SANITIZED:
            env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        web = server(http_ok)
        with Vitald(f"probes: {{ a: {{ http: \"http://app.test:{web.port}/\", interval: 1s, timeout: 900ms }} }}\n", env=env) as v:
            v.wait_outcome("a", class_="fail", reason="dns", text="app.test")
            open(mood, "w").write("slow")
            v.wait_outcome("a", class_="fail", reason="timeout")
            assert v.get("/livez").status == 200       # the loop never waits for names
            open(mood, "w").write("ok")
            v.wait_state("a", "up")


def test_a_handshake_that_our_own_helper_holds_up(shims):
    """It is no silence of the target's: it was there in time."""
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        run = functools.partial(subprocess.run, check=True, capture_output=True, cwd=d)
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", "key", "-out", "cert"])
        mood, port = f"{d}/mood", free_port()
        open(mood, "w").write("ok")
        env = {"LD_PRELOAD": f"{shims}/slow.so", "SLOW": mood}
        if SANITIZED:
            env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        with contextlib.ExitStack() as stack:
            server = subprocess.Popen(["openssl", "s_server", "-quiet", "-www", "-accept", f"127.0.0.1:{port}", "-cert", "cert", "-key", "key"], cwd=d)
            stack.callback(server.wait)
            stack.callback(server.kill)
            v = stack.enter_context(Vitald(f"probes: {{ a: {{ http: {{ url: \"https://localhost:{port}/\", tls: {{ ca: {d}/cert }} }}, interval: 1s, timeout: 900ms }} }}\n", env=env))
            v.wait_state("a", "up")
            failed = v.probe("a")["attempts"]["fail"]      # before the server listened
            open(mood, "w").write("hold")
            v.wait_outcome("a", class_="internal", reason="own_lag", text="too late")
            assert v.get("/livez").status == 200       # the loop never waits for a handshake
            assert v.probe("a")["attempts"]["fail"] == failed and v.probe("a")["state"] == "up"
            open(mood, "w").write("ok")
            v.wait_outcome("a", class_="pass")


@pytest.mark.skipif(SANITIZED, reason="libfaketime and the sanitizer's interceptors do not go together")
def test_the_wall_clock_jumps():
    lib = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
    with tempfile.TemporaryDirectory(prefix="vt") as d, socket.create_server(("127.0.0.1", 0)) as s:
        stamp = f"{d}/stamp"
        open(stamp, "w").write("+0")
        env = {"LD_PRELOAD": lib, "FAKETIME_TIMESTAMP_FILE": stamp, "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"}
        with Vitald(f"probes: {{ a: {{ tcp: \"127.0.0.1:{s.getsockname()[1]}\", interval: 1s }} }}\n", env=env) as v:
            v.wait_code("/readyz", 200)
            for jump in ("-86400", "+86400", "+0"):
                open(stamp, "w").write(jump)
                n = sum(v.probe("a")["attempts"].values())
                wait_for(lambda: sum(v.probe("a")["attempts"].values()) >= n + 2, "attempts go on")
                assert v.get("/readyz").status == 200
            assert "stalled" not in v.get("/readyz").text


def test_secrets_keep_their_last_value_when_there_are_no_helpers(server):
    """Whoever takes away the helpers (here: the process that makes them) must not silence probes that only re-read a secret."""
    web = server(http_ok)
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        secret = f"{d}/token"
        with open(secret, "w", opener=lambda p, f: os.open(p, f, 0o400)) as f:
            f.write("a-token\n")
        config = f"probes: {{ a: {{ http: {{ url: \"http://127.0.0.1:{web.port}/\", bearer: {{ file: {secret} }} }}, interval: 100ms, timeout: 80ms }} }}\n"
        program = f"{d}/vitald"
        shutil.copy(f"{BUILD}/vitald", program)
        with Vitald(config, binary=program) as v:
            v.wait_state("a", "up")
            os.chmod(program, 0o600)               # so that it cannot start another one
            zygotes = [int(line.split()[0]) for line in v.children() if line]
            helpers = subprocess.run(["ps", "-o", "pid=", "--ppid", ",".join(map(str, zygotes))], capture_output=True, text=True).stdout.split()
            for process in [*zygotes, *map(int, helpers)]:
                os.kill(process, signal.SIGKILL)
            v.wait_log("the process that makes helpers .* has died")
            seen = v.probe("a")["attempts"]["pass"]
            wait_for(lambda: v.probe("a")["attempts"]["pass"] > seen + 5, "attempts that pass")
            assert v.probe("a")["state"] == "up" and not v.probe("a")["quarantined"]


def test_a_secret_file_that_goes_away_is_told_once_and_its_last_value_goes_on(server):
    web = server(http_ok)
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        path = f"{d}/token"
        open(path, "w").write("t0p-secret\n")
        os.chmod(path, 0o600)
        with Vitald(f"probes: {{ a: {{ http: {{ url: \"http://127.0.0.1:{web.port}/\", bearer: {{ file: {path} }} }}, interval: 200ms }} }}\n") as v:
            v.wait_state("a", "up")
            os.unlink(path)
            v.wait_log("cannot read the secret file")
            n = sum(v.probe("a")["attempts"].values())
            wait_for(lambda: sum(v.probe("a")["attempts"].values()) > n + 3, "attempts go on")
            assert v.log().count("cannot read the secret file") == 1
            assert v.probe("a")["state"] == "up"
            open(path, "w").write("t0p-secret\n")
            v.wait_log("can be read again")
            assert "t0p-secret" not in v.log()
