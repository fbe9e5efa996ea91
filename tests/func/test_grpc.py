"""The gRPC health protocol as a real gRPC client sees it, and what a hostile HTTP/2 client cannot do."""
import collections
import contextlib
import hashlib
import re
import socket
import struct

import grpc
import pytest

from daemon import PATIENCE, Vitald, wait_for
from grpc_kit import Client

CONFIG = """
listen:
  - { address: "127.0.0.1:0", serve: all, name: http }
  - { address: "127.0.0.1:0", serve: %s, name: grpc }
probes:
  a: { heartbeat: { max_silence: 1h, at_start: fail }, rise: 1, fall: 1, interval: 1m, interval_unsettled: 10ms }
groups:
  ready: [a]
  %s: [a]
"""


@contextlib.contextmanager
def speaking(serve="grpc", group="extra"):
    with Vitald(CONFIG % (serve, group)) as v:
        v.grpc = int(v.wait_log(r"listening on grpc://127\.0\.0\.1:(\d+)").group(1))
        yield v


def counter(v, name):
    return int(re.search(rf"^vitald_{re.escape(name)} (\d+)$", v.get("/metrics").text, re.M).group(1))


def limited(v, *bounds):
    return sum(counter(v, f'grpc_limited_total{{bound="{bound}"}}') for bound in bounds)


def wait_counter(v, count, *bounds):
    """/metrics may be a quarter of a second old."""
    wait_for(lambda: limited(v, *bounds) == count, f"{bounds} {count}")


# ---- the service ----

def test_check_tells_each_group():
    with speaking() as v, Client(f"127.0.0.1:{v.grpc}") as c:
        assert c.code("") == "SERVING"                  # health: live decides, the rest is advisory
        assert c.code("ready") == c.code("extra") == "NOT_SERVING"
        assert c.code("nosuch") == c.code("a") == "NOT_FOUND"
        assert v.ctl("beat", "a").returncode == 0
        assert c.code("ready") == c.code("extra") == "SERVING"
        v.ctl("beat", "a", "warn: worn")
        wait_for(lambda: v.get("/readyz").text == "warn\n", "warn")
        assert c.code("ready") == "SERVING"
        v.ctl("drain")
        assert c.code("ready") == "NOT_SERVING" and c.code("extra") == "SERVING"


def test_watch_tells_every_change_at_once():
    with speaking() as v, Client(f"127.0.0.1:{v.grpc}") as c:
        ready, unknown = c.watch("ready"), c.watch("later")
        assert ready.next() == "NOT_SERVING" and unknown.next() == "SERVICE_UNKNOWN"
        v.ctl("beat", "a")
        assert ready.next() == "SERVING"
        v.ctl("beat", "a", "fail: broken")
        assert ready.next() == "NOT_SERVING"
        v.reload(CONFIG % ("grpc", "later"))            # a name that becomes known, and the connection goes on
        assert unknown.next() == "NOT_SERVING"
        v.reload(CONFIG % ("grpc", "other"))
        assert unknown.next() == "SERVICE_UNKNOWN"
        unknown.cancel()
        assert unknown.next() == "CANCELLED"
        wait_for(lambda: counter(v, "grpc_watching") == 1, "the cancelled watch is gone")
        v.stop()
        assert ready.next() == "UNAVAILABLE"


def test_list_needs_status():
    with speaking() as v, Client(f"127.0.0.1:{v.grpc}") as c:
        with pytest.raises(Exception, match="PERMISSION_DENIED"):
            c.list()
    with speaking("[grpc, status]") as v, Client(f"127.0.0.1:{v.grpc}") as c:
        assert c.list() == {"": "SERVING", "live": "SERVING", "health": "SERVING", "ready": "NOT_SERVING", "startup": "NOT_SERVING",
                            "extra": "NOT_SERVING"}


def test_other_methods_are_unimplemented():
    with speaking() as v, Client(f"127.0.0.1:{v.grpc}") as c:
        call = c.channel.unary_unary("/helloworld.Greeter/SayHello", lambda x: x, lambda x: x)
        with pytest.raises(Exception, match="UNIMPLEMENTED"):
            call(b"", timeout=10)
        call = c.channel.unary_unary("/grpc.health.v1.Health/Check", lambda x: x, lambda x: x)
        for bad, code in ((b"\xff\xff", "INTERNAL"), (b"\x0a\x05ab", "INTERNAL"), (bytes(5000), "RESOURCE_EXHAUSTED")):
            with pytest.raises(Exception, match=code):
                call(bad, timeout=10)
        assert c.check() == "SERVING"


def test_watches_are_bounded_in_words():
    with speaking() as v, Client(f"127.0.0.1:{v.grpc}") as c:
        said = collections.Counter(w.next() for w in [c.watch() for _ in range(200)])
        assert said == {"SERVING": 96, "RESOURCE_EXHAUSTED": 104}
        wait_counter(v, 104, "watches")
        assert c.check() == "SERVING"


def test_a_listener_that_goes_ends_its_watches():
    with speaking() as v, Client(f"127.0.0.1:{v.grpc}") as c:
        w = c.watch()
        assert w.next() == "SERVING"
        v.reload("listen: [{ address: '127.0.0.1:0', serve: all, name: http }]\n")
        assert w.next() == "UNAVAILABLE"
        wait_for(lambda: counter(v, "grpc_connections") == 0, "the connection is gone")


# ---- bytes of our own ----

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    assert len(name) < 127
    size = bytes([len(value)]) if len(value) < 127 else bytes([127]) + varint(len(value) - 127)
    return b"\x00" + bytes([len(name)]) + name + size + value


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def call(method="Check", content=b"application/grpc", verb=b"\x83"):
    return verb + b"\x86" + literal(b":path", b"/grpc.health.v1.Health/" + method.encode()) + literal(b":authority", b"x") + literal(b"content-type", content)


CALL = call()
EMPTY = bytes(5)


class Raw:
    def __init__(self, port, hello=PREFACE + frame(SETTINGS)):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.send(hello)

    def send(self, data):
        with contextlib.suppress(ConnectionError):
            self.sock.sendall(data)

    def frames(self):
        """Until the end: (kind, flags, stream, payload)."""
        data = b""
        with contextlib.suppress(ConnectionError):
            while chunk := self.sock.recv(65536):
                data += chunk
                while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
                    n = int.from_bytes(data[:3], "big")
                    yield data[3], data[4], int.from_bytes(data[5:9], "big"), data[9:9 + n]
                    data = data[9 + n:]

    def goaway(self):
        """The error code of the GOAWAY that comes before the end; None: the end came without one."""
        code = None
        for kind, _, _, payload in self.frames():
            if kind == GOAWAY:
                code = int.from_bytes(payload[4:8], "big")
        return code

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()


ENHANCE_YOUR_CALM, FRAME_SIZE, COMPRESSION, PROTOCOL = 11, 6, 9, 1


FLOODS = {
    "ping": (frame(PING, payload=bytes(8)) * 5000, ENHANCE_YOUR_CALM),
    "settings": (frame(SETTINGS) * 5000, ENHANCE_YOUR_CALM),
    "rapid reset": (b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, CALL) + frame(RST, 0, 2 * i + 1, bytes(4)) for i in range(5000)),
                    ENHANCE_YOUR_CALM),
    "window updates": (frame(WINDOW, payload=struct.pack(">I", 1)) * 5000, ENHANCE_YOUR_CALM),
    "priority": (frame(PRIORITY, 0, 3, bytes([0, 0, 0, 0, 9])) * 5000, ENHANCE_YOUR_CALM),
    "unknown frames": (frame(99) * 100000, ENHANCE_YOUR_CALM),
    "empty data": (frame(HEADERS, END_HEADERS, 1, CALL) + frame(DATA, 0, 1) * 5000, ENHANCE_YOUR_CALM),
    "too many streams": (b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, CALL) for i in range(5000)), ENHANCE_YOUR_CALM),
    "continuations": (frame(HEADERS, 0, 1, CALL) + frame(CONTINUATION, 0, 1, literal(b"x", b"y")) * 5000, None),
    "huge frame": (struct.pack(">I", 1 << 20)[1:] + bytes([DATA, 0]) + struct.pack(">I", 1) + bytes(1 << 20), FRAME_SIZE),
    "bad hpack": (frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\xff"), COMPRESSION),
    "data on no stream": (frame(DATA, END_STREAM, 1, EMPTY), PROTOCOL),
    "push": (frame(PUSH, END_HEADERS, 1, bytes(4) + CALL), PROTOCOL),
}


@pytest.fixture(scope="module")
def shared():
    with speaking() as v:
        v.ended = 0
        yield v


@pytest.mark.parametrize("name", FLOODS)
def test_floods_end_and_are_counted(shared, name):
    v, (attack, code) = shared, FLOODS[name]
    before = shared.ended
    with Client(f"127.0.0.1:{v.grpc}") as good, Raw(v.grpc) as bad:
        assert good.check() == "SERVING"
        bad.send(attack)
        assert good.check() == "SERVING"
        assert bad.goaway() in (code, None)             # None: we were told by a reset, for the flood did not stop
        wait_counter(v, before + 1, "flood", "broken")
        v.ended += 1
        assert good.check() == "SERVING"


def test_a_header_beyond_the_bound_costs_its_call_only(shared):
    with Raw(shared.grpc) as raw:
        raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, CALL + literal(b"big", b"x" * 9000)))
        assert next(f for f in raw.frames() if f[2] == 1)[0] == RST
        raw.send(frame(HEADERS, END_HEADERS, 3, CALL) + frame(DATA, END_STREAM, 3, EMPTY))
        assert next(f for f in raw.frames() if f[2] == 3 and f[0] == DATA)[3] == b"\0\0\0\0\2\x08\x01"


def test_answers_by_the_head(shared):
    def status(head, data=EMPTY):
        with Raw(shared.grpc) as raw:
            raw.send(frame(HEADERS, END_HEADERS, 1, head) + frame(DATA, END_STREAM, 1, data))
            return next(f for f in raw.frames() if f[2] == 1 and f[0] == HEADERS)[3]
    assert status(CALL)[:1] == b"\x88"                               # :status 200, from HPACK's static table
    assert status(CALL, b"\1\0\0\0\0")[:1] == b"\x88"               # compressed: refused in the trailer
    assert status(call(method="Nosuch"))[:1] == b"\x88"
    assert status(call(content=b"text/html"))[:1] != b"\x88"
    assert status(call(verb=b"\x82"))[:1] != b"\x88"                 # GET


def test_http_1_is_told_so(shared):
    answer = shared.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", port=shared.grpc)
    assert answer.startswith(b"HTTP/1.1 400 ") and b"gRPC" in answer
    wait_counter(shared, 1, "not_http2")


def test_a_reader_that_stops_costs_nothing(shared):
    """Windows at zero: the verdicts that come meanwhile are not kept, the newest is told when it reads again."""
    v = shared
    closed = frame(SETTINGS, payload=struct.pack(">HI", 4, 0))
    with Raw(v.grpc, PREFACE + closed) as raw, Client(f"127.0.0.1:{v.grpc}") as c:
        raw.send(frame(HEADERS, END_HEADERS, 1, call("Watch")) + frame(DATA, END_STREAM, 1, b"\0\0\0\0\7\x0a\x05ready"))
        other = c.watch("ready")
        assert other.next() == "NOT_SERVING"
        for beat, serving in (("ok", "SERVING"), ("fail", "NOT_SERVING")) * 3:
            v.ctl("beat", "a", beat)
            assert other.next() == serving
        raw.send(frame(WINDOW, 0, 1, struct.pack(">I", 1000)))
        told = next(f for f in raw.frames() if f[0] == DATA)
        assert told[3] == b"\0\0\0\0\2\x08\x02"
        v.ctl("beat", "a")
        assert next(f for f in raw.frames() if f[0] == DATA)[3] == b"\0\0\0\0\2\x08\x01"


def test_serve_is_one_protocol():
    from daemon import check_config
    done = check_config("listen: [{ address: '127.0.0.1:1', serve: [grpc, metrics] }]\nprobes: { m: { memory: {} } }\n")
    assert done.returncode != 0 and "speaks gRPC or HTTP, not both" in done.stdout + done.stderr


# ---- TLS, certificates and tokens ----

GUARDED = """
listen:
  - { address: "127.0.0.1:0", serve: all, name: http }
  - address: "127.0.0.1:0"
    name: grpc
    serve: [grpc, status]
    tls: { cert: %s, key: { file: %s } }
    tokens: { sha256: %s }
probes:
  a: { heartbeat: { max_silence: 1h, at_start: fail }, rise: 1, fall: 1 }
groups:
  ready: [a]
"""


def test_tls_and_tokens(ca):
    crt, key = ca.issue("listener")
    with open(ca.ca, "rb") as f:
        trusted = grpc.ssl_channel_credentials(f.read())
    digest = hashlib.sha256(b"s3cret-token-of-some-length-0123456789").hexdigest()
    with Vitald(GUARDED % (crt, key, digest)) as v:
        port = int(v.wait_log(r"listening on grpcs://127\.0\.0\.1:(\d+)").group(1))
        with Client(f"localhost:{port}", trusted) as c:
            assert c.check() == "SERVING" and c.code("ready") == "NOT_SERVING"      # verdicts are open
            w = c.watch("ready")
            assert w.next() == "NOT_SERVING"
            v.ctl("beat", "a")
            assert w.next() == "SERVING"
            for metadata, code in ((None, "UNAUTHENTICATED"), ((("authorization", "Bearer wrong"),), "UNAUTHENTICATED")):
                with pytest.raises(grpc.RpcError) as e:
                    c.list_call("", timeout=10, metadata=metadata)
                assert e.value.code().name == code
            known = (("authorization", "Bearer s3cret-token-of-some-length-0123456789"),)
            assert c.list_call("", timeout=10, metadata=known)["ready"] == "SERVING"
        with Client(f"127.0.0.1:{port}") as plain:
            assert plain.code("", timeout=5) in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
