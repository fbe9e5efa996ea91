"""The gRPC listener as Node's own gRPC client (@grpc/grpc-js) sees it: HTTP/2, HPACK and flow control of another make than grpcio's."""
import contextlib
import json
import os
import subprocess

import pytest

from daemon import ROOT, Vitald

MODULES = os.path.join(ROOT, "build", "npm", "node_modules")
pytestmark = pytest.mark.skipif(not os.path.isdir(f"{MODULES}/@grpc/grpc-js") or not os.path.isdir(f"{MODULES}/grpc-health-check"),
                                reason="the npm packages @grpc/grpc-js and grpc-health-check are not in build/npm: tests/setup could not install them")

CONFIG = """
listen:
  - { address: "127.0.0.1:0", serve: all, name: http }
  - { address: "127.0.0.1:0", serve: [grpc, status], name: grpc%s }
probes:
  a: { heartbeat: { max_silence: 1h, at_start: fail }, rise: 1, fall: 1, interval: 1m, interval_unsettled: 10ms }
groups:
  ready: [a]
"""


@contextlib.contextmanager
def speaking(tls="", ca="-"):
    with Vitald(CONFIG % tls) as v:
        port = v.wait_log(r"listening on grpcs?://127\.0\.0\.1:(\d+)").group(1)
        v.client = ["node", f"{ROOT}/tests/func/grpc_client.js", f"127.0.0.1:{port}", ca]
        v.wait_state("a", "down")
        yield v


def start(v, *command):
    return subprocess.Popen([*v.client, *command], env={**os.environ, "NODE_PATH": MODULES}, stdout=subprocess.PIPE, text=True)


def ask(v, *names):
    with start(v, "ask", *names) as p:
        out = p.communicate(timeout=60)[0]
    assert p.returncode == 0, out
    return json.loads(out)


def test_questions():
    with speaking() as v:
        said = ask(v, "", "ready", "nosuch", "a")
        assert said["one"] == ["SERVING", "NOT_SERVING", "NOT_FOUND", "NOT_FOUND"]
        assert said["many"] == {"NOT_SERVING": 150, "NOT_FOUND": 150}                   # side by side on one connection
        assert said["list"].items() >= {"": "SERVING", "ready": "NOT_SERVING"}.items()
        assert said["compressed"] == "UNIMPLEMENTED"                                   # no compression is spoken, and said so by the code for it


def test_a_watch_hears_every_change():
    with speaking() as v:
        with start(v, "watch", "ready") as p:
            assert p.stdout.readline() == "NOT_SERVING\n"
            v.ctl("beat", "a")
            assert p.stdout.readline() == "SERVING\n"
            v.ctl("drain")
            assert p.stdout.readline() == "NOT_SERVING\n"
            v.stop()
            assert p.stdout.readline() == "UNAVAILABLE\n"
            p.wait(20)


def test_over_tls(ca):
    crt, key = ca.issue("grpc-js")
    with speaking(f', tls: {{ cert: {crt}, key: {{ file: {key} }} }}', ca.ca) as v:
        assert ask(v, "", "ready")["one"] == ["SERVING", "NOT_SERVING"]
