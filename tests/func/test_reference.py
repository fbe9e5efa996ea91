"""vitald-http(7) and vitald-metrics(7) against what is served, both ways: nothing served that is not told, nothing told that is not served.

UPDATE_GOLDEN=1 writes the tables of metrics anew from what is served; everything else is written by hand."""
import glob
import json
import os
import re
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from daemon import ROOT, Vitald, wait_for
from http_kit import HAPROXY, NAMED, fields, guarded, rich, secure, stall


def page(name):
    return open(f"{ROOT}/man/{name}").read()


def section(text, kind, title):
    """What stands between .Sh or .Ss TITLE and the next of its rank or above."""
    found = re.search(rf"^\.{kind} {title}\n(.*?)(?=^\.Sh|\Z{'|^[.]Ss' if kind == 'Ss' else ''})", text, re.S | re.M)
    assert found, title
    return found.group(1)


def source(*paths):
    return "".join(open(p).read() for path in paths for p in glob.glob(f"{ROOT}/{path}"))


@pytest.fixture(scope="module")
def daemon():
    with rich() as d:
        yield d


@pytest.fixture(scope="module")
def states(daemon):
    """The same daemon as it is, draining, and again: what differs between them is told too."""
    def each(ask):
        yield ask()
        assert daemon.ctl("drain").returncode == 0
        wait_for(lambda: daemon.status()["vitald"]["draining"], "draining")
        yield ask()
        assert daemon.ctl("undrain").returncode == 0
        wait_for(lambda: not daemon.status()["vitald"]["draining"], "not draining")
    return each


# ---- documents


def documented(title, deep=True):
    """Of a document or an object in the manual: path to (type, may be absent); deep: with the objects that it is made of."""
    found = {}
    for path, kind, rare in re.findall(r"^\.It Va (\S+) Pq ([^,\n]+)(, not always)?$", section(page("vitald-http.7"), "Ss", title), re.M):
        found[path] = (kind, bool(rare))
        inner = re.fullmatch(r"(?:list of )?(Group|Probe)", kind)
        if inner and deep:
            prefix = path + ("[]." if kind.startswith("list") else ".")
            found |= {prefix + p: k for p, k in documented(inner.group(1)).items()}
    return found


def with_parents(paths):
    """a.b[].c names a and a.b too."""
    found = set(paths)
    for path in paths:
        parts = path.split(".")
        found |= {".".join(parts[:i]).removesuffix("[]") for i in range(1, len(parts))}
    return found


DOCUMENTS = [
    ("Verdict", ["/readyz?format=json", "/healthz/inner?format=json"]),
    ("Verdict with members", ["/readyz?verbose&format=json", "/readyz?format=json&exclude=behind&exclude=nobody"]),
    ("Health", ["/readyz?format=health"]), ("Health with members", ["/readyz?verbose&format=health"]),
    ("Role", ["/primary?format=json"]), ("Everything", ["/status"]), ("One probe", ["/status/poor", "/status/taken", "/status/old", "/status/slow-to-turn", "/readyz/named?format=json"]),
    ("Explanation", ["/explain/ready?format=json", "/explain/inner?format=json"]),
]


def free_form(path):
    """Below a map of names everything is its own."""
    return re.sub(r"^self\..*|(labels)\..*", lambda m: m.group(1) or "self", path)


@pytest.mark.parametrize("title,paths", DOCUMENTS)
def test_every_field_is_told_and_every_told_field_served(daemon, states, title, paths):
    told = documented(title)
    served = set()
    if title == "Verdict":
        stall(daemon)

    def seen():
        daemon.get("/readyz", headers={"X-Haproxy-Server-State": HAPROXY})
        for path in paths:
            document = json.loads(daemon.get(path).text)
            served.update(free_form(f) for f in fields(document))
            missing = {p for p, (_, rare) in told.items() if not rare and "[]" not in p and "." not in p} - set(document)
            assert not missing, (path, missing)
        return True
    for _ in states(seen):
        pass
    assert served - with_parents(told) - {"checks.NAME:MEASURE"} == set(), "not told"
    own = with_parents(documented(title, deep=title == "Everything"))       # where groups and probes of all kinds are
    assert own - served - {"checks.NAME:MEASURE"} == set(), "not served"


def test_fields_have_the_types_that_are_told(daemon):
    types = {"text": (str, type(None)), "bool": bool, "number": (int, float, type(None)), "time": (str, type(None)), "map": (dict, type(None))}

    def values(value, prefix=""):
        if isinstance(value, dict):
            for key, inner in value.items():
                path = prefix + NAMED.get(prefix.rstrip(".").split(".")[-1], key)
                yield path, inner
                yield from values(inner, path + ".")
        elif isinstance(value, list):
            for inner in value:
                yield from values(inner, prefix.rstrip(".") + "[].")
    checked = 0
    for title, paths in DOCUMENTS:
        told = documented(title)
        for path in paths:
            for name, value in values(json.loads(daemon.get(path).text)):
                kind = told.get(name, ("",))[0]
                if kind in types:
                    assert isinstance(value, types[kind]), (path, name, value)
                    assert kind != "time" or value is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value), (path, name, value)
                    checked += 1
    assert checked > 1000


def test_numbers_of_our_own_are_metrics(daemon):
    metrics = {name.removeprefix("vitald_").removesuffix("_total") for name in told_metrics()}
    ours = daemon.status()["self"]
    assert ours and set(ours) - metrics == set()


def test_events(daemon):
    got = {}
    with socket.create_connection(("127.0.0.1", daemon.port)) as s:
        s.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        text = b""

        def heard():
            for kind, data in re.findall(rb"event: (\w+)\n(?:id: [^\n]*\n)?data: ([^\n]*)\n", text):
                got[kind.decode()] = set(json.loads(data))
            return {"hello", "mode"} <= set(got)
        s.settimeout(20)
        ordered = False
        while not heard():
            text += s.recv(65536)
            if b"hello" in text and not ordered:
                ordered = True
                assert daemon.ctl("pause", "good").returncode == 0
    assert daemon.ctl("resume", "good").returncode == 0
    assert got["hello"] == set(documented("Hello"))
    assert all(names == set(documented("Event")) for kind, names in got.items() if kind not in ("hello", "skipped"))


# ---- paths, query, headers


def told_paths():
    """path as in the manual, with its class."""
    paths = section(page("vitald-http.7"), "Sh", "PATHS")
    found = {}
    for title in ("Verdicts", "Status", "Metrics", "Events", "Page"):
        for line in re.findall(r"^\.It Pa (.*)$", section(paths + "\n.Sh END\n", "Ss", title), re.M):
            found[re.sub(r" Ns Ar (\w+)", r"<\1>", line).replace(" Ns ", "")] = title.lower()
    return found


def test_every_path_is_served_by_its_class_and_by_no_other(daemon):
    told = told_paths()
    listeners = {c: free for c, free in zip(("verdicts", "status", "metrics", "events", "page"), range(5))}
    text = "listen:\n" + "".join(f'  - {{ address: "127.0.0.1:0", name: l{n}, serve: [{c}] }}\n' for c, n in listeners.items())
    with Vitald(text + "probes: { good: { file: /etc/passwd }, db: { postgres: 'postgres://u@127.0.0.1:1/x' } }\ngroups: { ready: [good], live: [good] }\n") as d:
        ports = [int(p) for p in re.findall(r"listening on http://127\.0\.0\.1:(\d+)", d.log())]
        assert len(ports) == 5
        for path, class_ in told.items():
            asked = path.replace("<group>", "ready").replace("<probe>", "good")
            for c, n in listeners.items():
                served = d.raw(f"GET {asked} HTTP/1.0\r\n\r\n".encode(), port=ports[n]) if path != "/events" else d.raw(b"HEAD /events HTTP/1.0\r\n\r\n", port=ports[n])
                found = b" 404 " not in served.split(b"\r\n")[0]
                assert found == (c == class_ or (path == "/" and c == "verdicts")), (path, c, served[:80])


def test_every_path_in_the_code_is_told():
    code = source("daemon/front/route.c", "daemon/front/roles.c")
    paths = set(re.findall(r'put\("(/[a-z-]*)"', code)) | set(re.findall(r'\{ "(/[a-z-]+)", ROLE_', code))
    prefixes = {f"{p}<group>" for p in re.findall(r'put_group\("([^"]+)"', code)}
    told = set(told_paths())
    assert len(paths) > 10 and paths - told == set() and prefixes - told == set()
    assert told - paths - prefixes == {"/healthz/<group>/<probe>", "/readyz/<probe>", "/livez/<probe>", "/status/<probe>"}


def told_words(title, macro="Li"):
    return re.findall(rf"^\.It {macro} (\S+)", section(page("vitald-http.7"), "Sh", title), re.M)


def test_every_key_of_a_query_is_told():
    assert set(re.findall(r'span_is\(key, "(\w+)"\)', source("daemon/front/query.c"))) == {w.strip("?=") for w in told_words("QUERY")}


def test_every_header_that_is_read_is_told():
    read = set(re.findall(r'(?:http1_field\(|span_is_nocase\([^",]*\.name,)[^";]*"([a-z-]+)"\)', source("daemon/front/*.c")))
    told = {w.lower() for w in told_words("REQUEST HEADERS")}
    assert read and told - read == {"connection", "host"} and read <= told     # the parser itself reads those two


def test_every_header_that_is_sent_is_told(daemon):
    sent = set()

    def take(answer):
        sent.update(line.split(b":")[0].decode() for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:])
    for method in ("GET", "HEAD", "OPTIONS", "POST"):
        for path in ("/readyz", "/readyz?verbose", "/readyz?format=json", "/readyz?exclude=good", "/status", "/status/good", "/explain/ready", "/metrics", "/", "/nosuch", "/livez?format=x", "/primary"):
            for version in (b"1.0\r\nConnection: keep-alive", b"1.1\r\nHost: x"):
                take(daemon.raw(f"{method} {path} HTTP/".encode() + version + b"\r\n\r\n" + b"GET /livez HTTP/1.0\r\n\r\n"))
    take(daemon.raw(b"HEAD /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    take(daemon.raw(b"GET /status HTTP/1.0\r\n\r\n", port=guarded(daemon)))
    take(daemon.raw(b"garbage\r\n\r\n"))
    take(secure(daemon, b"GET / HTTP/1.0\r\n\r\n"))
    told = set(told_words("ANSWER HEADERS"))
    assert sent - told == set()
    # what only large bodies have: tests of the scrape see both
    assert told - sent == {"Transfer-Encoding", "Retry-After"}


# ---- metrics


def told_metrics():
    """name to (labels, type, help)"""
    found = re.findall(r"^\.It Li ([a-z0-9_]+)(?:\{([a-z_,]+)\})? Pq (\w+)\n(.*)$", page("vitald-metrics.7"), re.M)
    return {name: (set(labels.split(",")) - {""}, kind, text) for name, labels, kind, text in found}


def write_metrics(served, labels):
    """The page's three tables, each below its mark."""
    text = page("vitald-metrics.7")
    for mark in ("probe", "group", "itself"):
        mine = [n for n in served if (re.match("vitald_(probe|group)_", n) or ["", "itself"])[1] == mark]
        table = "".join(f".It Li {n}{'{' + ','.join(labels[n]) + '}' if labels.get(n) else ''} Pq {served[n][0]}\n{served[n][1]}\n" for n in mine)
        text, done = re.subn(rf'(^\.\\" metrics: {mark}\n\.Bl -tag -width Ds\n)(?:\.It .*\n.*\n)*', lambda m: m[1] + table, text, flags=re.M)
        assert done == 1
    with open(f"{ROOT}/man/vitald-metrics.7", "w") as f:
        f.write(text)


def test_every_metric_is_told_and_every_told_metric_served(daemon, states):
    served, labels = {}, {}
    declared = set(re.findall(r"^\.Li (vitald_\S+) \.$", page("vitald-probes.7"), re.M))

    def scrape():
        text = daemon.get("/metrics").text
        kinds = dict(re.findall(r"^# TYPE (\S+) (\w+)$", daemon.get("/metrics?format=openmetrics").text, re.M))
        for name, help_ in re.findall(r"^# HELP (\S+) (.*)$", text, re.M):
            served[name] = kinds.get(name) or kinds.get(re.sub("_(total|info)$", "", name)), help_
        for family in families(text):
            for s in family.samples:
                base = s.name if s.name in served else re.sub("_(sum|count)$", "", s.name)
                labels.setdefault(base, {}).update(dict.fromkeys(s.labels))
        return True
    for _ in states(scrape):
        pass
    if os.environ.get("UPDATE_GOLDEN"):
        write_metrics({n: s for n, s in served.items() if n not in declared}, labels)
    told = told_metrics()
    assert len(told) > 90
    assert set(served) - declared - set(told) == set(), "not told: UPDATE_GOLDEN=1 tells it"
    assert set(told) - set(served) == set(), "not served"
    for name, (keys, kind, text) in told.items():
        assert (kind, text) == served[name], name
        assert keys == set(labels.get(name, ())), name
    for name in set(served) & declared:
        assert "probe" in labels.get(name, {"probe"})
