"""Memory, and being there without being noticed."""
import time

from kit import LOAD_CORE, Blackbox, Dns, Haproxy, Mariadb, Monit, Nginx, Postgres, Redis, Responder, Result, Systemd, Unavailable, Vitald, cpu_us, exponent, private, probes, pss, rss, sleeps, wait_for


def all_attempted(v, patience=120):
    """Not asked for by a scrape: its picture of all probes would be measured too."""
    wait_for(lambda: v.get("/startupz")[0] == 200, "all were attempted", patience, every=.1)
    time.sleep(.5)


def memory_1000():
    """1,000 HTTP probes, ten of them over TLS with one context; HAProxy checks its thousand without TLS. Its own default
    sizes its tables by the descriptor limit; with `maxconn 2000` it is as small as anybody would make it."""
    with Responder(LOAD_CORE) as target, Nginx(LOAD_CORE, tls=True) as tls:
        config = "max_per_address: 64\n" + probes(990, f'http: "http://{{a}}:{target.port}/"', interval="1s")
        config += "".join(f'  t{i}: {{ http: {{ url: "https://127.0.0.1:{tls.port}/", tls: {{ ca: {tls.dir}/ca.crt }} }} }}\n' for i in range(10))
        with Vitald(config) as v, Haproxy(1000, target.port, "1s", maxconn=None) as h, Haproxy(1000, target.port, "1s") as small:
            all_attempted(v)
            time.sleep(2.5)      # every check has run, everywhere
            yield Result("memory/1000-http", "bytes PSS", [pss(v.pid)], [pss(h.pid)], "HAProxy", .4, note=f"private: {private(v.pid):,} and {private(h.pid):,}")
            yield Result("memory/1000-http-small", "bytes PSS", [pss(v.pid)], [pss(small.pid)], "HAProxy small", note=f"private: {private(small.pid):,}")


KINDS = {
    "http": ('http: "http://{{a}}:{port}/"', (1000, 10000, 100000)),
    "tcp": ('tcp: "{{a}}:{port}"', (1000, 10000, 100000)),
    "https": ('http: {{{{ url: "https://127.0.0.1:{tls}/", tls: {{{{ ca: {ca} }}}} }}}}', (1000, 4000)),
    "heartbeat": ("heartbeat: 1h", (1000, 10000, 100000)),
    "file": ("file: /etc/passwd", (1000, 10000)),
    "disk": ("disk: /", (1000, 10000)),
    "redis": ('redis: "redis://127.0.0.1:{redis}"', (1000, 10000)),
    "tls": ('tls: {{{{ address: "127.0.0.1:{tls}", tls: {{{{ ca: {ca} }}}} }}}}', (1000, 4000)),
    "memory": ("memory: host", (1000, 10000)),
    "load": ("load: {{{{}}}}", (1000, 10000)),
    "process": ("process: {{{{ name: python3 }}}}", (1000,)),
    "dns": ('dns: {{{{ name: bench.test, servers: "127.0.0.1:{dns}" }}}}', (1000, 10000)),
    "grpc": ('grpc: "127.0.0.1:{grpc}"', (1000, 10000)),
    "mysql": ('mysql: "mysql://bench@127.0.0.1:{mysql}/"', (1000,)),
    "postgres": ('postgres: "postgres://postgres@127.0.0.1:{postgres}/postgres"', (1000, 4000)),
    "ping": ("ping: 127.0.0.1", (1000, 10000)),
    "exec": ("exec: [/bin/true]", (1000,)),
    "unit": ("unit: app.service", (1000, 10000)),
}


def per_probe(kind, config_of, counts, env):
    with Vitald("", env=env) as v:
        points = [(0, pss(v.pid))]
    for count in counts:
        with Vitald("max_in_flight: 1000\nmax_per_address: 200\n" + config_of(count), env=env) as v:
            all_attempted(v)
            points.append((count, pss(v.pid)))
    sizes = [(n, (bytes_ - points[0][1]) / n) for n, bytes_ in points[1:]]
    yield Result(f"memory-per-probe/{kind}", "bytes PSS", [sizes[-1][1]], note=", ".join(f"{n:,}: {s:,.0f}" for n, s in sizes))
    if len(sizes) > 1:
        yield Result(f"growth/memory-{kind}", "exponent", [exponent([(n, s * n) for n, s in sizes])], most=1.1)


def memory_per_probe():
    with Responder(LOAD_CORE) as target, Nginx(LOAD_CORE, tls=True) as tls, Redis() as redis, Dns() as dns, Vitald(listen=Vitald.GRPC) as grpc, \
            Postgres() as postgres, Mariadb() as mysql, Systemd() as systemd:
        for kind, (body, counts) in KINDS.items():
            line = body.format(port=target.port, tls=tls.port, redis=redis.port, dns=dns.port, grpc=grpc.grpc_port, postgres=postgres.port, mysql=mysql.port, ca=f"{tls.dir}/ca.crt")
            yield from per_probe(kind, lambda n, line=line: probes(n, line, interval="1h", timeout="10s"), counts, systemd.env)


def resident():
    """Without any configuration, beside Monit looking at the same, and blackbox_exporter, which has no schedule of its own, asked
    for two probes every 10 s as Prometheus would."""
    seconds, servers, absent = 20, {"vitald": Vitald(None)}, []
    try:
        for name, make in (("Monit", Monit), ("blackbox", Blackbox)):
            try:
                servers[name] = make()
            except Unavailable as e:
                absent.append(f"{name}: {e}")
        servers["vitald"].settle()
        time.sleep(3)
        before = {n: (sleeps(s.pid), cpu_us(s.pid)) for n, s in servers.items()}
        for _ in range(seconds // 10):
            time.sleep(10)
            if "blackbox" in servers:
                for _ in range(2):
                    servers["blackbox"].get(f"/probe?module=http_2xx&target=http://127.0.0.1:{servers['vitald'].port}/livez")
        seen = {n: {"wakeups": (sleeps(s.pid) - before[n][0]) / seconds, "cpu": (cpu_us(s.pid) - before[n][1]) / seconds, "rss": rss(s.pid),
                    "pss": pss(s.pid)} for n, s in servers.items()}
    finally:
        for s in servers.values():
            s.__exit__()
    ours = seen.pop("vitald")
    yield Result("resident/summed", "bytes PSS", [ours["pss"]], most=5e6, note="helpers included; the daemon alone has RSS "
                 f"{ours['rss']:,}; " + "; ".join(absent))
    yield Result("wakeups/idle", "a second", [ours["wakeups"]], note=f"CPU {ours['cpu']:.0f} us a second")
    for name, its in seen.items():
        yield Result(f"resident/{name.lower()}", "bytes RSS", [ours["rss"]], [its["rss"]], name, 1.0)
        yield Result(f"resident-pss/{name.lower()}", "bytes PSS", [ours["pss"]], [its["pss"]], name, 1.0)
        yield Result(f"wakeups/{name.lower()}", "a second", [ours["wakeups"]], [its["wakeups"]], name, 1.0)
        yield Result(f"idle-cpu/{name.lower()}", "us a second", [ours["cpu"]], [its["cpu"]], name)


ROWS = {"memory-1000": memory_1000, "resident": resident, "memory-per-probe": memory_per_probe}
