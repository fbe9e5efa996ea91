"""vitalctl against a real vitald: what it prints, how it ends, who may do what."""
import contextlib
import grp
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from daemon import BUILD, Vitald, free_port, wait_for

FLAG = """
probes:
  flag: {{ file: {path}, interval: 100ms, timeout: 50ms, rise: 1, fall: 1 }}
  ok: {{ exec: [/bin/true], interval: 100ms, timeout: 50ms }}
  job: {{ heartbeat: {{ max_silence: 60s }}, interval: 100ms, timeout: 50ms }}
groups:
  ready: {{ all: [flag, ok] }}
"""


@contextlib.contextmanager
def flagged(tmp_path, there=True, **more):
    """A daemon whose `ready` passes while the flag is there."""
    flag = tmp_path / "flag"
    if there:
        flag.touch()
    with Vitald(FLAG.format(path=flag), **more) as v:
        v.flag = flag
        v.wait_outcome("flag")
        v.wait_outcome("ok")
        yield v


def ctl(*args, env=None, timeout=30, binary="vitalctl", **more):
    clean = {"PATH": os.environ["PATH"], **(env or {})}
    return subprocess.run([os.path.join(BUILD, binary), *args], capture_output=True, text=True, timeout=timeout, env=clean, **more)


# ---- looking


def test_status_is_a_table_without_colour_when_piped(tmp_path):
    with flagged(tmp_path) as v:
        out = v.ctl("status")
        assert out.returncode == 0 and out.stderr == ""
        assert re.search(r"^\+ ready +pass", out.stdout, re.M) and re.search(r"^\+ ok +up", out.stdout, re.M)
        assert "\033" not in out.stdout
        assert "\033[" in v.ctl("status", "--color", "always").stdout
        assert "flag" in v.ctl("status", "flag").stdout
        assert v.ctl("status", "ready").stdout.count("job") == 0


def test_status_json_is_the_status_of_http(tmp_path):
    with flagged(tmp_path) as v:
        out = json.loads(v.ctl("status", "-o", "json").stdout)
        assert set(out) == set(v.status())
        assert {p["name"] for p in out["probes"]} == {p["name"] for p in v.status()["probes"]}
        assert json.loads(v.ctl("status", "flag", "-o", "json").stdout)


def test_status_over_http(tmp_path):
    with flagged(tmp_path) as v:
        out = ctl("status", "--url", f"127.0.0.1:{v.port}", "-o", "json")
        assert out.returncode == 0 and json.loads(out.stdout)["probes"]
        assert ctl("explain", "--url", f"http://127.0.0.1:{v.port}").stdout.startswith("ready is")
        out = ctl("status", "nosuch", "--url", f"http://127.0.0.1:{v.port}")
        assert out.returncode == 1 and "404" in out.stderr


def test_a_long_status_comes_whole():
    probes = "probes:\n" + "".join(f"  p{i}: {{ exec: [/bin/true], interval: 1h }}\n" for i in range(2000))
    with Vitald(probes) as v:
        out = json.loads(v.ctl("status", "-o", "json").stdout)
        assert sum(p["name"].startswith("p") for p in out["probes"]) == 2000
        with socket.socket(socket.AF_UNIX) as s:      # one that asks for it and does not read holds nobody
            s.connect(v.control)
            s.sendall(b'{"verb":"status","args":{"format":"json"}}\n')
            assert v.get("/livez").status == 200
            assert json.loads(v.ctl("status", "-o", "json").stdout)["probes"]


def test_explain_names_the_cause(tmp_path):
    with flagged(tmp_path, there=False) as v:
        v.wait_state("flag", "down")
        out = v.ctl("explain").stdout
        assert out.startswith("ready is fail") and "flag" in out and "not_found" in out
        assert "flag" in v.ctl("explain", "flag").stdout
        out = v.ctl("explain", "redy")
        assert out.returncode == 2 and "did you mean `ready`?" in out.stderr


def test_events_and_stats(tmp_path):
    with flagged(tmp_path) as v:
        v.ctl("pause", "ok")
        out = v.ctl("events", "-n", "1").stdout
        assert "mode ok: normal -> paused" in out and out.count("\n") == 1
        entry = json.loads(v.ctl("events", "-n", "1", "-o", "json").stdout)
        assert (entry["name"], entry["from"], entry["to"]) == ("ok", "normal", "paused")
        assert v.ctl("events", "--since", str(entry["id"])).stdout == ""
        assert re.search(r"^control_requests +\d+$", v.ctl("stats").stdout, re.M)
        follower = subprocess.Popen([os.path.join(BUILD, "vitalctl"), "-s", v.control, "events", "-f", "-n", "0"],
                                    stdout=subprocess.PIPE, text=True)
        wait_for(lambda: "control_clients                              2" in v.ctl("stats").stdout)
        v.ctl("resume", "ok")
        assert "mode ok: paused -> normal" in follower.stdout.readline()
        follower.terminate()
        follower.wait()
        follower.stdout.close()


def test_version_and_help():
    with Vitald("probes: { ok: { exec: [/bin/true] } }\n") as v:
        assert re.match(r"vitalctl (\S+) .*\nvitald \1 at ", v.ctl("version").stdout)
    out = ctl("help")
    commands = re.findall(r"^  ([a-z]+) ", out.stdout, re.M)
    assert out.returncode == 0 and len(commands) == 19
    for command in commands:
        told = ctl("help", command)
        assert told.returncode == 0 and f"usage: vitalctl {command}" in told.stdout
        assert ctl(command, "--help").stdout == told.stdout
    assert ctl().returncode == 2
    assert ctl("version", env={"VITALCTL_SOCKET": "/nonexistent"}).returncode == 0


def test_completion_asks_the_daemon_for_names(tmp_path):
    with flagged(tmp_path) as v:
        script = (f"source conf/completion/vitalctl.bash; COMP_WORDS=(vitalctl --socket {v.control} status ''); COMP_CWORD=4; _vitalctl; "
                  "echo ${COMPREPLY[*]}")
        out = subprocess.run(["bash", "-c", script], cwd=os.path.join(os.path.dirname(__file__), "../.."), capture_output=True, text=True,
                             check=True, env={"PATH": BUILD + ":" + os.environ["PATH"]})
        names = [word for word in out.stdout.split() if not word.startswith("-")]
        assert sorted(names) == sorted({"flag", "ok", "job", "self", "ready", "live", "startup", "health"})


# ---- waiting and checking


def test_wait_is_told_in_the_turn_of_the_change(tmp_path):
    with flagged(tmp_path, there=False) as v:
        v.wait_state("flag", "down")
        waiter = subprocess.Popen([os.path.join(BUILD, "vitalctl"), "-s", v.control, "wait", "ready", "--timeout", "20s"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert waiter.stderr.readline() == "ready: fail\n"
        assert "flag is down: not_found" in waiter.stderr.readline()
        v.flag.touch()
        out, _ = waiter.communicate(timeout=20)
        assert waiter.returncode == 0 and "ready: pass" in out


def test_wait_gives_the_reason_when_time_is_up(tmp_path):
    with flagged(tmp_path, there=False) as v:
        v.wait_state("flag", "down")
        out = v.ctl("wait", "ready", "--timeout", "300ms", "-q")
        assert out.returncode == 1 and "ready did not pass within 300ms: ready: fail" in out.stderr and "flag is down" in out.stderr
        assert v.ctl("wait", "ready", "--until", "fail").returncode == 0
        assert v.ctl("wait", "redy").returncode == 2
        assert v.ctl("wait", "flag").returncode == 2
        v.flag.touch()
        assert v.ctl("wait", "ready", "--for", "300ms", "--timeout", "20s").returncode == 0
        assert v.ctl("wait", "ready", "--for", "1h", "--timeout", "200ms").returncode == 1


def test_wait_over_http(tmp_path):
    with flagged(tmp_path, there=False) as v:
        v.wait_state("flag", "down")
        out = ctl("wait", "--url", f"127.0.0.1:{v.port}", "--timeout", "400ms")
        assert out.returncode == 1 and "fail (503)" in out.stderr
        v.flag.touch()
        assert ctl("wait", "--url", f"http://127.0.0.1:{v.port}/readyz", "--for", "100ms").returncode == 0
    out = ctl("wait", "--url", f"127.0.0.1:{free_port()}", "--timeout", "300ms")
    assert out.returncode == 3 and "refused" in out.stderr


def test_wait_survives_that_the_daemon_comes_later(tmp_path):
    path = str(tmp_path / "c.sock")
    waiter = subprocess.Popen([os.path.join(BUILD, "vitalctl"), "wait", "-s", path, "--timeout", "20s"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    assert "is vitald running?" in waiter.stderr.readline()
    with Vitald(f"control: {{ path: {path} }}\nprobes: {{ ok: {{ exec: [/bin/true] }} }}\n"):
        out, _ = waiter.communicate(timeout=20)
        assert waiter.returncode == 0 and "ready: pass" in out
    out = ctl("wait", "-s", path, "--timeout", "300ms", "-q")
    assert out.returncode == 3


@pytest.mark.parametrize("binary", ["vitalctl", "vitalctl-static"])
def test_check(tmp_path, binary):
    if not os.path.exists(os.path.join(BUILD, binary)):
        pytest.skip(f"{binary} is not built here")
    with flagged(tmp_path) as v:
        env = {"VITALD_LISTEN": f"0.0.0.0:{v.port}"}
        wait_for(lambda: ctl("check", "ready", env=env, binary=binary).returncode == 0)
        assert ctl("check", env=env, binary=binary).returncode == 0
        assert ctl("check", f"localhost:{v.port}/readyz", binary=binary).returncode == 0
        assert ctl("check", "-s", v.control, "ready", binary=binary).returncode == 0
        out = ctl("check", "-o", "nagios", "ready", env=env, binary=binary)
        assert out.returncode == 0
        assert re.match(r"VITALD OK - http\S+ answered 200 in [\d.]+ ms\|time=[\d.]+s;;2\.000;0;2\.000 status=200 '", out.stdout)
        v.flag.unlink()
        v.wait_code("/readyz", 503)
        out = ctl("check", "ready", env=env, binary=binary)
        assert out.returncode == 1 and out.stdout.startswith("fail: ")
        out = ctl("check", "-s", v.control, "ready", binary=binary)
        assert out.returncode == 1 and "flag is down" in out.stdout
        # it asks for the members, and those are told as they were up to 250 ms ago
        wait_for(lambda: ctl("check", "-o", "nagios", "ready", env=env, binary=binary).returncode == 2)
        assert ctl("check", "nosuch", env=env, binary=binary).returncode == 1
        assert ctl("check", "-o", "nagios", "--timeout", "0", binary=binary).returncode == 3
    assert ctl("check", env=env, binary=binary).returncode == 1
    assert ctl("check", "--nonsense", binary=binary).returncode == 1       # Docker reserves 2


def test_check_warns_for_nagios(tmp_path):
    config = "probes: { ok: { exec: [/bin/true] }, meh: { exec: [/bin/false] } }\ngroups: { ready: { all: [ok], advisory: [meh] } }\n"
    with Vitald(config) as v:
        wait_for(lambda: ctl("check", "-o", "nagios", f"127.0.0.1:{v.port}/readyz").returncode == 1)
        assert ctl("check", f"127.0.0.1:{v.port}/readyz").returncode == 0


def server(handle):
    """A one-shot TCP server; handle(connection) runs in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError), listener:
            connection, _ = listener.accept()
            with connection:
                handle(connection)
    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def test_check_ends_at_its_timeout():
    done = threading.Event()
    port = server(lambda c: done.wait(20))
    before = time.monotonic()
    out = ctl("check", f"127.0.0.1:{port}", "--timeout", "300ms")
    done.set()
    assert out.returncode == 1 and "timeout" in out.stdout and time.monotonic() - before < 10


def test_a_hostile_answer_reaches_no_terminal():
    body = b"\033]0;owned\007\033[2J" + b"\x9b31m" + b"A" * 100000
    port = server(lambda c: (c.recv(1000), c.sendall(b"HTTP/1.1 500 \x1b[31mNo\r\n\r\n" + body)))
    out = ctl("check", f"127.0.0.1:{port}")
    assert out.returncode == 1 and len(out.stdout) < 4096
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", out.stdout + out.stderr)


def test_a_stranger_on_the_socket_is_not_believed(tmp_path):
    for text, code, said in ((b"HTTP/1.1 400 Bad\r\n\r\n", 3, "does not speak"), (b'{"vitald":"9.0","protocol":7}\n', 3, "same release"),
                             (b'{"x":1}\n', 3, "is not vitald"), (b"", 3, "closed the connection"),
                             (b'{"vitald":"1","protocol":1}\n{"ok":false,"error":"\\u001b[2Jno"}\n', 1, "?[2Jno")):
        path = str(tmp_path / "s")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)

            def serve():
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(text)
                    if b"protocol\":1" in text:
                        connection.recv(1000)
            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            out = ctl("status", "-s", path)
            assert out.returncode == code and said in out.stderr, out.stderr
            thread.join()


def test_what_cannot_be_reached_is_told_with_advice(tmp_path):
    out = ctl("status", "-s", str(tmp_path / "none"))
    assert out.returncode == 3 and "No such file" in out.stderr and "--socket" in out.stderr and "--url" in out.stderr
    out = ctl("status", "-s", "/" + "x" * 200)
    assert out.returncode == 3 and "too long" in out.stderr


# ---- ordering


def test_drain_and_undrain(tmp_path):
    with flagged(tmp_path) as v:
        v.wait_code("/readyz", 200)
        before = time.monotonic()
        out = v.ctl("drain", "--wait", "200ms")
        assert out.returncode == 0 and "ready" in out.stdout and time.monotonic() - before >= 0.2
        assert v.get("/readyz").status == 503 and v.get("/livez").status == 200
        assert "draining" in v.ctl("explain").stdout
        assert v.ctl("undrain").returncode == 0
        v.wait_code("/readyz", 200)


def test_modes(tmp_path):
    with flagged(tmp_path) as v:
        v.wait_code("/readyz", 200)
        assert "for 5m" in v.ctl("force", "ok", "down", "--for", "5m").stdout
        v.wait_code("/readyz", 503)
        assert v.ctl("maintenance", "ok").returncode == 0
        v.wait_code("/readyz", 200)
        assert v.ctl("pause", "ok", "flag", "--for", "0").returncode == 0
        wait_for(lambda: {p["name"] for p in v.status()["probes"] if p["mode"] == "paused"} == {"ok", "flag"})
        assert v.ctl("resume", "ok", "flag").returncode == 0
        wait_for(lambda: not [p for p in v.status()["probes"] if p["mode"] != "normal"])
        assert v.ctl("force", "ok", "sideways").returncode == 2
        swapped = v.ctl("force", "up", "ok")
        assert swapped.returncode == 2 and "`vitalctl force ok up`" in swapped.stderr
        assert v.ctl("pause", "ok", "nosuch").returncode == 2
        assert v.ctl("pause", "ready").returncode == 2
        v.ctl("pause", "ok", "--for", "200ms")
        wait_for(lambda: v.probe("ok")["mode"] == "normal")


def test_run_prints_the_outcome(tmp_path):
    config = (f"probes:\n  flag: {{ file: {tmp_path}/flag, interval: 1h }}\n  ok: {{ exec: [/bin/true], interval: 1h }}\n")
    with Vitald(config) as v:
        v.wait_outcome("flag")
        out = v.ctl("run", "flag")
        assert out.returncode == 1 and "flag: fail: not_found" in out.stderr
        (tmp_path / "flag").touch()
        out = v.ctl("run", "flag", "ok")
        assert out.returncode == 0 and "flag: pass (" in out.stdout and "ok: pass (" in out.stdout
        v.ctl("pause", "ok")
        out = v.ctl("run", "ok")
        assert out.returncode == 1 and "paused" in out.stderr


def test_beats(tmp_path):
    with flagged(tmp_path) as v:
        assert v.ctl("beat", "job", "all well").returncode == 0
        v.wait_outcome("job", class_="pass")
        assert v.ctl("beat", "ok").returncode == 1
        assert v.ctl("beat", "nosuch").returncode == 2
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"job by datagram\n", v.control + ".beat")
            s.sendto(b"nobody", v.control + ".beat")
        wait_for(lambda: re.search(r"^beats +2$", v.ctl("stats").stdout, re.M))
        assert re.search(r"^beats_refused +1$", v.ctl("stats").stdout, re.M)


def test_reload_prints_the_findings(tmp_path):
    with flagged(tmp_path) as v:
        out = v.reload()
        assert "reloaded" in out.stdout
        v.write("probes:\n  ok: { exec: [/bin/true], intervall: 1s }\n")
        out = v.reload(ok=False)
        assert out.returncode == 1 and "did you mean" in out.stderr and "vitald.yaml" in out.stderr
        assert v.get("/livez").status == 200 and v.probe("flag")


def test_stop_leaves_in_order(tmp_path):
    with flagged(tmp_path) as v:
        assert v.ctl("stop").returncode == 0
        assert v.process.wait(20) == 0
        assert not os.path.exists(v.control) and not os.path.exists(v.control + ".beat")


# ---- the socket


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_strangers_look_and_members_of_the_group_may_change():
    """In a directory of its own, for strangers need not be able to reach the build."""
    nobody, member = 65534, grp.getgrnam("daemon").gr_gid
    with tempfile.TemporaryDirectory(prefix="vt") as place:
        os.chmod(place, 0o755)
        binary, path = shutil.copy(os.path.join(BUILD, "vitalctl"), place), os.path.join(place, "c.sock")

        def ask(gid, groups, *args):
            return subprocess.run([binary, "-s", path, *args], capture_output=True, text=True, timeout=30, user=nobody, group=gid,
                                  extra_groups=groups, cwd="/")
        with Vitald(f"control: {{ path: {path}, group: daemon }}\nprobes: {{ ok: {{ exec: [/bin/true], interval: 1h }} }}\n") as v:
            v.wait_outcome("ok")
            assert ask(nobody, [], "status").returncode == 0
            out = ask(nobody, [], "pause", "ok")
            assert out.returncode == 1 and "not permitted to uid 65534" in out.stderr
            assert v.probe("ok")["mode"] == "normal"
            assert ask(nobody, [member], "pause", "ok").returncode == 0
            assert ask(member, [], "resume", "ok").returncode == 0
            assert "by uid 65534" in v.log()
            v.write(f"control: {{ path: {path}, group: nosuchgroup }}\nprobes: {{ ok: {{ exec: [/bin/true], interval: 1h }} }}\n")
            assert ctl("reload", "-s", path).returncode == 0
            v.wait_log("no system group `nosuchgroup`")
            assert ask(nobody, [member], "pause", "ok").returncode == 1


def test_a_second_daemon_is_told_and_a_crashed_one_replaced(tmp_path):
    path = str(tmp_path / "c.sock")
    config = f"control: {{ path: {path} }}\nprobes: {{ ok: {{ exec: [/bin/true] }} }}\n"
    with Vitald(config) as first:
        second = Vitald(config, wait=False)
        assert second.process.wait(20) != 0
        assert "another vitald answers at" in second.log()
        shutil.rmtree(second.dir)
        assert first.ctl("status", "-s", path).returncode == 0
        first.process.kill()
        first.process.wait()
        with Vitald(config):
            assert ctl("status", "-s", path).returncode == 0
        first.process.returncode = 0


def test_a_slow_reader_is_closed_and_hurts_nobody(tmp_path):
    with flagged(tmp_path) as v:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(v.control)
            s.sendall(b'{"verb":"status","args":{"format":"json"}}\n' * 500)      # and never reads
            for _ in range(20):
                assert v.get("/livez").status == 200
                assert v.ctl("status").returncode == 0
        wait_for(lambda: "control_clients                              1" in v.ctl("stats").stdout)


def test_as_many_clients_as_there_may_be(tmp_path):
    with flagged(tmp_path) as v:
        fds = v.fds()
        with contextlib.ExitStack() as stack:
            for _ in range(32):
                s = stack.enter_context(socket.socket(socket.AF_UNIX))
                s.connect(v.control)
                assert b"protocol" in s.recv(1000)
            out = v.ctl("status")
            assert out.returncode == 3 and "too many clients" in out.stderr
        wait_for(lambda: v.ctl("status").returncode == 0)
        wait_for(lambda: v.fds() <= fds + 1)


@pytest.mark.parametrize("words", (["vitalctl", "help"], ["vitalctl", "--version"], ["vitalctl", "status", "--help"], ["vitald", "--list-modules"],
                                   ["vitald", "--dump-options=yaml"]), ids=" ".join)
def test_what_could_not_be_printed_is_no_success(words):
    """A full disk; more of it than the stream keeps, and less."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([f"{BUILD}/{words[0]}", *words[1:]], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr == f"{words[0]}: standard output did not take all of it: is its disk full, or its reader gone?\n"
