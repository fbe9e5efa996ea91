"""What SECURITY.md claims and no other test proves: as whom we run, what nobody else may read, what no output ever tells."""
import contextlib
import hashlib
import json
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from conftest import Server
from daemon import BUILD, Vitald, wait_for

NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="starts as root")
PING_RANGE = "/proc/sys/net/ipv4/ping_group_range"


def facts_of(pid):
    """Of every thread: user, groups and rights. Nothing of a program that has ended meanwhile."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/status") as f:
                found.append(dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line))
    return found


def family(pid):
    """The daemon, its zygote and its helpers."""
    every, new = [], [pid]
    while new:
        every += new
        new = [int(p) for parent in new for p in subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True).stdout.split()]
    return every


@pytest.fixture
def open_dir(tmp_path):
    """A place that everybody may enter; pytest's own are its user's alone."""
    path = f"/tmp/vt-open-{os.getpid()}-{tmp_path.name}"
    os.mkdir(path, 0o755)
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


def start(config, **more):
    return Vitald(config, env={"VITALD_USER": "", **more.pop("env", {})}, **more)


# ---- giving up root

@as_root
@pytest.mark.parametrize("user, uid, gid", [(None, NOBODY.pw_uid, NOBODY.pw_gid), ("daemon", 1, 1), ("31234", 31234, 31234), ("31234:31235", 31234, 31235)])
def test_root_is_given_up(user, uid, gid, open_dir):
    probe = "  p: { exec: { command: [/bin/sh, -c, 'echo $(id -u) $(id -g) $(grep -c -E \"^Cap...:.0{16}$\" /proc/self/status)'] } }\n"
    with start((f'user: "{user}"\n' if user else "") + f"state_file: {open_dir}/state\nprobes:\n{probe}  f: {{ exec: [/bin/cat, /etc/shadow] }}\n") as v:
        v.wait_outcome("p", text=f"^{uid} {gid} 5$")
        v.wait_outcome("f", text="Permission denied")
        line = v.wait_log(rf"gave up root: runs as {user or 'nobody'} \(uid {uid}, gid {gid}\), without capabilities\n")
        assert line.start() < v.wait_log(r"probe=p ").start()        # before anything was attempted
        for pid in family(v.pid):
            for t in facts_of(pid):
                assert set(t["Uid"].split()) == {str(uid)} and set(t["Gid"].split()) == {str(gid)} and t["Groups"].split() == [str(gid)], t
                assert int(t["CapPrm"], 16) == int(t["CapEff"], 16) == int(t["CapInh"], 16) == int(t["CapAmb"], 16) == 0, t
        for main in (t for pid in family(v.pid) for t in facts_of(pid) if t["Pid"].strip() == str(pid)):
            assert int(main["CapBnd"], 16) == 0 and main["NoNewPrivs"].strip() == "1", main


@as_root
def test_root_stays_where_it_is_asked_for():
    with start("user: root\nprobes: { p: { exec: [/usr/bin/id, -u] } }\n") as v:
        v.wait_outcome("p", text="^0$")
        v.wait_log("stays root, as `user: root` says")
    with start("probes: { p: { exec: [/usr/bin/id, -u] } }\n", env={"VITALD_USER": "root"}) as v:
        v.wait_outcome("p", text="^0$")


@as_root
def test_under_a_service_manager_the_unit_decides(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        with start("probes: { p: { exec: [/usr/bin/id, -u] } }\n", env={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as v:
            v.wait_outcome("p", text="^0$")
            v.wait_log("runs as root, as the service manager ordered")


@as_root
def test_a_user_that_cannot_be_had_ends_the_start():
    with start('user: "no-such-user"\n', wait=False) as v:
        assert v.process.wait(20) == 78
        assert "`user: no-such-user`: there is no such account" in v.log()
        v.process.returncode = 0        # as it should be
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    p = subprocess.Popen([*nobody, f"{BUILD}/vitald"], env={"VITALD_USER": "daemon", "VITALD_LISTEN": "127.0.0.1:0"}, stderr=subprocess.PIPE, text=True)
    assert any("`user: daemon` is not followed: only root can become another user" in line for line in p.stderr)
    p.send_signal(signal.SIGINT)
    p.stderr.read()
    p.wait(20)


@as_root
def test_root_without_the_right_to_change_says_so():
    prefix = ["setpriv", "--bounding-set=-setuid,-setgid", "--inh-caps=-setuid,-setgid"]
    with start("probes: { p: { exec: [/usr/bin/id, -u] } }\n", prefix=prefix) as v:
        v.wait_log("stays root: cannot become nobody: Operation not permitted")
        v.wait_outcome("p", text="^0$")
    with start("user: daemon\n", prefix=prefix, wait=False) as v:
        assert v.process.wait(20) == 78
        v.process.returncode = 0


@as_root
def test_only_pings_keep_a_right_and_programs_do_not_inherit_it():
    config = "probes:\n  p: { ping: { host: 127.0.0.1, count: 1 } }\n  e: { exec: [/bin/grep, CapEff, /proc/self/status] }\n"
    closed = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]        # a new name space: range 1 0
    with start(f"listen: [{{ address: 'unix:/tmp/vt-ping-{os.getpid()}' }}]\n" + config, prefix=closed, wait=False) as v:
        v.wait_log("without capabilities but CAP_NET_RAW, for ping probes")
        v.wait_log("probe=p unknown -> up")
        v.wait_log(r"probe=e unknown -> up: ok: CapEff:\s+0{16}")
        assert {int(t["CapEff"], 16) for t in facts_of(v.pid)} <= {0, 1 << 13}


@as_root
def test_helpers_that_come_later_are_the_users_too():
    with start("probes: { p: { exec: [/usr/bin/id, -u], interval: 500ms, timeout: 450ms } }\n") as v:
        v.wait_outcome("p", text=f"^{NOBODY.pw_uid}$")
        zygote = family(v.pid)[1]
        os.kill(zygote, signal.SIGKILL)
        v.wait_log("another process makes helpers now")
        wait_for(lambda: len(family(v.pid)) > 2, "another helper")
        assert {t["Uid"].split()[0] for pid in family(v.pid) for t in facts_of(pid)} == {str(NOBODY.pw_uid)}


@as_root
def test_nobody_may_look_and_not_change_though_the_daemon_is_nobody(open_dir):
    config = f"control: {{ path: {open_dir}/c.sock }}\n"
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", f"{BUILD}/vitalctl", "-s", f"{open_dir}/c.sock"]
    with start(config) as v:
        v.wait_log("gave up root")
        assert subprocess.run([*nobody, "status"], capture_output=True).returncode == 0
        for order in (["drain"], ["stop"], ["reload"], ["pause", "self"]):
            done = subprocess.run([*nobody, *order], capture_output=True, text=True)
            assert done.returncode and "not permitted to uid" in done.stderr, done
    with start(config + "user: daemon\n") as v:        # an account of its own counts
        v.wait_log("gave up root")
        own = [a if a != "--reuid=nobody" else "--reuid=daemon" for a in nobody]
        assert subprocess.run([*own, "drain"], capture_output=True).returncode == 0


@as_root
def test_what_the_user_cannot_read_again_is_said():
    with start("") as v:        # its directory is root's
        v.wait_log("cannot be read by nobody: Permission denied; reloads will be refused")
        assert "another one takes effect" not in v.log()
        v.reload(ok=False)
    with start("user: root\n") as v:
        assert "`user`: another one takes effect at the next start" in v.reload("user: daemon\n").stdout


# ---- memory and environment

def test_our_memory_is_closed_to_our_own_user(open_dir):
    """A program that a probe starts is the same user as the daemon, and the environment of the daemon may hold secrets."""
    script = f"{open_dir}/look"
    user = [] if os.getuid() else ["setpriv", "--reuid=31234", "--regid=31234", "--clear-groups"]
    with open(script, "w") as f:
        f.write(f"#!/bin/sh\nuntil [ -e {open_dir}/pid ]; do sleep 0.02; done\nfor d in $(cat {open_dir}/pid) $(pgrep -P $(cat {open_dir}/pid)); do cat /proc/$d/environ /proc/$d/maps /proc/$d/mem; ls /proc/$d/fd; done 2>/dev/null | wc -c; ulimit -c\n")
    os.chmod(script, 0o755)
    config = f"{open_dir}/c.yaml"
    probe = f"control: {{ path: /dev/shm/vt-look-{os.getpid()} }}\nlisten: ['unix:/dev/shm/vt-look-l-{os.getpid()}']\nprobes: {{ p: {{ exec: {{ command: [/bin/sh, -c, '{script} | tr \"\\n\" \" \"'] }}, interval: 20s, timeout: 19s }} }}\n"

    def seen(more):
        with open(config, "w") as f:
            f.write(more + probe)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{open_dir}/pid")
        log = open(f"{open_dir}/log", "w")
        p = subprocess.Popen([*user, f"{BUILD}/vitald", "-c", config], stderr=log, env={"PATH": os.environ["PATH"], "MARKER": "s3cr3t" * 10})
        with open(f"{open_dir}/pid.new", "w") as f:
            f.write(str(p.pid))
        os.rename(f"{open_dir}/pid.new", f"{open_dir}/pid")
        try:
            return wait_for(lambda: re.findall(r"probe=p \S+ -> up: ok: (\d+) (\S*)", open(f"{open_dir}/log").read()), "a look")[-1]
        finally:
            p.send_signal(signal.SIGINT)
            p.wait(20)
            log.close()
    assert seen("") == ("0", "0")
    assert int(seen("core_dumps: true\n")[0]) > 60        # what is measured can be seen


def test_a_crash_leaves_no_dump(open_dir):
    """The kernel tells by the status whether it would have written one."""
    limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if limit == 0:
        pytest.skip("core dumps are forbidden here")
    sanitized = "address" in BUILD or "thread" in BUILD      # which forbids dumps by itself
    for config, dumped in (("", False), ("core_dumps: true\n", not sanitized)):
        v = Vitald(config, prefix=["prlimit", f"--core={limit if limit > 0 else 'unlimited'}"])
        v.signal(signal.SIGABRT)
        _, status = os.waitpid(v.pid, 0)
        v.process.returncode = 0
        assert os.WIFSIGNALED(status) and os.WCOREDUMP(status) == dumped, (config, status)
        v.__exit__(None, None, None)


# ---- secrets in no output

class Parrot:
    """A server that sends back whatever it is told, in the words of each protocol's errors."""

    def __init__(self):
        self.heard = []
        self.server = Server(self.talk)
        self.port = self.server.port

    def talk(self, sock):
        while data := sock.recv(65536):
            self.heard.append(data)
            said = data.replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\0", b" ")
            if data[:4] in (b"GET ", b"POST", b"HEAD"):
                sock.sendall(b"HTTP/1.1 500 " + said[:300] + b"\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
                return
            if data[4:8] == b"\0\3\0\0":                       # PostgreSQL's start: asks for the password as it is
                sock.sendall(b"R" + struct.pack(">II", 8, 3))
            elif data[:1] == b"p":
                fields = b"SFATAL\0C28P01\0M" + said + b"\0\0"
                sock.sendall(b"E" + struct.pack(">I", len(fields) + 4) + fields)
                return
            elif data[4:8] == struct.pack(">I", 80877103):
                sock.sendall(b"N")
            else:                                              # RESP, and whoever else reads lines
                sock.sendall(b"-ERR you said " + said + b"\r\n")


KINDS = ("URLPASS", "BASICPASS", "HEADER", "BEARER", "FILE", "ENV", "ENVFILE", "DSN", "EXECENV", "HOOKPATH", "HOOKBEARER", "HOOKHEADER", "HOOKBODY",
         "HOOKENV", "SCRAPETOKEN", "SSLKEY", "QUERY", "REDISPASS", "BADRELOAD", "ZEROURL")
MARK = {kind: f"zq{kind.lower()}Xy7w4Kp2" for kind in KINDS}
PATHS = ("/", "/?format=text", "/livez", "/readyz", "/startupz", "/healthz", "/readyz?verbose", "/readyz?format=json", "/readyz?format=application/health%2Bjson",
         "/readyz?verbose&format=json", "/healthz/ready?verbose", "/status", "/explain/ready", "/explain/health", "/metrics", "/metrics?format=openmetrics", "/nosuch")
ORDERS = (["status"], ["status", "-o", "json"], ["explain", "ready"], ["explain", "ready", "-o", "json"], ["events"], ["stats"], ["notify"], ["check", "ready"],
          ["check", "-o", "nagios", "ready"], ["run", "h"], ["run", "pg"], ["notify", "test", "chat"], ["notify", "test", "hook"])


def secret_configuration(place, parrot, hook, key):
    with open(f"{place}/secret", "w") as f:
        f.write(MARK["FILE"])
    os.chmod(f"{place}/secret", 0o600)
    with open(f"{place}/.env", "w") as f:
        f.write(f"FROM_FILE={MARK['ENVFILE']}\n")
    os.chmod(f"{place}/.env", 0o600)
    here = f"127.0.0.1:{parrot}"
    token = hashlib.sha256(MARK["SCRAPETOKEN"].encode()).hexdigest()
    return f"""
listen:
  - {{ address: "127.0.0.1:0", serve: all }}
  - {{ address: "127.0.0.1:0", name: guarded, serve: all, tls: {{ cert: {key[0]}, key: {{ file: {key[1]} }} }}, tokens: {{ sha256: "{token}" }} }}
defaults: {{ interval: 300ms, timeout: 250ms, fall: 1, rise: 1 }}
state_file: {place}/state
probes:
  h: {{ http: {{ url: "http://me:{MARK['URLPASS']}@{here}/a?key={MARK['QUERY']}", headers: {{ X-Key: "{MARK['HEADER']}" }} }} }}
  b: {{ http: {{ url: "http://{here}/b", basic: {{ user: me, password: "{MARK['BASICPASS']}" }} }} }}
  t: {{ http: {{ url: "http://{here}/t", bearer: "{MARK['BEARER']}" }} }}
  f: {{ http: {{ url: "http://{here}/f", bearer: {{ file: {place}/secret }} }} }}
  e: {{ http: {{ url: "http://{here}/e", bearer: {{ env: MARK_ENV }} }} }}
  ef: {{ http: {{ url: "http://{here}/ef", bearer: "${{FROM_FILE}}" }} }}
  pg: {{ postgres: {{ url: "postgres://me:{MARK['DSN']}@{here}/db?sslmode=disable" }} }}
  r: {{ redis: {{ url: "redis://:{MARK['REDISPASS']}@{here}" }} }}
  x: {{ exec: {{ command: [/bin/sh, -c, 'echo "$SECRET"; cat; exit 2'], env: {{ SECRET: "{MARK['EXECENV']}" }} }} }}
  gone: {{ http: {{ url: "http://me:{MARK['URLPASS']}@127.0.0.1:1/" }} }}
notify:
  chat: {{ group_wait: 0, webhook: {{ url: "http://127.0.0.1:{hook}/{MARK['HOOKPATH']}", bearer: "{MARK['HOOKBEARER']}", headers: {{ X-H: "{MARK['HOOKHEADER']}" }} }} }}
  own: {{ group_wait: 0, webhook: {{ url: "http://127.0.0.1:1/{MARK['HOOKPATH']}", body: '{{"k": "{MARK['HOOKBODY']}", "t": "{{{{title}}}}"}}' }} }}
  hook: {{ group_wait: 0, exec: {{ command: [/bin/sh, -c, 'echo "$S" >&2; exit 3'], env: {{ S: "{MARK['HOOKENV']}" }} }} }}
"""


def leaks_in(outputs):
    return [(where, kind) for where, text in outputs.items() for kind, mark in MARK.items() if mark in text]


def all_outputs(v, place):
    out = {f"GET {path}": a.text + str(a.headers) for path in PATHS for a in [v.get(path)]}
    out |= {f"GET /status/{p}": v.get(f"/status/{p}").text for p in ("h", "pg", "r", "x")}
    out["openmetrics"] = v.get("/metrics", headers={"Accept": "application/openmetrics-text"}).text
    out["events"] = events_of(v)
    for order in ORDERS:
        done = v.ctl(*order)
        out["vitalctl " + " ".join(order)] = done.stdout + done.stderr
    for pid in family(v.pid):
        with contextlib.suppress(OSError):
            out[f"cmdline of {pid}"] = open(f"/proc/{pid}/cmdline").read()
    with open(f"{place}/state", errors="replace") as f:
        out["state"] = f.read()
    v.signal(signal.SIGUSR1)
    v.wait_log("GROUP")
    out["log"] = v.log()
    return out


def events_of(v):
    with socket.create_connection(("127.0.0.1", v.port), timeout=10) as s:
        s.sendall(b"GET /events?after=0 HTTP/1.1\r\nHost: x\r\n\r\n")
        got = b""
        while b"hello" not in got:
            got += s.recv(65536)
        return got.decode()


def test_secrets_are_in_no_output(tmp_path, ca):
    """Every kind of secret there is, servers that echo them, everything broken: and then all that vitald ever writes is searched."""
    place, parrot = str(tmp_path), Parrot()
    key = ca.issue("secrets")
    with open(key[1]) as f:
        MARK["SSLKEY"] = f.read().split("\n")[1]
    bodies = []

    def hear(sock):
        data = b""
        while b"\r\n\r\n" not in data or len(data.split(b"\r\n\r\n", 1)[1]) < int(re.search(rb"Content-Length: (\d+)", data, re.I).group(1)):
            data += sock.recv(65536)
        bodies.append(data.split(b"\r\n\r\n", 1)[1].decode())
        sock.sendall(b"HTTP/1.1 500 " + data.replace(b"\r\n", b" ")[:400] + b"\r\nContent-Length: 0\r\n\r\n")

    env = {"MARK_ENV": MARK["ENV"], "OTHER_SECRET": MARK["ZEROURL"]}
    with Server(hear) as hook:
        config = secret_configuration(place, parrot.port, hook.port, key)
        with Vitald(config, env=env, args=["--log-level=debug", f"--env-file={place}/.env"]) as v:
            for name in ("h", "b", "t", "f", "e", "ef", "pg", "r", "x", "gone"):
                wait_for(lambda: v.probe(name)["state"] in ("down", "degraded"), f"{name}: {v.probe(name)}")
            wait_for(lambda: bodies, "a message")
            heard = b"".join(parrot.heard).decode(errors="replace")
            for kind in ("HEADER", "BEARER", "FILE", "ENV", "ENVFILE", "DSN", "REDISPASS", "QUERY"):
                assert MARK[kind] in heard, f"{kind} was never sent: nothing is proved"
            wait_for(lambda: os.path.exists(f"{place}/state"), "the state file")
            outputs = all_outputs(v, place)
            bad = config.replace("defaults:", "nonsense: 1\ndefaults:").replace(f"redis://:{MARK['REDISPASS']}@", f"redis://:{MARK['BADRELOAD']}@[::1:x")
            refused = v.reload(bad, ok=False)
            outputs["a refused reload"] = refused.stdout + refused.stderr
            for flag in ("--check-config", "--dump-config"):
                for broken in (False, True):
                    v.write(bad if broken else config)
                    done = subprocess.run([v.binary, "-c", v.conf, flag, f"--env-file={place}/.env"], env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True)
                    outputs[f"{flag} {broken}"] = done.stdout + done.stderr
                    assert (done.returncode != 0) == broken or flag == "--dump-config", done.stderr
            v.write(config)
            once = subprocess.run([v.binary, "-c", v.conf, "--once", f"--env-file={place}/.env"], env={"PATH": os.environ["PATH"], "VITALD_USER": "root", **env},
                                  capture_output=True, text=True)
            outputs["--once"] = once.stdout + once.stderr
            outputs["notifications"] = "\n".join(bodies)
            outputs["the log after all"] = v.log()
    assert not leaks_in(outputs), leaks_in(outputs)
    zero = subprocess.run([f"{BUILD}/vitald", "--dump-config"], env={"DATABASE_URL": f"postgres://u:{MARK['ZEROURL']}@db/x", "REDIS_PASSWORD": MARK["ENV"], "REDIS_HOST": "r"}, capture_output=True, text=True)
    assert "postgres" in zero.stdout and not leaks_in({"zero configuration": zero.stdout + zero.stderr}), zero.stdout
    bad = subprocess.run([f"{BUILD}/vitald", "--dump-config"], env={"DATABASE_URL": f"postgres://u:{MARK['ZEROURL']}@[x", "DB_HOST": f"a b {MARK['URLPASS']}"},
                         capture_output=True, text=True)
    assert bad.returncode and bad.stderr and not leaks_in({"a bad environment": bad.stdout + bad.stderr}), bad.stderr


def test_programs_get_nothing_of_ours(open_dir):
    """Neither our environment nor our descriptors; what the loader or a shell would obey least of all."""
    ours = {"LD_LIBRARY_PATH": "/nonexistent", "IFS": "x", "BASH_ENV": "/x", "ENV": "/x", "PYTHONPATH": "/x", "DATABASE_PASSWORD": "zq", "NOTIFY_SOCKET_X": "1",
            "PERL5OPT": "-Mx", "VITALD_LISTEN": "127.0.0.1:0"}
    out = f"{open_dir}/hook"
    for kind in ("probe", "hook"):
        with open(f"{out}.{kind}.sh", "w") as f:
            f.write(f"tr '\\0' '\\n' </proc/self/environ >{out}.new.{kind}; ls -l /proc/self/fd | sed 's/.*[0-9] -> //' >>{out}.new.{kind}; mv {out}.new.{kind} {out}.{kind}; exit 2\n")
    config = (f"defaults: {{ interval: 9s, timeout: 8s, fall: 1 }}\nprobes: {{ p: {{ exec: [/bin/sh, {out}.probe.sh] }} }}\n"
              f"notify: {{ h: {{ group_wait: 0, exec: {{ command: [/bin/sh, {out}.hook.sh] }} }} }}\n")
    with Vitald(config, env=ours) as v:
        v.wait_outcome("p", class_="fail")
        v.ctl("notify", "test", "h")
        for kind in ("probe", "hook"):
            names = wait_for(lambda: os.path.exists(f"{out}.{kind}") and re.findall(r"^([A-Za-z_0-9]+)=", open(f"{out}.{kind}").read(), re.M), kind)
            assert {n for n in names if not n.startswith("VITALD_")} <= {"PATH", "LANG"} and not set(names) & set(ours), names
        files = [line for line in open(f"{out}.probe").read().splitlines() if line.startswith(("/", "pipe:", "socket:", "anon"))]
        assert all(re.match(r"/dev/null|pipe:|/proc/\d+/fd|" + re.escape(out), f) for f in files), files


# ---- what a target says stays what a target says

HOSTILE = (b"CRIT \x1b]0;owned\x07\x1b[2J\r\xc2\x9b\xff\xe2\x80\xae [+]ready ok </script><script>alert(1)</script> \"'\\ @everyone http://evil.example/ {{title}} $(id) `id` | a=1\n"
           b"2026-01-01T00:00:00.000Z notice probe=x forged\n[+]forged ok\nevent: forged\n# HELP forged\n")
LABELS = b"fine | 'a{b=\"c\"} 1 #'=1;2 '<img src=x onerror=1>\"\\\\'=2 '\x1b[31mx'=3 'line\\nforged 1'=4 '\xff\xfe'=5\n"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")       # by a terminal, or by whoever reads right to left


def stays_text(where, text):
    assert not OBEYED.search(text.replace("\r\n", "\n")), (where, OBEYED.search(text), text)
    assert not re.search(r"^(2026-01-01|\[\+\]forged|event: forged|# HELP forged|forged)", text, re.M), (where, text)


def test_hostile_words_stay_words_everywhere(tmp_path):
    """In the log, journal and JSON log, every page and format, both metrics formats, vitalctl, Nagios, messages and hooks."""
    for name, words in (("words", HOSTILE), ("labels", LABELS)):
        (tmp_path / name).write_bytes(words)
    bodies, out = [], f"{tmp_path}/hook"

    def hear(sock):
        data = b""
        while b"\r\n\r\n" not in data or len(data.split(b"\r\n\r\n", 1)[1]) < int(re.search(rb"Content-Length: (\d+)", data, re.I).group(1)):
            data += sock.recv(65536)
        bodies.append(data.split(b"\r\n\r\n", 1)[1].decode())
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    (tmp_path / "hook.sh").write_text(f"cat /proc/self/environ >{out}.new; mv {out}.new {out}\n")
    with Server(hear) as hook:
        config = f"""
defaults: {{ interval: 1s, timeout: 900ms, fall: 1 }}
state_file: {tmp_path}/state
probes:
  w: {{ exec: {{ command: [/bin/sh, -c, 'cat {tmp_path}/words; exit 2'], perfdata: false }} }}
  l: {{ exec: [/bin/cat, {tmp_path}/labels] }}
notify:
  chat: {{ group_wait: 0, webhook: 'http://127.0.0.1:{hook.port}/' }}
  own: {{ group_wait: 0, webhook: {{ url: 'http://127.0.0.1:{hook.port}/', body: '{{"t": "{{{{title}}}} {{{{detail}}}}", "n": {{{{affected}}}}}}' }} }}
  hook: {{ group_wait: 0, probes: [w], exec: {{ command: [/bin/sh, {tmp_path}/hook.sh] }} }}
"""
        with Vitald(config) as v:
            v.wait_outcome("w", class_="fail")
            v.wait_outcome("l", class_="pass")
            wait_for(lambda: len(bodies) >= 2 and os.path.exists(out), "messages")
            for path in PATHS:
                stays_text(path, v.get(path).text.replace("\u2028", ""))
            page = v.get("/").text
            assert "alert(1)</script>" not in page and "&lt;/script&gt;&lt;script&gt;alert(1)" in page and page.count("<script") == 1 and "<img src=x" not in page
            assert "text/html" not in v.get("/status").headers["Content-Type"] and v.get("/readyz?verbose").headers["X-Content-Type-Options"] == "nosniff"
            assert json.loads(v.get("/status").text) and json.loads(v.get("/readyz?format=json&verbose").text)
            labels = {s.labels["label"] for f in plain(v.get("/metrics").text) for s in f.samples if s.name == "vitald_exec_perf" or "perf" in s.name and "label" in s.labels}
            assert len(labels) >= 4 and labels == {s.labels["label"] for f in openmetrics(v.get("/metrics?format=openmetrics").text) for s in f.samples if "label" in s.labels}, labels
            for order in ORDERS[:9]:
                done = v.ctl(*order)
                stays_text(order, done.stdout + done.stderr)
            nagios = v.ctl("check", "-o", "nagios", "ready").stdout
            assert nagios.count("|") == 1 and "|" in nagios.split("\n")[0], nagios          # the rest would be taken for numbers
            stays_text("events", events_of(v))
            for body in bodies:
                stays_text("message", "\n".join(str(x) for k, x in json.loads(body).items() if k in ("title", "text", "content")))
            chat = next(m for m in map(json.loads, bodies) if "title" in m)
            assert "\n" not in chat["title"] and "@everyone" not in chat["text"] and "http://evil" not in chat["text"], chat
            assert all(re.match(r"(VITALD_\w+|PATH|LANG|PWD|_|SHLVL|OLDPWD)=", line) for line in open(out).read().rstrip("\0").split("\0")), open(out).read()
            stays_text("log", v.log())
            for line in v.log().splitlines():
                assert re.match(r"\d{4}-\d\d-\d\dT\S+Z \w+ ", line), line
        with Vitald(config, args=["--log-format=json", "--log-level=debug"], wait=False) as v:
            v.wait_log("down: exit|goes on|listening")
            assert all(json.loads(line) for line in v.log().splitlines())


@pytest.mark.parametrize("path", ["/nosuch%0d%0aX-Evil:%201", "/%3Cscript%3E", "/healthz/%1b%5b2J", "/status/%00", "/readyz?verbose&exclude=%0d%0aX-Evil:1%1b%3Cscript%3E",
                                  "/explain/%0a%5b+%5dforged", "/events?after=%0d%0adata:x", "/..%2f..%2fetc/passwd", "/../../etc/passwd", "/readyz?format=%0d%0aX-Evil:1"])
def test_what_a_request_says_is_obeyed_by_nobody(path):
    with Vitald("probes: { a: { exec: [/bin/true] } }\n", args=["--log-level=debug"]) as v:
        for extra in (b"", b"X-Evil\x00: 1\r\n", b"User-Agent: \x1b[2J\r\n", b"Host: a\r\n b\r\n", b"X-Haproxy-Server-State: DOWN 1/3; name=a\x1b[2J/b; node=<script>\r\n",
                      b"Last-Event-ID: \x1b[2J\r\n", b"X-Forwarded-For: 1.2.3.4\nforged\r\n", b"Authorization: Bearer \x1b\xff\r\n"):
            got = v.raw(b"HEAD " + path.encode() + b" HTTP/1.0\r\nHost: x\r\n" + extra + b"\r\n").decode("latin-1") if "/events" not in path or extra else ""
            assert not re.search(r"^(X-Evil|data:x|\[\+\]forged)", got, re.M | re.I), got
        for format in ("text", "json"):
            if "/events" not in path:
                got = v.raw(b"GET " + path.encode() + (b"&" if "?" in path else b"?") + b"format=" + format.encode() + b" HTTP/1.0\r\nHost: x\r\n\r\n").decode()
                assert not OBEYED.search(got.replace("\r\n", "\n")) and "root:x" not in got and not re.search(r"^(X-Evil|\[\+\]forged)", got, re.M), got
                assert "text/html" not in got.split("\r\n\r\n")[0]
        stays_text("page", v.get("/").text)
        stays_text("metrics", v.get("/metrics").text)
        stays_text("log", v.log())


# ---- floods

def test_one_source_that_takes_all_it_can_is_served_last_and_others_as_ever():
    """Slow heads, silent connections and large heads from one address, more than it may have; another address asks all the while."""
    config = "listen:\n  - { address: \"127.0.0.1:0\", serve: all, max_connections: 64, max_per_source: 24 }\nprobes: { a: { exec: [/bin/true] } }\n"
    with Vitald(config) as v, contextlib.ExitStack() as stack:
        v.wait_code("/readyz", 200)

        def ask():
            with socket.create_connection(("127.0.0.1", v.port), timeout=10, source_address=("127.0.0.9", 0)) as s:
                s.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
                return s.recv(100)
        for n in range(300):
            s = stack.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", v.port), source_address=("127.0.0.2", 0))))
            with contextlib.suppress(ConnectionError):
                s.sendall((b"GET /readyz HTTP/1.1\r\nX: ", b"", b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 90)[n % 3])
            if n % 30 == 0:
                assert ask().startswith(b"HTTP/1.1 200")
        assert ask().startswith(b"HTTP/1.1 200")
        limited = {s.labels["bound"]: s.value for f in plain(v.get("/metrics").text) for s in f.samples if s.name == "vitald_http_connections_limited_total"}
        assert sum(limited.values()) >= 300 - 24 - 2, limited
        open_now = next(s.value for f in plain(v.get("/metrics").text) for s in f.samples if s.name == "vitald_http_connections")
        assert open_now <= 24 + 2, open_now


def test_header_floods_are_refused_with_a_bound():
    with Vitald("probes: { a: { exec: [/bin/true] } }\n") as v:
        for head in (b"".join(b"X-%d: y\r\n" % i for i in range(3000)), b"X: " + b"y" * 100000 + b"\r\n", b"X" * 100000 + b": y\r\n"):
            got = v.raw(b"GET /readyz HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
            assert not got or re.match(rb"HTTP/1\.1 (431|400|414) ", got), got[:100]
        got = v.raw(b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not got or re.match(rb"HTTP/1\.1 (431|400|414) ", got), got[:100]
        assert v.get("/livez").status == 200


# ---- files in directories that others may write to

def test_what_others_put_in_the_way_of_files_is_replaced_not_written(open_dir):
    """A link to something of ours, a pipe that nobody reads, a file that somebody else keeps open."""
    victim = f"{open_dir}/victim"
    with open(victim, "w") as f:
        f.write("mine")
    os.symlink(victim, f"{open_dir}/linked.vitald-new")
    os.mkfifo(f"{open_dir}/piped.vitald-new")
    os.link(victim, f"{open_dir}/state.new")
    theirs = os.open(f"{open_dir}/theirs.vitald-new", os.O_RDWR | os.O_CREAT)
    files = "".join(f"  - {{ path: {open_dir}/{n}, group: live }}\n" for n in ("linked", "piped", "theirs"))
    with Vitald(f"state_file: {open_dir}/state\nprobes: {{ a: {{ exec: [/bin/true] }} }}\nfiles:\n{files}") as v:
        wait_for(lambda: all(os.path.isfile(f"{open_dir}/{n}") and open(f"{open_dir}/{n}").read() == "pass\n" for n in ("linked", "piped", "theirs")), "three files")
        wait_for(lambda: os.path.exists(f"{open_dir}/state"), "the state")
        assert v.get("/livez").status == 200
    assert open(victim).read() == "mine" and os.read(theirs, 100) == b""
    os.close(theirs)


@as_root
def test_heartbeats_are_taken_from_whom_they_may_come(open_dir):
    beat = ("import os, socket, sys\nos.setgid(65534); os.setgroups([]); os.setuid(int(sys.argv[1]))\n"
            "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'job ok', sys.argv[2])\n")
    config = f"control: {{ path: {open_dir}/c.sock, beats: %s }}\nprobes: {{ job: {{ heartbeat: 1h, interval: 100ms, timeout: 90ms }} }}\n"

    def send(uid):
        subprocess.run(["/usr/bin/python3", "-c", beat, str(uid), f"{open_dir}/c.sock.beat"], check=True)
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", f"{BUILD}/vitalctl", "-s", f"{open_dir}/c.sock", "beat", "job"]
    with Vitald(config % "trusted") as v:
        send(NOBODY.pw_uid)
        v.wait_log("does not take it from this user")
        assert "beats: trusted" in subprocess.run(nobody, capture_output=True, text=True).stderr
        assert v.probe("job")["state"] != "up"
        send(0)
        v.wait_state("job", "up")
    with Vitald(config % "everybody") as v:
        send(NOBODY.pw_uid)
        v.wait_state("job", "up")


@pytest.mark.skipif("address" in BUILD, reason="LeakSanitizer cannot work under strace")
def test_no_heartbeat_comes_before_its_sender_is_asked_for(tmp_path):
    """The kernel adds the sender to what is sent after that was asked for: before the socket has a name that somebody can send to."""
    trace = f"{tmp_path}/trace"
    with Vitald(prefix=["strace", "-qq", "-o", trace, "-e", "trace=setsockopt,bind"]) as v:
        assert v.ctl("stop").returncode == 0     # a signal would be for strace
        v.process.wait(20)
    calls = [line for line in open(trace) if "SO_PASSCRED" in line or ".beat" in line]
    assert len(calls) == 2 and "SO_PASSCRED" in calls[0] and "bind(" in calls[1], calls


def test_a_page_that_calls_itself_the_loopback_reads_verdicts_only():
    """A browser's request to a name that its owner lets mean 127.0.0.1; behind a proxy that passes names on, ours is configured."""
    config = "probes: { secret-name: { tcp: '127.0.0.1:1' } }\ngroups: { ready: [secret-name] }\n"
    paths = ("/status", "/", "/metrics", "/events", "/explain/ready", "/status/secret-name", "/nothing")
    with Vitald(config) as v:
        for path in paths:
            got = v.get(path, headers={"Host": f"evil.example:{v.port}"})
            assert got.status == 403 and "hosts" in got.text and "secret-name" not in got.text, path
        for path in ("/readyz", "/readyz?verbose", "/healthz?format=json"):
            got = v.get(path, headers={"Host": "evil.example"})
            assert got.status in (200, 503) and "secret-name" not in got.text, path
        for host in (f"127.0.0.1:{v.port}", f"localhost:{v.port}", "[::1]", "web1", "vitald.localhost"):
            assert v.get("/status", headers={"Host": host}).status == 200
        v.reload("listen: [ { address: '127.0.0.1:0', serve: all, hosts: [status.example.com] } ]\n" + config)
        assert v.get("/status", headers={"Host": "Status.example.com"}).status == 200
        assert v.get("/status", headers={"Host": "evil.example"}).status == 403
        v.reload("listen: [ { address: '127.0.0.1:0', serve: all, hosts: ['*'] } ]\n" + config)
        assert v.get("/status", headers={"Host": "evil.example"}).status == 200
    with Vitald("listen: [ { address: '0.0.0.0:0', serve: all } ]\n" + config, wait=False) as v:
        v.port = int(v.wait_log(r"listening on http://0\.0\.0\.0:(\d+)").group(1))
        assert v.get("/status", headers={"Host": "shop.example.com"}).status == 200
