"""An allocation fails while the daemon serves, or reads its configuration again: it goes on, or says why and leaves; either way
nothing that people ordered is lost."""
import contextlib
import http.client
import os
import re
import signal
import subprocess
import tempfile

import pytest

from daemon import BUILD, ROOT, Vitald, wait_for

pytestmark = pytest.mark.skipif("address" in BUILD or "thread" in BUILD, reason="the sanitizer's allocator takes the shim's place")

CONFIG = """state_file: {state}
probes:
  job: {{ heartbeat: {{ max_silence: 1h }} }}
  port: {{ tcp: "127.0.0.1:1", interval: 200ms, timeout: 100ms }}
  secret: {{ http: {{ url: "http://127.0.0.1:1/", headers: {{ X-Token: "abc" }}, matches: "a+b" }}, interval: 300ms, timeout: 100ms }}
groups:
  ready: {{ any: [job, port], advisory: [secret] }}
"""


class Run:
    """A daemon whose allocations can be made to fail, and its successors: all with one state file."""

    def __init__(self, folder, shim, listen=""):
        self.state, self.fail, self.count = f"{folder}/state", f"{folder}/fail", f"{folder}/count"
        self.config = listen + CONFIG.format(state=self.state)
        self.shim, self.v = shim, None

    def start(self):
        if self.v is None:
            self.v = Vitald(self.config, env={"LD_PRELOAD": self.shim, "FAIL_FILE": self.fail, "FAIL_COUNT_TO": self.count})
        return self.v

    def arm(self, n):
        """The n-th allocation from now on fails (0: none); returns how many there were since the last time."""
        with open(self.fail, "w") as f:
            f.write(f"{n}\n")
        if os.path.exists(self.count):
            os.unlink(self.count)
        self.v.signal(signal.SIGUSR2)
        wait_for(lambda: self.v.process.poll() is not None or os.path.exists(self.count) and open(self.count).read().endswith("\n"), "armed")
        return int(open(self.count).read()) if os.path.exists(self.count) else 0

    def has_left(self):
        return self.v.process.poll() is not None

    def end(self):
        code = self.v.stop()
        log = self.v.log()
        self.v = None
        return code, log


def ask(path):
    def do(v):
        assert v.get(path).status in (200, 503)
    return do


def control(*words):
    def do(v):
        out = v.ctl(*words)
        assert out.returncode == 0 or re.search("memory|cannot|could not|closed|ended", out.stderr), out
    return do


def attempts(v):
    n = sum(v.probe("port")["attempts"].values())
    wait_for(lambda: v.process.poll() is not None or sum(v.probe("port")["attempts"].values()) > n + 1, "attempts")


WORK = {"verdict": ask("/readyz"), "verbose": ask("/readyz?verbose"), "status": ask("/status"), "metrics": ask("/metrics"), "page": ask("/"),
        "explain": ask("/explain/ready"), "control status": control("status"), "mode": control("maintenance", "port"), "reload": control("reload"),
        "attempts": attempts}
EACH = int(os.environ.get("VITALD_ALLOCATIONS", "3"))


@pytest.fixture(scope="module")
def shim():
    with tempfile.TemporaryDirectory(prefix="shim") as d:
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", f"{d}/failmalloc.so", f"{ROOT}/tests/func/failmalloc.c"], check=True)
        yield f"{d}/failmalloc.so"


def try_work(run, work, n):
    v = run.start()
    run.arm(n)
    with contextlib.suppress(OSError, AssertionError, StopIteration, ValueError, http.client.HTTPException):
        work(v)                                     # refused, cut off, or answered
    run.arm(0)
    if not run.has_left():
        work(v)                                     # and then it is as before
        return
    code, log = run.end()
    assert code == 71 and "out of memory" in log, f"allocation {n}: exit {code}\n{log[-3000:]}"


@pytest.mark.parametrize("name", WORK)
def test_an_allocation_fails_while_it(name, shim, tmp_path):
    run = Run(str(tmp_path), shim)
    v = run.start()
    assert v.ctl("force", "job", "up", "--for", "0").returncode == 0
    assert v.ctl("drain").returncode == 0
    run.end()                                       # what was ordered is in the state file now
    v = run.start()
    WORK[name](v)                                   # once for all that is allocated only once
    run.arm(0)
    WORK[name](v)
    total = max(run.arm(0), 1)
    for n in sorted({1 + i * total // EACH for i in range(EACH)}):
        try_work(run, WORK[name], n)
        v = run.start()
        assert "is damaged" not in v.log()
        status = v.status()
        job = next(p for p in status["probes"] if p["name"] == "job")
        assert "forced" in str(job["mode"]), job
        assert v.get("/readyz").status == 503 and "draining" in v.get("/readyz").text
    run.end()


STARTS = int(os.environ.get("VITALD_START_ALLOCATIONS", "24"))


def start_with(run, n):
    """A start whose n-th allocation fails, until it serves or has left: its exit code, or None."""
    run.v = Vitald(run.config, wait=False, env={"LD_PRELOAD": run.shim, "FAIL_FILE": run.fail, "FAIL_COUNT_TO": run.count, "FAIL_AT": str(n)})
    wait_for(lambda: run.has_left() or " runs 4 probes" in run.v.log(), f"allocation {n}: it serves or leaves")
    return run.v.process.poll()


LISTEN = """listen:
  - {{ address: "127.0.0.1:0", serve: all }}
  - {{ address: "127.0.0.1:0", name: tls, serve: all, tls: {{ cert: {folder}/cert, key: {{ file: {folder}/key }} }} }}
  - {{ address: "127.0.0.1:0", name: grpc, serve: grpc }}
"""


@pytest.mark.parametrize("libraries", (False, True), ids=("plain", "tls and grpc"))
def test_an_allocation_fails_while_it_starts(shim, tmp_path, libraries):
    """From main() until it serves: it leaves with words and 71, or serves all the same; what was ordered before is in the state
    file then, and nothing is in the way of the next start."""
    if libraries:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{tmp_path}/key", "-out", f"{tmp_path}/cert",
                        "-days", "30", "-subj", "/CN=localhost"], check=True, capture_output=True)
    run = Run(str(tmp_path), shim, LISTEN.format(folder=tmp_path) if libraries else "")
    v = run.start()
    assert v.ctl("force", "job", "up", "--for", "0").returncode == 0
    assert v.ctl("drain").returncode == 0
    run.end()
    assert start_with(run, 0) is None
    total = run.arm(0)
    run.end()
    kept = open(run.state, "rb").read()
    assert total > 100
    for n in sorted({1 + i * total // STARTS for i in range(STARTS)}):
        code = start_with(run, n)
        if code is None:
            run.v.port = int(run.v.wait_log(r"listening on http://127\.0\.0\.1:(\d+)").group(1))
            with contextlib.suppress(OSError, http.client.HTTPException):        # the first request has allocations of its own
                assert "forced" in str(run.v.probe("job")["mode"]), f"allocation {n}"
                assert "draining" in run.v.get("/readyz").text, f"allocation {n}"
            code, log = run.end()
            assert code == 0 or (code == 71 and "out of memory" in log), f"allocation {n}: exit {code}\n{log}"
            kept = open(run.state, "rb").read()
            continue
        _, log = run.end()
        assert code == 71 and "memory" in log, f"allocation {n}: exit {code}\n{log}"
        assert open(run.state, "rb").read() == kept, f"allocation {n}: the state file has changed"
    assert "forced" in str(next(p for p in run.start().status()["probes"] if p["name"] == "job")["mode"])
    assert "draining" in run.v.get("/readyz").text
    run.end()
