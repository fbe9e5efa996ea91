"""A real Prometheus scrapes a real vitald, evaluates the shipped rules and fires to a real Alertmanager; the dashboard's queries run there."""
import contextlib
import glob
import itertools
import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

from daemon import PATIENCE, ROOT, Vitald, free_port, wait_for

RULES = f"{ROOT}/conf/prometheus/vitald.rules.yml"
BOARD = json.load(open(f"{ROOT}/conf/grafana/vitald.json"))


def run(*args, **more):
    done = subprocess.run(args, capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---- what promtool can tell


def test_every_rule_has_cases_and_they_hold():
    run("promtool", "check", "rules", RULES)
    run("promtool", "test", "rules", f"{ROOT}/tests/func/prometheus_rules.yml")
    rules = [r for g in yaml.safe_load(open(RULES))["groups"] for r in g["rules"] if "alert" in r]
    cases = yaml.safe_load(open(f"{ROOT}/tests/func/prometheus_rules.yml"))["tests"]
    fired = {a["alertname"] for c in cases for a in c.get("alert_rule_test", []) if a.get("exp_alerts")}
    assert fired == {r["alert"] for r in rules}
    assert all(r["for"] and r["labels"]["severity"] in ("critical", "warning") and len(r["annotations"]) == 2 for r in rules)


def test_example_is_a_configuration(tmp_path):
    """Debian's Prometheus is built without Kubernetes; that job's relabelling is checked on other targets."""
    for rules in glob.glob(f"{ROOT}/conf/prometheus/*.rules.yml"):
        shutil.copy(rules, tmp_path)
    config = yaml.safe_load(open(f"{ROOT}/conf/prometheus/prometheus.yml"))
    assert [c["job_name"] for c in config["scrape_configs"] if c.pop("kubernetes_sd_configs", None)] == ["vitald-pods"]
    (tmp_path / "p.yml").write_text(yaml.safe_dump(config))
    run("promtool", "check", "config", str(tmp_path / "p.yml"))


def test_rules_and_board_name_metrics_that_are_served_or_declared(site):
    served = {m["__name__"] for m in site.api("/api/v1/series?match[]=" + urllib.parse.quote('{__name__=~"vitald_.+"}'))}
    declared = set(re.findall(r"^\.Li (vitald_\S+) \.$", open(f"{ROOT}/man/vitald-probes.7").read(), re.M))
    declared |= set(re.findall(r"^\.It Li (vitald_\w+)", open(f"{ROOT}/man/vitald-metrics.7").read(), re.M))     # test_reference.py holds it to the truth
    text = open(RULES).read() + json.dumps(BOARD)
    named = set(re.findall(r"\b(vitald_[a-z0-9_]+)\b", text)) - {"vitald_"}
    assert not named - served - declared, named - served - declared


# ---- the real ones


class Site:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="pr")
        self.stack = contextlib.ExitStack()

    def serve(self):
        """A port that listens, as long as its socket is open."""
        return self.stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    def start_vitald(self, ca):
        self.target = self.serve()
        crt, key = ca.issue("soon", days=9)
        self.tls_port = free_port()
        server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{self.tls_port}", "-cert", crt, "-key", key, "-quiet"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.stack.callback(lambda: (server.kill(), server.wait()))
        self.vitald = self.stack.enter_context(Vitald(f"""defaults: {{ interval: 200ms, interval_unsettled: 100ms, rise: 1, fall: 1 }}
probes:
  db: {{ tcp: "127.0.0.1:{self.target.getsockname()[1]}" }}
  app: {{ tcp: "127.0.0.1:{self.target.getsockname()[1]}", depends_on: [db] }}
  gone: {{ file: /nonexistent/file }}
  below: {{ file: /nonexistent/file/below, depends_on: [gone] }}
  mem: {{ memory: {{}} }}
  root: {{ disk: / }}
  cert: {{ tls: {{ address: "127.0.0.1:{self.tls_port}", tls: {{ ca: {ca.ca} }} }} }}
groups:
  ready: {{ all: [db, app], advisory: [mem, root] }}
  other: {{ all: [gone] }}
"""))
        self.vitald.wait_state("gone", "down")
        self.vitald.wait_state("db", "up")

    def write(self, name, text):
        path = f"{self.dir}/{name}"
        with open(path, "w") as f:
            f.write(text)
        return path

    def start_alertmanager(self):
        self.am = free_port()
        conf = self.write("am.yml", "route: { receiver: none, group_wait: 0s, group_interval: 1s }\nreceivers: [{ name: none }]\n")
        run("amtool", "check-config", conf)
        self.spawn("am", "prometheus-alertmanager", f"--config.file={conf}", f"--storage.path={self.dir}/ad", f"--web.listen-address=127.0.0.1:{self.am}",
                   "--cluster.listen-address=", "--log.level=warn")

    def start_prometheus(self):
        self.prom = free_port()
        self.write("rules.yml", re.sub(r"(?m)^(\s+for:) \S+$", r"\1 1s", open(RULES).read()))
        conf = self.write("p.yml", f"""global: {{ scrape_interval: 500ms, scrape_timeout: 400ms, evaluation_interval: 500ms }}
rule_files: [rules.yml]
alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ["127.0.0.1:{self.am}"] }}] }}] }}
scrape_configs: [{{ job_name: vitald, static_configs: [{{ targets: ["127.0.0.1:{self.vitald.port}"] }}] }}]
""")
        self.spawn("prom", "prometheus", f"--config.file={conf}", f"--storage.tsdb.path={self.dir}/pd", f"--web.listen-address=127.0.0.1:{self.prom}",
                   "--storage.tsdb.retention.time=1h", "--log.level=warn")

    def spawn(self, name, *args):
        with open(f"{self.dir}/{name}.log", "wb") as log:
            p = subprocess.Popen(args, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.stack.callback(lambda: (p.terminate(), p.wait(20)))

    def log(self):
        return "".join(open(p, errors="replace").read() for p in glob.glob(f"{self.dir}/*.log"))

    @staticmethod
    def fetch(url):
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            return json.load(e)

    def api(self, path):
        answer = self.fetch(f"http://127.0.0.1:{self.prom}{path}")
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expr, **more):
        return self.api("/api/v1/query?" + urllib.parse.urlencode({"query": expr, **more}))["result"]

    def alerts(self):
        """What the Alertmanager holds: name to its alerts."""
        found = {}
        for a in self.fetch(f"http://127.0.0.1:{self.am}/api/v2/alerts?active=true"):
            found.setdefault(a["labels"]["alertname"], []).append(a)
        return found

    def until(self, fact, what, timeout=3 * PATIENCE):
        def tried():
            with contextlib.suppress(OSError, AssertionError, ValueError):      # not there yet, 503 without JSON
                return fact()
        try:
            return wait_for(tried, what, timeout, every=0.1)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.log()}") from None


@pytest.fixture(scope="module")
def site(ca):
    s = Site()
    with s.stack:
        s.start_vitald(ca)
        s.start_alertmanager()
        s.start_prometheus()
        s.until(lambda: s.query("up{job='vitald'} == 1"), "the first scrape")
        s.until(lambda: s.query("rate(vitald_cpu_seconds_total[1m])"), "a second scrape")
        yield s
    shutil.rmtree(s.dir, ignore_errors=True)


def firing(site, name, **labels):
    return next((a for a in site.alerts().get(name, []) if labels.items() <= a["labels"].items()), None)


def test_scraped_as_openmetrics_without_trouble(site):
    target = site.api("/api/v1/targets")["activeTargets"][0]
    assert target["health"] == "up" and not target["lastError"]
    # the unit and the type info travel in OpenMetrics only
    meta = site.api("/api/v1/metadata?metric=vitald_loop_lag_seconds")["vitald_loop_lag_seconds"][0]
    assert meta["unit"] == "seconds" and meta["type"] == "gauge"
    assert site.api("/api/v1/metadata?metric=vitald_build")["vitald_build"][0]["type"] == "info"


def test_what_breaks_reaches_the_alertmanager_and_is_resolved(site):
    site.until(lambda: firing(site, "VitaldCertificateSoon", probe="cert"), "the certificate's alert")
    assert not firing(site, "VitaldCertificateLast")
    assert not firing(site, "VitaldProbeDown", probe="db")
    port = site.target.getsockname()[1]
    site.target.close()
    down = site.until(lambda: firing(site, "VitaldProbeDown", probe="db"), "db is down in the Alertmanager")
    assert down["labels"]["severity"] == "critical" and "ended with: refused" in down["annotations"]["description"]
    ready = site.until(lambda: firing(site, "VitaldGroupFailing", group="ready"), "the group's alert")
    assert "db (refused)" in ready["annotations"]["description"]
    assert not firing(site, "VitaldProbeDown", probe="app")                 # its parent speaks
    site.target = site.stack.enter_context(socket.create_server(("127.0.0.1", port)))
    site.vitald.wait_state("db", "up")
    site.until(lambda: not firing(site, "VitaldProbeDown", probe="db") and not firing(site, "VitaldGroupFailing", group="ready"), "resolved")


def queries():
    for panel in BOARD["panels"]:
        for target in panel.get("targets", []):
            yield pytest.param(target["expr"], bool(target.get("instant")), id=f"{panel['title']} {target['refId']}".replace(" ", "-"))
    for a in BOARD["annotations"]["list"]:
        if "expr" in a:
            yield pytest.param(a["expr"], False, id=a["name"])


# Nothing to show is what they show as long as nothing restarts.
MAY_BE_EMPTY = {"Restarts"}


@pytest.mark.parametrize("expr,instant", queries())
def test_every_query_of_the_board_returns_data(site, expr, instant, request):
    for word, value in (("$__rate_interval", "1m"), *((f"${v['name']}", ".*") for v in BOARD["templating"]["list"] if v["type"] == "query")):
        expr = expr.replace(word, value)
    assert "$" not in expr

    def answered():
        if instant:
            return site.query(expr)
        now = time.time()
        return site.api("/api/v1/query_range?" + urllib.parse.urlencode({"query": expr, "start": now - 30, "end": now, "step": 1}))["result"]
    if request.node.callspec.id in MAY_BE_EMPTY:
        answered()
    else:
        site.until(answered, expr)


def test_every_variable_of_the_board_has_values(site):
    for v in BOARD["templating"]["list"]:
        if v["type"] == "query":
            metric, label = re.fullmatch(r"label_values\(([a-z_]+)(?:\{.*\})?, ([a-z]+)\)", v["query"]["query"]).groups()
            assert site.api(f"/api/v1/label/{label}/values?match[]={metric}"), v["name"]


def overlap(a, b):
    return a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]


def test_board_is_well_formed():
    panels = BOARD["panels"]
    assert BOARD["schemaVersion"] >= 36 and BOARD["uid"] and BOARD["id"] is None
    assert len({p["id"] for p in panels}) == len(panels)
    for a, b in itertools.combinations(panels, 2):
        assert not overlap(a["gridPos"], b["gridPos"]), (a["title"], b["title"])
    for p in panels:
        assert p["type"] in ("row", "stat", "table", "state-timeline", "timeseries", "bargauge") and p["gridPos"]["x"] + p["gridPos"]["w"] <= 24
        if p["type"] != "row":
            assert {"defaults", "overrides"} <= p["fieldConfig"].keys() and p["targets"]
            assert all(t["datasource"]["uid"] == "${datasource}" for t in [p, *p["targets"]])
            assert len({t["refId"] for t in p["targets"]}) == len(p["targets"])
