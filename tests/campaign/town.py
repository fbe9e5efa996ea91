"""The town of a campaign: its servers, vitald with its probes, the users, and what each fault of a server means for each probe."""
import concurrent.futures
import contextlib
import email.utils
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import conftest
import servers
from daemon import BUILD, Vitald, check_config, free_port, wait_for
from lb_kit import HAProxy, recipe
from truth import LOOSE, UP

HERE = os.path.dirname(os.path.abspath(__file__))
DOWN = frozenset(["down"])
MAYBE = frozenset(["up", "degraded", "down"])
WORSE = frozenset(["degraded", "down"])
DEGRADED = frozenset(["degraded"])
LIBFAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
KILL_SHOWS = 10   # seconds: how long the memory probe speaks of a process that the kernel killed
FELT = 5         # seconds: a clock that is as wrong as it was set


class Probe:
    """needs: server -> what its faults mean; what is not named means down. {"stop": UP}: it is no fault for this probe."""

    def __init__(self, name, conf, needs=None, more=""):
        self.name, self.conf, self.more = name, conf, more
        self.needs = {needs: {}} if isinstance(needs, str) else needs or {}

    def meaning(self, server, fault):
        return self.needs[server].get(fault, DOWN) if server in self.needs else None

    def yaml(self):
        return f"  {self.name}: {{ {self.conf}{', ' + self.more if self.more else ''} }}\n"


class Town:
    def __init__(self, pace):
        self.pace, self.stack, self.servers, self.probes, self.users = pace, contextlib.ExitStack(), {}, [], {}
        self.env, self.restarts = {}, []
        self.dir = tempfile.mkdtemp(prefix="tw")
        os.chmod(self.dir, 0o755)
        self.stack.callback(shutil.rmtree, self.dir, True)

    def add(self, server):
        self.servers[server.name] = server
        self.stack.callback(server.end)
        return server

    # ---- who lives here

    def build(self):
        with concurrent.futures.ThreadPoolExecutor(2) as early:      # these take a while to find each other
            makers = [early.submit(make, name) for make, name in ((servers.Sentinels, "sentinel"), (servers.Cluster, "cluster"))] if self.has_sentinel() else []
            self.settle_down()
            if makers:
                self.clusters(*[self.add(m.result()) for m in makers])

    @staticmethod
    def has_sentinel():
        return shutil.which("redis-sentinel") is not None

    def settle_down(self):
        ca = conftest.CA(self.path("ca", make=True))
        self.ca = ca
        web = [self.add(servers.Web(f"web{i}", ca)) for i in (1, 2, 3, 4)]
        self.app_ports = [w.ports[0] for w in web]
        red = self.add(servers.redis("redis", "--requirepass", "old", admin=["--pass", "old"]))
        rep = self.add(servers.redis("replica", "--replicaof", "127.0.0.1", str(red.ports[0]), "--masterauth", "old"))
        self.write("redis.pw", "old\n", 0o600)
        pg = self.add(servers.postgres("pg"))
        st = self.add(servers.standby("standby", pg))
        my = self.add(servers.MariaDB("maria"))
        self.write("mark", "fine\n")
        self.write("switch", "0\n")
        self.databases(pg.kit, st.kit, my.kit)
        self.webs(web)
        self.stores(red, rep)
        self.host()
        self.clock()
        self.mounts()
        self.services()
        if shutil.which("dnsmasq") and os.geteuid() == 0:
            self.add(servers.dns("dns"))
            self.names(web[3])
        if "grpc" in servers.modules():
            g = self.add(servers.grpc("rpc"))
            self.probe("grpc-all", f"grpc: '127.0.0.1:{g.ports[0]}'", "rpc")
            self.probe("grpc-shop", f"grpc: {{ address: '127.0.0.1:{g.ports[0]}', service: shop }}", "rpc")

    def probe(self, *row, **more):
        self.probes.append(Probe(*row, **more))

    def databases(self, pg, st, my):
        url = pg.url(mode="disable", host="127.0.0.1")
        for name, rows in {"pg-plain": "", "pg-hold": ", hold: true", "pg-primary": ", role: primary", "pg-writable": ", writable: true",
                           "pg-query": ", queries: [{ query: 'select 1', equals: '1' }]"}.items():
            self.probe(name, f"postgres: {{ url: '{url}'{rows} }}", "pg")
        self.probe("pg-tcp", f"tcp: '127.0.0.1:{pg.port}'", {"pg": {"stop": UP}})
        seen = {f: LOOSE for f in ("kill", "stop", "cut", "restart", "lossy")}       # it says that nobody streams to it, or not
        self.probe("pg-standby", f"postgres: {{ url: '{st.url(mode='disable', host='127.0.0.1')}', role: standby }}", {"standby": {}, "pg": seen})
        self.probe("pg-second", f"postgres: {{ url: '{st.url(mode='disable', host='127.0.0.1')}' }}", {"standby": {"promote": UP}, "pg": seen})
        self.probe("my-plain", f"mysql: '{my.url()}'", "maria")
        self.probe("my-db", f"mysql: '{my.url(database='shop')}'", "maria")
        self.probe("my-query", f"mysql: {{ url: '{my.url(database='shop')}', queries: [{{ query: 'SELECT COUNT(*) FROM queue', equals: '3' }}] }}", "maria")
        self.probe("my-primary", f"mysql: {{ url: '{my.url()}', role: primary }}", "maria")

    def webs(self, web):
        for i, w in enumerate(web, 1):
            self.probe(f"web{i}-http", f"http: 'http://127.0.0.1:{w.ports[0]}/'", {f"web{i}": {"expire": UP}})
            self.probe(f"web{i}-tcp", f"tcp: '127.0.0.1:{w.ports[0]}'", {f"web{i}": {"stop": UP, "expire": UP}})
        w = web[3]
        self.probe("web4-https", f"http: {{ url: 'https://localhost:{w.ports[1]}/', tls: {{ ca: {self.ca.ca} }}, contains: web4 }}", {"web4": {}, "clock": {"ahead": UP}})
        self.probe("web4-tls", f"tls: {{ address: '127.0.0.1:{w.ports[1]}', tls: {{ ca: {self.ca.ca} }} }}", {"web4": {}, "clock": {"ahead": UP}})
        self.probe("web4-cert", f"tls: {{ files: [{w.certs}/cert], tls: {{ ca: {self.ca.ca} }} }}", {"web4": {"kill": UP, "stop": UP, "cut": UP}, "clock": {"ahead": UP}})

    def stores(self, red, rep):
        secret = f"password: {{ file: {self.path('redis.pw')} }}"
        at = f"redis://127.0.0.1:{red.ports[0]}"
        # the two probes that read a changed password from its file, and one that holds its session
        self.probe("redis-hold", f"redis: {{ url: '{at}', {secret} }}", "redis")
        self.probe("redis-login", f"redis: {{ url: '{at}', {secret}, hold: false }}", "redis")
        self.probe("redis-master", f"redis: {{ url: '{at}', {secret}, role: master, write_test: campaign }}", "redis")
        self.probe("redis-tcp", f"tcp: '127.0.0.1:{red.ports[0]}'", {"redis": {"stop": UP}})
        seen = {f: MAYBE for f in ("kill", "stop", "cut", "rotate", "lossy")}        # its link goes down some time after its master
        self.probe("redis-replica", f"redis: {{ url: 'redis://127.0.0.1:{rep.ports[0]}', role: replica }}", {"replica": {}, "redis": seen})
        self.probe("redis-any", f"redis: {{ url: 'redis://127.0.0.1:{rep.ports[0]}', link: ignore }}", {"replica": {}, "redis": {f: UP for f in seen}})
        # by its command line: this machine may run others
        self.probe("redis-process", f"process: {{ name: redis-server, cmdline: '127.0.0.1:{red.ports[0]}' }}", {"redis": {"stop": UP, "cut": UP, "rotate": UP, "lossy": UP}})

    def host(self):
        self.probe("file", f"file: {{ path: {self.path('mark')}, contains: fine }}", "mark")
        self.probe("file-gone", f"file: {{ path: {self.path('never')}, exists: false }}")
        self.probe("exec", f"exec: {{ command: [/bin/sh, -c, 'exit $(cat {self.path('switch')})'] }}", {"switch": {"warn": frozenset(["degraded"])}})
        self.probe("exec-true", "exec: { command: [/bin/true] }")
        self.probe("memory", f"memory: {{ scope: host, warn_below: 1%, fail_below: 0.5%, oom_kill_for: {KILL_SHOWS:g}s }}")
        self.probe("load", "load: 1000")
        self.probe("ping", "ping: { host: 127.0.0.1, count: 1 }", "icmp")
        self.probe("beat", f"heartbeat: {{ max_silence: {self.pace.timeout * 2:g}s, at_start: pass }}", "job")
        self.probe("root", "disk: { path: /, warn_below: 1%, fail_below: 0.5%, inodes_warn_below: 1%, inodes_fail_below: 0.5% }")

    def clock(self):
        """vitald's own clock can be set, where there is libfaketime: that of the machine stays as it is."""
        if not os.path.exists(LIBFAKETIME):
            return
        self.write("aged", "")
        self.probe("file-aged", f"file: {{ path: {self.path('aged')}, max_age: 48h }}", {"clock": {"ahead": UP, "behind": UP}})
        self.write("clock", "+0\n")
        self.env.update(LD_PRELOAD=LIBFAKETIME, FAKETIME_TIMESTAMP_FILE=self.path("clock"), FAKETIME_CACHE_DURATION="1", DONT_FAKE_MONOTONIC="1",
                        FAKETIME_DONT_FAKE_MONOTONIC="1", NO_FAKE_STAT="1")

    def set_clock(self, seconds):
        """Returns when vitald's answers have that date."""
        self.write("clock", f"{seconds:+d}\n")

        def felt():
            with contextlib.suppress(OSError):
                says = email.utils.parsedate_to_datetime(self.vitald.get("/livez", timeout=1).headers["Date"]).timestamp()
                return abs(says - time.time() - seconds) < FELT
        wait_for(felt, f"vitald's clock is {seconds:+d} s", timeout=120, every=0.05)

    def services(self):
        if "unit" not in servers.modules() or not shutil.which("dbus-daemon"):
            return
        units = self.add(servers.Units("units", self.path("bus", make=True)))
        self.env.update(units.bus.env)
        self.units()

    def units(self):
        self.probe("unit-app", "unit: app.service", {"units": {"starts": DEGRADED}})
        self.probe("unit-both", "unit: { units: [app, job] }", {"units": {"starts": DEGRADED}})
        self.probe("unit-job", "unit: job.service", {"units": {"fails": UP, "starts": UP}})

    def clusters(self, sentinels, cluster):
        hosts = "[" + ", ".join(f"'127.0.0.1:{p}'" for p in sentinels.ports) + "]"
        self.probe("sentinel", f"redis: {{ mode: sentinel, hosts: {hosts}, master: mymaster, write_test: campaign }}", {"sentinel": {"quorum": DEGRADED}})
        self.probe("sentinel-any", f"redis: {{ mode: sentinel, hosts: {hosts}, master: mymaster, hold: false }}", {"sentinel": {"quorum": DEGRADED}})
        seeds = "[" + ", ".join(f"'127.0.0.1:{p}'" for p in cluster.ports[:4]) + "]"
        half = {"replica": DEGRADED, "master": DEGRADED}
        self.probe("cluster", f"redis: {{ mode: cluster, hosts: {seeds} }}", {"cluster": half})
        self.probe("cluster-loose", f"redis: {{ mode: cluster, hosts: {seeds}, failed_nodes: ignore }}", {"cluster": {"replica": UP, "master": UP}})

    def mounts(self):
        """A disk that can be filled, and a file system that can hang."""
        if os.geteuid() != 0:
            return
        disk = self.path("disk", make=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "campaign", disk], check=True)
        self.stack.callback(subprocess.run, ["umount", "-l", disk])
        self.probe("disk", f"disk: {{ path: {disk}, mounted: true }}", "disk")
        if os.path.exists("/dev/fuse"):
            fuse = self.add(servers.HangFS("fuse", self.path("fuse", make=True)))
            # three of them hang on one mount, which may cost vitald one process only
            self.probe("fuse-file", f"file: {{ path: {fuse.mount}/file, contains: ready }}", "fuse")
            self.probe("fuse-disk", f"disk: {{ path: {fuse.mount} }}", "fuse")
            self.probe("fuse-dir", f"file: {{ path: {fuse.mount}, type: directory }}", "fuse")

    def names(self, web):
        self.probe("dns-a", "dns: { name: app.test, servers: 127.0.0.53, expect: 127.0.0.1 }", "dns")
        self.probe("dns-txt", "dns: { name: txt.test, type: TXT, servers: 127.0.0.53, expect: hello }", "dns")
        self.probe("dns-mx", "dns: { name: test, type: MX, servers: 127.0.0.53, transport: tcp }", "dns")
        self.probe("dns-system", "dns: app.test", "dns")
        # vitald goes on with the addresses that it had
        self.probe("by-name", f"http: 'http://app.test:{web.ports[0]}/'", {"dns": {f: UP for f in ("kill", "stop", "cut", "lossy")}, "web4": {"expire": UP}})

    # ---- vitald, and who leans on it

    def path(self, name, make=False):
        if make:
            os.makedirs(f"{self.dir}/{name}", exist_ok=True)
        return f"{self.dir}/{name}"

    def write(self, name, text, mode=0o644):
        with open(self.path(name) + ".new", "w", opener=lambda p, f: os.open(p, f, mode)) as f:
            f.write(text)
        os.replace(self.path(name) + ".new", self.path(name))

    def trees(self):
        """Groups of groups: name -> (how many are needed, members). None: all of them."""
        return {"some-app": (1, ["web1-http", "web2-http"]), "most-apps": (2, ["web1-http", "web2-http", "web3-http"]),
                "ready": (None, [p.name for p in self.probes]), "stores": (2, ["of-pg-plain", "of-my-plain", "of-redis-hold"])}

    def config(self, extra=""):
        p = self.pace
        groups = "".join(f"  of-{x.name}: {{ all: ['{x.name}'] }}\n" for x in self.probes)
        for name, (need, members) in self.trees().items():
            rule = {None: f"all: {members}", 1: f"any: {members}"}.get(need, f"at_least: {need}, of: {members}")
            groups += f"  {name}: {{ {rule} }}\n"
        files = "".join(f"  - {{ path: {self.dir}/up-{i}, group: of-web{i}-http }}\n" for i in (1, 2, 3))
        return (f"listen:\n  - {{ address: '127.0.0.1:{self.port}', serve: [verdicts, status, metrics, events, page] }}\n"
                f"agents:\n  - {{ address: '127.0.0.1:{self.agents[0]}', group: of-web1-http }}\n  - {{ address: '127.0.0.1:{self.agents[1]}', group: of-web2-http }}\n"
                f"state_file: {self.dir}/state\nfiles:\n{files}"
                f"defaults: {{ interval: {p.interval:g}s, timeout: {p.timeout:g}s, interval_unsettled: {p.unsettled:g}s, rise: 1, fall: {p.fall} }}\n"
                f"probes:\n{''.join(x.yaml() for x in self.probes)}{extra}groups:\n{groups}")

    def open(self):
        self.port, self.agents = free_port(), [free_port(), free_port()]
        out = check_config(self.config())
        text = out.stdout + out.stderr
        assert out.returncode == 0, text
        self.bounds = {}
        for name, detect, recover in re.findall(r"group `([^`]+)`: a fault shows in the verdict after at most ([^,]+), its end after at most (\S+)", text):
            self.bounds[name] = seconds(detect), seconds(recover)
        self.vitald = self.stack.enter_context(Vitald(self.config(), env=self.env))
        try:
            self.vitald.wait_code("/readyz", 200, timeout=60)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.vitald.ctl('explain', 'ready').stdout}") from None
        self.haproxy()
        self.gate()

    def relaunch(self):
        """As `systemctl restart` does it. How long it took to leave, and then to serve."""
        began, v = time.monotonic(), self.vitald
        v.signal(signal.SIGTERM)
        assert v.process.wait(timeout=5) == 0, v.log()
        left = time.monotonic()
        v.launch()

        def serves():
            with contextlib.suppress(OSError):
                return v.get("/livez", timeout=1).status == 200
        wait_for(serves, "vitald serves again")
        self.restarts.append((round(left - began, 3), round(time.monotonic() - left, 3)))

    def haproxy(self):
        port = free_port()
        servers_ = "".join(f"    server app{i + 1} 127.0.0.1:{self.app_ports[i]} agent-check agent-addr 127.0.0.1 agent-port {self.agents[i]} agent-inter 200ms\n" for i in (0, 1))
        self.balancer = self.stack.enter_context(HAProxy(
            "global\n    stats socket SOCKET level admin\ndefaults\n    mode http\n    timeout connect 500ms\n    timeout client 3s\n    timeout server 1s\n    retries 0\n"
            f"frontend f\n    bind 127.0.0.1:{port}\n    default_backend b\nbackend b\n    balance roundrobin\n{servers_}"))
        self.users["haproxy"] = port

    def gate(self):
        text = recipe("nginx-auth-gate.conf", ("server 127.0.0.1:8687;", f"server 127.0.0.1:{self.port};"), ("listen 80;", "listen 127.0.0.1:PORT;"),
                      ("http://127.0.0.1:8080", f"http://127.0.0.1:{self.app_ports[2]}"), ("/readyz;", "/healthz/of-web3-http;"))
        text = text.replace("auth_request /_ready;", "auth_request /_ready; proxy_connect_timeout 500ms; proxy_read_timeout 1s;")
        front = conftest.Nginx(text)
        shutil.copy(f"{HERE}/../../conf/recipes/vitald_proxy.conf", front.dir)
        self.stack.enter_context(front)
        self.users["nginx"] = front.port

    def bound(self, probe):
        return self.bounds[f"of-{probe}"]

    def close(self):
        self.stack.close()


def seconds(text):
    return sum(float(n) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600}[u] for n, u in re.findall(r"([\d.]+)\s?([a-z]+)", text))
