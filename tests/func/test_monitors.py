"""What other monitors are told in every state a probe and a group can be in: Nagios, application/health+json, Patroni's clients.

The expected answers are in tests/golden/monitors.json; UPDATE_GOLDEN=1 writes them anew, and a person reads the difference."""
import json
import os
import re
import subprocess

import pytest

from conftest import Server
from daemon import BUILD, ROOT, Vitald, wait_for

GOLDEN = f"{ROOT}/tests/golden/monitors.json"
STATES = ("up", "degraded", "down", "unknown", "maintenance", "maintenance-alone", "paused", "forced", "stale", "draining")


@pytest.fixture(scope="module")
def silent():
    with Server(lambda sock: sock.recv(1) and sock.recv(1 << 20) and sock.recv(1)) as s:
        yield s.port


@pytest.fixture(scope="module")
def daemon(silent):
    config = f"""defaults: {{ interval: 200ms, rise: 1, fall: 1, jitter: 0% }}
probes:
  good: {{ file: /etc/passwd }}
  poor: {{ exec: {{ command: [/bin/sh, -c, "echo 'queue is long | queue=90;50;100'; exit 1"] }} }}
  bad: {{ file: /nonexistent/file }}
  never: {{ http: "http://127.0.0.1:{silent}/", interval: 10m, timeout: 9m }}
  mended: {{ file: /nonexistent/mended }}
  halted: {{ file: /nonexistent/halted }}
  taken: {{ file: /etc/passwd }}
  old: {{ heartbeat: {{ max_silence: 1h }}, interval: 1h, max_age: 100ms }}
groups:
  startup: [good]
  ready: [good]
  up: [good]
  degraded: [poor]
  down: [bad]
  unknown: [never]
  maintenance: [good, mended]
  maintenance-alone: [mended]
  paused: [halted]
  forced: [taken]
  stale: [old]
"""
    with Vitald(config) as d:
        for probe, state in (("good", "up"), ("poor", "degraded"), ("bad", "down"), ("mended", "down"), ("halted", "down"), ("taken", "up")):
            d.wait_state(probe, state)
        for order in ("maintenance mended", "pause halted", "force taken down"):
            assert d.ctl(*order.split()).returncode == 0
        wait_for(lambda: d.probe("old")["stale"], "old is stale")
        yield d


def steady(text, daemon):
    """Without what differs from run to run."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r'("observedValue":)[\d.e-]+(,"observedUnit":"(?:ms|seconds|bytes)")', r"\g<1>0\2", text)
    text = re.sub(r'"serviceId":"[^"]*"', '"serviceId":"HOST"', text)
    text = re.sub(r"in [\d.]+ ms", "in N ms", re.sub(r"time=[\d.]+s", "time=Ns", text))
    text = re.sub(r"/etc/passwd: .*? ago", "/etc/passwd: SIZE, changed AGO", text)
    text = re.sub(r"'=[\d.]+(ms|s|B)\b", r"'=N\1", text)
    return text.replace(str(daemon.port), "PORT")


def nagios(daemon, *args):
    done = subprocess.run([os.path.join(BUILD, "vitalctl"), "check", "-o", "nagios", *args], capture_output=True, text=True, timeout=30)
    return [done.returncode, *steady(done.stdout, daemon).splitlines()]


def seen(daemon, group):
    def document(path):
        answer = daemon.get(path, headers={"Accept": "application/health+json"})
        assert answer.headers["Content-Type"] == "application/health+json"
        return [answer.status, json.loads(steady(answer.text, daemon))]
    url = f"http://127.0.0.1:{daemon.port}/healthz/{group}"
    return {"nagios": nagios(daemon, url), "nagios verbose": nagios(daemon, url + "?verbose"), "nagios over the control socket": nagios(daemon, "--socket", daemon.control, group),
            "health+json": document(f"/healthz/{group}"), "health+json verbose": document(f"/healthz/{group}?verbose")}


@pytest.fixture(scope="module")
def everything(daemon):
    found = {state: seen(daemon, state) for state in STATES if state != "draining"}
    assert daemon.ctl("drain").returncode == 0
    daemon.wait_code("/readyz", 503)
    found["draining"] = seen(daemon, "ready")
    assert daemon.ctl("undrain").returncode == 0
    if os.environ.get("UPDATE_GOLDEN"):
        with open(GOLDEN, "w") as f:
            json.dump(found, f, indent=1)
            f.write("\n")
    return found


@pytest.mark.parametrize("state", STATES)
def test_every_monitor_in_every_state(everything, state):
    with open(GOLDEN) as f:
        assert everything[state] == json.load(f)[state]


# What the words of the state must come to, whatever the golden file says.
@pytest.mark.parametrize("state,code,status", [
    ("up", 0, "pass"), ("degraded", 1, "warn"), ("down", 2, "fail"), ("unknown", 2, "fail"), ("maintenance", 0, "pass"), ("maintenance-alone", 1, "warn"), ("paused", 2, "fail"), ("forced", 2, "fail"),
    ("stale", 2, "fail"), ("draining", 2, "fail")])
def test_codes_and_words_agree(everything, state, code, status):
    for way in ("nagios", "nagios verbose", "nagios over the control socket"):
        assert everything[state][way][0] == code, (state, way, everything[state][way])
        assert re.search(r"\|time=Ns;;[\d.]+;0;[\d.]+", everything[state][way][1])
    for way in ("health+json", "health+json verbose"):
        http, document = everything[state][way]
        assert document["status"] == status and http == (503 if status == "fail" else 200)
        if "checks" in document:
            for entries in document["checks"].values():
                assert all(e["componentId"] and e["status"] in ("pass", "warn", "fail") for e in entries)


def test_nagios_when_nobody_is_there():
    done = subprocess.run([os.path.join(BUILD, "vitalctl"), "check", "-o", "nagios", "127.0.0.1:1/readyz"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and done.stdout.startswith("VITALD CRITICAL - ") and "refused" in done.stdout


# To Nagios 1 is a warning and 2 critical: a mistake of who wrote the command is neither, wherever in the line it stands.
@pytest.mark.parametrize("words,said", [(["http://[bad"], "[bad"), (["-t", "xyz"], "not a period"), (["--bogus"], "no such option"), (["a", "b"], "too many"),
                                        (["-t", "0"], "must end"), (["https://127.0.0.1/"], "has no TLS")])
@pytest.mark.parametrize("first", [True, False])
def test_a_wrong_command_line_is_unknown_to_nagios(words, said, first):
    output = ["-o", "nagios"]
    done = subprocess.run([os.path.join(BUILD, "vitalctl"), "check", *(output + words if first else words + output)], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr != "") == (3, True), done
    assert done.stdout.startswith("VITALD UNKNOWN - ") and said in done.stdout and done.stdout.count("\n") == 1
