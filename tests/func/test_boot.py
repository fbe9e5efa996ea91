"""Starting, the command line, zero configuration, leaving."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from daemon import BUILD, ROOT, Vitald, check_config, free_port, once, wait_for

TCP = "probes:\n  one: {{ tcp: \"127.0.0.1:{}\", interval: 1s, timeout: 500ms }}\n"


def vitald(*args, env=None, **kwargs):
    return subprocess.run([os.path.join(BUILD, "vitald"), *args], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], **(env or {})}, **kwargs)


def test_runs_without_a_configuration():
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        p = subprocess.Popen([os.path.join(BUILD, "vitald")], stderr=subprocess.PIPE, text=True, cwd=d,
                             env={"PATH": os.environ["PATH"], "VITALD_LISTEN": f"127.0.0.1:{port}", "XDG_RUNTIME_DIR": d})
        try:
            lines = []
            for line in p.stderr:
                lines.append(line)
                if "runs" in line and "probes" in line:
                    break
            text = "".join(lines)
            assert f"127.0.0.1:{port}" in text
            assert "/readyz" in text and "/livez" in text
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                s.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
                assert s.recv(100).startswith(b"HTTP/1.1 200")
        finally:
            p.send_signal(signal.SIGINT)
            assert p.wait(10) == 0
            p.stderr.close()


def test_help_and_version_and_mistakes():
    assert "--check-config" in vitald("--help").stdout
    assert re.match(r"vitald \d+\.\d+", vitald("--version").stdout)
    wrong = vitald("--chekc-config")
    assert wrong.returncode == 64 and "chekc-config" in wrong.stderr
    assert vitald("extra").returncode == 64
    assert vitald("--dump-options=xml").returncode == 64
    # Each of these would else start a daemon that does something other than what was asked for.
    for args, said in ((("--log-level=loud",), "error, warning, notice, info, debug"), (("--log-format=xml",), "auto, text, json"),
                       (("--timeout=5s",), "goes with --once"), (("--until=ready",), "goes with --once"),
                       (("--once", "--timeout=0"), "not a time"), (("--once", "--until=redy"), "did you mean ready?"),
                       (("--once", "--until=something"), "live, ready, startup and health")):
        wrong = vitald(*args)
        assert wrong.returncode == 64 and said in wrong.stderr, (args, wrong)


def test_checking_and_dumping_know_tls():
    """What runs must pass the check, and what the check can find (a bundle that is missing) must not wait for the start."""
    probes = ('{ a: { http: "https://x.invalid/" }, b: { tls: "x.invalid:443" }, '
              'c: { tcp: { address: "x.invalid:443", tls: { verify: false } } } }')
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        conf = f"{d}/c.yaml"
        open(conf, "w").write(f"probes: {probes}\n")
        check = vitald("-c", conf, "--check-config")
        assert check.returncode == 0, check.stderr
        dump = vitald("-c", conf, "--dump-config")
        assert dump.returncode == 0 and "x.invalid" in dump.stdout, dump.stderr
        open(conf, "w").write('probes: { a: { http: { url: "https://x.invalid/", tls: { ca: /nonexistent/ca.pem } } } }\n')
        check = vitald("-c", conf, "--check-config")
        assert check.returncode == 1 and "c.yaml:1:" in check.stderr and "/nonexistent/ca.pem" in check.stderr


def test_every_module_is_listed():
    names = [line.split()[0] for line in vitald("--list-modules").stdout.splitlines()]
    for name in "tcp http tls dns ping exec memory disk load process file heartbeat self".split():
        assert name in names


def test_missing_file_says_so():
    r = vitald("-c", "/nonexistent/vitald.yaml")
    assert r.returncode == 78
    assert "/nonexistent/vitald.yaml" in r.stderr and "No such file" in r.stderr


def test_all_errors_at_once_with_place_and_hint():
    r = check_config("probes:\n  db: { tpc: \"x:1\" }\n  web: { http: { url: \"http://x/\", methd: GET }, intervall: 5s }\n"
                     "groups:\n  ready: { all: [db, wbe] }\n")
    assert r.returncode == 1
    for hint in ("tcp", "method", "interval", "web"):
        assert re.search(rf"vitald\.yaml|c\.yaml:\d+:\d+: error: .*{hint}", r.stderr), r.stderr
    assert r.stderr.count("error:") >= 4


def test_port_in_use_names_it():
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        d = Vitald(f"listen: [ {{ address: \"127.0.0.1:{port}\" }} ]\n" + TCP.format(port), wait=False)
        assert d.process.wait(10) == 78
        assert str(port) in d.log() and "in use" in d.log()


def test_once_prints_a_table_and_exits_by_the_worst():
    with socket.create_server(("127.0.0.1", 0)) as s:
        good = once(TCP.format(s.getsockname()[1]))
        assert good.returncode == 0, good.stdout + good.stderr
        assert "one" in good.stdout and "up" in good.stdout
    bad = once(TCP.format(free_port()))
    assert bad.returncode == 2 and "refused" in bad.stdout


def test_once_until_waits_for_green():
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        conf = os.path.join(d, "c.yaml")
        with open(conf, "w") as f:
            f.write(TCP.format(port))
        p = subprocess.Popen([os.path.join(BUILD, "vitald"), "-c", conf, "--once", "--until", "ready", "--timeout", "30s"],
                             stderr=subprocess.PIPE, text=True)
        assert "waiting for: one" in next(line for line in p.stderr if "refused" in line)
        with socket.create_server(("127.0.0.1", port)):
            assert p.wait(30) == 0
        p.stderr.close()


def test_once_until_gives_up_and_says_why():
    r = once(TCP.format(free_port()), "--until", "ready", "--timeout", "1s")
    assert r.returncode == 1
    assert "ready did not pass" in r.stderr and "refused" in r.stderr


def test_sigterm_drains_first():
    with socket.create_server(("127.0.0.1", 0)) as s, \
            Vitald("shutdown_delay: 20s\n" + TCP.format(s.getsockname()[1])) as d:
        d.wait_code("/readyz", 200)
        d.signal(signal.SIGTERM)
        d.wait_code("/readyz", 503)
        assert "draining" in d.get("/readyz").text
        assert d.get("/livez").status == 200
        d.signal(signal.SIGTERM)                 # the second one leaves at once
        assert d.process.wait(10) == 0


def test_sigusr1_dumps_the_state():
    with Vitald(TCP.format(free_port())) as d:
        d.signal(signal.SIGUSR1)
        d.wait_log(r"one\b.*(unknown|down)")


def test_killed_daemon_leaves_no_helpers():
    with Vitald("probes:\n  root: { disk: /, interval: 1s }\n") as d:
        d.wait_state("root", "up")
        group = [int(line.split()[0]) for line in d.children() if line.strip()]
        assert group
        d.process.kill()
        d.process.wait()
        wait_for(lambda: not any(alive(p) for p in group), "helpers left")
        d.process.returncode = 0


def kill_zygote(d):
    zygote = next(int(line.split()[0]) for line in d.children() if "zygote" in line)
    os.kill(zygote, signal.SIGKILL)


def test_helpers_come_back_after_their_zygote_was_killed():
    with Vitald("probes:\n  root: { disk: /, interval: 1s }\n  prog: { exec: { command: [/bin/true] }, interval: 1s }\n") as d:
        for n in (1, 2):
            kill_zygote(d)
            d.wait_log(rf"(?s)(another process makes helpers now.*){{{n}}}")
            seen = {name: d.probe(name)["attempts"]["pass"] for name in ("root", "prog")}
            for name, before in seen.items():
                wait_for(lambda: d.probe(name)["attempts"]["pass"] > before + 1, f"{name} passes again")
        assert "vitald_helper_makers_died_total 2" in d.get("/metrics").text


def without_another_zygote():
    """A program that can be started but not once more: its file has lost the right to be executed."""
    folder = tempfile.mkdtemp(prefix="vt")
    program = f"{folder}/vitald"
    shutil.copy(os.path.join(BUILD, "vitald"), program)
    return folder, program


def test_a_zygote_that_cannot_be_replaced_is_told_by_self():
    folder, program = without_another_zygote()
    try:
        with Vitald("probes:\n  self: { self: {}, interval: 1s }\n  root: { disk: /, interval: 1s }\n", binary=program) as d:
            d.wait_state("root", "up")
            os.chmod(program, 0o600)
            kill_zygote(d)
            d.wait_log("cannot start another process that makes helpers: Permission denied; the next attempt is in ")
            d.wait_outcome("self", class_="warn", reason="no_helper", text="started another")
            assert d.get("/livez").status == 200
            os.chmod(program, 0o700)
            d.wait_log("another process makes helpers now")
            d.wait_state("self", "up")
            d.wait_state("root", "up")
    finally:
        shutil.rmtree(folder)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_starts_quickly_enough_to_be_an_init_step(server):
    """No clock: it must serve while the first attempt of a probe that gets no answer has not ended."""
    silent = server(lambda sock: sock.recv(65536) and sock.recv(1))
    with Vitald(f"probes:\n  hole: {{ http: \"http://127.0.0.1:{silent.port}/\", timeout: 10s, interval: 30s }}\n") as d:
        assert d.get("/livez").status == 200
        assert d.get("/readyz").status == 503
        assert not d.probe("hole").get("outcome")
