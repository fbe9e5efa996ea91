"""The HTTP contract from outside, and clients that do not keep to it."""
import concurrent.futures
import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

from conftest import http_ok
from daemon import UnixHTTP, Vitald, free_port, wait_for

BOTH = """listen:
  - { address: "127.0.0.1:0", serve: [verdicts, status, metrics, events, page] }
  - { address: "127.0.0.1:%d" }
"""


@pytest.fixture(scope="module")
def target():
    with socket.create_server(("127.0.0.1", 0)) as s:
        yield s.getsockname()[1]


@pytest.fixture(scope="module")
def daemon(target):
    config = f"""probes:
  good: {{ tcp: "127.0.0.1:{target}", interval: 1s }}
  bad: {{ tcp: "127.0.0.1:{free_port()}", interval: 1s }}
groups:
  ready: {{ all: [good], advisory: [bad] }}
  broken: {{ all: [bad] }}
aliases: {{ /api/ready: ready, /api/broken: broken }}
"""
    public = free_port()
    with Vitald(BOTH % public + config) as d:
        d.public = public
        d.wait_code("/readyz", 200)
        d.wait_state("bad", "down")
        yield d


@pytest.mark.parametrize("path,code", [
    ("/livez", 200), ("/readyz", 200), ("/startupz", 200), ("/healthz", 200), ("/healthz/live", 200), ("/healthz/ready", 200),
    ("/healthz/startup", 200), ("/healthz/broken", 503), ("/healthz/nosuch", 404), ("/readyz/good", 200), ("/healthz/broken/bad", 503),
    ("/readyz/", 200), ("/readyz?unknown=1", 200), ("/api/ready", 200), ("/api/broken", 503), ("/status", 200), ("/status/good", 200),
    ("/explain/broken", 200), ("/metrics", 200), ("//readyz", 404), ("/%72eadyz", 404), ("/nosuch", 404), ("/readyz/../status", 404),
])
def test_paths(daemon, path, code):
    answer = daemon.get(path)
    assert answer.status == code, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Date"]


@pytest.mark.parametrize("path,code", [
    ("/readyz", 200), ("/readyz?verbose", 200), ("/readyz?exclude=good", 403), ("/status", 404), ("/metrics", 404), ("/explain/ready", 404),
    ("/healthz/broken", 503), ("/readyz/good", 404), ("/", 200), ("/api/broken", 503),
])
def test_public_listener_serves_verdicts_only(daemon, path, code):
    answer = daemon.get(path, port=daemon.public)
    assert answer.status == code
    assert "good" not in answer.text and "bad" not in answer.text


def test_verbose_and_exclude(daemon):
    text = daemon.get("/healthz/broken?verbose").text
    assert re.search(r"^\[-\]bad failed: .*refused", text, re.M)
    assert "[+]good ok" in daemon.get("/readyz?verbose").text
    assert daemon.get("/healthz/broken?exclude=bad").status == 200
    assert "nosuch" in daemon.get("/readyz?verbose&exclude=nosuch").text


def test_formats(daemon):
    assert daemon.get("/readyz?format=json").json["status"] in ("pass", "warn")
    assert daemon.get("/healthz/broken", headers={"Accept": "application/json"}).json["status"] == "fail"
    answer = daemon.get("/readyz", headers={"Accept": "application/health+json"})
    assert answer.headers["Content-Type"].startswith("application/health+json")
    assert answer.json["status"] in ("pass", "warn")


def test_methods(daemon):
    head = daemon.get("/readyz", method="HEAD")
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) > 0
    options = daemon.get("/healthz/broken", method="OPTIONS")
    assert options.status == 503 and options.body == b""
    posted = daemon.get("/readyz", method="POST")
    assert posted.status in (405, 411) and "GET" in (posted.headers["Allow"] or "GET")


def test_haproxy_and_old_clients(daemon):
    assert daemon.raw(b"OPTIONS / HTTP/1.0\r\n\r\n", port=daemon.public).startswith(b"HTTP/1.1 200")
    assert daemon.raw(b"GET /readyz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("request_,codes", [
    (b"GET /readyz HTTP/1.1\r\n\r\n", (400,)),                                                  # no Host
    (b"GET /readyz HTTP/1.1\nHost: x\n\n", (400,)),                                             # bare LF
    (b"GET /readyz HTTP/1.1\r\nHost : x\r\n\r\n", (400,)),                                      # space before the colon
    (b"GET /readyz HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", (400,)),
    (b"GET /readyz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", (400,)),
    (b"GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", (400,)),
    (b"GET /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (501, 400)),
    (b"GET /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc", (501, 400)),
    (b"GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", (400, 413)),
    (b"GET /readyz HTTP/3.0\r\nHost: x\r\n\r\n", (505, 400)),
    (b"GET /readyz\r\n\r\n", (400,)),
    (b"GET ftp://x/readyz HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    (b"GET /readyz HTTP/1.1\r\nHost: a b\r\n\r\n", (400,)),
    (b"GET /read\0yz HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    (b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (414,)),
    (b"GET /readyz HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 + b"\r\n\r\n", (431,)),
    (b"GET /readyz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100 + b"\r\n", (431,)),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400,)),                                 # a TLS hello
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (505, 400)),
])
def test_malformed_is_refused_and_closed(daemon, request_, codes):
    got = daemon.raw(request_ + b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
    assert int(got.split()[1]) in codes, got[:80]
    assert got.count(b"HTTP/1.1 ") == 1, "what follows a broken request is never read as one"
    assert daemon.get("/readyz").status == 200


def test_pipelined_requests_are_served_in_order(daemon):
    got = daemon.raw(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"GET /healthz/broken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"200", b"200", b"200", b"503"]


def test_a_request_in_single_bytes(daemon):
    with socket.create_connection(("127.0.0.1", daemon.port), 5) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for b in b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
            s.send(bytes([b]))
        assert s.recv(100).startswith(b"HTTP/1.1 200")


def test_reset_clients_are_no_error(daemon):
    for _ in range(50):
        s = socket.create_connection(("127.0.0.1", daemon.port), 5)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.send(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
        s.close()
    assert daemon.get("/readyz").status == 200
    assert not re.search(r"ECONNRESET|Broken pipe|reset by peer", daemon.log())


def test_slow_loris_is_closed_by_an_absolute_deadline(daemon):
    with socket.create_connection(("127.0.0.1", daemon.port), 30) as s:
        s.sendall(b"GET /readyz HTTP/1.1\r\n")
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            s.settimeout(0.5)
            while True:
                s.send(b"a")
                try:
                    if s.recv(1000) is not None:
                        break
                except socket.timeout:
                    assert time.monotonic() - began < 60, "a byte now and then must not keep it open"
    assert daemon.get("/readyz").status == 200


def test_unix_listener_and_its_permissions(target):
    config = "listen:\n  - { address: \"127.0.0.1:0\", serve: [verdicts, status] }\n  - { address: \"unix:%s/v.sock\", mode: \"0600\" }\n"
    import tempfile
    with tempfile.TemporaryDirectory(prefix="vt") as d:
        with Vitald(config % d + f"probes: {{ a: {{ tcp: \"127.0.0.1:{target}\" }} }}\n") as v:
            v.wait_code("/readyz", 200)
            c = UnixHTTP(f"{d}/v.sock")
            c.request("GET", "/readyz")
            assert c.getresponse().status == 200
            assert os.stat(f"{d}/v.sock").st_mode & 0o777 == 0o600
            v.process.kill()
            v.process.wait()
            v.process.returncode = 0
        with Vitald(config % d + f"probes: {{ a: {{ tcp: \"127.0.0.1:{target}\" }} }}\n") as v:      # a stale socket is no obstacle
            assert v.get("/livez").status == 200


def test_idle_connections_are_bounded_and_the_next_client_is_served(target):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    with Vitald(f"probes: {{ a: {{ tcp: \"127.0.0.1:{target}\", interval: 1s }} }}\n") as d:
        d.wait_code("/readyz", 200)
        idle = []
        try:
            for _ in range(8000):
                try:
                    idle.append(socket.create_connection(("127.0.0.1", d.port), 5))
                except OSError:
                    break
            assert len(idle) > 4000
            for _ in range(20):
                assert d.get("/readyz").status == 200
            assert d.fds() < 8000
            attempts = d.probe("a")["attempts"]
            wait_for(lambda: d.probe("a")["attempts"] != attempts, "probes go on")
        finally:
            for s in idle:
                s.close()
        assert re.search(r"vitald_http\w*(evicted|refused|capped|limit|closed)\w*(\{[^}]*\})? [1-9]", d.get("/metrics").text)


def test_few_descriptors(target):
    """At a tiny limit it goes on answering, and tells a want of descriptors from a failing target."""
    with Vitald(f"probes: {{ a: {{ tcp: \"127.0.0.1:{target}\", interval: 1s }} }}\n", prefix=("prlimit", "--nofile=40:40")) as d:
        d.wait_code("/readyz", 200)
        flood = []
        for _ in range(200):
            s = socket.socket()
            s.settimeout(1)
            with contextlib.suppress(OSError):
                s.connect(("127.0.0.1", d.port))
            flood.append(s)
        for s in flood:
            s.close()
        wait_for(lambda: d.get("/readyz").status == 200, "serves again")
        assert d.probe("a")["state"] == "up"


def test_flood_starves_no_probe(target):
    with Vitald(f"probes: {{ a: {{ tcp: \"127.0.0.1:{target}\", interval: 1s }} }}\n") as d:
        d.wait_code("/readyz", 200)
        stop = []

        def flood():
            while not stop:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", d.port), 5) as s:
                    for _ in range(50):
                        s.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
                        s.recv(65536)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for _ in range(4):
                pool.submit(flood)
            try:
                done = sum(d.probe("a")["attempts"].values())
                wait_for(lambda: sum(d.probe("a")["attempts"].values()) >= done + 3, "attempts go on under the flood")
                assert d.probe("a")["state"] == "up"
            finally:
                stop.append(1)


def test_a_long_stop_of_the_daemon_makes_no_red_burst(target):
    """The clock goes on while it is stopped for many times its max_age; the stop itself is the fault, not a wait."""
    with Vitald(f"probes: {{ a: {{ tcp: \"127.0.0.1:{target}\", interval: 1s, timeout: 500ms, max_age: 3s }} }}\n") as d:
        d.wait_code("/readyz", 200)
        d.signal(signal.SIGSTOP)
        waiting = [socket.create_connection(("127.0.0.1", d.port), 30) for _ in range(20)]
        for s in waiting:
            s.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(float(os.environ.get("VITALD_STOP_SECONDS", "12")))
        d.signal(signal.SIGCONT)
        answers = [s.recv(4096) for s in waiting]
        assert all(a.startswith(b"HTTP/1.1 200") for a in answers), [a[:200] for a in answers if not a.startswith(b"HTTP/1.1 200")][:2]
        assert any(b"stalled" in a for a in answers)
        for _ in range(50):
            assert d.get("/readyz").status == 200
        wait_for(lambda: b"stalled" not in d.get("/readyz").body, "the stall is over")
        for s in waiting:
            s.close()


def test_a_reply_that_waited_out_a_stall_counts_as_a_reply(server):
    """The daemon is stopped across its attempt's deadline while the answer lies in its socket buffer."""
    gate = []

    def slow(sock):
        sock.recv(4096)
        wait_for(lambda: gate, "may answer")
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    web = server(slow)
    with Vitald(f"probes: {{ a: {{ http: \"http://127.0.0.1:{web.port}/\", interval: 30s, timeout: 2s }} }}\n") as d:
        wait_for(lambda: web.accepted, "asked")
        d.signal(signal.SIGSTOP)
        gate.append(1)
        time.sleep(3)              # the fault: longer than the timeout
        d.signal(signal.SIGCONT)
        assert d.wait_outcome("a")["outcome"]["class"] == "pass"
