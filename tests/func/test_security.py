"""What SECURITY.md claims and no other test proves: as whom we run, what nobody else may read, what no output ever tells."""
import contextlib
import hashlib
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
    with start("probes: { p: { exec: [/usr/bin/id, -u], interval: 200ms, timeout: 100ms } }\n") as v:
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
        f.write(f"#!/bin/sh\nfor d in $(cat {open_dir}/pid) $(pgrep -P $(cat {open_dir}/pid)); do cat /proc/$d/environ /proc/$d/maps /proc/$d/mem; ls /proc/$d/fd; done 2>/dev/null | wc -c; ulimit -c\n")
    os.chmod(script, 0o755)
    config = f"{open_dir}/c.yaml"
    probe = f"control: {{ path: /dev/shm/vt-look-{os.getpid()} }}\nlisten: ['unix:/dev/shm/vt-look-l-{os.getpid()}']\nprobes: {{ p: {{ exec: {{ command: [/bin/sh, -c, '{script} | tr \"\\n\" \" \"'] }}, interval: 200ms, timeout: 150ms }} }}\n"

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
    for config, dumped in (("", False), ("core_dumps: true\n", True)):
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
    config = (f"defaults: {{ interval: 200ms, timeout: 150ms, fall: 1 }}\nprobes: {{ p: {{ exec: [/bin/sh, {out}.probe.sh] }} }}\n"
              f"notify: {{ h: {{ group_wait: 0, exec: {{ command: [/bin/sh, {out}.hook.sh] }} }} }}\n")
    with Vitald(config, env=ours) as v:
        v.wait_outcome("p", class_="fail")
        v.ctl("notify", "test", "h")
        for kind in ("probe", "hook"):
            names = wait_for(lambda: os.path.exists(f"{out}.{kind}") and re.findall(r"^([A-Za-z_0-9]+)=", open(f"{out}.{kind}").read(), re.M), kind)
            assert {n for n in names if not n.startswith("VITALD_")} <= {"PATH", "LANG"} and not set(names) & set(ours), names
        files = [line for line in open(f"{out}.probe").read().splitlines() if line.startswith(("/", "pipe:", "socket:", "anon"))]
        assert all(re.match(r"/dev/null|pipe:|/proc/\d+/fd|" + re.escape(out), f) for f in files), files
