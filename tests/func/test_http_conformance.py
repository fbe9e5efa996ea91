"""What RFC 9110 and RFC 9112 ask of a server, row by row. Every answer, whatever the row is about, goes through a reader that takes
nothing on trust: `Reply`."""
import email.utils
import re
import socket
import time

import pytest

from daemon import Vitald, free_port, wait_for

CONFIG = """listen:
  - { address: "127.0.0.1:0", serve: [verdicts, status, metrics, events, page] }
  - { address: "127.0.0.1:%d", name: public }
probes:
  quiet: { heartbeat: { max_silence: 1h, at_start: pass }, interval: 1m, rise: 1, fall: 1, interval_unsettled: 10ms }
  silent: { heartbeat: { max_silence: 1h, at_start: fail }, interval: 1m, rise: 1, fall: 1, interval_unsettled: 10ms }
groups:
  ready: [quiet]
  broken: [silent]
  empty: { all: [quiet], codes: { pass: 204 } }
  reset: { all: [quiet], codes: { pass: 205 } }
  cached: { all: [quiet], codes: { pass: 304 } }
  teapot: { all: [quiet], codes: { pass: 418 } }
aliases: { /api/ready: ready }
"""

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
SINGLE = (b"date", b"content-length", b"content-type", b"transfer-encoding", b"etag", b"connection", b"allow", b"retry-after", b"cache-control", b"vary")


class Reply:
    """One answer off the front of `data`, read as strictly as the RFCs allow."""

    def __init__(self, data, method):
        head, found, rest = data.partition(b"\r\n\r\n")
        assert found, data
        line, *fields = head.split(b"\r\n")
        m = re.fullmatch(rb"HTTP/1\.1 ([2-5]\d\d) [ -~]*", line)
        assert m, line
        self.status, self.fields = int(m[1]), {}
        for field in fields:
            name, colon, value = field.partition(b":")
            assert colon and TOKEN.fullmatch(name) and re.fullmatch(rb" ?[!-~]([ -~]*[!-~])?", value), field
            assert name.lower() not in self.fields or name.lower() not in SINGLE, field
            self.fields[name.lower()] = value.strip().decode()
        self.close = self.fields.get(b"connection", "").lower() == "close"
        self.check_fields()
        self.body, self.rest = self.cut(method, rest)

    def check_fields(self):
        date = self.fields[b"date"]
        assert email.utils.format_datetime(email.utils.parsedate_to_datetime(date), usegmt=True) == date
        assert abs(email.utils.parsedate_to_datetime(date).timestamp() - time.time()) < 30
        assert not (b"content-length" in self.fields and b"transfer-encoding" in self.fields)
        assert self.status != 405 or b"allow" in self.fields
        assert self.status != 401 or b"www-authenticate" in self.fields
        assert self.status not in (408, 413, 414, 431, 501, 505) or self.close
        if self.status == 204:
            assert b"content-length" not in self.fields and b"transfer-encoding" not in self.fields, "9110 8.6"

    def cut(self, method, rest):
        length = self.fields.get(b"content-length")
        if method == "HEAD" or self.status in (204, 304):
            return b"", rest
        if self.fields.get(b"transfer-encoding") == "chunked":
            return self.chunks(rest)
        if length is None:
            assert self.close, "without a length only the end tells the end"
            return rest, b""
        assert re.fullmatch(r"\d+", length) and len(rest) >= int(length), (length, rest)
        return rest[:int(length)], rest[int(length):]

    @staticmethod
    def chunks(rest):
        body = b""
        while True:
            size, _, rest = rest.partition(b"\r\n")
            n = int(size, 16)
            body, rest = body + rest[:n], rest[n:]
            assert rest.startswith(b"\r\n")
            rest = rest[2:]
            if n == 0:
                return body, rest


@pytest.fixture(scope="module")
def daemon():
    public = free_port()
    with Vitald(CONFIG % public) as d:
        d.public = public
        d.wait_code("/readyz", 200)
        d.wait_code("/healthz/broken", 503)
        yield d


def ask(daemon, data, methods="GET", port=None):
    """Answers to bytes sent at once with nothing after them; the connection is read to its end, and all of it must be answers."""
    with socket.create_connection(("127.0.0.1", port or daemon.port), 20) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
    replies, method = [], iter(methods.split())
    while got:
        replies.append(Reply(got, next(method, "GET")))
        got = replies[-1].rest
        assert not (replies[-1].close and got), "nothing follows the answer that closes"
    return replies


def request(line, *fields, host="x"):
    return "\r\n".join([line, *([f"Host: {host}"] if host is not None else []), *fields, "", ""]).encode("latin1")


PATHS = ["/readyz", "/healthz/broken", "/healthz/nosuch", "/readyz?verbose", "/readyz?format=json", "/readyz?format=health", "/readyz?format=nosuch", "/readyz?exclude=quiet",
         "/readyz/quiet", "/status", "/status/quiet", "/explain/ready", "/metrics", "/metrics?format=openmetrics", "/", "/api/ready", "/healthz/empty", "/healthz/reset",
         "/healthz/cached", "/healthz/teapot", "/healthz/empty?verbose", "/healthz/empty?format=json", "/healthz/reset?verbose", "/healthz/cached?verbose", "/nosuch"]


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_a_body(daemon, path):
    """9110 9.3.2: the same status and fields; 9110 8.6: the length that GET would have."""
    varying = (b"date", b"vitald-oldest-sample", b"etag")
    get, = ask(daemon, request(f"GET {path} HTTP/1.1"))
    head, = ask(daemon, request(f"HEAD {path} HTTP/1.1"), "HEAD")
    assert get.status == head.status
    assert {k for k in get.fields} == {k for k in head.fields}
    steady = {k: v for k, v in get.fields.items() if k not in varying and not (k == b"content-length" and "metrics" in path)}
    assert steady.items() <= head.fields.items(), (get.fields, head.fields)


@pytest.mark.parametrize("path", PATHS)
def test_answers_end_where_they_say(daemon, path):
    """A second request on the same connection is answered after each of them."""
    for methods in ("GET GET", "HEAD GET", "OPTIONS GET", "GET HEAD"):
        one, two = methods.split()
        replies = ask(daemon, request(f"{one} {path} HTTP/1.1") + request(f"{two} /healthz/broken HTTP/1.1"), methods)
        assert [r.status for r in replies[1:]] == ([] if replies[0].close else [503]), methods


@pytest.mark.parametrize("path,status", [("/healthz/empty", 204), ("/healthz/reset", 205), ("/healthz/cached", 304), ("/healthz/teapot", 418)])
@pytest.mark.parametrize("query", ["", "?format=json", "?format=health", "?verbose"])
def test_codes_that_have_no_content_bring_none(daemon, path, status, query):
    """9110 15.3.5, 15.3.6, 15.4.5: a body after 204, 205 or 304 would be read as the next answer."""
    reply, = ask(daemon, request(f"GET {path}{query} HTTP/1.1"))
    assert reply.status == status
    assert bool(reply.body) == (status == 418)


# Request line and fields; the port; the status expected; whether the connection goes on.
ROWS = {
    "9110 9.1 a method that is not served": (["POST /readyz HTTP/1.1"], 405, True),
    "9110 9.1 PUT": (["PUT /readyz HTTP/1.1"], 405, False),
    "9110 9.1 DELETE": (["DELETE /status HTTP/1.1"], 405, False),
    "9110 9.1 methods are case-sensitive": (["get /readyz HTTP/1.1"], 405, False),
    "9110 9.3.8 TRACE tells nothing back": (["TRACE /readyz HTTP/1.1", "X-Secret: 1"], 405, False),
    "9110 9.3.6 CONNECT": (["CONNECT x:80 HTTP/1.1"], 400, False),
    "9110 9.3.7 OPTIONS *": (["OPTIONS * HTTP/1.1"], 200, True),
    "9110 9.3.7 OPTIONS of a failing group": (["OPTIONS /healthz/broken HTTP/1.1"], 503, True),
    "9110 9.3.7 OPTIONS /status": (["OPTIONS /status HTTP/1.1"], 405, True),
    "9112 3.2 no Host": (["GET /readyz HTTP/1.1", None], 400, False),
    "9112 3.2 an empty Host": (["GET /readyz HTTP/1.1", None, "Host:"], 200, True),
    "9112 3.2 two Hosts": (["GET /readyz HTTP/1.1", "Host: y"], 400, False),
    "9112 3.2 two equal Hosts": (["GET /readyz HTTP/1.1", "Host: x"], 400, False),
    "9112 3.2 a Host that is none": (["GET /readyz HTTP/1.1", None, "Host: a b"], 400, False),
    "9112 3.2 a Host with a port": (["GET /readyz HTTP/1.1", None, "Host: [::1]:8686"], 200, True),
    "9112 3.2.2 a whole URL": (["GET http://other/readyz HTTP/1.1"], 200, True),
    "9112 3.2.2 a whole URL with a query": (["GET http://other:1/readyz?format=json HTTP/1.1"], 200, True),
    "9112 3.2.2 a whole URL of another scheme": (["GET ftp://other/readyz HTTP/1.1"], 400, False),
    "9112 3.2.4 OPTIONS of a whole URL without a path": (["OPTIONS http://other HTTP/1.1"], 200, True),
    "9112 3.2.4 * with GET": (["GET * HTTP/1.1"], 400, False),
    "9112 3.2.3 an authority with GET": (["GET x:80 HTTP/1.1"], 400, False),
    "9110 4.2.3 percent-encoding is not undone": (["GET /%72eadyz HTTP/1.1"], 404, True),
    "9110 4.2.3 dot segments are not removed": (["GET /x/../readyz HTTP/1.1"], 404, True),
    "9110 4.2.3 encoded dot segments": (["GET /%2e%2e/readyz HTTP/1.1"], 404, True),
    "9110 4.2.3 an encoded NUL": (["GET /readyz%00 HTTP/1.1"], 404, True),
    "9112 3 a fragment": (["GET /readyz#x HTTP/1.1"], 400, False),
    "9112 3 a space in the target": (["GET /rea dyz HTTP/1.1"], 400, False),
    "9112 3 two spaces": (["GET  /readyz HTTP/1.1"], 400, False),
    "9112 3 a tab": (["GET\t/readyz HTTP/1.1"], 400, False),
    "9112 3 space after the version": (["GET /readyz HTTP/1.1 "], 400, False),
    "9112 3 no version": (["GET /readyz"], 400, False),
    "9110 2.5 version 1.0": (["GET /readyz HTTP/1.0"], 200, False),
    "9110 2.5 version 1.0 without Host": (["GET /readyz HTTP/1.0", None], 200, False),
    "9112 9.3 version 1.0 that keeps": (["GET /readyz HTTP/1.0", "Connection: keep-alive"], 200, True),
    "9110 15.6.6 version 2.0": (["GET /readyz HTTP/2.0"], 505, False),
    "9110 15.6.6 version 0.9": (["GET /readyz HTTP/0.9"], 505, False),
    "9112 2.3 a version in small letters": (["GET /readyz http/1.1"], 400, False),
    "9112 9.6 close": (["GET /readyz HTTP/1.1", "Connection: close"], 200, False),
    "9110 7.6.1 close in a list, any case": (["GET /readyz HTTP/1.1", "Connection: te, CLOSE"], 200, False),
    "9110 7.6.1 close in a second field": (["GET /readyz HTTP/1.1", "Connection: te", "Connection: close"], 200, False),
    "9112 9.3 close is stronger than keep-alive": (["GET /readyz HTTP/1.1", "Connection: keep-alive, close"], 200, False),
    "9112 5.1 space before the colon": (["GET /readyz HTTP/1.1", "Accept : x"], 400, False),
    "9112 5.2 folding": (["GET /readyz HTTP/1.1", "Accept: x,\r\n y"], 400, False),
    "9112 2.2 a lone CR": (["GET /readyz HTTP/1.1", "Accept: x\ry"], 400, False),
    "9110 5.5 NUL": (["GET /readyz HTTP/1.1", "Accept: x\0y"], 400, False),
    "9110 5.5 bytes beyond ASCII are opaque": (["GET /readyz HTTP/1.1", "X: \xe4\xff"], 200, True),
    "9110 5.5 an empty value": (["GET /readyz HTTP/1.1", "Accept:"], 200, True),
    "9110 5.1 names in any case": (["GET /readyz HTTP/1.1", None, "hOsT: x"], 200, True),
    "9110 8.6 a length that is none": (["GET /readyz HTTP/1.1", "Content-Length: x"], 400, False),
    "9110 8.6 a negative length": (["GET /readyz HTTP/1.1", "Content-Length: -1"], 400, False),
    "9110 8.6 a length that overflows": (["GET /readyz HTTP/1.1", "Content-Length: 18446744073709551616"], 400, False),
    "9112 6.3 different lengths": (["GET /readyz HTTP/1.1", "Content-Length: 0", "Content-Length: 5"], 400, False),
    "9112 6.3 a list of lengths": (["GET /readyz HTTP/1.1", "Content-Length: 5, 5"], 400, False),
    "9112 6.3 no body in so many words": (["GET /readyz HTTP/1.1", "Content-Length: 0"], 200, True),
    "9110 9.3.1 a body with GET": (["GET /readyz HTTP/1.1", "Content-Length: 5"], 413, False),
    "9110 10.1.1 a body that waits to be asked for": (["POST /readyz HTTP/1.1", "Content-Length: 5", "Expect: 100-continue"], 413, False),
    "9110 10.1.1 an expectation without a body": (["GET /readyz HTTP/1.1", "Expect: 100-continue"], 200, True),
    "9112 6.1 a coding": (["GET /readyz HTTP/1.1", "Transfer-Encoding: chunked"], 501, False),
    "9112 6.1 an unknown coding": (["GET /readyz HTTP/1.1", "Transfer-Encoding: gzip"], 501, False),
    "9112 6.1 a coding and a length": (["GET /readyz HTTP/1.1", "Transfer-Encoding: chunked", "Content-Length: 5"], 501, False),
    "9112 6.1 a coding in 1.0": (["GET /readyz HTTP/1.0", "Transfer-Encoding: chunked"], 501, False),
    "9110 7.8 an upgrade is not taken": (["GET /readyz HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket"], 200, True),
    "9110 7.8 h2c is not taken": (["GET /readyz HTTP/1.1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"], 200, True),
    "9110 14.2 a range is ignored": (["GET /status HTTP/1.1", "Range: bytes=0-1"], 200, True),
    "9110 13.1.1 If-Match on what has no tag": (["GET /readyz HTTP/1.1", "If-None-Match: *"], 200, True),
    "9110 13.1.3 a date is ignored": (["GET /status HTTP/1.1", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"], 200, True),
    "9110 12.5.1 what we have not is no error": (["GET /readyz HTTP/1.1", "Accept: image/png"], 200, True),
    "9110 15.5.15 a long target": (["GET /" + "a" * 3000 + " HTTP/1.1"], 414, False),
    "6585 5 a long field": (["GET /readyz HTTP/1.1", "X: " + "a" * 9000], 431, False),
    "6585 5 many fields": (["GET /readyz HTTP/1.1"] + ["X: y"] * 100, 431, False),
    "9112 2.2 an empty line first": (["\r\nGET /readyz HTTP/1.1"], 200, True),
}


@pytest.mark.parametrize("row", ROWS)
def test_row(daemon, row):
    (line, *fields), status, goes_on = ROWS[row]
    host = None if fields[:1] == [None] else "x"
    data = request(line, *[f for f in fields if f is not None], host=host)
    replies = ask(daemon, data + request("GET /healthz/broken HTTP/1.1"), line.split()[0])
    assert [r.status for r in replies] == [status] + [503] * goes_on
    assert replies[0].close != goes_on


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PATCH"])
@pytest.mark.parametrize("path,allowed", [("/readyz", "GET, HEAD, OPTIONS"), ("/", "GET, HEAD"), ("/status", "GET, HEAD"), ("/metrics", "GET, HEAD"), ("/nosuch", None)])
def test_allow_names_what_is_served(daemon, method, path, allowed):
    reply, = ask(daemon, request(f"{method} {path} HTTP/1.1", "Connection: close"), method)
    served = allowed and (method in allowed.split(", ") or (path == "/" and method == "OPTIONS"))
    assert reply.status == (200 if served else 405 if allowed else 404)
    if reply.status == 405:
        assert reply.fields[b"allow"] == allowed
    if method == "OPTIONS" and served:
        assert reply.fields[b"allow"] == "GET, HEAD, OPTIONS" and reply.body == b""


def test_conditions(daemon):
    """9110 13.1.2: weak comparison, lists, several fields, *; 9110 15.4.5: what a 304 must bring."""
    for path in ("/status", "/"):
        first, = ask(daemon, request(f"GET {path} HTTP/1.1"))
        tag = first.fields[b"etag"]
        assert tag.startswith('W/"')
        for fields, status in (
            ([tag], 304), ([tag[2:]], 304), ([f'"x", {tag} , W/"y"'], 304), (["*"], 304), (['"x"'], 200), (['W/"x", "y"'], 200), ([tag.strip('W/"')], 200), ([""], 200),
            ([tag[:-1]], 200), (['"x"', tag], 304), ([f'"x,{tag[3:-1]}"'], 200), (["*x"], 200),
        ):
            for method in ("GET", "HEAD"):
                def asked():
                    fresh, = ask(daemon, request(f"GET {path} HTTP/1.1"))
                    reply, = ask(daemon, request(f"{method} {path} HTTP/1.1", *[f"If-None-Match: {v}" for v in fields]), method)
                    return fresh.fields[b"etag"] == tag and reply
                reply = asked()
                assert reply and reply.status == status, (path, fields, method)
                if status == 304:
                    assert reply.fields[b"etag"] == tag and b"cache-control" in reply.fields and reply.body == b"" and reply.fields.get(b"content-length") != "0"
                    assert (b"vary" in first.fields) == (b"vary" in reply.fields)


@pytest.mark.parametrize("accept,media", [
    (None, "text/plain"), ("*/*", "text/plain"), ("application/json", "application/json"), ("application/health+json", "application/health+json"),
    ("application/json;q=0.1, text/plain", "text/plain"), ("application/json, text/plain;q=0.9", "application/json"), ("application/json;q=0", "text/plain"),
    ("APPLICATION/JSON", "application/json"), ("application/json;q=0.5, application/health+json;q=0.501", "application/health+json"), ("text/html", "text/plain"),
    ("application/json ; Q=1.000", "application/json"), (",, ,application/json,", "application/json"), ("application/json;q=x", "text/plain"), ("text/*", "text/plain"),
])
def test_accept(daemon, accept, media):
    reply, = ask(daemon, request("GET /readyz HTTP/1.1", *([f"Accept: {accept}"] if accept is not None else [])))
    assert reply.status == 200 and reply.fields[b"content-type"].split(";")[0] == media


def test_nothing_is_for_caches(daemon):
    """9111 5.2.2.5; so that none gives one client the format that another asked for."""
    for path in ("/readyz", "/metrics", "/readyz/quiet", "/explain/ready", "/healthz/broken?verbose"):
        reply, = ask(daemon, request(f"GET {path} HTTP/1.1"))
        assert reply.fields[b"cache-control"] == "no-store"


def test_trailing_data_is_no_request(daemon):
    replies = ask(daemon, request("GET /readyz HTTP/1.1") + b"garbage\r\n\r\n" + request("GET /readyz HTTP/1.1"))
    assert [r.status for r in replies] == [200, 400]
    replies = ask(daemon, request("GET /readyz HTTP/1.1", "Connection: close") + request("GET /status HTTP/1.1"))
    assert [r.status for r in replies] == [200]


def test_all_of_a_long_row_of_requests_is_answered(daemon):
    """Pipelined, and the sender's half closed at once: 9112 9.3.2."""
    rows = [("/readyz", 200), ("/healthz/broken", 503), ("/status", 200), ("/nosuch", 404), ("/metrics", 200)] * 20
    replies = ask(daemon, b"".join(request(f"GET {p} HTTP/1.1") for p, _ in rows))
    assert [r.status for r in replies] == [code for _, code in rows]


def test_a_client_that_waits_is_told_at_once(daemon):
    """9110 10.1.1: a final status instead of 100, and the connection ends without the body."""
    with socket.create_connection(("127.0.0.1", daemon.port), 20) as s:
        s.sendall(request("POST /readyz HTTP/1.1", "Content-Length: 1000000", "Expect: 100-continue"))
        got = s.recv(65536)
        assert got.startswith(b"HTTP/1.1 413 ") and b"\r\nConnection: close\r\n" in got


def test_events_end_with_the_connection(daemon):
    for line, fields in (("GET /events HTTP/1.1", ["Connection: keep-alive"]), ("GET /events HTTP/1.0", [])):
        with socket.create_connection(("127.0.0.1", daemon.port), 20) as s:
            s.sendall(request(line, *fields))
            got = b""
            while b"\r\n\r\n" not in got:
                got += s.recv(65536)
            assert Reply(got, "HEAD").close and b"content-length" not in got.lower() and b"transfer-encoding" not in got.lower()
    head, = ask(daemon, request("HEAD /events HTTP/1.1"), "HEAD")
    assert head.status == 200 and head.close


def test_codes_that_are_no_answers_are_refused(daemon):
    """9110 15.2: after 1xx the client goes on waiting for an answer."""
    text = (CONFIG % daemon.public).replace("pass: 418", "pass: 101")
    done = daemon.reload(text, ok=False)
    assert "200 to 599" in done.stdout + done.stderr
    daemon.write(CONFIG % daemon.public)
    wait_for(lambda: daemon.get("/readyz").status == 200, "the old configuration serves on")
