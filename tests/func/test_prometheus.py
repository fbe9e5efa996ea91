"""What Prometheus reads: both text formats, as strict parsers and promtool see them, and what a scrape costs others."""
import re
import socket
import subprocess

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from daemon import ROOT, Vitald, free_port, wait_for

# What Prometheus 2.42 sends.
SCRAPE = ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
          "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"


def lint(text):
    return subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)


def check(daemon):
    """Both formats of one scrape, strictly read: (metric, labels) to value."""
    scraped = daemon.get("/metrics", headers={"Accept": SCRAPE}).text
    old = daemon.get("/metrics").text
    told = lint(old)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    samples = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in openmetrics(scraped) for s in f.samples}
    assert scraped.endswith("# EOF\n") and "# EOF" not in old
    names = {s.name for f in plain(old) for s in f.samples}
    assert {name for name, _ in samples} == names
    return samples


@pytest.fixture(scope="module")
def daemon():
    config = f"""defaults: {{ interval: 200ms, rise: 1, fall: 1 }}
probes:
  root: {{ disk: / }}
  mem: {{ memory: {{}} }}
  load: {{ load: {{}} }}
  me: {{ process: {{ pidfile: /nonexistent }} }}
  closed: {{ tcp: "127.0.0.1:{free_port()}" }}
  behind: {{ tcp: "127.0.0.1:{free_port()}", depends_on: [closed] }}
  silent: {{ heartbeat: {{ max_silence: 1h }} }}
  odd: {{ exec: {{ command: [/bin/sh, -c, "printf 'a \\\\\\\\ \\"b\\" | x=1;;;; \\"y z\\"=2s n=3c\\\\n'"], perfdata: true }} }}
groups:
  ready: {{ all: [behind], advisory: [root, mem, load, me, odd] }}
"""
    with Vitald(config) as d:
        d.wait_state("behind", "down")
        d.wait_state("me", "down")
        d.wait_outcome("odd", class_="pass")
        yield d


def daemon_says(daemon, key):
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in plain(daemon.get("/metrics").text) for s in f.samples}.get(key)


def value(samples, name, **labels):
    return samples[name, tuple(sorted(labels.items()))]


def test_both_formats_read_strictly_in_every_state(daemon):
    samples = check(daemon)
    assert value(samples, "vitald_probe_state", probe="behind", state="down") == 1
    assert value(samples, "vitald_probe_last_reason", probe="behind", reason="refused") == 1
    assert value(samples, "vitald_probe_caused_by", probe="behind", parent="closed") == 1
    assert value(samples, "vitald_group_cause", group="ready", probe="behind", reason="refused") == 1
    assert value(samples, "vitald_last_reload_success") == 1
    for order, name, labels in (
            ("drain", "vitald_draining", {}), ("maintenance root", "vitald_probe_mode", {"probe": "root", "mode": "maintenance"}),
            ("pause closed", "vitald_probe_mode", {"probe": "closed", "mode": "paused"}),
            ("force mem down", "vitald_probe_up", {"probe": "mem"}), ("reload", "vitald_reloads_total", {}),
            ("undrain", "vitald_group_why", {"group": "ready", "why": "members"})):
        done = daemon.ctl(*order.split())
        assert done.returncode == 0, done.stdout + done.stderr
        want = 0 if order.startswith("force") else 1
        key = name, tuple(sorted(labels.items()))
        wait_for(lambda: daemon_says(daemon, key) == want, f"{order}: {key}")       # a scrape may be as old as 250 ms
        samples = check(daemon)
    assert value(samples, "vitald_reloads_total") == 1 and value(samples, "vitald_last_reload_timestamp_seconds") > 1e9


@pytest.mark.parametrize("accept,media", [
    (None, PLAIN), ("*/*", PLAIN), ("text/plain", PLAIN), (SCRAPE, OPEN), ("application/openmetrics-text", OPEN),
    ("application/openmetrics-text; version=1.0.0; q=0.4, text/plain;q=0.5", PLAIN), ("text/plain;q=0.3, Application/OpenMetrics-Text;q=0.3", OPEN),
    ("application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", PLAIN),
    ("application/openmetrics-text;version=1.0.0;q=0", PLAIN), ("application/json", PLAIN), (";,;q=,,", PLAIN),
])
def test_format_by_accept(daemon, accept, media):
    answer = daemon.get("/metrics", headers={"Accept": accept} if accept else {})
    assert answer.status == 200 and answer.headers["Content-Type"] == media and answer.headers["Vary"] == "Accept"


def test_format_by_query(daemon):
    assert daemon.get("/metrics?format=openmetrics").headers["Content-Type"] == OPEN
    assert daemon.get("/metrics?format=text", headers={"Accept": SCRAPE}).headers["Content-Type"] == PLAIN
    assert daemon.get("/metrics?format=nosuch").status == 400


def declared_numbers():
    """The numbers that modules declare, from the manual: (metric, is counter)."""
    text = open(f"{ROOT}/man/vitald-probes.7").read()
    return re.findall(r"^\.It Va \S+[^\n]*\n[^\n]*?(; a counter)?\.\nMetric:\n\.Li (\S+) \.$", text, re.M)


def test_numbers_of_all_modules_are_good_metrics_and_nobody_elses(daemon):
    numbers = [(metric, "counter" if counter else "gauge") for counter, metric in declared_numbers()]
    assert len(numbers) > 80 and ("vitald_postgres_certificate_seconds", "gauge") in numbers
    assert len(set(numbers)) == len(numbers)
    told = lint("".join(f"# HELP {name} Told by a module\n# TYPE {name} {kind}\n{name}{{probe=\"x\"}} 1\n" for name, kind in numbers))
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    declared = {name for name, _ in numbers}
    ours = {s.name for f in plain(daemon.get("/metrics").text) for s in f.samples if not f.documentation == "" and "probe" not in s.labels}
    assert not ours & declared


# ---- large ones

MANY = 10000


@pytest.fixture(scope="module")
def crowd():
    probes = "".join(f"  p{i}: {{ heartbeat: {{ max_silence: 1h }} }}\n" for i in range(MANY))
    with Vitald(f"defaults: {{ interval: 10m, max_age: 2h, jitter: 0% }}\nprobes:\n{probes}groups: {{ ready: {{ all: [p0] }}, rest: {{ any: [p1, p2] }} }}\n") as d:
        yield d


def metric(daemon, name):
    return float(re.search(rf"^{name} (\S+)$", daemon.get("/metrics?format=text").text, re.M).group(1))


def frames(daemon):
    """One scrape as the chunks it comes in."""
    head, _, body = daemon.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", timeout=60).partition(b"\r\n\r\n")
    assert b"chunked" in head
    found = []
    while True:
        size, _, body = body.partition(b"\r\n")
        if int(size, 16) == 0:
            return found
        found.append(body[:int(size, 16)])
        body = body[int(size, 16) + 2:]


def test_ten_thousand_probes_scrape_in_chunks(crowd):
    """One a turn, says the server's unit test."""
    chunks = frames(crowd)
    assert b"".join(chunks).count(b"\nvitald_probe_stale{") == MANY + 1      # and `self`
    assert max(map(len, chunks)) < 80 * 1024 and len(chunks) > 50


def test_verdicts_are_answered_while_a_scrape_is_under_way(crowd):
    with socket.create_connection(("127.0.0.1", crowd.port)) as slow, socket.create_connection(("127.0.0.1", crowd.port)) as asker:
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        first = slow.recv(1000)
        assert first.startswith(b"HTTP/1.1 200") and b"chunked" in first
        read, answered = len(first), 0
        while True:
            asker.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")      # one verdict for each piece that the scraper takes
            assert b"200" in asker.recv(4096).split(b"\r\n")[0]
            answered += 1
            piece = slow.recv(256 * 1024)
            read += len(piece)
            if piece.endswith(b"0\r\n\r\n"):
                break
        assert answered > 10 and read > 5e6


def test_a_storm_of_scrapes_is_bounded_and_counted(crowd):
    """More scrapers than large bodies may be under way, none of which reads: the others hear 503, verdicts go on, memory does not grow with them."""
    resident = metric(crowd, "vitald_resident_memory_bytes")
    socks = [socket.create_connection(("127.0.0.1", crowd.port)) for _ in range(200)]
    heads = []
    try:
        for s in socks:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        for s in socks:
            s.settimeout(20)
            heads.append(s.recv(400))
            assert crowd.get("/livez").status == 200
        taken = sum(h.startswith(b"HTTP/1.1 200") for h in heads)
        refused = [h for h in heads if h.startswith(b"HTTP/1.1 503")]
        assert taken and refused and taken + len(refused) == 200
        assert all(b"Retry-After: 1\r\n" in h for h in refused)
        assert crowd.get("/status/p0").status == 200            # small ones need no place
    finally:
        for s in socks:
            s.close()
    wait_for(lambda: crowd.get("/metrics", timeout=60).status == 200, "large bodies are given again")
    # a scrape shows what was at most 250 ms ago
    wait_for(lambda: metric(crowd, "vitald_http_streams_refused_total") >= len(refused), "the refusals are counted")
    assert metric(crowd, "vitald_resident_memory_bytes") - resident < taken * 16e6

