"""conf/recipes against the programs that they are for: the real one where Debian has it, and otherwise a server that answers, on the
port and path that the program documents, what it documents: well, and ill."""
import contextlib
import http.server
import os
import re
import shutil
import subprocess
import tempfile
import threading

import pytest
import yaml

from conftest import Nginx
from daemon import ROOT, Vitald, free_port, wait_for
from lb_kit import recipe
from redis_kit import Redis

PASSWORDS = {"REDIS_PASSWORD": "kX9-2vQ0", "ELASTIC_PASSWORD": "kX9-2vQ0", "RABBITMQ_PASSWORD": "kX9-2vQ0"}
FAST = "defaults: { interval: 100ms, interval_unsettled: 50ms, timeout: 2s, rise: 1, fall: 1, jitter: 0% }\n"
BASIC = "Basic dml0YWxkOmtYOS0ydlEw"        # vitald:kX9-2vQ0


class Program:
    """An HTTP server with answers by path; `needs`: headers without which it refuses."""

    def __init__(self, answers, needs=(), port=0):
        self.answers = dict(answers)
        program = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                code, body = program.answers.get(self.path, (404, "not found"))
                for name, value, refused in needs:
                    if self.headers.get(name) != value:
                        code, body = refused
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body.encode())

            def log_message(self, *args):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


@contextlib.contextmanager
def running(text, overlay="", env=None):
    """vitald with the recipe and quick times over it; its listeners are replaced by one that serves everything."""
    text = re.sub(r"^listen:\n(  .*\n)+", "", text, flags=re.M)
    text = re.sub(r",? *\b(interval|interval_unsettled|timeout): \w+(?=[,} ])", "", text).replace("{, ", "{ ").replace("{ ,", "{ ")
    with tempfile.TemporaryDirectory(prefix="rc") as d:
        with open(f"{d}/fast.yaml", "w") as f:
            f.write(FAST)
        with open(f"{d}/overlay.yaml", "w") as f:
            f.write(overlay or "{}")
        with Vitald(text, args=["-c", f"{d}/fast.yaml", "-c", f"{d}/overlay.yaml"], env={**PASSWORDS, **(env or {})}) as v:
            yield v


# ---- programs that Debian does not have: recipe -> probe -> (port, path, well, [(ill, class, does `ready` fail)])

ANSWERS = {
    "monitoring-stack": {
        "grafana": (3000, "/api/health", (200, '{"commit": "1", "database": "ok", "version": "11.0.0"}'),
                    [((503, '{"commit": "1", "database": "failing", "version": "11.0.0"}'), "fail", False)]),
        "prometheus": (9090, "/-/ready", (200, "Prometheus Server is Ready.\n"), [((503, "Service Unavailable"), "fail", True)]),
        "alertmanager": (9093, "/-/ready", (200, "OK"), [((503, ""), "fail", True)]),
        "alertmanager-cluster": (9093, "/api/v2/status", (200, '{"cluster": {"status": "ready", "peers": []}}'),
                                 [((200, '{"cluster": {"status": "settling", "peers": []}}'), "warn", False)]),
    },
    "elastic-stack": {
        "elasticsearch": (9200, "/", (200, '{"name": "n1", "tagline": "You Know, for Search"}'),
                          [((401, '{"error": {"type": "security_exception"}, "status": 401}'), "fail", True), ((429, ""), "fail", True)]),
        "elasticsearch-cluster": (9200, "/_cluster/health?timeout=3s", (200, '{"status": "green", "timed_out": false, "number_of_pending_tasks": 0}'),
                                  [((200, '{"status": "yellow", "number_of_pending_tasks": 0}'), "warn", False),
                                   ((200, '{"status": "green", "number_of_pending_tasks": 4000}'), "warn", False),
                                   ((200, '{"status": "red", "number_of_pending_tasks": 0}'), "fail", False)]),       # shared: warns
        "kibana": (5601, "/api/status", (200, '{"status": {"overall": {"level": "available"}}}'),
                   [((200, '{"status": {"overall": {"level": "degraded"}}}'), "warn", False),
                    ((503, '{"status": {"overall": {"level": "unavailable"}}}'), "fail", False)]),
        "logstash": (9600, "/", (200, '{"host": "l", "status": "green", "pipeline": {"workers": 2}}'),
                     [((200, '{"host": "l", "status": "yellow"}'), "warn", False), ((500, ""), "fail", True)]),
    },
    "jaeger": {
        "collector": (14269, "/", (200, '{"status":"Server available","upSince":"2026-01-01T00:00:00Z","uptime":"1h"}'),
                      [((503, '{"status":"Server not available","upSince":"0001-01-01T00:00:00Z","uptime":""}'), "fail", False)]),
        "query": (16687, "/", (200, '{"status":"Server available","upSince":"2026-01-01T00:00:00Z","uptime":"1h"}'),
                  [((503, '{"status":"Server not available"}'), "fail", False)]),
        "jaeger2": (13133, "/status", (200, '{"status":"StatusOK","healthy":true}'), [((503, '{"status":"StatusStarting","healthy":false}'), "fail", False)]),
    },
    "istio-sidecar": {
        "sidecar": (15021, "/healthz/ready", (200, ""), [((503, ""), "fail", True)]),
        "envoy": (15000, "/ready", (200, "LIVE\n"), [((503, "PRE_INITIALIZING\n"), "fail", False), ((503, "DRAINING\n"), "fail", False)]),
        "app": (8080, "/health", (200, "ok"), [((500, ""), "fail", True)]),
    },
    "rabbitmq": {
        "listener": (15672, "/api/health/checks/port-listener/5672", (200, '{"status":"ok","port":5672}'),
                     [((503, '{"status":"failed","reason":"No active listener","missing":5672}'), "fail", True)]),
        "alarms": (15672, "/api/health/checks/local-alarms", (200, '{"status":"ok"}'),
                   [((503, '{"status":"failed","reason":"There are alarms in effect on the node","alarms":[]}'), "fail", True)]),
        "virtual-hosts": (15672, "/api/health/checks/virtual-hosts", (200, '{"status":"ok"}'), [((503, '{"status":"failed"}'), "fail", True)]),
        "quorum": (15672, "/api/health/checks/node-is-quorum-critical", (200, '{"status":"ok"}'),
                   [((503, '{"status":"failed","reason":"There are quorum queues that would lose their quorum"}'), "fail", False)]),
        "expiry": (15672, "/api/health/checks/certificate-expiration/1/months", (200, '{"status":"ok"}'), [((503, '{"status":"failed"}'), "fail", False)]),
    },
}
SPARE = {"rabbitmq": ["rabbit.example:5672"]}       # besides the URLs: takes connections


def url_of(conf, probe):
    http_conf = conf["probes"][probe]["http"]
    return re.fullmatch(r"(https?)://([^/]+):(\d+)(/.*)", http_conf if isinstance(http_conf, str) else http_conf["url"]).groups()


@pytest.mark.parametrize("name", ANSWERS)
def test_recipe_turns_as_the_program_documents(name, server):
    text, programs = recipe(f"{name}.yaml"), {}
    conf = yaml.safe_load(text)
    assert {p for p in conf["probes"] if "http" in conf["probes"][p]} == set(ANSWERS[name])
    needs = [("Authorization", BASIC, (401, "{}"))] if "basic" in str(conf.get("defaults")) else []
    for probe, (port, path, well, _) in ANSWERS[name].items():
        scheme, host, said_port, said_path = url_of(conf, probe)
        assert (int(said_port), said_path) == (port, path)
        program = programs.setdefault(f"{host}:{port}", Program({}, needs))
        program.answers[path] = well
        text = text.replace(f"{scheme}://{host}:{port}", f"http://127.0.0.1:{program.port}")
    for address in SPARE.get(name, ()):
        text = text.replace(address, f"127.0.0.1:{server(lambda sock: sock.recv(1)).port}")
    try:
        with running(text) as v:
            for probe in ANSWERS[name]:
                v.wait_state(probe, "up")
            wait_for(lambda: v.group("ready")["verdict"] == "pass", "ready passes")
            for probe, (port, path, well, ills) in ANSWERS[name].items():
                program = programs[f"{url_of(conf, probe)[1]}:{port}"]
                for ill, level, required in ills:
                    program.answers[path] = ill
                    v.wait_outcome(probe, class_=level)
                    wait_for(lambda: v.group("ready")["verdict"] == ("fail" if required else v.group("ready")["verdict"]), "the verdict follows")
                    assert v.get("/readyz").status == (503 if required else 200), (probe, ill)
                program.answers[path] = well
                v.wait_state(probe, "up")
            wait_for(lambda: v.group("ready")["verdict"] == "pass", "ready passes again")
    finally:
        for program in programs.values():
            program.stop()


# ---- the real ones

class Running:
    """A program in a directory of its own, as nobody in particular."""

    def __init__(self, *command):
        self.dir = tempfile.mkdtemp(prefix="pr")
        self.command = [c.replace("DIR", self.dir) for c in command]
        self.log = f"{self.dir}/log"
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.dir, env={"PATH": os.environ["PATH"], "HOME": self.dir,
                                                                                                     "PYTHONDONTWRITEBYTECODE": "1"})
        return self

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.kill()
        if exc[0]:
            print(open(self.log, errors="replace").read()[-3000:])
        shutil.rmtree(self.dir, ignore_errors=True)


def test_a_real_prometheus_and_alertmanager():
    web, am = free_port(), free_port()
    with Running("prometheus", "--config.file=DIR/p.yml", "--storage.tsdb.path=DIR/data", f"--web.listen-address=127.0.0.1:{web}", "--log.level=warn") as prometheus, \
            Running("prometheus-alertmanager", "--config.file=DIR/a.yml", "--storage.path=DIR/data", f"--web.listen-address=127.0.0.1:{am}",
                    "--cluster.listen-address=", "--log.level=warn") as alertmanager, \
            Program({"/api/health": (200, '{"database": "ok"}')}) as grafana:
        for program, name, text in (prometheus, "p.yml", "scrape_configs: []\n"), (alertmanager, "a.yml", "route: { receiver: none }\nreceivers: [{ name: none }]\n"):
            program.kill()
            with open(f"{program.dir}/{name}", "w") as f:
                f.write(text)
            program.start()
        text = recipe("monitoring-stack.yaml", ("prometheus.example:9090", f"127.0.0.1:{web}"), ("alertmanager.example:9093", f"127.0.0.1:{am}"),
                      ("grafana.example:3000", f"127.0.0.1:{grafana.port}"))
        with running(text) as v:
            for probe in "prometheus", "alertmanager", "alertmanager-cluster":
                v.wait_state(probe, "up")
            v.wait_code("/readyz", 200)
            prometheus.kill()
            v.wait_code("/readyz", 503)
            prometheus.start()
            v.wait_code("/readyz", 200)
            alertmanager.kill()
            v.wait_code("/readyz", 503)


def test_three_real_etcd_members():
    ports = [(free_port(), free_port(), free_port()) for _ in range(3)]
    cluster = ",".join(f"m{i}=http://127.0.0.1:{peer}" for i, (_, peer, _) in enumerate(ports))
    with contextlib.ExitStack() as stack:
        members = [stack.enter_context(Running(
            "etcd", "--name", f"m{i}", "--data-dir", "DIR/data", "--initial-cluster", cluster, "--initial-cluster-token", "t",
            "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
            "--listen-client-urls", f"http://127.0.0.1:{client}", "--advertise-client-urls", f"http://127.0.0.1:{client}",
            "--listen-metrics-urls", f"http://127.0.0.1:{metrics}", "--log-level=warn"))
            for i, (client, peer, metrics) in enumerate(ports)]
        text = recipe("etcd.yaml", *((f"etcd{i + 1}.example:2381", f"127.0.0.1:{metrics}") for i, (_, _, metrics) in enumerate(ports)))
        v = stack.enter_context(running(text))
        wait_for(lambda: v.group("ready")["verdict"] == "pass", "three members are well")
        members[0].kill()
        v.wait_state("etcd1", "down")
        v.wait_code("/readyz", 200)
        wait_for(lambda: v.group("ready")["verdict"] == "warn", "two of three warn")
        members[1].kill()
        v.wait_outcome("etcd3", class_="fail")      # it lives, and has no leader
        v.wait_code("/readyz", 503)
        assert members[2].process.poll() is None
        members[1].start()
        v.wait_code("/readyz", 200)


CELERY = """
from celery import Celery
app = Celery("jobs", broker="redis://127.0.0.1:PORT/0")
@app.task
def work(): pass
"""


def test_real_celery_workers():
    text = recipe("celery.yaml")
    user = re.search(r"ACL SETUSER (.*)", text).group(1).replace(">PASSWORD", ">" + PASSWORDS["REDIS_PASSWORD"])
    with Program({"/healthcheck": (200, "OK")}) as flower, \
            Redis() as redis, \
            Running("/usr/bin/python3", "-m", "celery", "-A", "jobs", "worker", "--pool", "solo", "--without-mingle") as worker:
        worker.kill()
        redis.command("ACL", "SETUSER", *user.split())
        with open(f"{worker.dir}/jobs.py", "w") as f:
            f.write(CELERY.replace("PORT", str(redis.port)))
        text = recipe("celery.yaml", ("broker.example:6379", f"127.0.0.1:{redis.port}"), ("flower.example:5555", f"127.0.0.1:{flower.port}"))
        with running(text) as v:
            v.wait_state("broker", "up")
            v.wait_state("workers", "down")
            v.wait_code("/readyz", 503)
            worker.start()
            v.wait_state("workers", "up", timeout=90)      # Celery takes its time on a busy machine
            v.wait_code("/readyz", 200)
            worker.kill()
            v.wait_state("workers", "down")
            jobs = "import jobs\nfor i in range(1001): jobs.work.delay()"
            subprocess.run(["/usr/bin/python3", "-c", jobs], cwd=worker.dir, check=True, timeout=60, env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"})
            assert "queue" in v.wait_outcome("broker", class_="warn")["outcome"]["text"]
            flower.answers["/healthcheck"] = (500, "")
            v.wait_state("flower", "down")


def test_services_behind_a_real_nginx_keep_their_old_paths():
    with Program({"/internal/health": (200, '{"status": "ok"}'), "/api/v2/things": (200, "go")}) as go, \
            Program({"/internal/health": (200, "up"), "/": (200, "node")}) as node, \
            Program({"/internal/health/": (200, "")}, [("Host", "shop.example", (400, "DisallowedHost")), ("X-Forwarded-Proto", "https", (301, ""))]) as django:
        ports = [("127.0.0.1:8080", f"127.0.0.1:{go.port}"), ("127.0.0.1:3000", f"127.0.0.1:{node.port}"), ("127.0.0.1:8000", f"127.0.0.1:{django.port}")]
        with running(recipe("app-behind-nginx.yaml", *ports)) as v:
            conf = recipe("app-behind-nginx.conf", *ports, ("127.0.0.1:8687", f"127.0.0.1:{v.port}"), ("listen 80;", "listen 127.0.0.1:PORT;"),
                          ("include vitald_proxy.conf", f"include {ROOT}/conf/recipes/vitald_proxy.conf"))
            with Nginx(conf) as n:
                def codes():
                    return [v.get(path, port=n.port).status for path in ("/api/v1/health", "/api/health", "/api/ready", "/api/v1/monitoring/health")]
                for probe in "api", "web", "shop":
                    v.wait_state(probe, "up")
                wait_for(lambda: codes() == [200, 200, 200, 200], "all are well")
                assert v.get("/api/v2/things", port=n.port).text == "go" and v.get("/", port=n.port).text == "node"
                go.answers["/internal/health"] = (200, '{"status": "deadlock"}')
                wait_for(lambda: codes() == [200, 200, 503, 503], "the API is ill")
                go.answers["/internal/health"] = (200, '{"status": "ok"}')
                wait_for(lambda: codes() == [200, 200, 200, 200], "the API is well")
                assert v.ctl("drain").returncode == 0
                assert codes() == [200, 200, 503, 200]


def test_certificates_of_a_real_server_and_in_a_file(ca):
    good, old = ca.issue("recipe-good"), ca.issue("recipe-old", days=10)
    chain = f"{ca.dir}/recipe-chain.pem"
    shutil.copy(good[0], chain)
    servers = "server {{ listen 127.0.0.1:PORT; listen 127.0.0.1:TLSPORT ssl; ssl_certificate {}; ssl_certificate_key {}; }}"
    with Nginx(servers.format(*old)) as n:
        text = recipe("certificates.yaml", ("www.example:443", f"localhost:{n.tls_port}"), ("/etc/ssl/site/fullchain.pem", chain))
        overlay = f"defaults: {{ tls: {{ tls: {{ ca: {ca.ca} }} }} }}\nprobes: {{ mail: ~, database: ~ }}\ngroups: {{ certificates: [www, files] }}\n"
        with running(text, overlay) as v:
            v.wait_state("files", "up")
            v.wait_state("www", "degraded")
            shutil.copy(ca.issue("recipe-end", days=3)[0], chain)
            v.wait_state("files", "down")
            assert v.group("certificates")["verdict"] == "fail" and v.get("/readyz").status == 200


def test_one_vitald_reads_the_verdicts_of_others(server):
    """The nodes serve verdicts only."""
    node = "listen: [ 127.0.0.1:0 ]\ndefaults: { interval: 100ms, fall: 1, rise: 1 }\nprobes: { app: { tcp: '127.0.0.1:PORT' } }\ngroups: { ready: [app] }\n"
    apps = [server(lambda sock: sock.recv(1)) for _ in range(3)]
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(Vitald(node.replace("PORT", str(app.port)))) for app in apps]
        text = recipe("fleet.yaml", *((f"node{i + 1}.example:8686", f"127.0.0.1:{n.port}") for i, n in enumerate(nodes)))
        v = stack.enter_context(running(text))
        wait_for(lambda: v.group("ready")["verdict"] == "pass", "all nodes are well")
        assert nodes[0].ctl("force", "app", "up").returncode == 0           # warns there, warns here
        v.wait_state("node1", "degraded")
        assert nodes[1].ctl("drain").returncode == 0
        v.wait_state("node2", "down")
        v.wait_code("/readyz", 200)
        apps[2].listener.close()
        v.wait_state("node3", "down")
        v.wait_code("/readyz", 503)
        assert nodes[1].ctl("undrain").returncode == 0
        v.wait_code("/readyz", 200)
        nodes[1].stop()
        v.wait_code("/readyz", 503)


def test_rules_about_a_fleet():
    for command in ["check", "rules", f"{ROOT}/conf/prometheus/fleet.rules.yml"], ["test", "rules", f"{ROOT}/tests/func/fleet_rules.yml"]:
        r = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=60)
        assert r.returncode == 0, r.stdout + r.stderr
