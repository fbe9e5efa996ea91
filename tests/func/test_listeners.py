"""Listeners that strangers may reach: TLS, client certificates, tokens, networks; with real curl, openssl and nginx."""
import contextlib
import hashlib
import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading

import pytest

from conftest import Nginx
from daemon import Vitald, check_config, free_port, wait_for

TOKEN, SCRAPE = "token-of-the-operators-0123456789", "token-of-prometheus-0123456789"
PROBES = "probes: { root: { disk: { path: / } } }\n"


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Exposed(Vitald):
    """A plain listener on loopback (for the test's own questions) and one that is exposed, at .tls_port."""

    def __init__(self, options, serve="all", **more):
        self.tls_port = free_port()
        super().__init__(self.config(options, serve), **more)
        self.wait_code("/readyz", 200)

    def config(self, options, serve="all", port=None):
        return (f"listen:\n  - {{ address: 127.0.0.1:0, serve: all }}\n"
                f"  - address: 127.0.0.1:{port or self.tls_port}\n    name: exposed\n    serve: {serve}\n    reread: 100ms\n{options}") + PROBES

    def metric(self, name):
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(f"vitald_{name} "):
                return float(line.split()[-1])
        raise KeyError(name)

    def counted(self, name, value):
        return wait_for(lambda: self.metric(name) >= value, f"{name} >= {value}")

    def ask(self, path="/readyz", method="GET", token=None, headers=None, context=None, source=None, timeout=10):
        """One request on a connection of its own, over TLS when there is a context."""
        kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
        more = {"context": context} if context else {}
        c = kind("127.0.0.1", self.tls_port, timeout=timeout, source_address=source and (source, 0), **more)
        with contextlib.closing(c):
            c.request(method, path, headers={**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})})
            r = c.getresponse()
            r.text = r.read().decode()
            return r


def tls(crt, key, more=""):
    return f"    tls: {{ cert: {crt}, key: {{ file: {key} }}{more} }}\n"


def trusting(ca, cert=None, **options):
    context = ssl.create_default_context(cafile=ca.ca)
    if cert:
        context.load_cert_chain(*cert)
    for name, value in options.items():
        setattr(context, name, value)
    return context


@pytest.fixture(scope="module")
def ours(ca):
    return ca.issue("vitald.test")


@pytest.fixture(scope="module")
def open_tls(ours):
    with Exposed(tls(*ours)) as v:
        yield v


def curl(*args):
    return subprocess.run(["curl", "-sS", "-m", "10", *args], capture_output=True, text=True)


def s_client(port, *args, stdin=""):
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *args], input=stdin, capture_output=True, text=True, timeout=20)


# ---- TLS

def test_curl_is_served_over_tls(open_tls, ca):
    url = f"https://localhost:{open_tls.tls_port}"
    r = curl("--cacert", ca.ca, "--http2", "-w", "%{http_code} %{http_version} %{ssl_verify_result}", f"{url}/readyz")
    assert r.stdout == "pass\n200 1.1 0", r.stderr
    assert '"probes":[' in curl("--cacert", ca.ca, f"{url}/status").stdout
    assert "certificate" in curl(f"{url}/readyz").stderr       # not trusted without our CA: it is that certificate


def test_a_large_answer_is_whole(ours, ca):
    probes = "probes:\n" + "".join(f"  p{i}: {{ tcp: \"127.0.0.1:9\", interval: 600s }}\n" for i in range(1500))
    port = free_port()
    with Vitald(f"listen:\n  - {{ address: 127.0.0.1:0, serve: all }}\n  - address: 127.0.0.1:{port}\n    serve: all\n{tls(*ours)}{probes}") as v:
        r = curl("--cacert", ca.ca, f"https://localhost:{port}/metrics")
        assert r.returncode == 0 and 'probe="p1499"' in r.stdout, r.stderr
        slow = curl("--cacert", ca.ca, "--limit-rate", "4M", f"https://localhost:{port}/status")
        assert len(v.get("/status").json["probes"]) == slow.stdout.count('"next_attempt"')


@pytest.mark.parametrize("version,least,served", [("-tls1_1", "1.2", False), ("-tls1_2", "1.2", True), ("-tls1_3", "1.2", True),
                                                  ("-tls1_2", "1.3", False), ("-tls1_3", "1.3", True)])
def test_versions(open_tls, ours, version, least, served):
    with contextlib.ExitStack() as stack:
        v = open_tls if least == "1.2" else stack.enter_context(Exposed(tls(*ours, f", min_version: {least}")))
        r = s_client(v.tls_port, version, "-cipher", "ALL:@SECLEVEL=0", stdin="Q\n")
        assert ("Verification" in r.stdout and "Cipher is (NONE)" not in r.stdout) == served, r.stdout + r.stderr


def test_protocols_and_renegotiation(open_tls):
    assert "ALPN protocol: http/1.1" in s_client(open_tls.tls_port, "-alpn", "h2,http/1.1").stdout
    assert "No ALPN negotiated" in s_client(open_tls.tls_port, "-alpn", "smtp").stdout
    r = s_client(open_tls.tls_port, "-tls1_2", stdin="R\n")
    assert "RENEGOTIATING" in r.stdout + r.stderr and "no renegotiation" in r.stderr


def test_sessions_are_resumed_without_a_signature(open_tls):
    before = open_tls.metric('tls_handshakes_total{result="resumed"}')
    assert s_client(open_tls.tls_port, "-tls1_2", "-reconnect").stdout.count("Reused, TLSv1.2") == 5
    open_tls.counted('tls_handshakes_total{result="resumed"}', before + 5)


def test_http_on_the_tls_port_is_told_so(open_tls):
    r = curl("-i", f"http://127.0.0.1:{open_tls.tls_port}/readyz")
    assert r.stdout.startswith("HTTP/1.1 400 ") and "https://" in r.stdout, r.stderr
    assert open_tls.raw(b"OPTIONS / HTTP/1.0\r\n\r\n", port=open_tls.tls_port).startswith(b"HTTP/1.1 400 ")
    open_tls.counted('tls_handshakes_total{result="not_tls"}', 2)


def test_garbage_ends_and_is_counted(open_tls, ca):
    before = open_tls.metric('tls_handshakes_total{result="failed"}')
    garbage = [b"\0" * 64, b"\x16\x03\x01\xff\xff" + b"a" * 200, b"\x16\x03\x01\x00\x05hello", b"\x80\x2e\x01\x00\x02" + b"x" * 50, bytes(range(256)) * 20]
    for data in garbage:
        open_tls.raw(data, port=open_tls.tls_port)
        assert open_tls.ask(context=trusting(ca)).status == 200
    open_tls.counted('tls_handshakes_total{result="failed"}', before + len(garbage))


def test_requests_in_one_record_and_in_many(open_tls, ca):
    request = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
    with trusting(ca).wrap_socket(socket.create_connection(("127.0.0.1", open_tls.tls_port)), server_hostname="localhost") as s:
        many = 600                       # more than one record, and records that end within a request
        s.sendall(request * many + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        got = b""
        while chunk := s.recv(65536):
            got += chunk
        assert got.count(b"HTTP/1.1 200 OK") == many + 1
    with trusting(ca).wrap_socket(socket.create_connection(("127.0.0.1", open_tls.tls_port)), server_hostname="localhost") as s:
        for i in range(len(request)):
            s.sendall(request[i:i + 1])
        assert s.recv(65536).startswith(b"HTTP/1.1 200 OK")


# ---- who sits in front of it

def test_nginx_with_an_https_upstream(open_tls, ca):
    servers = (f"upstream v {{ server 127.0.0.1:{open_tls.tls_port}; keepalive 4; }}\n"
               f"server {{ listen 127.0.0.1:PORT; location / {{ proxy_pass https://v; proxy_http_version 1.1; proxy_set_header Connection ''; "
               f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca.ca}; proxy_ssl_name localhost; proxy_ssl_session_reuse on; }} }}")
    with Nginx(servers) as n:
        for _ in range(20):
            assert curl("-w", "%{http_code}", f"http://127.0.0.1:{n.port}/readyz").stdout == "pass\n200"


def test_as_kubelet_asks(open_tls):
    """A new connection each time, no verification, no resumption, one second."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for path in ("/livez", "/readyz", "/startupz"):
        r = open_tls.ask(path, headers={"User-Agent": "kube-probe/1.29", "Accept": "*/*", "Connection": "close"}, context=context)
        assert 200 <= r.status < 400


# ---- certificates that change

class Load:
    """Clients that each come once, until they are told to stop."""

    def __init__(self, v, ca, threads=3):
        self.v, self.context, self.going, self.served, self.failed, self.serials = v, trusting(ca), True, 0, [], set()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def run(self):
        while self.going:
            try:
                with socket.create_connection(("127.0.0.1", self.v.tls_port), timeout=10) as raw, \
                        self.context.wrap_socket(raw, server_hostname="localhost") as s:
                    s.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
                    answer = b""
                    while chunk := s.recv(4096):
                        answer += chunk
                    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\npass\n"), answer
                    self.serials.add(s.getpeercert()["serialNumber"])
                    self.served += 1
            except Exception as e:         # noqa: BLE001: whatever it is, it is a failed request
                self.failed.append(repr(e))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *exc):
        self.going = False
        for t in self.threads:
            t.join()


def test_certificate_rotation_loses_no_request(ca, tmp_path):
    crt, key = str(tmp_path / "s.crt"), str(tmp_path / "s.key")

    def install(name, parts=("crt", "key")):
        issued = dict(zip(("crt", "key"), ca.issue(name, days=90)))
        for part in parts:
            os.replace(shutil.copy(issued[part], tmp_path / "new"), tmp_path / f"s.{part}")
        return issued

    install("first")
    with Exposed(tls(crt, key)) as v, Load(v, ca) as load:
        wait_for(lambda: load.serials)
        for n in range(3):
            known = set(load.serials)
            install(f"renewed{n}")
            wait_for(lambda: load.serials - known, "the new certificate is shown")
        half = install("half", parts=("crt",))                    # the key is still the old one's
        v.wait_log("its files cannot be used as they are now: the private key in .* does not belong to the certificate")
        v.counted('listener_files_unusable{listener="exposed"}', 1)
        served = load.served
        wait_for(lambda: load.served > served + 20)
        known = set(load.serials)
        shutil.copy(half["key"], key)
        v.wait_log("its files can be used again")
        wait_for(lambda: load.serials - known)
        wait_for(lambda: v.metric('listener_files_unusable{listener="exposed"}') == 0)
        for n in range(3):                                        # by reload, while the load goes on
            install(f"reloaded{n}")
            v.reload()
        os.unlink(key)
        assert "cannot open secret file" in v.reload(ok=False).stderr
        served = load.served
        wait_for(lambda: load.served > served + 20)
    assert not load.failed, load.failed[:3]


def test_days_left_are_told(ca, tmp_path):
    crt, key = ca.issue("short", days=5)
    with Exposed(tls(crt, key)) as v:
        v.wait_log(r"warning listener=exposed its certificate is good until \d{4}-\d\d-\d\d .*, [45] days from now")
        left = v.metric('listener_certificate_expiry_timestamp_seconds{listener="exposed"}')
        end = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", crt], capture_output=True, text=True).stdout.strip().split("=")[1]
        assert left == ssl.cert_time_to_seconds(end)
    told = check_config(f"listen: {{ address: '127.0.0.1:1', tls: {{ cert: {crt}, key: {{ file: {key} }} }} }}").stderr
    assert re.search("expires in [45] days: renew it", told), told


def test_tls_is_switched_on_by_reload(ours, ca):
    with Exposed("") as v:
        kept = http.client.HTTPConnection("127.0.0.1", v.tls_port)
        kept.request("GET", "/readyz")
        assert kept.getresponse().read() == b"pass\n"
        v.reload(v.config(tls(*ours)))
        kept.request("GET", "/readyz")
        last = kept.getresponse()
        assert last.status == 200 and last.headers["Connection"] == "close"      # answered, and comes back through TLS
        assert v.ask(context=trusting(ca)).status == 200
        v.reload(v.config(""))
        assert v.ask().status == 200


# ---- client certificates

def test_client_certificates_required(ours, ca, tmp_path):
    other = type(ca)(str(tmp_path))
    good, stranger = ca.issue("client-a", san="DNS:a.test,URI:spiffe://test/a"), other.issue("client-a")
    with Exposed(tls(*ours, f", client_ca: {ca.ca}")) as v:
        assert v.ask("/status", context=trusting(ca, good)).status == 200
        for cert in (None, stranger):
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
                v.ask("/readyz", context=trusting(ca, cert))
        v.wait_log(r"failed in the TLS handshake: (client certificate|peer did not return a certificate)")
        v.counted('tls_handshakes_total{result="failed"}', 2)
        for names, status in (("[spiffe://test/a]", 200), ("[A.test]", 200), ("[client-a]", 200), ("[b.test, spiffe://test/A]", 403)):
            v.reload(v.config(tls(*ours, f", client_ca: {ca.ca}, client_names: {names}")))
            assert v.ask("/status", context=trusting(ca, good)).status == status, names
            assert v.ask("/readyz", context=trusting(ca, good)).status == 200


def test_client_certificates_optional(ours, ca):
    good = ca.issue("client-b")
    with Exposed(tls(*ours, f", client_ca: {ca.ca}, client: optional")) as v:
        assert v.ask("/readyz", context=trusting(ca)).status == 200
        refused = v.ask("/status", context=trusting(ca))
        assert refused.status == 403 and "certificate" in refused.text and "WWW-Authenticate" not in refused.headers
        assert v.ask("/status", context=trusting(ca, good)).status == 200
        # a resumed session is the same client's
        context = trusting(ca, good, maximum_version=ssl.TLSVersion.TLSv1_2)
        session = None
        for reused in (False, True):
            with context.wrap_socket(socket.create_connection(("127.0.0.1", v.tls_port)), server_hostname="localhost", session=session) as s:
                s.sendall(b"GET /status HTTP/1.0\r\n\r\n")
                assert s.recv(4096).startswith(b"HTTP/1.1 200 ") and s.session_reused == reused
                session = s.session
        # a kept connection is judged anew when the names have changed
        c = http.client.HTTPSConnection("127.0.0.1", v.tls_port, context=trusting(ca, good))
        c.request("GET", "/status/root")
        r = c.getresponse()
        assert (r.status, r.read() != b"") == (200, True)
        v.reload(v.config(tls(*ours, f", client_ca: {ca.ca}, client: optional, client_names: nobody")))
        c.request("GET", "/status/root")
        assert c.getresponse().status == 403


# ---- tokens

TOKENS = f"    tokens:\n      - {sha(TOKEN)}\n      - {{ sha256: {sha(SCRAPE)}, serve: metrics }}\n"


@pytest.fixture(scope="module")
def guarded():
    with Exposed(TOKENS) as v:
        yield v


def test_verdicts_are_open_and_details_are_not(guarded):
    for path in ("/livez", "/readyz", "/startupz", "/healthz", "/healthz/ready"):
        assert guarded.ask(path).status == 200
        assert guarded.ask(path, "OPTIONS").status == 200
    bodies = set()
    for path in ("/status", "/status/root", "/status/nosuch", "/healthz/ready/root", "/healthz/ready/nosuch", "/readyz/root", "/explain/ready",
                 "/explain/nosuch", "/metrics", "/events", "/", "/nosuch", "/readyz?exclude=root", "/healthz/nosuch"):
        r = guarded.ask(path)
        assert r.status == 401 and r.headers["WWW-Authenticate"] == 'Bearer realm="vitald"', path
        bodies.add(r.text)
    assert len(bodies) == 1 and "root" not in bodies.pop()
    assert guarded.ask("/readyz?verbose").text == "pass\n"


@pytest.mark.parametrize("headers", [{"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": "Bearer " + TOKEN[:-1]}, {"Authorization": f"Basic {TOKEN}"},
                                     {"Authorization": TOKEN}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "}, {"Authorization": ""},
                                     {"Authorization": f"Bearer {sha(TOKEN)}"}, {"Authorization": f"Bearer {TOKEN} {TOKEN}"},
                                     {"Authorization": "Bearer " + "a" * 7000}, {"Authorization": f"Bearer {TOKEN},"}])
def test_wrong_credentials(guarded, headers):
    r = guarded.ask("/status", headers=headers)
    assert r.status == 401 and 'error="invalid_token"' in r.headers["WWW-Authenticate"]
    assert guarded.ask("/readyz", headers=headers).status == 200       # a verdict needs none, and is not lost for a wrong one


def test_good_credentials(guarded):
    for path in ("/status", "/status/root", "/readyz/root", "/explain/ready", "/metrics", "/", "/readyz?exclude=root"):
        assert guarded.ask(path, token=TOKEN).status == 200, path
    assert guarded.ask("/status", headers={"authorization": f"bEARER   {TOKEN}"}).status == 200
    assert guarded.ask("/nosuch", token=TOKEN).status == 404
    assert "[+]root" in guarded.ask("/readyz?verbose", token=TOKEN).text
    assert guarded.ask("/metrics", token=SCRAPE).status == 200
    short = guarded.ask("/status", token=SCRAPE)
    assert short.status == 403 and 'error="insufficient_scope"' in short.headers["WWW-Authenticate"]
    raw = f"GET /status HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    assert guarded.raw(raw, port=guarded.tls_port).startswith(b"HTTP/1.1 401 ")


def test_refusals_are_counted_and_told_once(guarded):
    before = guarded.metric('http_refused_total{why="wrong_credential"}')
    for _ in range(200):
        assert guarded.ask("/status", token="guess").status == 401
    guarded.counted('http_refused_total{why="wrong_credential"}', before + 200)
    assert guarded.log().count("refused since the last such line") <= 2
    for secret in (TOKEN, SCRAPE, sha(TOKEN), "guess"):
        assert secret not in guarded.log() + guarded.get("/status").text + guarded.get("/metrics").text


def test_tokens_in_a_file_change_without_a_gap(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{sha('old')}  -\n")
    with Exposed(f"    tokens: {{ sha256: {{ file: {path} }} }}\n") as v:
        assert v.ask("/status", token="old").status == 200
        path.write_text(f"# two of them\n{sha('old')}\n{sha('new')}   # ours\n")
        wait_for(lambda: v.ask("/status", token="new").status == 200)
        assert v.ask("/status", token="old").status == 200
        path.write_text(sha("new"))
        wait_for(lambda: v.ask("/status", token="old").status == 401)
        path.write_text("not a hash")
        v.wait_log("its files cannot be used as they are now: tokens: expected the SHA-256 of a token")
        assert v.ask("/status", token="new").status == 200


# ---- networks

def test_networks(ca):
    with Exposed("    allow: [127.0.0.2, 127.1.0.0/16, 2001:db8::/32]\n") as v:
        assert v.ask("/status", source="127.0.0.2").status == 200
        assert v.ask("/status", source="127.1.200.3").status == 200
        for source in ("127.0.0.1", "127.2.0.1"):
            with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
                v.ask("/readyz", source=source, headers={"X-Forwarded-For": "127.0.0.2", "Forwarded": "for=127.0.0.2", "X-Real-IP": "127.0.0.2"})
        v.counted('http_refused_total{why="network"}', 2)
        # not a byte is read of who may not come, and nothing is sent
        with socket.create_connection(("127.0.0.1", v.tls_port)) as s:
            assert s.recv(10) == b""


# ---- floods, and those who are slow

def test_half_open_handshakes_make_room(ours, ca):
    with Exposed(tls(*ours) + "    max_per_source: 64\n") as v, contextlib.ExitStack() as stack:
        hello = b"\x16\x03\x01\x02\x00\x01\x00"                   # the beginning of a ClientHello that never goes on
        for _ in range(300):
            s = stack.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", v.tls_port))))
            with contextlib.suppress(ConnectionError):
                s.sendall(hello)
        assert v.ask(context=trusting(ca)).status == 200
        assert v.ask(context=trusting(ca), source="127.0.0.3").status == 200
        assert v.metric('listener_handshakes{listener="exposed"}') <= 17
        v.counted('http_connections_limited_total{bound="evicted"}', 280)


def test_half_open_handshakes_of_many_sources_make_room_too(ours, ca):
    with Exposed(tls(*ours) + "    max_connections: 160\n    max_per_source: 100\n") as v, contextlib.ExitStack() as stack:
        for n in range(120):
            s = stack.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", v.tls_port), source_address=(f"127.0.1.{n + 1}", 0))))
            with contextlib.suppress(ConnectionError):
                s.sendall(b"\x16\x03\x01")
        assert v.ask(context=trusting(ca)).status == 200
        assert v.metric('listener_handshakes{listener="exposed"}') <= 21


def test_slow_ones_end_by_an_absolute_deadline(open_tls, ca):
    """A handshake that trickles, a request that trickles inside TLS, and a client that never reads: all in the same five seconds."""
    late = open_tls.metric('tls_handshakes_total{result="late"}')
    trickle = socket.create_connection(("127.0.0.1", open_tls.tls_port))
    loris = trusting(ca).wrap_socket(socket.create_connection(("127.0.0.1", open_tls.tls_port)), server_hostname="localhost")
    stop, ended = threading.Event(), {}

    def feed(name, s, first, rest):
        with contextlib.suppress(OSError, ssl.SSLError):
            s.sendall(first)
            while not stop.wait(0.2):
                s.sendall(rest)
        ended[name] = True

    threads = [threading.Thread(target=feed, args=a) for a in (("hello", trickle, b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03", b"a"),
                                                               ("head", loris, b"GET /readyz HTTP/1.1\r\n", b"X"))]
    for t in threads:
        t.start()
    assert b"408" in loris.recv(4096)
    open_tls.counted('tls_handshakes_total{result="late"}', late + 1)
    wait_for(lambda: len(ended) == 2, "both were closed")
    stop.set()
    for t in threads:
        t.join()
    trickle.close()
    loris.close()
    assert open_tls.ask(context=trusting(ca)).status == 200


def test_a_handshake_storm_delays_nobody(ours, ca):
    with Exposed(tls(*ours)) as v, Load(v, ca, threads=6) as load:
        for _ in range(30):
            assert v.get("/readyz").status == 200
        wait_for(lambda: load.served > 100)
        assert v.get("/readyz").status == 200
    assert not load.failed, load.failed[:3]


def test_streams_left_open_by_the_hundred(open_tls, ca):
    context, streams = trusting(ca), []
    try:
        for _ in range(300):
            s = context.wrap_socket(socket.create_connection(("127.0.0.1", open_tls.tls_port)), server_hostname="localhost")
            s.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            streams.append(s)
        open_tls.counted("event_followers", 300)
        assert open_tls.ask(context=context).status == 200
    finally:
        for s in streams:
            s.close()
    wait_for(lambda: open_tls.metric("event_followers") == 0)


# ---- what is said beside the answer, and what cannot be ordered

def test_security_headers_on_all(ours, ca):
    with Exposed(tls(*ours, ", hsts: 30d") + TOKENS) as v:
        for path, token in (("/", TOKEN), ("/readyz", None), ("/status", TOKEN), ("/metrics", TOKEN), ("/status", None), ("/nosuch", TOKEN), ("/readyz?format=x", None)):
            h = v.ask(path, token=token, context=trusting(ca)).headers
            assert h["X-Content-Type-Options"] == "nosniff" and h["Cache-Control"] == "no-store" and h["Referrer-Policy"] == "no-referrer", path
            assert len(h.get_all("Content-Security-Policy")) == 1, path
            assert "default-src 'none'" in h["Content-Security-Policy"] and "frame-ancestors 'none'" in h["Content-Security-Policy"]
            assert h["Strict-Transport-Security"] == ("max-age=2592000" if path == "/" else None)
            assert "Server" not in h
        assert "Strict-Transport-Security" not in v.get("/").headers        # over plain HTTP it means nothing


def test_nothing_can_be_ordered_over_http(guarded):
    def settled():
        s = guarded.get("/status").json
        return ([(p["name"], p["mode"], p["mode_until"] if "mode_until" in p else None) for p in s["probes"]], s["vitald"]["draining"], s["vitald"]["generation"])

    before = settled()
    words = ("reload", "drain", "undrain", "stop", "pause", "force", "maintenance", "run", "debug", "config", "dump")
    paths = ["/", "/status", "/status/root", "/readyz", "/livez", "/metrics", "/events", "/explain/ready", "/readyz?drain=1", "/status/root?mode=paused"]
    paths += [f"/{w}" for w in words] + [f"/-/{w}" for w in words] + [f"/status/root/{w}" for w in words] + [f"/api/{w}" for w in words]
    for path in paths:
        for method in ("POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE"):
            assert guarded.ask(path, method, token=TOKEN).status in (400, 404, 405, 413, 501), (method, path)
    for word in words:
        assert guarded.ask(f"/-/{word}", token=TOKEN).status == 404
    assert settled() == before
    assert guarded.process.poll() is None


# ---- mistakes are found before they are in force

@pytest.mark.parametrize("options,finding", [
    ("tls: { cert: /nonexistent.pem, key: abc }", "c.yaml:3:10: error: `tls`: cannot read the certificate file /nonexistent.pem: No such file"),
    ("tls: { key: { file: /nonexistent.key }, cert: CERT }", "`key`: cannot open secret file /nonexistent.key: No such file"),
    ("tls: {}", "error: `tls`: a listener that speaks TLS needs `cert`"),
    ("tls: true", "tls must be a map of options"),
    ("tls: { cert: OTHER, key: { file: KEY } }", "does not belong to the certificate"),
    ("tls: { cert: CERT, key: { file: KEY }, min_version: 1.1 }", "1.1"),
    ("tls: { cert: CERT, key: { file: KEY }, client: optional }", "`client` and `client_names` need `client_ca`"),
    ("tls: { cert: CERT, key: { file: KEY }, client_ca: KEY }", "there is no certificate in"),
    ("tokens: secret-itself", "`sha256`: expected the SHA-256 of a token, 64 hex digits"),
    ("tokens: [{ serve: status }]", "needs `sha256`"),
    ("open: verdicts", "without `tokens` or `client_ca` everything that is served is open"),
    ("allow: [10.0.0.1/8]", '"10.0.0.1/8" has bits set behind its prefix'),
    ("allow: [10.0.0.0/33]", "has a prefix length that is not 0 to 32"),
    ("allow: [localhost]", "is no network"),
    ("allow: []", "nobody could connect"),
])
def test_mistakes(ours, ca, options, finding):
    other = ca.issue("another")[0]
    options = options.replace("CERT", ours[0]).replace("KEY", ours[1]).replace("OTHER", other)
    r = check_config(f"listen:\n  - address: 127.0.0.1:1\n    {options}\n")
    assert r.returncode == 1 and finding in r.stderr, r.stderr
    assert "secret-itself" not in r.stderr


@pytest.mark.parametrize("options,finding", [
    ("serve: all", "shows every probe"),
    (f"serve: all, tokens: {sha('x')}", "takes tokens without TLS"),
    (f"serve: verdicts, tokens: {sha('x')}", "a token opens nothing that is not open anyway"),
    (f"serve: all, open: none, tokens: {sha('x')}", "verdicts need a credential there"),
    (f"serve: all, open: status, tokens: {sha('x')}", "shows every probe"),
])
def test_what_the_linter_says(options, finding):
    r = check_config(f"listen: {{ address: '0.0.0.0:1', {options} }}\n")
    assert r.returncode == 0 and finding in r.stderr, r.stderr


def test_a_key_that_everybody_can_read(ours):
    with tempfile.TemporaryDirectory(prefix="vt") as path:
        key = shutil.copy(ours[1], path)
        os.chmod(path, 0o755)
        os.chmod(key, 0o644)
        r = check_config(f"listen: {{ address: '127.0.0.1:1', tls: {{ cert: {ours[0]}, key: {{ file: {key} }} }} }}")
    assert "everybody on this host can read the private key" in r.stderr, r.stderr
