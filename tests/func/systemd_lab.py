"""A real systemd as PID 1, by systemd-nspawn over an overlay of this machine's root: vitald's own units run in it as they
would on a host. Root only. Nothing in it survives."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from daemon import BUILD, ROOT, wait_for

HERE = "/opt/vitald-lab"          # in the lab


def why_not():
    """None, or why there can be no lab here."""
    if os.geteuid() != 0:
        return "needs root: systemd-nspawn"
    for tool in ("systemd-nspawn", "nsenter", "dbus-daemon"):
        if not shutil.which(tool):
            return f"needs {tool} (tests/setup test)"
    if "address" in BUILD or "thread" in BUILD:
        return "sanitizers do not live under the unit's system call filter"
    return None


class Lab:
    def __init__(self, lower="/"):
        self.base = tempfile.mkdtemp(prefix="vl", dir="/var/tmp")
        self.mounted, self.nspawn = [], None
        self.mount("-t", "tmpfs", "-o", "size=512m", "tmpfs", self.base)
        for d in ("up", "work", "root"):
            os.mkdir(f"{self.base}/{d}")
        self.root = f"{self.base}/root"
        self.mount("-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={self.base}/up,workdir={self.base}/work", self.root)

    def mount(self, *args):
        subprocess.run(["mount", *args], check=True, capture_output=True)
        self.mounted.append(args[-1])

    def path(self, inner):
        return self.root + inner

    def put(self, inner, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(inner)), exist_ok=True)
        with open(self.path(inner), "w") as f:
            f.write(text)
        os.chmod(self.path(inner), mode)

    def furnish(self):
        """Binaries and units; nothing of the host's own services starts."""
        units = self.path("/etc/systemd/system")
        for name in os.listdir(units):
            if name.endswith(".wants"):
                shutil.rmtree(f"{units}/{name}")
        self.put("/etc/machine-id", "")
        self.put("/etc/systemd/system/lab.target", "[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=dbus.socket\nAllowIsolate=yes\n")
        self.place_vitald(units)

    def place_vitald(self, units):
        shutil.copytree(f"{BUILD}/modules", self.path(f"{HERE}/modules"))
        for program in ("vitald", "vitalctl"):
            shutil.copy(f"{BUILD}/{program}", self.path(f"{HERE}/{program}"))
        for name in os.listdir(f"{ROOT}/systemd"):
            if name.endswith((".service", ".socket")):
                shutil.copy(f"{ROOT}/systemd/{name}", f"{units}/{name}")

    def boot(self):
        self.furnish()
        self.log = open(f"{self.base}/log", "wb")
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "-q", f"--directory={self.root}", "--boot", "--private-network", "--register=no", "--keep-unit",
             "--console=pipe", "--link-journal=no", f"--machine=vl{os.getpid()}", "systemd.unit=lab.target"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.leader = wait_for(self.find_leader, "PID 1 of the lab")
        wait_for(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"), "the lab runs")
        return self

    def find_leader(self):
        assert self.nspawn.poll() is None, open(f"{self.base}/log").read()
        out = subprocess.run(["pgrep", "-P", str(self.nspawn.pid)], capture_output=True, text=True).stdout.split()
        for pid in out:
            with contextlib.suppress(OSError):            # its first children leave again
                if open(f"/proc/{pid}/comm").read().strip() == "systemd":
                    return pid
        return None

    def command(self, *args):
        return ["nsenter", "-t", self.leader, "-a", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", *args]

    def run(self, *args, check=True, timeout=60, **kw):
        done = subprocess.run(self.command(*args), capture_output=True, text=True, timeout=timeout, **kw)
        assert not check or done.returncode == 0, f"{args}: {done.stdout}{done.stderr}\n{self.journal()}"
        return done

    def python(self, code, *args):
        """Begins a Python program in the lab."""
        return subprocess.Popen(self.command(sys.executable if sys.executable.startswith("/usr/bin") else "/usr/bin/python3", "-c", code, *args),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def journal(self, unit="vitald"):
        return subprocess.run(self.command("journalctl", "-u", unit, "-o", "short-monotonic", "--no-pager"), capture_output=True, text=True).stdout

    def show(self, name, unit="vitald.service"):
        return self.run("systemctl", "show", "-P", name, unit).stdout.strip()

    # -- vitald in it

    def configure(self, config, drop_in="", sockets=False):
        """The unit as it is shipped; a drop-in says only where program and configuration are, and what the test is about."""
        self.run("systemctl", "stop", "vitald.socket", "vitald-admin.socket", "vitald.service", check=False)
        self.run("systemctl", "reset-failed", check=False)
        self.run("systemctl", "clean", "--what=state", "vitald.service", check=False)
        self.write(config)
        self.put("/etc/systemd/system/vitald.service.d/lab.conf",
                 f"[Service]\nExecStart=\nExecStart={HERE}/vitald -c {HERE}/vitald.yaml --modules {HERE}/modules\n{drop_in}\n")
        self.run("systemctl", "daemon-reload")
        self.run("systemctl", "start", *(["vitald.socket", "vitald-admin.socket"] if sockets else []), "vitald.service")

    def fix_user(self):
        """As `make install` and the package do it: then DynamicUser= takes this one."""
        self.run("systemctl", "stop", "vitald.service", check=False)
        with open(f"{ROOT}/systemd/sysusers.conf") as f:
            self.put("/usr/lib/sysusers.d/vitald.conf", f.read())
        self.run("systemd-sysusers")

    def write(self, config):
        self.put(f"{HERE}/vitald.yaml", config)

    def get(self, path, port=8686):
        """Status and body."""
        done = self.run("curl", "-s", "-m", "5", "-w", "\n%{http_code}", f"http://127.0.0.1:{port}{path}", check=False)
        body, _, code = done.stdout.rpartition("\n")
        return int(code or 0), body

    def probe(self, name, port=8687):
        code, body = self.get("/status", port)
        return next((p for p in json.loads(body)["probes"] if p["name"] == name), None) if code == 200 else None

    def ctl(self, *args, check=True):
        return self.run(f"{HERE}/vitalctl", *args, check=check)

    def pid(self):
        return int(self.show("MainPID"))

    def close(self):
        try:
            if self.nspawn and self.nspawn.poll() is None:
                subprocess.run(self.command("systemctl", "poweroff", "--no-block", "--force"), capture_output=True, timeout=20)
                try:
                    self.nspawn.wait(10)
                except subprocess.TimeoutExpired:
                    self.nspawn.send_signal(signal.SIGKILL)
                    self.nspawn.wait(10)
        finally:
            for at in reversed(self.mounted):
                subprocess.run(["umount", "-l", at], capture_output=True)
            os.rmdir(self.base)


# A new connection every millisecond, whatever became of those before; prints what they got.
POLLER = r'''
import collections, json, selectors, socket, sys, time
port, path, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
sel, got, slowest, begun = selectors.DefaultSelector(), collections.Counter(), 0.0, 0
request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
start = time.monotonic()
def end(s, what, since):
    global slowest
    got[what] += 1
    slowest = max(slowest, time.monotonic() - since)
    sel.unregister(s)
    s.close()
print("polling", flush=True)
while True:
    now = time.monotonic()
    if now < start + seconds and now >= start + begun / 1000:
        begun += 1
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        sel.register(s, selectors.EVENT_WRITE, [now, b""])
        continue
    if now >= start + seconds and (not sel.get_map() or now > start + seconds + 10):
        break
    for key, what in sel.select(max(0, min(0.05, start + begun / 1000 - now))):
        s, (since, data) = key.fileobj, key.data
        try:
            if what & selectors.EVENT_WRITE:
                s.send(request)
                sel.modify(s, selectors.EVENT_READ, key.data)
                continue
            chunk = s.recv(65536)
        except OSError as e:
            end(s, type(e).__name__, since)
            continue
        key.data[1] += chunk
        if not chunk:
            end(s, key.data[1][9:12].decode() or "closed without an answer", since)
got["unanswered"] += len(sel.get_map())
print(json.dumps({"got": {k: n for k, n in got.items() if n}, "begun": begun, "slowest": slowest}))
'''


class Poller:
    def __init__(self, lab, port, path, seconds):
        self.process = lab.python(POLLER, str(port), path, str(seconds))
        assert self.process.stdout.readline() == "polling\n", self.process.stderr.read()

    def result(self):
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        return json.loads(out)


def seconds_of(journal, pattern):
    """When the line was logged."""
    for line in journal.splitlines():
        if re.search(pattern, line):
            return float(re.match(r"\[\s*([\d.]+)\]", line).group(1))
    return None
