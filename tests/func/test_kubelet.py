"""Probes as kubelet sends them, and the questions that people ask an apiserver. kubelet itself cannot run here: what its HTTP
prober does is done exactly as it does it. A new connection each time, kept alive by nobody, `User-Agent: kube-probe/1.N`,
`Accept: */*`, `Connection: close`, one second in all, TLS without verification, 200 to 399 passes, at most 10 KiB of body.
Its gRPC prober is a plain gRPC client with the user agent kube-probe: see test_grpc.py for the protocol."""
import socket
import ssl

import pytest

from daemon import Vitald, wait_for
from grpc_kit import Client

CONFIG = """
probes:
  a: { heartbeat: { max_silence: 1h, at_start: fail }, rise: 1, fall: 1, interval: 1m, interval_unsettled: 10ms }
  b: { heartbeat: { max_silence: 1h, at_start: fail }, rise: 1, fall: 1, interval: 1m, interval_unsettled: 10ms }
groups:
  ready: [a, b]
"""


def kubelet(port, path, tls=False, host="127.0.0.1"):
    """True: the probe passes. The response's head and body besides."""
    with socket.create_connection((host, port), timeout=1) as s:
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["h2", "http/1.1"])
            s = context.wrap_socket(s, server_hostname=None)
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: kube-probe/1.30\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode())
        got = b""
        while chunk := s.recv(10240):
            got += chunk
        s.close()
    head, _, body = got.partition(b"\r\n\r\n")
    return 200 <= int(head.split()[1]) < 400, head.decode(), body.decode()


@pytest.mark.parametrize("tls", [False, True])
def test_the_three_probes(ca, tls):
    crt, key = ca.issue("kubelet")
    listen = f"listen:\n  - {{ address: '127.0.0.1:0', name: k{', tls: { cert: ' + crt + ', key: { file: ' + key + ' } }' if tls else ''} }}\n"
    with Vitald(listen + CONFIG, wait=False) as v:
        port = int(v.wait_log(r"listening on https?://127\.0\.0\.1:(\d+)").group(1))
        assert kubelet(port, "/livez", tls)[0]
        assert not kubelet(port, "/readyz", tls)[0]
        v.ctl("beat", "a")
        assert not kubelet(port, "/readyz", tls)[0]
        v.ctl("beat", "b")
        wait_for(lambda: kubelet(port, "/readyz", tls)[0], "ready")
        passed, head, body = kubelet(port, "/startupz", tls)
        assert passed and body == "pass\n" and "\r\nConnection: close" in head
        v.ctl("beat", "a", "fail")
        wait_for(lambda: not kubelet(port, "/readyz", tls)[0], "not ready")
        assert kubelet(port, "/startupz", tls)[0] and kubelet(port, "/livez", tls)[0]
        v.ctl("drain")
        assert not kubelet(port, "/readyz", tls)[0] and kubelet(port, "/livez", tls)[0]


def test_the_apiservers_questions():
    with Vitald(CONFIG) as v:
        v.ctl("beat", "a")
        v.ctl("beat", "b", "fail")
        wait_for(lambda: "[+]a ok" in kubelet(v.port, "/readyz?verbose")[2], "a is up")
        passed, _, body = kubelet(v.port, "/readyz?verbose")
        assert not passed and "[+]a ok\n" in body and "[-]b failed: " in body
        passed, _, body = kubelet(v.port, "/readyz?verbose&exclude=b")
        assert passed and "[+]b excluded" in body
        assert kubelet(v.port, "/readyz?exclude=a&exclude=b&exclude=a")[0]
        passed, _, body = kubelet(v.port, "/readyz?verbose&exclude=nosuch&exclude=b")
        assert passed and "nosuch" in body
        assert kubelet(v.port, "/readyz/a")[0] and not kubelet(v.port, "/readyz/b")[0]


def test_the_grpc_probe():
    listen = "listen:\n  - { address: '127.0.0.1:0', serve: all, name: h }\n  - { address: '127.0.0.1:0', serve: grpc, name: g }\n"
    with Vitald(listen + CONFIG) as v:
        port = v.wait_log(r"listening on grpc://127\.0\.0\.1:(\d+)").group(1)

        def probe(service):
            with Client(f"127.0.0.1:{port}", options=[("grpc.primary_user_agent", "kube-probe/1.30")]) as c:
                return c.code(service, timeout=5)
        assert probe("live") == probe("") == "SERVING" and probe("ready") == "NOT_SERVING" and probe("nosuch") == "NOT_FOUND"
        v.ctl("beat", "a")
        v.ctl("beat", "b")
        wait_for(lambda: probe("ready") == "SERVING", "ready")
