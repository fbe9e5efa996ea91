"""The grpc probe against real gRPC servers, ours among them, and against everything that is none."""
import threading

import grpc

from conftest import Server
from daemon import Vitald, check_config, free_port
from grpc_kit import Health

PROBES = "defaults: { interval: 1m, interval_unsettled: 50ms, timeout: 5s, rise: 1, fall: 1 }\nprobes:\n"


def outcome(v, name, **want):
    return v.wait_outcome(name, **want)["outcome"]


def test_a_real_server_is_told_apart():
    state = {"": "SERVING", "down": "NOT_SERVING", "odd": "UNKNOWN", "closed": "UNAUTHENTICATED", "shy": "PERMISSION_DENIED", "gone": "UNAVAILABLE"}
    with Health(state) as s, Vitald(PROBES + "".join(
            f"  {name}: {{ grpc: {{ address: '127.0.0.1:{s.port}', service: '{service}'{more} }} }}\n" for name, service, more in (
                ("all", "", ""), ("down", "down", ""), ("odd", "odd", ""), ("closed", "closed", ""), ("shy", "shy", ""), ("gone", "gone", ""),
                ("nosuch", "nosuch", ""), ("fine", "down", ", expect: [serving, not_serving]"),
                ("rich", "", ", bearer: t0ken, authority: example.test, metadata: { x-tenant: blue }")))) as v:
        assert outcome(v, "all", class_="pass")["text"] == f"127.0.0.1:{s.port} says SERVING of itself"
        outcome(v, "down", class_="fail", reason="bad_status", text='says NOT_SERVING of service "down"')
        outcome(v, "odd", class_="fail", reason="bad_status", text="says UNKNOWN")
        outcome(v, "closed", class_="fail", reason="auth", text="UNAUTHENTICATED .16.: UNAUTHENTICATED of closed")
        outcome(v, "shy", class_="fail", reason="permission")
        outcome(v, "gone", class_="fail", reason="bad_status", text="UNAVAILABLE")
        outcome(v, "nosuch", class_="fail", reason="not_found", text='does not know the service "nosuch"')
        outcome(v, "fine", class_="pass")
        outcome(v, "rich", class_="pass")
        rich = next(c for c in s.seen if "x-tenant" in c)
        assert rich["x-tenant"] == "blue" and rich["authorization"] == "Bearer t0ken" and 0 < rich["left"] <= 5.1
        assert "t0ken" not in v.get("/status").text + v.log()


def test_our_own_server():
    with Vitald("listen:\n  - { address: '127.0.0.1:0', serve: all, name: a }\n  - { address: '127.0.0.1:0', serve: grpc, name: b }\n"
                "probes: { h: { heartbeat: { max_silence: 1h, at_start: fail }, rise: 1, fall: 1 } }\n") as target:
        port = target.wait_log(r"listening on grpc://127\.0\.0\.1:(\d+)").group(1)
        with Vitald(PROBES + f"  whole: {{ grpc: '127.0.0.1:{port}' }}\n  one: {{ grpc: {{ address: '127.0.0.1:{port}', service: ready }}, interval: 100ms }}\n") as v:
            outcome(v, "whole", class_="pass")
            outcome(v, "one", class_="fail", reason="bad_status")
            target.ctl("beat", "h")
            outcome(v, "one", class_="pass")


def test_tls_needs_h2(ca):
    crt, key = ca.issue("grpc")
    with open(key, "rb") as k, open(crt, "rb") as c:
        credentials = grpc.ssl_server_credentials([(k.read(), c.read())])
    import ssl
    plain_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    plain_tls.load_cert_chain(crt, key)
    with Health({"": "SERVING"}, credentials) as s, Server(lambda sock: sock.recv(100), tls=plain_tls) as other, Vitald(
            PROBES + f"  good: {{ grpc: {{ address: 'localhost:{s.port}', tls: {{ ca: {ca.ca} }} }} }}\n"
            f"  soon: {{ grpc: {{ address: 'localhost:{s.port}', tls: {{ ca: {ca.ca} }}, certificate: {{ warn_below: 60 }} }} }}\n"
            f"  untrusted: {{ grpc: {{ address: 'localhost:{s.port}', tls: true }} }}\n"
            f"  plain: {{ grpc: 'localhost:{s.port}' }}\n"
            f"  noh2: {{ grpc: {{ address: 'localhost:{other.port}', tls: {{ ca: {ca.ca} }} }} }}\n") as v:
        outcome(v, "good", class_="pass")
        outcome(v, "soon", class_="warn", reason="cert_expiring")
        outcome(v, "untrusted", class_="fail", reason="cert_untrusted")
        assert outcome(v, "plain", class_="fail")["reason"] in ("closed", "reset", "bad_reply")
        outcome(v, "noh2", class_="fail", reason="tls", text="does not choose HTTP/2")


def test_what_is_no_grpc():
    empty = grpc.server(__import__("concurrent.futures").futures.ThreadPoolExecutor(1))
    bare = empty.add_insecure_port("127.0.0.1:0")
    empty.start()

    def http1(sock):
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        sock.recv(1)

    def garbage(sock):
        sock.recv(4096)
        sock.sendall(b"\xff" * 100)
        sock.recv(1)

    with Server(http1) as a, Server(garbage) as b, Server(lambda s: s.recv(9) and s.shutdown(2)) as c, Vitald(
            PROBES + f"  http1: {{ grpc: '127.0.0.1:{a.port}' }}\n  garbage: {{ grpc: '127.0.0.1:{b.port}' }}\n  closes: {{ grpc: '127.0.0.1:{c.port}' }}\n"
            f"  refused: {{ grpc: '127.0.0.1:{free_port()}' }}\n  bare: {{ grpc: '127.0.0.1:{bare}' }}\n"
            f"  lenient: {{ grpc: {{ address: '127.0.0.1:{bare}', unimplemented: pass }} }}\n") as v:
        outcome(v, "http1", class_="fail", reason="bad_reply", text="answers HTTP/1, not HTTP/2")
        outcome(v, "garbage", class_="fail", reason="bad_reply")
        assert outcome(v, "closes", class_="fail")["reason"] in ("closed", "reset")
        outcome(v, "refused", class_="fail", reason="refused")
        outcome(v, "bare", class_="fail", reason="config", text="has no health service")
        outcome(v, "lenient", class_="pass")
    empty.stop(0)


def test_slow_and_silent():
    release = threading.Event()
    with Health({"": "SERVING"}, delay=release) as s, Vitald(
            PROBES + f"  slow: {{ grpc: {{ address: '127.0.0.1:{s.port}', warn_above: 1ms }} }}\n"
            f"  silent: {{ grpc: '127.0.0.1:{s.port}', timeout: 100ms }}\n") as v:
        outcome(v, "silent", class_="fail", reason="timeout")
        release.set()
        outcome(v, "slow", class_="warn", reason="slow")


def test_options_are_checked():
    done = check_config("probes:\n  a: { grpc: { address: '127.0.0.1', metadata: { Grpc-X: 1 }, expect: nonsense } }\n")
    text = done.stdout + done.stderr
    assert done.returncode != 0 and "nonsense" in text
    done = check_config("probes:\n  a: { grpc: { address: '127.0.0.1', metadata: { grpc-x: y } } }\n")
    text = done.stdout + done.stderr
    assert "a port is needed" in text and "no name for metadata" in text
