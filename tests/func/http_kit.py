"""A vitald in which everything is there at once, and what it serves, as sets of names: for comparing with the manuals."""
import functools
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from daemon import ROOT, Vitald, free_port, wait_for

HAPROXY = "UP 2/3; name=web/s1; node=lb1; weight=100/300; scur=13/22; qcur=1"


@functools.cache
def identity():
    """A certificate that signs itself, with its key in the same file."""
    holder = tempfile.TemporaryDirectory(prefix="vt")
    path = f"{holder.name}/s.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                    "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    with open(f"{path}.crt") as crt, open(path, "a") as both:
        both.write(crt.read())
    return path, holder


def config(database):
    return f"""listen:
  - {{ address: "127.0.0.1:0", serve: all }}
  - {{ address: "127.0.0.1:0", name: guarded, serve: all, tokens: [{{ sha256: {"ab" * 32} }}] }}
  - {{ address: "127.0.0.1:0", name: secure, serve: all, tls: {{ cert: {identity()[0]}, hsts: 1d }} }}
notify: {{ nobody: {{ webhook: "http://127.0.0.1:{free_port()}/hook" }} }}
defaults: {{ interval: 200ms, rise: 1, fall: 1, jitter: 0% }}
probes:
  good: {{ file: /etc/passwd }}
  bad: {{ file: /nonexistent/file }}
  behind: {{ file: /nonexistent/file/below, depends_on: [bad] }}
  poor: {{ exec: {{ command: [/bin/sh, -c, "echo 'long | queue=90;50;100 1e3=3'; exit 1"] }} }}
  mended: {{ file: /nonexistent/mended }}
  halted: {{ file: /nonexistent/halted }}
  taken: {{ file: /etc/passwd }}
  named: {{ tcp: "localhost:{free_port()}" }}
  old: {{ heartbeat: {{ max_silence: 1h }}, interval: 1h, max_age: 100ms }}
  slow-to-turn: {{ exec: {{ command: [/bin/sh, -c, "test -e /nonexistent"] }}, interval: 1h, fall: 3, interval_unsettled: 1h, initial: up }}
  db: {{ postgres: {{ url: "{database}" }} }}
groups:
  startup: [good]
  ready: {{ all: [good, inner], advisory: [poor, mended, halted, old, slow-to-turn] }}
  inner: [behind, taken, named]
aliases: {{ /api/ready: ready }}
"""


def rich(database="postgres://u@127.0.0.1:1/x"):
    d = Vitald(config(database))
    for probe, state in (("good", "up"), ("poor", "degraded"), ("behind", "down"), ("taken", "up"), ("mended", "down"), ("named", "down")):
        d.wait_state(probe, state)
    for order in ("maintenance mended", "pause halted", "force taken down"):
        assert d.ctl(*order.split()).returncode == 0
    d.reload()
    d.get("/readyz", headers={"X-Haproxy-Server-State": HAPROXY})
    return d


def guarded(d):
    """The port that wants a token."""
    return int(re.findall(r"listening on http://127\.0\.0\.1:(\d+)", d.log())[1])


def secure(d, request):
    """What the listener that speaks TLS answers to these bytes."""
    context = ssl.create_default_context(cafile=f"{identity()[0]}.crt")
    context.check_hostname = False
    port = int(re.findall(r"listening on https://127\.0\.0\.1:(\d+)", d.log())[0])
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=5)) as s:
        s.sendall(request)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
        return got


def stall(d):
    """Stands still for longer than a second, and is seen to say so."""
    d.signal(signal.SIGSTOP)
    end = time.monotonic() + 1.5
    wait_for(lambda: time.monotonic() > end)
    d.signal(signal.SIGCONT)
    wait_for(lambda: "stalled" in d.get("/livez?format=json").text, "it says that it stalled")


# Maps whose keys are names: of the map that holds them, what stands for a key in the manual.
NAMED = {"checks": "NAME:MEASURE", "labels": "LABEL"}


def fields(value, prefix=""):
    """All paths of a document: probes[].numbers[].name"""
    if isinstance(value, dict):
        for key, inner in value.items():
            holder = prefix.rstrip(".").split(".")[-1]
            path = prefix + NAMED.get(holder, key)
            yield path
            yield from fields(inner, path + ".")
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner, prefix.rstrip(".") + "[].")
