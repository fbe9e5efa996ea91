"""/events from outside: over a restart, with clients that do not read, and with more of them than there may be."""
import contextlib
import json
import re
import resource
import socket

import pytest

from daemon import Vitald, wait_for

CONFIG = "probes:\n  beat: { heartbeat: { max_silence: 1h }, interval: 1h, rise: 1, fall: 1 }\n"
LISTEN = "listen:\n  - { address: \"127.0.0.1:0\", serve: [verdicts, status, events], max_connections: %d }\n"


class Stream:
    def __init__(self, daemon, headers="", room=None):
        self.sock = socket.socket()
        if room:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.sock.settimeout(20)
        self.sock.connect(("127.0.0.1", daemon.port))
        self.sock.sendall(f"GET /events HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        self.bytes = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def fill(self):
        got = self.sock.recv(65536)
        self.bytes += got
        return bool(got)

    @property
    def head(self):
        while b"\r\n\r\n" not in self.bytes and self.fill():
            pass
        return self.bytes.split(b"\r\n\r\n")[0].decode()

    @property
    def events(self):
        """(type, id, data) of the complete ones so far."""
        assert self.head.startswith("HTTP/1.1 200"), self.head
        text = self.bytes.split(b"\r\n\r\n", 1)[1].decode()
        found = []
        for block in text.split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            if fields:
                found.append((fields["event"], fields["id"], json.loads(fields["data"])))
        return found

    def until(self, fits):
        while True:
            for e in self.events:
                if fits(*e):
                    return e
            assert self.fill(), f"the stream ended: {self.events}"

    def hello(self):
        return self.until(lambda kind, *_: kind == "hello")


def mode(d, word):
    assert d.ctl(word, "beat").returncode == 0


@pytest.fixture
def daemon():
    with Vitald(CONFIG) as d:
        yield d


def test_each_entry_as_it_is_written(daemon):
    with Stream(daemon) as s:
        s.hello()
        assert "Content-Type: text/event-stream" in s.head and "Cache-Control: no-store" in s.head
        mode(daemon, "pause")
        kind, ident, data = s.until(lambda kind, _, data: kind == "mode")
        assert set(data) == {"id", "time", "kind", "name", "from", "to", "reason", "text"}
        assert (data["name"], data["from"], data["to"]) == ("beat", "normal", "paused")
        assert ident.endswith(f"-{data['id']}") and re.match(r"\d{4}-\d\d-\d\dT", data["time"])
        daemon.reload()
        s.until(lambda kind, _, data: kind == "self" and data["to"] == "reloaded")
        daemon.ctl("drain")
        s.until(lambda kind, _, data: data.get("to") == "draining")
        while s.fill():
            pass                        # it is closed after that


@pytest.mark.parametrize("how", ["header", "query"])
def test_it_goes_on_where_the_client_was(daemon, how):
    with Stream(daemon) as s:
        _, ident, _ = s.hello()
    for word in ("pause", "resume"):
        mode(daemon, word)
    if how == "header":
        with Stream(daemon, f"Last-Event-ID: {ident}\r\n") as s:
            assert s.hello()[2]["resumed"] is True
            s.until(lambda kind, _, data: data.get("to") == "normal")
            assert [data["to"] for kind, _, data in s.events if kind == "mode"] == ["paused", "normal"]
        return
    got = b""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=20) as sock:
        sock.sendall(f"GET /events?after={ident} HTTP/1.0\r\n\r\n".encode())
        while b'"to":"normal"' not in got:
            got += sock.recv(4096)
    assert b'"resumed":true' in got and b'"to":"paused"' in got


def test_after_a_restart_it_begins_anew(daemon):
    with Stream(daemon) as s:
        _, ident, _ = s.hello()
    with Vitald(CONFIG) as other, Stream(other, f"Last-Event-ID: {ident}\r\n") as s:
        assert s.hello()[2]["resumed"] is False
        mode(other, "pause")
        s.until(lambda kind, *_: kind == "mode")


def test_a_client_that_does_not_read_costs_only_itself(daemon):
    with Stream(daemon, room=16384) as slow, Stream(daemon) as quick, socket.socket(socket.AF_UNIX) as control:
        control.connect(daemon.control)
        lines = control.makefile("r")
        lines.readline()

        def order(verb):                # quicker than a vitalctl for each
            control.sendall(json.dumps({"id": 1, "verb": verb, "args": {"name": "beat"}}).encode() + b"\n")
            answer = json.loads(lines.readline())
            assert answer["ok"], answer
        quick.hello()
        wait_for(lambda: daemon.status()["self"]["event_followers"] == 2, "two follow")
        resident = daemon.status()["self"]["resident_memory_bytes"]
        for round_ in range(1, 11):     # in all far more than the sockets take
            for _ in range(50):
                order("pause")
                order("resume")
            while sum(kind == "mode" for kind, *_ in quick.events) < 100 * round_:
                assert quick.fill()
        last = quick.events[-1][2]["id"]
        assert all(kind != "skipped" for kind, *_ in quick.events)
        assert daemon.get("/livez").status == 200
        slow.until(lambda kind, *_: kind == "skipped")
        mode(daemon, "pause")
        slow.until(lambda kind, _, data: data.get("id") == last + 1)
        skipped = sum(data["skipped"] for kind, _, data in slow.events if kind == "skipped")
        assert skipped > 256
        wait_for(lambda: daemon.status()["self"]["events_skipped"] == skipped, "what was skipped is counted")
        own = daemon.status()["self"]
        ids = [data["id"] for kind, _, data in slow.events if "id" in data]
        assert ids == sorted(set(ids)) and len(ids) + skipped == last + 1 - slow.events[0][2]["last"]
        assert own["resident_memory_bytes"] - resident < 4 << 20


def test_as_many_as_there_may_be_and_no_more():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    many = 600
    with Vitald(LISTEN % (2 * many) + CONFIG) as d, contextlib.ExitStack() as stack:
        streams = [stack.enter_context(Stream(d)) for _ in range(many)]
        wait_for(lambda: d.status()["self"]["event_followers"] == many, "all follow")
        assert d.get("/events").status == 503
        assert d.get("/events").headers["Retry-After"]
        assert d.get("/readyz").status in (200, 503)
        mode(d, "pause")
        for s in streams:
            s.until(lambda kind, *_: kind == "mode")
        wait_for(lambda: d.status()["self"]["event_follows_refused"] == 2, "both are counted")
        streams[0].__exit__()
        wait_for(lambda: d.status()["self"]["event_followers"] == many - 1, "one left")
        stack.enter_context(Stream(d)).hello()
