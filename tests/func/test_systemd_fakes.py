"""What systemd and D-Bus do to us, played by fakes that need no root: a notify socket that is never read, socket activation,
a private bus with a systemd1 that hangs and dies; and what systemd-analyze thinks of the units."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from bus_kit import Bus, build
from daemon import BUILD, ROOT, Vitald, wait_for

PROBES = "defaults: { interval: 1s }\nprobes: { mem: { memory: { scope: host } } }\n"


class Manager:
    """A notify socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self.socket.settimeout(20)
        self.env = {"NOTIFY_SOCKET": path}
        self.heard = []

    def until(self, pattern):
        """Reads until a message matches; all since the last time are in `heard`."""
        self.heard = []
        while True:
            text = self.socket.recv(65536).decode()
            self.heard.append(text)
            assert len(text) < 1024
            if re.search(pattern, text):
                return text

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_tells_its_life(tmp_path, kind):
    path = str(tmp_path / "n") if kind == "path" else f"@vitald-test-{os.getpid()}"
    with Manager(path) as m, Vitald(PROBES + "shutdown_delay: 400ms\n", env={**m.env, "WATCHDOG_USEC": "300000"}) as d:
        assert m.until("READY=1") and d.get("/livez").status == 200
        m.until(r"STATUS=ready: pass; 2 probes\n")
        m.until("WATCHDOG=1")
        m.until("WATCHDOG=1")
        d.reload(PROBES + "shutdown_delay: 400ms\n")
        m.until(r"^RELOADING=1\nMONOTONIC_USEC=\d+\n")
        m.until("^READY=1\n")
        assert not any("RELOADING" in t for t in m.heard)
        d.reload("probes: { x: { nonsense: 1 } }\n", ok=False)
        m.until("^RELOADING=1")
        m.until("^READY=1\n")                 # refused, and ready as before
        d.signal(signal.SIGTERM)
        stopping = m.until("^STOPPING=1")
        assert int(re.search(r"EXTEND_TIMEOUT_USEC=(\d+)", stopping).group(1)) >= 5400000
        assert d.process.wait(10) == 0


def stamp():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def lines_of(messages):
    return [line for text in messages for line in text.splitlines()]


def test_order_is_as_sd_notify_has_it(tmp_path):
    """All that is said in one life, in its order: READY=1 once at the start and once after each RELOADING=1, whose stamp is of now; WATCHDOG=1 until the
    end, also while it leaves; after STOPPING=1 nothing that takes it back."""
    text = PROBES + "shutdown_delay: 1s\n"
    with Manager(str(tmp_path / "n")) as m, Vitald(text, env={**m.env, "WATCHDOG_USEC": "300000"}) as d:
        said = []
        for step in (None, lambda: d.reload(text), lambda: d.reload("nonsense: 1\n", ok=False), lambda: d.reload(text)):
            before = stamp()
            if step:
                step()
            m.until("READY=1")
            heard = lines_of(m.heard)
            said += heard
            assert heard.count("READY=1") == 1 and heard.count("RELOADING=1") == (step is not None), heard
            if step:
                reloading = next(t for t in m.heard if "RELOADING=1" in t)
                assert before <= int(re.search(r"^MONOTONIC_USEC=(\d+)$", reloading, re.M).group(1)) <= stamp()
                assert heard.index("RELOADING=1") < heard.index("READY=1")
        m.until("WATCHDOG=1")
        d.signal(signal.SIGTERM)
        stopping = m.until("STOPPING=1")
        assert int(re.search(r"^EXTEND_TIMEOUT_USEC=(\d+)$", stopping, re.M).group(1)) >= 1000000
        m.until("WATCHDOG=1")                 # the delay may be longer than the watchdog's time
        assert d.process.wait(10) == 0
        m.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                m.heard.append(m.socket.recv(4096).decode())
        assert not {"READY=1", "RELOADING=1"} & set(lines_of(m.heard))
        known = ("READY=1", "RELOADING=1", "STATUS=", "WATCHDOG=1", "MONOTONIC_USEC=")
        assert all(line.startswith(known) for line in said), said


@pytest.mark.skipif("address" in BUILD, reason="LeakSanitizer cannot work under strace")
def test_ready_is_said_when_all_sockets_listen(tmp_path):
    """By the order of system calls: whoever hears READY=1 can connect, to the control socket too."""
    trace = str(tmp_path / "trace")
    with Manager(str(tmp_path / "n")) as m, Vitald(PROBES, env=m.env, prefix=["strace", "-qq", "-o", trace, "-e", "trace=listen,sendto", "-s", "64"], wait=False) as d:
        m.until("READY=1")
        d.port = int(d.wait_log(r"listening on http://127\.0\.0\.1:(\d+)").group(1))
        assert d.ctl("status").returncode == 0
        os.kill(int(subprocess.run(["ps", "-o", "pid=", "--ppid", str(d.pid)], capture_output=True, text=True, check=True).stdout.split()[0]), signal.SIGINT)
        d.process.wait(10)
        with open(trace) as f:
            calls = f.read().splitlines()
    ready = [i for i, c in enumerate(calls) if "READY=1" in c]
    listens = [i for i, c in enumerate(calls) if c.startswith("listen(")]
    assert len(ready) == 1 and len(listens) == 2 and max(listens) < ready[0], calls


def test_status_is_at_most_one_a_second(tmp_path):
    with Manager(str(tmp_path / "n")) as m, Vitald(PROBES, env=m.env) as d:
        m.until("STATUS=ready: pass")
        began = time.monotonic()
        while time.monotonic() < began + 2.5:
            d.ctl("force", "mem", "down", "--for", "1h")
            d.ctl("resume", "mem")
        d.ctl("force", "mem", "down", "--for", "1h")
        m.socket.settimeout(1.2)
        said = []
        with contextlib.suppress(TimeoutError):
            while True:
                said += re.findall("STATUS=", m.socket.recv(4096).decode())
        assert len(said) <= 5


def test_nobody_reads(tmp_path):
    """The queue of the socket is full after some ten messages; everything goes on, and the newest is told when it is read."""
    with Manager(str(tmp_path / "n")) as m, Vitald(PROBES, env={**m.env, "WATCHDOG_USEC": "60000"}) as d:
        d.wait_state("mem", "up")
        time.sleep(1.5)                       # some 75 feeds: far beyond any queue
        for _ in range(5):
            began = time.monotonic()
            assert d.get("/livez").status == 200 and time.monotonic() - began < 0.5
        d.ctl("force", "mem", "down", "--for", "1h")
        m.until(r"STATUS=ready: \w+; 2 probes")
        d.reload(PROBES)
        m.until("^READY=1\n")


def test_nobody_listens(tmp_path):
    with Vitald(PROBES, env={"NOTIFY_SOCKET": str(tmp_path / "none"), "WATCHDOG_USEC": "60000"}) as d:
        d.wait_log("cannot tell the service manager anything: No such file or directory")
        d.wait_state("mem", "up")
        assert d.log().count("cannot tell the service manager") == 1


@pytest.mark.parametrize("value", ["", "relative", "@", "/" + "x" * 200])
def test_odd_notify_sockets(value):
    with Vitald(PROBES, env={"NOTIFY_SOCKET": value, "WATCHDOG_USEC": "nonsense"}) as d:
        d.wait_state("mem", "up")


def test_another_process_is_watched(tmp_path):
    with Manager(str(tmp_path / "n")) as m, Vitald(PROBES, env={**m.env, "WATCHDOG_USEC": "60000", "WATCHDOG_PID": "1"}):
        m.until("STATUS=ready: pass")
        m.socket.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while True:
                m.heard.append(m.socket.recv(4096).decode())
        assert not any("WATCHDOG" in t for t in m.heard)


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="needs systemd-socket-activate")
def test_sockets_by_name(tmp_path):
    from daemon import free_port
    a, b = free_port(), free_port()
    conf = (f"listen:\n  - {{ name: two, address: 127.0.0.1:{b}, serve: all }}\n  - {{ name: one, address: 127.0.0.1:{a}, serve: verdicts }}\n" + PROBES)
    with Vitald(conf, prefix=["systemd-socket-activate", "-l", f"127.0.0.1:{a}", "-l", f"127.0.0.1:{b}", "--fdname=one:two",
                              "-E", "PATH", "-E", "HOME"], wait=False) as d:
        d.wait_log("Listening on")
        d.port = b
        assert d.get("/livez", port=a).status == 200
        d.wait_log(r"(?s)\(inherited\).*\(inherited\)")
        assert d.get("/status", port=b).status == 200 and d.get("/status", port=a).status == 404


# -- the unit probe on a bus of its own

@pytest.fixture(scope="module")
def fake_program(tmp_path_factory):
    return build(str(tmp_path_factory.mktemp("fake") / "fake_systemd1"))


@pytest.fixture
def bus(tmp_path, fake_program):
    if not shutil.which("dbus-daemon"):
        pytest.skip("needs dbus-daemon (tests/setup test)")
    made = Bus(str(tmp_path), fake_program)
    yield made
    made.stop()


def units(text, interval="1h", timeout="1s"):
    return f"defaults: {{ interval: {interval}, timeout: {timeout}, rise: 1, fall: 1 }}\nprobes:\n{text}"


def daemon_with(bus, config):
    return Vitald(config, args=["--modules", f"{BUILD}/modules"], env=bus.env)


def test_units_as_they_are(bus):
    bus.start().start_fake()
    for line in ("app.service active running simple success 0", "job.service inactive dead oneshot success 0",
                 "off.service inactive dead simple success 0", "bad.service failed failed simple exit-code 3",
                 "dead.service failed failed simple signal 11", "loop.service activating auto-restart simple exit-code 1",
                 "slow.service activating start notify success 0", "bye.service deactivating stop-sigterm simple success 0",
                 "again.service reloading reload notify success 0"):
        bus.say("quiet " + line)
    want = {"app": ("pass", "ok"), "job": ("pass", "ok"), "off": ("fail", "mismatch"), "bad": ("fail", "exit"), "dead": ("fail", "signal"),
            "loop": ("fail", "exit"), "slow": ("warn", "starting"), "bye": ("warn", "stopping"), "again": ("pass", "ok"), "none": ("fail", "not_found")}
    text = "".join(f"  {n}: {{ unit: {n} }}\n" for n in want) + "  all: { unit: [app, again, bad.service] }\n" \
        "  strict: { unit: { units: job, oneshot: fail } }\n  late: { unit: { units: slow, transition_limit: 0s }, interval: 100ms }\n"
    with daemon_with(bus, units(text)) as d:
        for name, (kind, reason) in want.items():
            d.wait_outcome(name, class_=kind, reason=reason)
        assert "exit status 3" in d.probe("bad")["outcome"]["text"] and "signal 11" in d.probe("dead")["outcome"]["text"]
        assert d.wait_outcome("all", class_="fail")["outcome"]["text"].startswith("1 of 3 units: bad.service has failed")
        d.wait_outcome("strict", class_="fail", reason="mismatch")
        d.wait_outcome("late", class_="fail", reason="starting")


def test_edges_are_quick_and_only_news(bus):
    bus.start().start_fake()
    bus.say("quiet app.service active running simple success 0")
    with daemon_with(bus, units("  app: { unit: app }\n")) as d:
        d.wait_state("app", "up")
        bus.say("set app.service failed failed simple signal 9")
        d.wait_state("app", "down", timeout=5)
        calls = bus.say("set app.service failed failed simple signal 9")
        for _ in range(20):
            bus.say("set app.service failed failed simple signal 9")
        bus.say("set app.service active running simple success 0")
        d.wait_state("app", "up", timeout=5)
        assert bus.say("wake") - calls <= 4, "what is no news is not asked about"


def test_no_bus_then_a_bus_then_none(bus):
    with daemon_with(bus, units("  app: { unit: app }\n", interval="200ms")) as d:
        d.wait_outcome("app", class_="fail", reason="not_available", text="no system bus")
        bus.start()
        d.wait_outcome("app", class_="fail", reason="not_available", text="systemd did not answer")
        bus.start_fake()
        bus.say("quiet app.service active running simple success 0")
        d.wait_state("app", "up")
        fds = d.fds()
        bus.stop("daemon")
        d.wait_outcome("app", class_="fail")
        bus.stop()
        failed = d.probe("app")["attempts"]["fail"]
        wait_for(lambda: d.probe("app")["attempts"]["fail"] > failed + 8, "a bus that is away for a while")
        bus.start().start_fake()
        bus.say("quiet app.service active running simple success 0")
        failed = d.probe("app")["attempts"]["fail"]
        d.wait_state("app", "up")
        assert d.probe("app")["attempts"]["fail"] <= failed + 2, "the next attempt finds it"
        assert d.fds() <= fds + 2


def test_systemd_that_hangs_holds_nobody(bus):
    bus.start().start_fake()
    bus.say("quiet app.service active running simple success 0")
    with daemon_with(bus, units("  app: { unit: app }\n  mem: { memory: { scope: host } }\n", interval="300ms", timeout="300ms")) as d:
        d.wait_state("app", "up")
        bus.say("hang")
        d.wait_outcome("app", class_="fail", reason="timeout")
        began = time.monotonic()
        assert d.get("/livez").status == 200 and time.monotonic() - began < 0.3
        assert d.probe("mem")["state"] == "up"
        bus.say("wake")
        d.wait_state("app", "up")


def test_bus_that_accepts_and_says_nothing(bus):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        s.bind(f"{bus.path}/bus")
        s.listen(50)
        with daemon_with(bus, units("  app: { unit: app }\n", interval="300ms", timeout="200ms")) as d:
            d.wait_outcome("app", class_="fail", reason="timeout")
            fds = d.fds()
            count = d.probe("app")["attempts"]["fail"]
            wait_for(lambda: d.probe("app")["attempts"]["fail"] >= count + 5, "five more")
            assert d.fds() <= fds + 2, "none is left open"


# -- the units themselves

@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The unit files as they are installed, with programs that exist in their places."""
    at = tmp_path_factory.mktemp("units")
    for name in os.listdir(f"{ROOT}/systemd"):
        if name.endswith((".service", ".socket")):
            with open(f"{ROOT}/systemd/{name}") as f:
                (at / name).write_text(f.read().replace("/usr/sbin/vitald", f"{BUILD}/vitald"))
    return at


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_units_verify_in_silence(installed):
    names = sorted(str(p) for p in installed.iterdir())
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout and not done.stderr, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_unit_is_hardened(installed):
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=15", f"{installed}/vitald.service"], capture_output=True,
                          text=True)
    level = float(re.search(r"Overall exposure level.*: ([\d.]+)", done.stdout).group(1))
    assert level <= 1.5 and done.returncode == 0, done.stdout


def test_every_relaxed_line_says_why():
    with open(f"{ROOT}/systemd/vitald.service") as f:
        lines = f.read().splitlines()
    relaxed = lines[lines.index("# Relaxed, each for a reason:") + 1:lines.index("[Install]")]
    for before, line in zip(relaxed, relaxed[1:]):
        assert line.startswith("#") or not line or before.startswith("#"), line
