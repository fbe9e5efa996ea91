"""The state file: what a crash leaves, what a restart believes, and that nothing in it or about it can hurt."""
import os
import signal
import subprocess
import time

import pytest

from daemon import Vitald, wait_for

CONFIG = """state_file: STATE
defaults: { interval: 20s, rise: 1, fall: 1 }
probes:
  mem: { memory: { scope: host } }
  gone: { tcp: "127.0.0.1:1" }
groups: { ready: [mem] }
"""


@pytest.fixture
def state(tmp_path):
    return str(tmp_path / "state")


def config(state, more=""):
    return CONFIG.replace("STATE", state) + more


def settled(d):
    d.wait_state("mem", "up")
    d.wait_state("gone", "down")
    return d


def attempts(d):
    return {name: sum(d.probe(name)["attempts"].values()) for name in ("mem", "gone")}


def crash(d):
    d.process.kill()
    d.process.wait()


def wait_written(state, text):
    """Until a journal entry that was there when the write began is in: two writes later at the latest."""
    before = os.stat(state).st_ino if os.path.exists(state) else 0
    return wait_for(lambda: os.path.exists(state) and os.stat(state).st_ino != before, text)


def test_clean_restart_is_no_event(state):
    with Vitald(config(state)) as d:
        settled(d)
        since = {n: d.probe(n)["since"] for n in ("mem", "gone")}
    with Vitald(config(state)) as d:
        assert d.get("/readyz").status == 200         # the first answer of its life
        assert {n: d.probe(n)["since"] for n in since} == since
        assert d.probe("mem")["state"] == "up" and d.probe("gone")["state"] == "down"
        assert "unknown ->" not in d.log() and "group=ready" not in d.log()
        assert attempts(d) == {"mem": 0, "gone": 0}, "nothing is due for 20 s: nothing is checked"


def test_crash_keeps_states_modes_and_an_ordered_drain(state):
    with Vitald(config(state)) as d:
        settled(d)
        d.ctl("maintenance", "gone", "--for", "1h")
        d.ctl("force", "mem", "up", "--for", "1h")
        d.ctl("drain")
        wait_written(state, "a write that knows of the orders")
        wait_written(state, "and, if the first was under way already, the next")
        since = d.probe("mem")["since"]
        crash(d)
        with Vitald(config(state)) as again:
            assert again.get("/readyz").status == 503
            assert again.probe("gone")["mode"] == "maintenance" and again.probe("mem")["mode"] == "forced"
            assert again.probe("mem")["since"] == since
            assert "still draining" in again.log()
            again.ctl("undrain")
            again.ctl("resume", "mem")
            assert again.get("/readyz").status == 200
        d.process = subprocess.Popen(["true"])        # what `with` is to end: the daemon is gone
        d.process.wait()


def test_drain_of_a_stop_is_not_kept(state):
    with Vitald(config(state, "shutdown_delay: 300ms\n")) as d:
        settled(d)
        assert d.stop(signal.SIGTERM) == 0
    with Vitald(config(state)) as d:
        assert d.get("/readyz").status == 200


def test_writes_are_few(state, tmp_path):
    """For transitions one every 3 s, whatever happens; for orders four a second."""
    flag = tmp_path / "flag"
    with Vitald(config(state).replace("probes:\n", f"probes:\n  flag: {{ file: {flag}, interval: 100ms, timeout: 50ms }}\n")) as d:
        settled(d)
        written = lambda: os.stat(state).st_mtime_ns if os.path.exists(state) else 0     # noqa: E731
        seen = set()
        end = time.monotonic() + 7
        while time.monotonic() < end:
            flag.unlink() if flag.exists() else flag.touch()
            seen.add(written())
            time.sleep(0.05)
        assert 2 <= len(seen) <= 5
        seen = set()
        end = time.monotonic() + 1
        while time.monotonic() < end:
            d.ctl("pause", "gone")
            d.ctl("resume", "gone")
            seen.add(written())
        assert 2 <= len(seen) <= 7, "one each 250 ms, and what was under way"


def test_an_order_is_kept_soon(state):
    """The one that comes right after a write, and then a crash."""
    with Vitald(config(state)) as d:
        settled(d)
        d.ctl("drain")
        wait_written(state, "the drain")
        first = os.stat(state).st_mtime
        d.ctl("force", "mem", "up")
        wait_written(state, "the mode")
        assert os.stat(state).st_mtime - first < 2.9, "the pace of transitions is 3 s"
        crash(d)
        with Vitald(config(state)) as again:
            assert "draining" in again.get("/readyz").text and again.probe("mem")["mode"] == "forced"
        d.process.returncode = 0


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, b"\0" * 500, b"<html>", None], ids=["empty", "text", "zeros", "html", "cut"])
def test_foreign_and_damaged_files_are_refused_and_replaced(state, content):
    if content is None:
        with Vitald(config(state)) as d:
            settled(d)
        with open(state, "rb") as f:
            content = f.read()[:-3]
    with open(state, "wb") as f:
        f.write(content)
    with Vitald(config(state)) as d:
        d.wait_log(r"warning file=\S*state the state of an earlier run is not used: it is (damaged|no state file)")
        settled(d)
    with Vitald(config(state)) as d:
        assert "took over the states of 3 probes" in d.log()


@pytest.mark.parametrize("kind", ["directory", "fifo", "nowhere"])
def test_what_is_no_file_does_no_harm(state, kind):
    path = state
    if kind == "directory":
        os.mkdir(state)
    elif kind == "fifo":
        os.mkfifo(state)                              # opening one waits for a writer: not here
    else:
        path = state + "/not/there"
    with Vitald(config(path)) as d:
        settled(d)
        assert d.get("/readyz").status == 200
        if kind != "fifo":
            d.wait_log("cannot write the state: ")
        assert d.log().count("cannot write the state") <= 1, "said once"


def test_another_target_is_another_probe(state):
    with Vitald(config(state)) as d:
        settled(d)
    with Vitald(config(state).replace("127.0.0.1:1\"", "127.0.0.1:2\"")) as d:
        assert "took over the states of 2 probes" in d.log()
        assert d.probe("mem")["state"] == "up"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts a tiny file system")
def test_full_disk_leaves_the_old_one_whole(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=True)
    try:
        state = str(disk / "state")
        with Vitald(config(state)) as d:
            settled(d)
        with open(state, "rb") as f:
            before = f.read()
        with open(disk / "ballast", "wb", buffering=0) as f:
            try:
                while f.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        with Vitald(config(state)) as d:
            assert "took over the states of 3 probes" in d.log()
            d.ctl("pause", "gone")
            d.wait_log("cannot write the state: No space left on device")
            with open(state, "rb") as f:
                assert f.read() == before
            assert not os.path.exists(state + ".new")
            os.unlink(disk / "ballast")
            d.wait_log("the state can be written again")
            d.ctl("resume", "gone")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def test_default_place_is_systemds(tmp_path):
    with Vitald(config("x").replace("state_file: x\n", ""), env={"STATE_DIRECTORY": f"{tmp_path}:/nonexistent"}) as d:
        settled(d)
    assert os.stat(tmp_path / "state").st_mode & 0o777 == 0o600
    with Vitald(config("x").replace("state_file: x\n", "")) as d:
        assert "states of" not in d.log() and "state of" not in d.log()
