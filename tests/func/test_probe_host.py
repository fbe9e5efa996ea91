"""Probes of this host, with the real thing: programs, processes, file systems that are full, read-only or hang."""
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time

import pytest

from daemon import BUILD, ROOT, Vitald, wait_for

FAST = "defaults: { interval: 200ms, timeout: 1s, jitter: 0% }\n"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory(prefix="vh") as d:
        yield d


def number(probe, name, label=None):
    for n in probe["numbers"]:
        if n["name"] == name and (label is None or label in n.get("labels", {}).values()):
            return n["value"]
    raise AssertionError(f"no number {name} in {probe['numbers']}")


def script(path, text):
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def read_pid(path):
    def there():
        with contextlib.suppress(FileNotFoundError, ValueError):
            with open(path) as f:
                return int(f.read())
        return None
    return wait_for(there, path)


# ---- exec

def test_plugins_codes_lines_and_numbers(place):
    for code in range(4):
        script(f"{place}/p{code}", f"echo 'line {code} | time={code}ms;1;2 used=50% n=3c'\necho more\nexit {code}")
    config = FAST + "probes:\n" + "".join(f"  p{c}: {{ exec: {place}/p{c} }}\n" for c in range(4))
    with Vitald(config) as v:
        ok = v.wait_outcome("p0", class_="pass", reason="ok", text="^line 0$")
        assert number(ok, "perf_ratio", "used") == 0.5 and number(ok, "perf_events_total", "n") == 3
        v.wait_outcome("p1", class_="warn", reason="exit", text="^line 1$")
        v.wait_outcome("p2", class_="fail", reason="exit", text="^line 2$")
        unknown = v.wait_outcome("p3", class_="fail", reason="exit", text="^exit code 3: line 3$")
        assert number(unknown, "perf_seconds", "time") == 0.003


def test_a_program_sees_a_clean_world(place):
    # Only the first attempt writes, for the next one comes while the files are read.
    script(f"{place}/p", f"[ -e {place}/fds ] || {{ env | sort > {place}/env; pwd > {place}/pwd; cat > {place}/in; ls /proc/self/fd > {place}/fds; }}; echo \"$TOKEN\"")
    config = FAST + f"probes:\n  p: {{ exec: {{ command: [{place}/p], dir: {place}, input: hello, env: {{ TOKEN: s3cr3t-value }} }} }}\n"
    with Vitald(config, env={"LEAK": "me"}) as v:
        v.wait_outcome("p", class_="pass", text=r"^\*\*\*$")       # what it printed is scrubbed
        lines = open(f"{place}/env").read().split("\n")
        assert {x for x in lines if x and not x.startswith(("PWD=", "_=", "OLDPWD="))} == {"LANG=C", "PATH=/usr/bin:/bin", "TOKEN=s3cr3t-value"}
        assert open(f"{place}/pwd").read().strip() == place
        assert open(f"{place}/in").read() == "hello"
        assert set(open(f"{place}/fds").read().split()) == {"0", "1", "2", "3"}       # 3: the directory that ls reads
        assert "s3cr3t" not in v.get("/status").text + v.get("/metrics").text + v.log()
        with open(f"/proc/{v.pid}/cmdline") as f:
            assert "s3cr3t" not in f.read()


def test_programs_that_cannot_be_started(place):
    open(f"{place}/plain", "w").close()
    script(f"{place}/crash", "kill -SEGV $$")
    config = FAST + f"probes:\n  gone: {{ exec: {place}/gone }}\n  plain: {{ exec: {place}/plain }}\n  crash: {{ exec: {place}/crash }}\n"
    with Vitald(config) as v:
        v.wait_outcome("gone", class_="fail", reason="not_found", text="cannot start")
        v.wait_outcome("plain", class_="fail", reason="permission", text="cannot start")
        v.wait_outcome("crash", class_="fail", reason="signal", text="SIGSEGV")


def test_a_lingering_grandchild_holds_nothing_up(place):
    """It keeps the output open; the attempt ends with the program all the same."""
    script(f"{place}/p", f"sleep 1000 & echo $! > {place}/pid; echo fine")
    with Vitald(FAST + f"probes:\n  p: {{ exec: {place}/p }}\n") as v:
        v.wait_outcome("p", class_="pass", text="^fine$")
        pid = read_pid(f"{place}/pid")
        wait_for(lambda: not alive(pid), "the grandchild ends with its group")


def test_a_program_that_hangs_is_ended_with_its_group(place):
    script(f"{place}/p", f"trap '' TERM\nsleep 1000 & echo $! > {place}/child.tmp; mv {place}/child.tmp {place}/child\necho $$ > {place}/pid\nwait; wait; sleep 1000")
    config = f"probes:\n  p: {{ exec: {place}/p, interval: 1h, timeout: 300ms }}\n"
    with Vitald(config) as v:
        v.wait_outcome("p", class_="fail", reason="timeout")
        child, parent = read_pid(f"{place}/child"), read_pid(f"{place}/pid")
        wait_for(lambda: not alive(child), "the child got SIGTERM")
        wait_for(lambda: not alive(parent), "the one that ignores SIGTERM got SIGKILL")


def test_endless_output_is_read_and_thrown_away(place):
    script(f"{place}/p", "yes 'a line | x=1' | head -c 50000000; exit 1")
    config = FAST + f"probes:\n  p: {{ exec: {{ command: {place}/p, output_cap: 1KiB }}, timeout: 10s }}\n  other: {{ exec: /bin/true }}\n"
    with Vitald(config) as v:
        v.wait_outcome("p", class_="warn", text="^a line$")
        v.wait_state("other", "up")
        with open(f"/proc/{v.pid}/status") as f:
            assert int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) < (1 << 20 if "address" in BUILD else 64 << 10)


def test_nothing_is_left_behind(place):
    script(f"{place}/p", f"echo $$ > {place}/pid.tmp; mv {place}/pid.tmp {place}/pid; exec sleep 1000")
    with Vitald(f"probes:\n  p: {{ exec: {place}/p, timeout: 30s }}\n") as v:
        pid = read_pid(f"{place}/pid")
        began = time.monotonic()
        v.stop()
        assert time.monotonic() - began < 2
    wait_for(lambda: not alive(pid), "the running program ends with the daemon")


# ---- disk

@contextlib.contextmanager
def tmpfs(path, options):
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "vitald-test", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=False)


def fill(path, room):
    with open(path, "wb") as f:
        f.write(b"x" * room)


@needs_root
def test_a_disk_fills_up_and_is_emptied(place):
    with tmpfs(f"{place}/m", "size=1m") as m:
        config = FAST + f"probes:\n  d: {{ disk: {{ path: {m}, write_test: {m} }} }}\n"
        with Vitald(config) as v:
            good = v.wait_outcome("d", class_="pass", text=f"% of 1 MiB free on {m} .tmpfs.")
            assert number(good, "size_bytes") == 1 << 20 and number(good, "write_seconds") < 5
            fill(f"{m}/a", 960 << 10)
            v.wait_outcome("d", class_="warn", reason="threshold", text="warns below 10%")
            with contextlib.suppress(OSError):
                fill(f"{m}/b", 1 << 20)
            v.wait_outcome("d", class_="fail", reason="threshold", text="^0% of 1 MiB free.*write test in .*: No space left")
            v.wait_state("d", "down")
            os.unlink(f"{m}/a")
            v.wait_state("d", "up")
        assert os.listdir(m) == ["b"], "the write test cleans up behind itself"


@needs_root
def test_inodes_run_out(place):
    with tmpfs(f"{place}/m", "nr_inodes=100") as m:
        with Vitald(FAST + f"probes:\n  d: {{ disk: {m} }}\n") as v:
            v.wait_state("d", "up")
            for i in range(97):
                open(f"{m}/{i}", "w").close()
            v.wait_outcome("d", class_="fail", reason="threshold", text="inodes free on .*, fails below 5%")


@needs_root
def test_read_only_is_a_matter_of_the_file_system_not_of_the_mount(place):
    with tmpfs(f"{place}/m", "size=1m") as m:
        b = f"{place}/b"
        os.mkdir(b)
        subprocess.run(["mount", "--bind", m, b], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", b], check=True)       # as ProtectSystem=strict does
        try:
            config = FAST + f"probes:\n  d: {{ disk: {m} }}\n  b: {{ disk: {b} }}\n  w: {{ disk: {{ path: {b}, write_test: {b} }} }}\n"
            with Vitald(config) as v:
                v.wait_state("d", "up")
                v.wait_state("b", "up")
                v.wait_outcome("w", class_="fail", reason="read_only", text="write test")
                subprocess.run(["mount", "-o", "remount,ro", m], check=True)
                for name in "db":
                    v.wait_outcome(name, class_="fail", reason="read_only", text="is read-only")
                subprocess.run(["mount", "-o", "remount,rw", m], check=True)
                v.wait_state("d", "up")
        finally:
            subprocess.run(["umount", "-l", b], check=False)


@needs_root
def test_a_change_of_the_mount_is_an_edge(place):
    """With an interval of an hour only the edge can tell."""
    with tmpfs(f"{place}/m", "size=1m") as m:
        config = f"defaults: {{ interval: 1h, interval_unsettled: 100ms }}\nprobes:\n  d: {{ disk: {{ path: {m}, mounted: true }} }}\n"
        with Vitald(config) as v:
            v.wait_state("d", "up")
            subprocess.run(["mount", "-o", "remount,ro", m], check=True)
            v.wait_outcome("d", class_="fail", reason="read_only")
            subprocess.run(["umount", m], check=True)
            v.wait_outcome("d", class_="fail", reason="not_found", text=f"nothing is mounted on {m}")


# ---- a file system that hangs

class HangFS:
    def __init__(self, place, binary):
        self.control, self.mount = f"{place}/control", f"{place}/hang"
        os.mkdir(self.mount)
        self.be("ok")
        self.process = subprocess.Popen([binary, self.control, self.mount], stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.ismount(self.mount), "hangfs is mounted")

    def be(self, mood):
        with open(self.control + ".new", "w") as f:
            f.write(mood)
        os.replace(self.control + ".new", self.control)

    def close(self):
        self.be("ok")
        subprocess.run(["umount", "-l", self.mount], check=False)
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture(scope="module")
def hangfs_binary():
    with tempfile.TemporaryDirectory(prefix="vh") as d:
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], check=True, capture_output=True, text=True).stdout.split()
        subprocess.run(["gcc", "-D_GNU_SOURCE", "-O1", "-o", f"{d}/hangfs", f"{ROOT}/tests/func/hangfs.c", *flags], check=True)
        yield f"{d}/hangfs"


@pytest.fixture
def hang(place, hangfs_binary):
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("a FUSE mount needs root and /dev/fuse")
    fs = HangFS(place, hangfs_binary)
    try:
        yield fs
    finally:
        fs.close()


def helpers_of(pid):
    """All processes below the daemon."""
    found, edge = [], [pid]
    while edge:
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", ",".join(map(str, edge))], capture_output=True, text=True).stdout
        edge = [int(x) for x in out.split()]
        found += edge
    return found


def test_a_hung_mount_fails_its_own_probes_only(hang, place):
    config = ("defaults: { interval: 200ms, timeout: 500ms, jitter: 0% }\nprobes:\n"
              f"  d: {{ disk: {hang.mount} }}\n  f: {{ file: {{ path: {hang.mount}/file, contains: ready }} }}\n"
              f"  p: {{ process: {{ pidfile: {hang.mount}/file }} }}\n  root: {{ disk: {{ path: /, warn_below: 0%, fail_below: 0% }} }}\n"
              "  true: { exec: /bin/true }\ngroups:\n  ready: { all: [d, root] }\n")
    with Vitald(config) as v:
        for name in ("d", "f", "root", "true"):
            v.wait_state(name, "up")
        v.wait_outcome("p", reason="bad_reply")
        hang.be("hang")
        for name in ("d", "f", "p"):
            hung = v.wait_outcome(name, class_="fail", reason="hung", text="does not answer")
            assert hung["outcome"]["duration_seconds"] < 0.6
        v.wait_state("d", "down")
        assert v.get("/readyz").status == 503 and v.get("/livez").status == 200
        before = v.probe("root")["attempts"]["pass"], v.probe("true")["attempts"]["pass"]
        wait_for(lambda: v.probe("root")["attempts"]["pass"] >= before[0] + 5 and v.probe("true")["attempts"]["pass"] >= before[1] + 5,
                 "the others go on")
        many = len(helpers_of(v.pid))
        fails = v.probe("d")["attempts"]["fail"]
        wait_for(lambda: v.probe("d")["attempts"]["fail"] >= fails + 10, "ten more attempts at the hung mount")
        assert len(helpers_of(v.pid)) <= many + 1, "no helper is spent on a mount that is known to hang"
        hang.be("ok")
        for name in ("d", "f"):
            v.wait_state(name, "up")


def test_a_mount_that_answers_again_is_an_edge(hang):
    config = f"defaults: {{ interval: 1h, interval_unsettled: 100ms, timeout: 300ms }}\nprobes:\n  d: {{ disk: {hang.mount}, fall: 1, rise: 1 }}\n"
    hang.be("hang")
    with Vitald(config) as v:
        v.wait_outcome("d", class_="fail", reason="hung")
        hang.be("ok")
        v.wait_outcome("d", class_="pass")


def test_the_daemon_leaves_and_comes_back_at_once_over_a_hung_mount(hang):
    config = f"probes:\n  d: {{ disk: {hang.mount}, timeout: 200ms }}\n"
    hang.be("hang")
    for _ in range(2):
        with Vitald(config) as v:
            v.wait_outcome("d", class_="fail", reason="hung")
            began = time.monotonic()
            assert v.stop() == 0
            assert time.monotonic() - began < 2


def test_a_mount_whose_server_died(hang):
    with Vitald(FAST + f"probes:\n  d: {{ disk: {hang.mount} }}\n") as v:
        v.wait_state("d", "up")
        hang.be("eio")
        v.wait_outcome("d", class_="fail", reason="io_error", text="Input/output error")


# ---- file, process, heartbeat, the rest

def test_files_come_and_go(place):
    path = f"{place}/flag"
    config = FAST + f"probes:\n  f: {{ file: {{ path: {path}, max_age: 1h, matches: '^ok$' }} }}\n  n: {{ file: {{ path: {path}, exists: false }} }}\n"
    with Vitald(config) as v:
        v.wait_outcome("f", class_="fail", reason="not_found")
        v.wait_outcome("n", class_="pass")
        with open(path, "w") as f:
            f.write("ok")
        v.wait_outcome("f", class_="pass")
        v.wait_outcome("n", class_="fail", reason="mismatch")
        with open(path, "w") as f:
            f.write("broken")
        v.wait_outcome("f", class_="fail", reason="mismatch")
        os.utime(path, (time.time() - 7200,) * 2)
        v.wait_outcome("f", class_="fail", reason="age", text="expected at most 1h")
        os.unlink(path)
        os.mkfifo(path)
        v.wait_outcome("f", class_="fail", reason="mismatch", text="is a fifo")


def test_the_end_of_a_process_is_seen_at_once(place):
    name = f"vh{os.getpid()}"
    shutil.copy("/bin/sleep", f"{place}/{name}")
    process = subprocess.Popen([f"{place}/{name}", "1000"])
    with open(f"{place}/pid", "w") as f:
        f.write(f"{process.pid}\n")
    config = ("defaults: { interval: 1h, interval_unsettled: 100ms }\nprobes:\n"
              f"  n: {{ process: {name} }}\n  p: {{ process: {{ pidfile: {place}/pid, name: {name} }} }}\n  c: {{ process: {{ cmdline: '{name} 1000', user: {os.getuid()} }} }}\n")
    with Vitald(config) as v:
        try:
            for probe in "npc":
                assert number(v.wait_outcome(probe, class_="pass"), "running") == 1
        finally:
            process.kill()
            process.wait()
        for probe in "npc":
            v.wait_outcome(probe, class_="fail", reason="not_found")
            v.wait_state(probe, "down")


def test_heartbeats(place):
    with Vitald("defaults: { interval: 1h, interval_unsettled: 50ms }\nprobes:\n  h: { heartbeat: 700ms }\n  q: { heartbeat: 1h }\n") as v:
        v.wait_outcome("h", class_="warn", reason="starting")
        v.wait_outcome("h", class_="fail", reason="silent", text="no beat in the first")
        assert v.ctl("beat", "h").returncode == 0
        v.wait_outcome("h", class_="pass", text="last beat")
        v.wait_outcome("h", class_="fail", reason="silent")       # by its own alarm: the interval is an hour
        assert v.ctl("beat", "q", "warn: queue is long").returncode == 0
        v.wait_outcome("q", class_="warn", text="^queue is long; last beat")
        assert v.ctl("beat", "nobody").returncode != 0


def test_the_host_and_ourselves():
    config = FAST + "probes:\n  m: { memory: { scope: host, warn_below: 0%, fail_below: 0% } }\n  a: memory\n  l: { load: 100000 }\n  s: { self: 30s }\n"
    config = config.replace("  a: memory\n", "  a: { memory: auto }\n")
    with Vitald(config) as v:
        memory = v.wait_outcome("m", class_="pass", text="of the host")
        with open("/proc/meminfo") as f:
            assert number(memory, "total_bytes") == int(re.search(r"MemTotal:\s+(\d+)", f.read()).group(1)) * 1024
        v.wait_outcome("a", text="available")
        assert number(v.wait_outcome("l", class_="pass"), "cpus") == os.sysconf("SC_NPROCESSORS_ONLN")
        us = v.wait_outcome("s", class_="pass")
        assert number(us, "fds") > 3 and number(us, "resident_bytes") > 1 << 20


def test_the_example_module_loads(server):
    def greet(sock):
        sock.sendall(b"220 hello\r\n")
        sock.recv(1)
    s = server(greet)
    with Vitald(FAST + f"probes:\n  k: {{ skeleton: {{ address: '127.0.0.1:{s.port}', greeting: '220 ' }} }}\n  n: {{ skeleton: {{ address: '127.0.0.1:{s.port}', greeting: '+OK' }} }}\n") as v:
        v.wait_outcome("k", class_="pass", text='greeted with "220 hello"')
        v.wait_outcome("n", class_="fail", reason="mismatch")
