"""Out of everything: descriptors, threads, processes, memory, disks that are read-only, /proc, standard streams. The daemon goes on
with less and says so, or leaves with a message that says why; what was ordered before is never lost."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from daemon import BUILD, Vitald, wait_for

SANITIZED = "address" in BUILD or "thread" in BUILD
NOBODY = 54321                  # limits on processes count per user, and do not bind root
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

CONFIG = """state_file: {state}
probes:
  job: {{ heartbeat: {{ max_silence: 1h }} }}
  port: {{ tcp: "127.0.0.1:1", interval: 200ms, timeout: 100ms }}
  name: {{ tcp: "localhost:1", interval: 200ms, timeout: 100ms }}
  run: {{ exec: {{ command: [/bin/true] }}, interval: 400ms, timeout: 200ms }}
  self: {{ self: , interval: 1s, timeout: 500ms }}
groups:
  ready: {{ any: [job, port], advisory: [name, run] }}
"""


@pytest.fixture
def place():
    """Where another user may write, with a program that it may read."""
    with tempfile.TemporaryDirectory(prefix="vx") as d:
        os.chmod(d, 0o777)
        shutil.copy(f"{BUILD}/vitald", f"{d}/vitald")
        os.makedirs(f"{d}/state.d", mode=0o777)
        os.chmod(f"{d}/state.d", 0o777)
        yield d


def config(place):
    return CONFIG.format(state=f"{place}/state.d/state")


def order_drain(place, **more):
    """A run that keeps an order: a drain."""
    with Vitald(config(place), **more) as v:
        assert v.ctl("drain").returncode == 0
    assert os.path.getsize(f"{place}/state.d/state") > 100
    return open(f"{place}/state.d/state", "rb").read()


def start(place, *prefix):
    """Until it leaves; what it said."""
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        path = f"{d}/c.yaml"
        open(path, "w").write(f"listen: [ {{ address: '127.0.0.1:0' }} ]\ncontrol: {{ path: {d}/c }}\n" + config(place))
        os.chmod(d, 0o755)
        return subprocess.run([*prefix, f"{BUILD}/vitald", "-c", path], capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("limit", (20, 31))
def test_too_few_descriptors_to_start_with(place, limit):
    kept = order_drain(place)
    r = start(place, "prlimit", f"--nofile={limit}:{limit}")
    assert r.returncode == 71 and re.search("not started: it needs 32 file descriptors .*LimitNOFILE=.*ulimit -n", r.stderr), r
    assert open(f"{place}/state.d/state", "rb").read() == kept


def test_few_descriptors_serve_and_keep_the_state(place):
    """Connections take all that there are; what is ordered then is still on disk after the end."""
    few = ("prlimit", "--nofile=32:32")
    order_drain(place, prefix=few)
    with Vitald(config(place), prefix=few) as v:
        assert "draining" in v.get("/readyz").text
        flood = []
        try:
            while len(flood) < 60:
                flood.append(socket.create_connection(("127.0.0.1", v.port)))
            wait_for(lambda: v.get("/livez").status == 200, "still answered")
            wait_for(lambda: v.ctl("undrain").returncode == 0, "still ordered")
            wait_for(lambda: re.search("no_fds|out of file desc|file descriptors", str(v.probe("self"))), "told")
        finally:
            for s in flood:
                s.close()
    with Vitald(config(place)) as v:
        assert "draining" not in v.get("/readyz").text


@root_only
@pytest.mark.skipif(SANITIZED, reason="the sanitizer's own threads and memory count too")
def test_no_thread_can_be_started(place):
    """The daemon and the process that makes helpers have all that the user may have: no thread, no program."""
    shutil.chown(f"{place}/state.d", NOBODY)
    as_nobody = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        os.chmod(d, 0o777)
        control = f"control: {{ path: {d}/c.sock }}\n"

        def run(*prefix):
            v = Vitald(control + config(place), binary=f"{place}/vitald", prefix=(*as_nobody, *prefix), wait=False)
            v.control = f"{d}/c.sock"
            os.chmod(v.dir, 0o755)
            return v
        with run() as v:
            v.port = int(v.wait_log(r"listening on http://127\.0\.0\.1:(\d+)").group(1))
            wait_for(lambda: v.ctl("drain").returncode == 0, "drained")
        wait_for(lambda: not subprocess.run(["ps", "-o", "pid=", "-U", str(NOBODY)], capture_output=True, text=True).stdout.strip(), "its helpers have left")
        with run("prlimit", "--nproc=2") as v:
            v.port = int(v.wait_log(r"listening on http://127\.0\.0\.1:(\d+)").group(1))
            v.wait_log("cannot start a helper thread for resolver: .*check the limits on tasks")
            assert "draining" in v.get("/readyz").text       # read without a thread
            v.wait_outcome("name", reason="no_thread", text="none can be started")
            v.wait_outcome("port", reason="refused")          # what needs no thread is checked
            n = sum(v.probe("name")["attempts"].values())
            wait_for(lambda: sum(v.probe("name")["attempts"].values()) > n + 2, "attempts go on")
            assert v.log().count("cannot start a helper thread for resolver") == 1
            assert v.ctl("undrain").returncode == 0
        with run() as v:                                      # and written without one
            v.port = int(v.wait_log(r"listening on http://127\.0\.0\.1:(\d+)").group(1))
            assert "draining" not in v.get("/readyz").text


@root_only
@pytest.mark.skipif(SANITIZED, reason="the leak checker needs a process of its own at the end")
def test_no_process_can_be_started(place):
    shutil.chown(f"{place}/state.d", NOBODY)
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        os.chmod(d, 0o755)
        open(f"{d}/c.yaml", "w").write(config(place))
        r = subprocess.run(["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "prlimit", "--nproc=1", f"{place}/vitald",
                            "-c", f"{d}/c.yaml"], capture_output=True, text=True, timeout=30, cwd=place)
        assert r.returncode == 71 and "cannot start the process that makes helpers" in r.stderr and "limit on processes" in r.stderr, r


@root_only
@pytest.mark.skipif(SANITIZED, reason="the sanitizer reads /proc itself")
def test_no_proc(place):
    with Vitald(config(place), prefix=("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "in")) as v:
        v.wait_outcome("port", reason="refused")
        v.wait_outcome("self", class_="pass", text="/proc/self cannot be read: memory and file descriptors are unknown")
        assert v.get("/livez").status == 200
        v.wait_outcome("run", class_="pass")


@root_only
def test_a_read_only_disk(place):
    """No state can be kept, and no socket made: the one is told, without the other it does not start."""
    readonly = ("unshare", "-m", "sh", "-c", f'mount --bind {place} {place} && mount -o remount,ro,bind {place} && exec "$@"', "in")
    with Vitald(config(place), prefix=readonly) as v:
        v.wait_log("cannot write the state: Read-only file system.*tried again")
        assert v.get("/livez").status == 200
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        open(f"{d}/c.yaml", "w").write(f"listen: [ {{ address: '127.0.0.1:0' }} ]\ncontrol: {{ path: {place}/c }}\n")
        r = subprocess.run([*readonly, f"{BUILD}/vitald", "-c", f"{d}/c.yaml"], capture_output=True, text=True, timeout=30)
        assert r.returncode == 78 and re.search("cannot make the socket .*Read-only file system: configure another place", r.stderr), r


@pytest.mark.parametrize("closed", ((0,), (1,), (2,), (0, 1, 2)), ids=str)
def test_standard_streams_that_are_closed(place, closed):
    """No socket and no pipe of the daemon takes their number, or a message would go into it."""
    close = " ".join(f"{fd}>&-" for fd in closed)
    with Vitald(f"control: {{ path: {place}/c.sock }}\n" + config(place), prefix=("sh", "-c", f'exec "$@" {close}', "in"), wait=False) as v:
        v.control = f"{place}/c.sock"
        wait_for(lambda: os.path.exists(v.control) and v.ctl("status").returncode == 0, "it serves")
        for fd in closed:
            assert os.readlink(f"/proc/{v.pid}/fd/{fd}") == "/dev/null"
        wait_for(lambda: '"pass"' in v.ctl("status", "run", "-o", "json").stdout, "programs run")
    r = subprocess.run(["sh", "-c", f'exec "$@" {close}', "in", f"{BUILD}/vitald", "-c", "/nonexistent.yaml"], capture_output=True, text=True, timeout=30)
    assert r.returncode == 78


def memory_group():
    """A cgroup with a limit on memory, of either version, or None."""
    name = f"vitald-test-{os.getpid()}"
    for base, knob in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        path = f"{base}/{name}"
        try:
            os.mkdir(path)
        except OSError:
            continue
        if os.path.exists(f"{path}/{knob}"):
            return path, f"{path}/{knob}"
        os.rmdir(path)
    return None


@pytest.fixture
def small():
    """The limit's file of a cgroup, and what puts a process into it."""
    group = memory_group()
    if not group:
        pytest.skip("cgroups with a limit on memory are not writable here")
    path, knob = group
    yield knob, ("sh", "-c", f'echo $$ >{path}/cgroup.procs && exec "$@"', "in")
    wait_for(lambda: not open(f"{path}/cgroup.procs").read().strip(), "all have left")
    os.rmdir(path)


TELLS = "  tells: { exec: { command: [/bin/sh, -c, 'until grep -x 500 /proc/self/oom_score_adj; do :; done'] }, interval: 20s, timeout: 10s }\n"


def judge(pid, score):
    """What the kernel adds to its size when it looks for somebody to kill."""
    with open(f"/proc/{pid}/oom_score_adj", "w") as f:
        f.write(str(score))


def hog(into):
    """Takes memory in that cgroup until the kernel kills it: after one whose score is 1000, before one that is small."""
    assert subprocess.run([*into, "tail", "/dev/zero"], timeout=60, capture_output=True).returncode == -signal.SIGKILL


@root_only
@pytest.mark.skipif(SANITIZED, reason="shadow memory needs more than any small limit")
def test_a_small_limit_on_memory(place, small):
    """16 MiB for the daemon and its helpers: it runs, and a flood of clients does not push it over."""
    knob, into = small
    open(knob, "w").write(str(16 << 20))
    with Vitald(config(place), prefix=into) as v:
        assert v.ctl("drain").returncode == 0
        flood = [socket.create_connection(("127.0.0.1", v.port)) for _ in range(300)]
        for s in flood:
            s.sendall(b"GET /status HTTP/1.1\r\nHost: a\r\n")
        assert v.get("/livez").status == 200
        for s in flood:
            s.close()
        wait_for(lambda: b"draining" in v.get("/readyz").body, "draining")


@root_only
@pytest.mark.skipif(SANITIZED, reason="shadow memory needs more than any small limit")
def test_the_kernel_kills_for_want_of_memory(place, small):
    """A program that takes it all is killed, not the daemon; the process that makes helpers has a successor; and when it is the
    daemon after all, the next one knows what was ordered."""
    knob, into = small
    open(knob, "w").write(str(32 << 20))
    with Vitald("user: nobody\nprobes:\n" + TELLS, binary=f"{place}/vitald", env={"VITALD_USER": "nobody"}, wait=False) as v:
        os.chmod(v.dir, 0o755)
        v.port = int(v.wait_log(r"listening on http://127\.0\.0\.1:(\d+)").group(1))
        v.wait_outcome("tells", class_="pass", text="^500")
    eat = "  eats: { exec: { command: [/usr/bin/tail, /dev/zero] }, interval: 20s, timeout: 10s }\n"
    with Vitald(config(place).replace("groups:", eat + TELLS + "groups:"), prefix=into) as v:
        v.wait_outcome("tells", class_="pass", text="^500")
        v.wait_outcome("eats", class_="fail", text="SIGKILL|signal 9|[Kk]illed")
        assert v.ctl("drain").returncode == 0
        maker = next(line.split()[0] for line in v.children() if "vitald-zygote" in line)
        judge(maker, 1000)
        hog(into)
        v.wait_log(f"the process that makes helpers .pid {maker}. has died")
        v.wait_log("another process makes helpers now")
        n = v.probe("run")["attempts"]["pass"]
        wait_for(lambda: v.probe("run")["attempts"]["pass"] > n, "programs run again")
        state = f"{place}/state.d/state"
        before = os.stat(state).st_ino
        assert "draining" in v.get("/readyz").text and v.ctl("force", "job", "up", "--for", "0").returncode == 0
        wait_for(lambda: os.stat(state).st_ino != before, "the order is kept")
        judge(v.pid, 1000)
        hog(into)
        assert v.process.wait(20) == -signal.SIGKILL
        with Vitald(config(place)) as again:
            assert "draining" in again.get("/readyz").text and "forced" in str(again.probe("job")["mode"])
        v.process.returncode = 0
