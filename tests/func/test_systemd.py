"""vitald as a service under a real systemd: the shipped units, with nothing changed but where its files are."""
import json
import re
import time

import pytest

from daemon import ROOT, wait_for
from systemd_lab import Lab, Poller, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"no systemd lab: {why_not()}")

LISTEN = """listen:
  - { name: vitald, address: 127.0.0.1:8686, serve: all }
  - { name: vitald-admin, address: 127.0.0.1:8687, serve: all }
"""
HOST = LISTEN + """
defaults: { interval: 1s }
probes:
  root: { disk: { path: / } }
  home: { disk: { path: /root } }
  mem: { memory: { scope: host } }
  web: { http: { url: "http://127.0.0.1:8687/livez" } }
  pid1: { process: { name: systemd, user: root } }
"""


@pytest.fixture(scope="module")
def lab():
    made = Lab()
    try:
        yield made.boot()
    finally:
        made.close()


def wait_code(lab, path, code, port=8686):
    return wait_for(lambda: lab.get(path, port)[0] == code, f"{path} {code}", every=0.05)


def wait_probe(lab, name, state, **kw):
    last = {}

    def reached():
        last.update(lab.probe(name) or {})
        return last.get("state") == state and last
    try:
        return wait_for(reached, f"{name} {state}", every=0.05, **kw)
    except AssertionError as e:
        raise AssertionError(f"{e}: {last.get('outcome')}\n{lab.journal()}") from None


def test_starts_ready_and_hardened(lab):
    lab.configure(HOST)
    assert lab.show("ActiveState") == "active"        # Type=notify: start came back, so READY=1 was sent
    for name in ("root", "home", "mem", "web", "pid1"):
        wait_probe(lab, name, "up")
    wait_for(lambda: lab.show("StatusText") == "ready: pass; 6 probes", "the verdict in the status line", every=0.1)
    uid = re.search(r"^Uid:\s+(\d+)", lab.run("cat", f"/proc/{lab.pid()}/status").stdout, re.M).group(1)
    assert 61184 <= int(uid) <= 65519, "a dynamic user"
    assert lab.run("stat", "-c", "%a", "/var/lib/private/vitald/state").stdout.strip() == "600"
    assert lab.ctl("status").returncode == 0          # /run/vitald/control.sock, made by RuntimeDirectory
    environment = lab.run("cat", f"/proc/{lab.pid()}/environ").stdout
    assert "NOTIFY_SOCKET" in environment             # it was given; what its programs see is in test_exec_drop_in


def test_log_levels_reach_the_journal(lab):
    lab.configure(HOST + "  gone: { tcp: '127.0.0.1:1' }\n")
    wait_probe(lab, "gone", "down")
    lines = [json.loads(x) for x in lab.run("journalctl", "-u", "vitald", "-o", "json", "--no-pager").stdout.splitlines()]
    told = next(x for x in lines if "probe=gone" in str(x["MESSAGE"]) and "down" in x["MESSAGE"])
    assert told["PRIORITY"] == "4", "a warning is a warning there"
    assert not told["MESSAGE"].startswith(("<", "20")), "neither a prefix nor a second time stamp"
    wait_for(lambda: lab.show("StatusText") == "ready: fail; 7 probes, 1 down: gone", "status names it", every=0.1)


def test_watchdog_kills_a_wedged_daemon(lab):
    lab.configure(HOST, "WatchdogSec=2s")
    before, restarts = lab.pid(), int(lab.show("NRestarts"))
    time.sleep(3)                                     # longer than the watchdog's time: only being fed explains its life
    assert lab.pid() == before
    lab.run("kill", "-STOP", str(before))
    wait_for(lambda: int(lab.show("NRestarts")) > restarts and lab.show("ActiveState") == "active", "restarted", every=0.1)
    assert lab.pid() != before
    assert "Watchdog timeout" in lab.journal()
    wait_code(lab, "/readyz", 200)


def test_reload(lab):
    lab.configure(HOST)
    pid = lab.pid()
    lab.write(HOST + "  more: { memory: { scope: host } }\n")
    lab.run("systemctl", "reload", "vitald")
    wait_probe(lab, "more", "up")
    lab.write("probes: { x: { nonsense: 1 } }\n")
    lab.run("systemctl", "reload", "vitald")
    wait_for(lambda: "reload refused" in lab.journal(), "refused", every=0.1)
    wait_for(lambda: lab.show("ActiveState") == "active", "active after a refused reload", every=0.05)
    assert lab.pid() == pid and lab.probe("more")["state"] == "up"


def test_wrong_configuration_is_not_started_again_and_again(lab):
    lab.configure(HOST)
    lab.write("probes: { x: { nonsense: 1 } }\n")
    restarts = lab.show("NRestarts")
    lab.run("systemctl", "restart", "vitald", check=False)
    wait_for(lambda: lab.show("ActiveState") == "failed", "failed", every=0.05)
    assert lab.show("ExecMainStatus") == "78" and lab.show("NRestarts") == restarts


def test_restart_behind_sockets_refuses_nobody(lab):
    lab.configure(HOST, sockets=True)
    wait_code(lab, "/readyz", 200)
    assert "(inherited)" in lab.journal()
    for name in ("root", "home", "mem", "web", "pid1"):
        wait_probe(lab, name, "up")
    since = {p["name"]: p["since"] for p in json.loads(lab.get("/status")[1])["probes"]}
    poller = Poller(lab, 8686, "/readyz", 4)
    time.sleep(0.5)
    for _ in range(3):
        pid = lab.pid()
        lab.run("systemctl", "restart", "vitald")
        assert lab.pid() != pid
    result = poller.result()
    assert set(result["got"]) == {"200"}, (result, lab.journal()[-4000:])
    assert result["begun"] >= 2000, result            # it did poll all the time
    assert since == {p["name"]: p["since"] for p in json.loads(lab.get("/status")[1])["probes"]}, "since when, kept"


def test_socket_starts_the_service(lab):
    lab.configure(HOST, sockets=True)
    lab.run("systemctl", "stop", "vitald.service")
    assert lab.show("ActiveState") == "inactive"
    assert lab.get("/livez")[0] == 200                # waited for READY=1, then answered
    assert lab.show("ActiveState") == "active"


def written(lab):
    return lab.run("stat", "-c", "%i %Z %z", "/var/lib/vitald/state", check=False).stdout


def test_crash_forgets_nothing(lab):
    lab.configure(HOST.replace("1s", "20s"))
    for name in ("root", "mem", "web"):
        wait_probe(lab, name, "up")
    seen = {written(lab)}
    lab.ctl("drain")
    lab.ctl("maintenance", "mem", "--for", "1h")
    since = lab.probe("root")["since"]
    wait_for(lambda: seen.add(written(lab)) or len(seen) > 2, "two writes: the first may have been under way already", every=0.05)
    before = lab.pid()
    lab.run("systemctl", "kill", "-s", "KILL", "vitald")
    wait_for(lambda: lab.pid() not in (0, before) and lab.show("ActiveState") == "active", "again there", every=0.05)
    code, body = lab.get("/readyz?verbose")
    assert code == 503 and "draining" in body
    assert lab.probe("root")["since"] == since and lab.probe("mem")["mode"] == "maintenance"
    lab.ctl("undrain")
    assert lab.get("/readyz")[0] == 200
    assert "took over the states of 6 probes" in lab.journal()


def test_stop_drains(lab):
    lab.configure(HOST.replace("1s }", "1s }\nshutdown_delay: 7s"))   # longer than TimeoutStopSec: asks for its time
    wait_code(lab, "/readyz", 200)
    began = time.monotonic()
    lab.run("systemctl", "stop", "--no-block", "vitald")
    wait_code(lab, "/readyz", 503)
    assert lab.get("/livez")[0] == 200
    assert lab.show("ActiveState") == "deactivating"
    wait_for(lambda: lab.show("ActiveState") == "inactive", "stopped", every=0.1)
    assert time.monotonic() - began > 6.5
    assert lab.show("Result") == "success" and lab.show("ExecMainStatus") == "0"


def test_credentials(lab):
    server = lab.python("""
import http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ok = self.headers.get("X-Token") == "s3cret-token"
        self.send_response(200 if ok else 401); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *a): pass
s = http.server.HTTPServer(("127.0.0.1", 0), H)
print(s.server_port, flush=True)
s.serve_forever()""")
    try:
        port = server.stdout.readline().strip()
        lab.put("/etc/vitald/secrets/token", "s3cret-token\n", 0o600)
        lab.configure(LISTEN + "defaults: { interval: 1s }\nprobes:\n  api: { http: { url: 'http://127.0.0.1:%s/', headers: "
                      "{ X-Token: { credential: token } } } }\n" % port, "LoadCredential=token:/etc/vitald/secrets/token")
        wait_probe(lab, "api", "up")
        assert "s3cret-token" not in lab.journal() + lab.get("/status")[1]
    finally:
        server.kill()
        server.wait()


def test_exec_drop_in(lab):
    lab.put("/etc/systemd/system/vitald.service.d/exec-probes.conf", open(f"{ROOT}/systemd/exec-probes.conf").read())
    try:
        lab.configure(LISTEN + "defaults: { interval: 1s }\nprobes:\n  seen: { exec: { command: [/bin/sh, -c, "
                      "'env | grep -E \"NOTIFY|WATCHDOG|LISTEN_\" && exit 2; echo nothing of ours'] } }\n")
        assert wait_probe(lab, "seen", "up")["outcome"]["text"].startswith("nothing of ours")
        ours = int(lab.run("cat", f"/proc/{lab.pid()}/oom_score_adj").stdout)      # -500 where root may lower it
        lab.configure(LISTEN + "defaults: { interval: 1s }\nprobes:\n  goes-first: { exec: { command: [/bin/sh, -c, "
                      f"'until grep -x -- {ours + 500} /proc/self/oom_score_adj; do :; done'] }} }}\n")
        wait_probe(lab, "goes-first", "up")
    finally:
        lab.run("rm", "/etc/systemd/system/vitald.service.d/exec-probes.conf")


def test_unit_probe_sees_edges(lab):
    """The bus admits users that it can look up, so here is the fixed one. Attempts are an hour apart: only what systemd tells by itself can make the difference."""
    lab.fix_user()
    lab.run("systemd-run", "--unit=victim", "sleep", "1000")
    lab.configure(LISTEN + "defaults: { interval: 1h, rise: 1, fall: 1 }\nprobes:\n"
                  "  victim: { unit: victim }\n  both: { unit: [victim.service, dbus.socket] }\n  none: { unit: not-there }\n"
                  "groups: { ready: [victim] }\n")
    wait_probe(lab, "victim", "up")
    wait_probe(lab, "both", "up")
    assert wait_probe(lab, "none", "down")["outcome"]["reason"] == "not_found"
    lab.run("systemctl", "kill", "-s", "SEGV", "victim")
    down = wait_probe(lab, "victim", "down")
    assert down["outcome"]["reason"] == "signal" and "11" in down["outcome"]["text"], down["outcome"]
    wait_probe(lab, "both", "down")
    lab.run("systemctl", "reset-failed", "victim", check=False)
    lab.run("systemd-run", "--unit=victim", "sleep", "1000")
    wait_probe(lab, "victim", "up")
    lab.run("systemctl", "stop", "victim")
    wait_probe(lab, "victim", "down")


def test_unit_probe_outlives_the_bus(lab):
    lab.fix_user()
    lab.configure(LISTEN + "defaults: { interval: 500ms, rise: 1, fall: 1 }\nprobes:\n  journal: { unit: systemd-journald }\n")
    wait_probe(lab, "journal", "up")
    lab.run("systemctl", "stop", "dbus.socket", "dbus.service")
    try:
        wait_probe(lab, "journal", "down")
    finally:
        lab.run("systemctl", "start", "dbus.socket")
    wait_probe(lab, "journal", "up", timeout=40)
