"""What it costs to ask, and how soon the truth is known."""
import http.client
import os
import re
import resource
import signal
import subprocess
import tempfile
import time

from kit import (BUILD, LOAD_CORE, SPREAD, SERVER_CORE, Checker, Haproxy, Nginx, Postgres, Redis, Responder, Result, Unavailable, Vitald, cpu_us, exponent, on_core, probes, program, sleeps, wait_for)


def over(server, counters, seconds, warm=1.0, key="work"):
    """CPU time of each unit that the target saw."""
    wait_for(lambda: counters.read()[key] > 0, "the first attempts")
    time.sleep(warm)
    cpu, work, began = cpu_us(server.pid), counters.read()[key], time.monotonic()
    time.sleep(seconds)
    done = counters.read()[key] - work
    return (cpu_us(server.pid) - cpu) / max(done, 1), done / (time.monotonic() - began)


def probe_http():
    rates, costs = {}, {"vitald": [], "HAProxy": [], "epoll floor": []}
    with Responder(LOAD_CORE) as target:
        makers = {"vitald": lambda: Vitald(probes(1000, f'http: "http://{{a}}:{target.port}/"', interval="500ms") + SPREAD),
                  "HAProxy": lambda: Haproxy(1000, target.port), "epoll floor": lambda: Checker(target.port, 2000, 1000)}
        for _ in range(4):
            for who, make in makers.items():
                with make() as server:
                    cost, rates[who] = over(server, server.counters if who == "epoll floor" else target.counters, 2)
                    costs[who].append(cost)
    note = "attempts/s: " + ", ".join(f"{who} {rate:.0f}" for who, rate in rates.items())
    yield Result("probe-http/haproxy", "us CPU", costs["vitald"], costs["HAProxy"], "HAProxy", 1.0, note=note)
    yield Result("probe-http/floor", "us CPU", costs["vitald"], costs["epoll floor"], "epoll floor")


# -- saturation


def full_speed(body, count=400):
    """Attempts per second of CPU, and how many came a second, when far more are wanted than can be had."""
    kind = body.split(":")[0]
    config = "max_in_flight: 400\nmax_per_address: 400\n" + probes(count, body, interval="10ms", timeout="5s", max_age="60s")
    if kind in ("redis", "postgres") and not os.path.exists(os.path.join(BUILD, "modules", f"{kind}.so")):
        raise Unavailable(f"this build has no module {kind}")
    with Vitald(config + "  self: { self: 30s, interval: 1h }\n") as v:
        wait_for(lambda: v.attempts() >= count, "all have passed once")
        before, cpu, began = v.attempts(), cpu_us(v.pid), time.monotonic()
        time.sleep(2)
        done, used, took = v.attempts() - before, cpu_us(v.pid) - cpu, time.monotonic() - began
        if v.attempts("fail"):
            raise RuntimeError(f"attempts fail under load: {v.get('/readyz?verbose')[1][:500]}")
        return done / used * 1e6, done / took


def client_handshakes(server):
    """What OpenSSL alone can do: new handshakes and one request per second of a client's CPU."""
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    with on_core(SERVER_CORE):
        done = subprocess.run([program("openssl", "openssl"), "s_time", "-connect", f"127.0.0.1:{server.port}", "-new", "-time", "2", "-www", "/", "-verify", "2",
                               "-CAfile", f"{server.dir}/ca.crt"], capture_output=True, text=True)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"(\d+) connections in \d+ real seconds", done.stdout)
    return int(found.group(1)) / (ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime) if found else float("nan")


def saturation():
    for kind, start, body in (
            ("tcp", lambda: Responder(LOAD_CORE), lambda t: f'tcp: "{{a}}:{t.port}"'),
            ("http", lambda: Responder(LOAD_CORE), lambda t: f'http: "http://{{a}}:{t.port}/"'),
            ("https", lambda: Nginx(LOAD_CORE, tls=True), lambda t: f'http: {{{{ url: "https://127.0.0.1:{t.port}/", tls: {{{{ ca: {t.dir}/ca.crt }}}} }}}}'),
            ("redis", Redis, lambda t: f'redis: "redis://127.0.0.1:{t.port}"'),
            ("postgres", Postgres, lambda t: f'postgres: "postgres://postgres@127.0.0.1:{t.port}/postgres?sslmode=disable"')):
        try:
            with start() as target:
                per_cpu, seen = full_speed(body(target), 200 if kind == "postgres" else 400)
                floor = [client_handshakes(target)] if kind == "https" else None
            yield Result(f"saturation/{kind}", "attempts/s", [per_cpu], floor, "openssl client" if floor else "", note=f"per core of ours; {seen:,.0f}/s came about")
        except (Unavailable, RuntimeError) as e:
            yield Result(f"saturation/{kind}", "attempts/s", [float("nan")], note=f"not measured: {str(e).strip().splitlines()[-1][:150]}")


def lateness():
    """10,000 probes a second: how many starts come more than a slot of 8 ms late, and whether all attempts come about."""
    with Responder(LOAD_CORE) as target, Vitald("max_in_flight: 2000\n" + SPREAD + probes(10000, f'tcp: "{{a}}:{target.port}"', interval="1s")) as v:
        wait_for(lambda: v.attempts() >= 20000, "two rounds")
        before, late, began, cpu = v.attempts(), v.metric("vitald_starts_delayed_total"), time.monotonic(), cpu_us(v.pid)
        time.sleep(4)
        took, used = time.monotonic() - began, cpu_us(v.pid) - cpu
        done, late = v.attempts() - before, v.metric("vitald_starts_delayed_total") - late
        worst = v.metric("vitald_loop_lag_max_seconds") * 1e3
    yield Result("lateness/10k-a-second", "% late starts", [100 * late / done], note=f"{done / took:,.0f} attempts/s came about with {used / took / 1e4:.0f} % of a core; "
                 f"the longest turn since the start, two scrapes included: {worst:.0f} ms")


def cost_growth():
    """CPU per attempt as the number of probes doubles, at the same rate of attempts."""
    points = []
    with Responder(LOAD_CORE) as target:
        for count, interval in ((500, "500ms"), (1000, "1s"), (2000, "2s"), (4000, "4s")):
            with Vitald(SPREAD + probes(count, f'http: "http://{{a}}:{target.port}/"', interval=interval)) as v:
                start = target.counters.read()["work"]
                wait_for(lambda: target.counters.read()["work"] >= start + count, "all were attempted")
                points.append((count, over(v, target.counters, 4, warm=.2)[0]))
    yield Result("growth/attempt", "exponent", [exponent(points)], most=.15, note="us CPU: " + ", ".join(f"{n}: {y:.1f}" for n, y in points))


def wakeups():
    """100 probes every 10 s: how often anything of us wakes a second."""
    seconds = 10
    with Responder(LOAD_CORE) as target, Vitald(probes(100, f'http: "http://{{a}}:{target.port}/"')) as v, Haproxy(100, target.port, "10s") as h:
        v.settle()
        time.sleep(1)
        before = {s: (sleeps(s.pid), cpu_us(s.pid)) for s in (v, h)}
        time.sleep(seconds)
        rate = {s: ((sleeps(s.pid) - before[s][0]) / seconds, (cpu_us(s.pid) - before[s][1]) / seconds) for s in (v, h)}
    yield Result("wakeups/100-probes", "a second", [rate[v][0]], [rate[h][0]], "HAProxy")
    yield Result("cpu/100-probes", "us a second", [rate[v][1]], [rate[h][1]], "HAProxy")


# -- edges


class Asker:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def until(self, path, status):
        while True:
            self.connection.request("GET", path)
            answer = self.connection.getresponse()
            answer.read()
            if answer.status == status:
                return time.monotonic()


class Sleeper:
    """A dependency that has a process id file."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile("w", suffix=".pid", delete=False)
        self.begin()

    def begin(self):
        self.process = subprocess.Popen(["sleep", "600"])
        with open(self.file.name, "w") as f:
            f.write(f"{self.process.pid}\n")

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        at = time.monotonic()
        self.process.wait()
        return at

    def close(self):
        self.process.kill()
        self.process.wait()
        os.unlink(self.file.name)


class RedisProcess:
    def __init__(self):
        self.server = Redis()

    def begin(self):
        self.server.start("redis-server", "--port", str(self.server.port), "--save", "", "--dir", self.server.dir)
        self.server.wait_open()

    def kill(self):
        os.kill(self.server.pid, signal.SIGKILL)
        at = time.monotonic()
        self.server.process.wait()
        return at

    def close(self):
        self.server.__exit__()


def edge_of(kind, dependency, body):
    first, verdict = [], []
    try:
        for fall, confirm, into in ((1, "", first), (3, ", on_edge: confirm", verdict)):
            with Vitald(f"probes:\n  it: {{ {body}, interval: 10s, fall: {fall}{confirm} }}\n") as v:
                for _ in range(3):
                    asker = Asker(v.port)
                    v.settle()
                    time.sleep(1.2)      # the watch is in place, and an edge may be followed: attempts are interval_unsettled apart at least
                    killed = dependency.kill()
                    into.append((asker.until("/readyz", 503) - killed) * 1e3)
                    dependency.begin()
                    v.ctl("run", "it")
                    wait_for(lambda: v.ctl("run", "it") and v.get("/readyz")[0] == 200, "up again", every=.1)
    finally:
        dependency.close()
    yield Result(f"edge/{kind}/first-failure", "ms", first, most=20, note="the interval is 10 s")
    yield Result(f"edge/{kind}/verdict", "ms", verdict, most=20, note="fall: 3, on_edge: confirm")


def edges():
    sleeper = Sleeper()
    yield from edge_of("process", sleeper, f"process: {{ pidfile: {sleeper.file.name} }}")
    try:
        redis = RedisProcess()
    except Unavailable as e:
        yield Result("edge/redis/verdict", "ms", [float("nan")], note=f"not measured: {e}")
        return
    yield from edge_of("redis", redis, f'redis: "redis://127.0.0.1:{redis.server.port}"')


ROWS = {"probe-http": probe_http, "saturation": saturation, "lateness": lateness, "growth-attempt": cost_growth, "wakeups": wakeups, "edge": edges}
