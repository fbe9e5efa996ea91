"""Network probes with the real thing: nginx, TLS by OpenSSL, sockets that misbehave."""
import json
import os
import re
import socket
import socketserver
import ssl
import struct
import subprocess
import threading

import pytest

from conftest import Nginx
from daemon import Vitald, free_port, wait_for

FAST = "defaults: { interval: 250ms, timeout: 1s, jitter: 0% }\n"


def probes(**by_name):
    return FAST + "probes: " + json.dumps({name.replace("_", "-"): probe for name, probe in by_name.items()}) + "\n"


def number(probe, name):
    return next(n["value"] for n in probe["numbers"] if n["name"] == name)


def numbers(probe):
    return {n["name"] for n in probe["numbers"]}


def attempts(v, name):
    return sum(v.probe(name)["attempts"].values())


def expect(v, **by_name):
    """name = (reason, regular expression for the text)"""
    for name, (reason, text) in by_name.items():
        v.wait_outcome(name.replace("_", "-"), reason=reason, text=text)


# ---- http

SITE = """
server {
  listen 127.0.0.1:PORT; listen [::1]:PORT; listen unix:SOCKET; server_name localhost;
  location = /ok       { default_type application/json; return 200 '{"status":"UP","queue":{"depth":5}}'; }
  location = /down     { return 503 'database: connection refused'; }
  location = /moved    { return 302 /ok; }
  location = /away     { return 302 http://elsewhere.example/; }
  location = /ring     { return 302 /ring; }
  location = /secret   { if ($http_authorization != "Bearer hush") { return 401; } return 200 in; }
  location = /basic    { if ($http_authorization != "Basic dTpw") { return 401; } return 200 in; }
  location = /echo     { return 200 '$request_method $http_host $http_user_agent $http_x_key $http_traceparent $request_body'; }
  location = /nothing  { return 204; }
  location = /nowhere  { return 404; }
}
server {
  listen 127.0.0.1:TLSPORT ssl; server_name localhost;
  ssl_certificate CERT; ssl_certificate_key KEY;
  location = /ok { return 200 secure; }
}
"""


@pytest.fixture
def site(ca, tmp_path):
    cert, key = ca.issue("site")
    with Nginx(SITE, CERT=cert, KEY=key, SOCKET=f"{tmp_path}/n.sock") as nginx:
        nginx.socket = f"{tmp_path}/n.sock"
        yield nginx


def test_http_against_nginx(site, ca):
    base, secure = f"http://127.0.0.1:{site.port}", f"https://localhost:{site.tls_port}"
    json_checks = [{"pointer": "/status", "equals": "UP"}, {"pointer": "/queue/depth", "fail_above": 10}]
    config = probes(
        bare={"http": f"{base}/ok"},
        v6={"http": f"http://[::1]:{site.port}/ok"},
        body={"http": {"url": f"{base}/ok", "contains": "UP", "not_contains": "DOWN", "matches": '"depth":\\d', "json": json_checks}},
        wrong_json={"http": {"url": f"{base}/ok", "json": [{"pointer": "/queue/depth", "warn_above": 3}]}},
        down={"http": f"{base}/down"},
        not_found={"http": f"{base}/nowhere"},
        moved={"http": {"url": f"{base}/moved", "redirects": "same_host", "contains": "UP"}},
        not_followed={"http": f"{base}/moved"},
        away={"http": {"url": f"{base}/away", "redirects": "same_host"}},
        ring={"http": {"url": f"{base}/ring", "redirects": "same_host"}},
        bearer={"http": {"url": f"{base}/secret", "bearer": "hush"}},
        bad_bearer={"http": {"url": f"{base}/secret", "bearer": "wrong-one"}},
        basic={"http": {"url": f"{base}/basic", "basic": {"user": "u", "password": "p"}}},
        asked={"http": {"url": f"{base}/echo", "method": "PUT", "body": "data", "host": "app.example", "headers": {"X-Key": "kkkk"}, "traceparent": True,
                        "matches": "^PUT app.example vitald/\\S+ kkkk 00-[0-9a-f]{32}-[0-9a-f]{16}-00"}},
        nothing={"http": {"url": f"{base}/nothing", "status": "204"}},
        head={"http": {"url": f"{base}/ok", "method": "HEAD"}},
        by_socket={"http": {"url": "http://localhost/ok", "socket": site.socket}},
        by_socket_url={"http": "http+unix://" + site.socket.replace("/", "%2F") + "/ok"},
        tls={"http": {"url": f"{secure}/ok", "tls": {"ca": ca.ca}, "contains": "secure"}},
        tls_unknown={"http": f"{secure}/ok"},
        tls_old={"http": {"url": f"{secure}/ok", "tls": {"ca": ca.ca}, "certificate": {"warn_below": 100}}},
        plain_to_tls={"http": f"http://127.0.0.1:{site.tls_port}/ok"},
        tls_to_plain={"http": f"https://127.0.0.1:{site.port}/ok"},
        slow={"http": {"url": f"{base}/ok", "warn_above": "1us"}},
    )
    with Vitald(config) as v:
        for name in ("bare", "v6", "body", "moved", "bearer", "basic", "asked", "nothing", "head", "by-socket", "by-socket-url", "tls"):
            v.wait_outcome(name, class_="pass")
        expect(v, wrong_json=("threshold", "/queue/depth is 5, above 3"), down=("bad_status", "status 503 .*expected 200-299: database: connection refused"),
               not_found=("bad_status", "status 404 Not Found, expected 200-299$"), not_followed=("bad_status", "302.*redirects to .*/ok"), away=("bad_status", "another host"),
               ring=("bad_status", "one redirect too many"), bad_bearer=("auth", "401"), tls_unknown=("cert_untrusted", ""),
               tls_old=("cert_expiring", "certificate of CN ?= ?site expires in \\d+ days"), plain_to_tls=("bad_status", "400"), tls_to_plain=("tls", ""),
               slow=("slow", "more than"))
        assert v.probe("tls-old")["outcome"]["class"] == "warn"
        assert {"resolve_seconds", "connect_seconds", "tls_seconds", "first_byte_seconds", "total_seconds", "certificate_days"} <= numbers(v.probe("tls"))
        assert number(v.probe("bare"), "status_code") == 200
        everything = v.log() + v.get("/status").text + v.get("/metrics").text
        assert not re.search("hush|wrong-one|kkkk", everything)


def test_http_targets_that_misbehave(server):
    def after_request(answer, then=lambda s: None):
        def handle(sock):
            sock.recv(4096)
            sock.sendall(answer)
            then(sock)
            sock.close()
        return server(handle).port

    def reset(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def for_ever(sock):
        while True:
            sock.sendall(b"x" * 65536)

    silent = server(lambda s: s.recv(4096) and s.recv(1)).port
    # a listener whose queue is full: the kernel drops further connections silently
    hole = socket.socket()
    hole.bind(("127.0.0.1", 0))
    hole.listen(0)
    fillers = []
    for _ in range(4):
        f = socket.socket()
        f.setblocking(False)
        f.connect_ex(hole.getsockname())
        fillers.append(f)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    ports = {
        "silent": silent, "hole": hole.getsockname()[1], "refused": free_port(),
        "cut": after_request(head + b"only this"), "reset": after_request(head + b"only this", reset), "nothing": after_request(b""),
        "endless": after_request(b"HTTP/1.1 200 OK\r\n\r\n", for_ever), "both": after_request(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        "ssh": after_request(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n"), "chunks": after_request(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n"),
        "big-head": after_request(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40000),
    }
    config = probes(**{name: {"http": {"url": f"http://127.0.0.1:{port}/", "contains": "never there"}} for name, port in ports.items()},
                    no_name={"http": "http://no-such-host.invalid/"})
    with Vitald(config) as v:
        expect(v, silent=("timeout", ""), hole=("timeout", ""), refused=("refused", f"127.0.0.1.*{ports['refused']}"), cut=("closed", "middle of the body"),
               reset=("reset", ""), nothing=("closed", "without an answer"), endless=("too_large", "larger than 1048576 bytes"), both=("bad_reply", ""),
               ssh=("bad_reply", "not a proper HTTP answer"), chunks=("bad_reply", "chunks"), big_head=("bad_reply", ""), no_name=("dns", "no-such-host.invalid"))
        fds, before = v.fds(), attempts(v, "cut")
        wait_for(lambda: attempts(v, "cut") > before + 5, "more attempts")
        assert v.fds() <= fds + len(ports) + 1      # those that may be under way right now
    for f in fillers + [hole]:
        f.close()


def test_a_token_that_is_rotated_is_never_seen_to_fail(server, tmp_path):
    accepted, token = ["one-token"], tmp_path / "token"
    token.write_text("one-token\n")

    def handle(sock):
        good = f"Bearer {accepted[0]}\r\n".encode() in sock.recv(4096)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" if good else b"HTTP/1.1 401 Unauthorized\r\n\r\n")
        sock.close()
    port = server(handle).port
    with Vitald(probes(app={"http": {"url": f"http://127.0.0.1:{port}/", "bearer": {"file": str(token)}}})) as v:
        v.wait_outcome("app", class_="pass")
        for value in ("two-token", "three-token"):
            new = tmp_path / "new"
            new.write_text(value)
            new.rename(token)
            accepted[0] = value
            before = attempts(v, "app")
            wait_for(lambda: attempts(v, "app") > before + 3, "more attempts")
        assert v.probe("app")["attempts"]["fail"] == 0
        accepted[0] = "another"
        v.wait_outcome("app", reason="auth")
        assert "three-token" not in v.get("/status").text + v.log()


# ---- tls

def tls_context(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def test_tls_certificates(ca, server, tmp_path):
    def port(*args, **kwargs):
        return server(lambda s: s.recv(1), tls_context(*ca.issue(*args, **kwargs))).port

    good, soon = port("good", days=90), port("soon", days=3)
    expired = port("expired", not_before="20200101000000Z", not_after="20210101000000Z")
    other = port("other", san="DNS:other.example")
    own_key, own_cert = f"{tmp_path}/own.key", f"{tmp_path}/own.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90", "-subj", "/CN=own",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", own_key, "-out", own_cert], check=True, capture_output=True)
    own = server(lambda s: s.recv(1), tls_context(own_cert, own_key)).port
    plain = server(lambda s: s.sendall(b"220 not TLS at all\r\n")).port

    def tls(p, **more):
        return {"tls": {"address": f"localhost:{p}", "tls": {"ca": ca.ca, **more}}}
    config = probes(good=tls(good), soon=tls(soon), expired=tls(expired), other=tls(other), renamed=tls(other, name="other.example"), own=tls(own),
                    unverified=tls(own, verify=False), plain=tls(plain), files={"tls": {"files": [f"{ca.dir}/good.crt", f"{ca.dir}/soon.crt"], "fail_below": 1}},
                    missing={"tls": {"files": "/nowhere/at/all.pem"}}, tcp={"tcp": {"address": f"localhost:{good}", "tls": {"ca": ca.ca}}})
    with Vitald(config) as v:
        for name in ("good", "renamed", "unverified", "tcp"):
            v.wait_outcome(name, class_="pass")
        expect(v, soon=("cert_expiring", "expires in 2 days"), expired=("cert_expired", "expired \\d+ days ago"), other=("cert_name", ""),
               own=("cert_untrusted", ""), plain=("tls", ""), files=("cert_expiring", f"{ca.dir}/soon.crt: certificate of CN=soon expires in 2 days"),
               missing=("not_found", "/nowhere/at/all.pem"))
        assert v.probe("soon")["outcome"]["class"] == "fail"
        assert v.probe("files")["outcome"]["class"] == "warn"
        assert number(v.probe("expired"), "certificate_days") < -1000
        assert 88 < number(v.probe("good"), "certificate_days") < 91
        assert "self-signed" in v.probe("unverified")["outcome"]["text"] or "self signed" in v.probe("unverified")["outcome"]["text"]


def line(sock):
    data = b""
    while not data.endswith(b"\n"):
        data += sock.recv(1) or b"\n"
    return data


def test_starttls_dialogues(ca, server):
    context = tls_context(*ca.issue("mail"))
    greeting = b"\x0a8.0.36\0" + bytes(4) + b"12345678\0" + b"\xff\xff\x21\x02\0\xff\xc1\x15" + bytes(10) + b"123456789012\0caching_sha2_password\0"

    def smtp(s):
        s.sendall(b"220-mail\r\n220 ready\r\n")
        assert line(s) == b"EHLO vitald\r\n"
        s.sendall(b"250-mail\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
        assert line(s) == b"STARTTLS\r\n"
        s.sendall(b"220 go\r\n")

    def imap(s):
        s.sendall(b"* OK ready\r\n")
        assert line(s) == b"a STARTTLS\r\n"
        s.sendall(b"a OK go\r\n")

    def pop3(s):
        s.sendall(b"+OK ready\r\n")
        assert line(s) == b"STLS\r\n"
        s.sendall(b"+OK go\r\n")

    def ldap(s):
        assert s.recv(100)[-22:] == b"1.3.6.1.4.1.1466.20037"
        s.sendall(bytes.fromhex("300c02010178070a010004000400"))

    def postgres(s):
        assert s.recv(8) == bytes.fromhex("0000000804d2162f")
        s.sendall(b"S")

    def mysql(s):
        s.sendall(struct.pack("<I", len(greeting)) + greeting)
        assert s.recv(36)[:4] == b"\x20\0\0\x01"

    def then_tls(dialogue):
        def handle(sock):
            dialogue(sock)
            with context.wrap_socket(sock, server_side=True) as secure:
                secure.sendall(b"hello inside\r\n")
                secure.recv(1)
        return server(handle).port
    dialogues = {d.__name__: then_tls(d) for d in (smtp, imap, pop3, ldap, postgres, mysql)}
    refuses = server(lambda s: (s.sendall(b"220 x\r\n"), line(s), s.sendall(b"250 x\r\n"), line(s), s.sendall(b"454 not now\r\n"), s.recv(1))).port
    inside = {name: {"tcp": {"address": f"localhost:{port}", "tls": {"ca": ca.ca}, "starttls": name, "expect": "hello inside"}} for name, port in dialogues.items()}
    seen = {f"tls-{name}": {"tls": {"address": f"localhost:{port}", "tls": {"ca": ca.ca}, "starttls": name}} for name, port in dialogues.items()}
    config = probes(**inside, **seen, refuses={"tcp": {"address": f"localhost:{refuses}", "tls": True, "starttls": "smtp"}})
    with Vitald(config) as v:
        for name in list(inside) + list(seen):
            v.wait_outcome(name, class_="pass")
        expect(v, refuses=("config", "454 not now"))


# ---- tcp

def test_tcp(server, tmp_path):
    def talk(sock):
        sock.sendall(b"pong\r\n" if sock.recv(100) == b"ping\r\n" else b"what?\r\n")
        sock.recv(1)
    goodbyes = []

    def goodbye(sock):
        sock.sendall(b"+PO")
        sock.sendall(b"NG\r\n")
        goodbyes.append(sock.recv(100))
    port, polite, silent = server(talk).port, server(goodbye).port, server(lambda s: s.recv(1)).port
    path = f"{tmp_path}/s.sock"
    unix = socketserver.ThreadingUnixStreamServer(path, socketserver.BaseRequestHandler)
    threading.Thread(target=unix.serve_forever, daemon=True).start()
    config = probes(
        opens={"tcp": f"127.0.0.1:{port}"}, unix={"tcp": f"unix:{path}"}, no_unix={"tcp": f"unix:{tmp_path}/none.sock"}, refused={"tcp": f"127.0.0.1:{free_port()}"},
        talks={"tcp": {"address": f"127.0.0.1:{port}", "send": "ping\r\n", "expect": "pong"}},
        wrong={"tcp": {"address": f"127.0.0.1:{port}", "send": "hello\r\n", "expect": "pong"}},
        pattern={"tcp": {"address": f"127.0.0.1:{port}", "send": "ping\r\n", "matches": "^p.ng\\s"}},
        polite={"tcp": {"address": f"127.0.0.1:{polite}", "expect": "+PONG", "quit": "QUIT\r\n"}},
        silent={"tcp": {"address": f"127.0.0.1:{silent}", "expect": "anything"}},
    )
    with Vitald(config) as v:
        for name in ("opens", "unix", "talks", "pattern", "polite"):
            v.wait_outcome(name, class_="pass")
        expect(v, no_unix=("not_found", "none.sock"), refused=("refused", "127.0.0.1"),
               wrong=("mismatch", r'said "what\?'), silent=("timeout", ""))
        wait_for(lambda: b"QUIT\r\n" in goodbyes, "the goodbye")
    unix.shutdown()
    unix.server_close()


# ---- dns

class DNS:
    """Answers A questions over UDP and TCP on one port. `names`: name -> (rcode, addresses); "big" is truncated over UDP."""

    def __init__(self, names):
        self.names, self.udp_questions = names, 0
        while True:
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(("127.0.0.1", 0))
            self.port = self.udp.getsockname()[1]
            try:
                self.tcp = socket.create_server(("127.0.0.1", self.port))
                break
            except OSError:
                self.udp.close()
        threading.Thread(target=self.serve_udp, daemon=True).start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    def answer(self, query, udp):
        end, labels = 12, []
        while query[end]:
            labels.append(query[end + 1:end + 1 + query[end]].decode())
            end += 1 + query[end]
        question = query[12:end + 5]
        rcode, addresses = self.names.get(".".join(labels), (3, []))
        cut = udp and labels[0] == "big"
        records = b"" if cut else b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(a) for a in addresses)
        return query[:2] + struct.pack(">HHHHH", 0x8180 | rcode | (0x200 if cut else 0), 1, 0 if cut else len(addresses), 0, 0) + question + records

    def serve_udp(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(600)
                self.udp_questions += 1
                self.udp.sendto(b"\0\0" + self.answer(query, True)[2:], peer)      # somebody else's id first
                self.udp.sendto(self.answer(query, True), peer)
            except OSError:
                return

    def serve_tcp(self):
        while True:
            try:
                sock, _ = self.tcp.accept()
                with sock:
                    query = sock.recv(600)
                    assert len(query) == 2 + query[1], "length and query come in one piece"
                    answer = self.answer(query[2:], False)
                    sock.sendall(struct.pack(">H", len(answer)) + answer)
            except OSError:
                return

    def close(self):
        self.udp.close()
        self.tcp.close()


def test_dns():
    names = DNS({"app.example": (0, ["10.0.0.1", "10.0.0.2"]), "big.example": (0, [f"10.1.0.{i}" for i in range(1, 60)]), "broken.example": (2, [])})
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    here, nobody, mute = f"127.0.0.1:{names.port}", f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}", f"127.0.0.1:{silent.getsockname()[1]}"

    def dns(name, *servers, **more):
        return {"dns": {"name": name, "servers": list(servers), **more}}
    config = probes(
        good=dns("app.example", here, expect=["10.0.0.2", "10.0.0.1"]), other=dns("app.example", here, expect="10.0.0.3"),
        few=dns("app.example", here, min_answers=3), gone=dns("none.example", here), gone_wanted=dns("none.example", here, rcode="nxdomain"),
        broken=dns("broken.example", here), big=dns("big.example", here, min_answers=59), tcp=dns("app.example", here, transport="tcp"),
        second=dns("app.example", nobody, here), third=dns("app.example", mute, nobody, here), refused=dns("app.example", nobody), silent=dns("app.example", mute),
    )
    with Vitald(config) as v:
        for name in ("good", "gone-wanted", "big", "tcp", "second", "third"):
            v.wait_outcome(name, class_="pass")
        expect(v, other=("mismatch", "10.0.0.3"), few=("count", "2 A records, at least 3"), gone=("dns", "NXDOMAIN"), broken=("dns", "SERVFAIL"),
               refused=("refused", nobody), silent=("timeout", ""))
        assert number(v.probe("big"), "answers") == 59
        assert number(v.probe("good"), "ttl_seconds") == 60
    names.close()
    silent.close()


# ---- ping

def test_ping():
    config = probes(here={"ping": {"host": "127.0.0.1", "count": 2, "gap": "10ms"}}, nowhere={"ping": "no-such-host.invalid"})
    with Vitald(config) as v:
        o = v.wait_outcome("here")["outcome"]
        if o["reason"] == "not_available":
            assert "net.ipv4.ping_group_range" in o["text"] and "CAP_NET_RAW" in o["text"]
        else:
            assert o["class"] == "pass" and number(v.probe("here"), "loss_ratio") == 0
        expect(v, nowhere=("dns", "no-such-host.invalid"))
