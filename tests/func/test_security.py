"""What SECURITY.md claims and no other test proves: as whom we run, what nobody else may read, what no output ever tells."""
import contextlib
import os
import pwd
import re
import resource
import shutil
import signal
import subprocess
import sys

import pytest

from daemon import BUILD, ROOT, Vitald, wait_for

NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="starts as root")
PING_RANGE = "/proc/sys/net/ipv4/ping_group_range"


def facts_of(pid):
    """Of every thread: user, groups and rights."""
    found = []
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
        for pid in family(v.pid):
            main = next(t for t in facts_of(pid) if t["Pid"].strip() == str(pid))
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
    import socket
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
