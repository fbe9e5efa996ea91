"""What it costs to be asked."""
import contextlib
import os
import re
import socket
import statistics
import subprocess
import time

from kit import (LOAD_CORE, SERVER_CORE, BUILD, Haproxy, Nginx, Responder, Result, Unavailable, Vitald, cpu_per, exponent, load, make_certificate, on_core, probes,
                 program, pss, wait_for, wrk)

ROUNDS = 5


def few(target, count=10):
    return probes(count, f'tcp: "{{a}}:{target.port}"')


@contextlib.contextmanager
def responders():
    """All who can answer, with the target of our probes."""
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(Responder(LOAD_CORE))
        yield {"vitald": stack.enter_context(Vitald(few(target))).settle(), "nginx": stack.enter_context(Nginx()),
               "HAProxy": stack.enter_context(Haproxy()), "epoll floor": stack.enter_context(Responder())}


def serve(name, work, targets):
    with responders() as servers:
        costs = {who: [] for who in servers}
        for server in servers.values():
            work(server.port)
        for _ in range(ROUNDS):
            for who, server in servers.items():
                costs[who].append(cpu_per(server, lambda s=server: work(s.port)))
    for peer, (most, aim) in targets.items():
        yield Result(f"{name}/{peer.split()[-1].lower()}", "us CPU", costs["vitald"], costs[peer], peer, most, aim)


def serve_kept():
    yield from serve("serve-kept", lambda port: wrk(port, 1, 16), {"nginx": (1.0, .8), "HAProxy": (None, None), "epoll floor": (1.15, None)})


def serve_packed():
    """Server and load share a core, so that all 16 requests wait whenever the server runs. On cores of their own the load is
    the slower one: the faster a server is, the more often it sleeps, and what is measured is waking up."""
    yield from serve("serve-kept-packed", lambda port: wrk(port, 1, 16, core=SERVER_CORE), {"nginx": (1.0, .8), "HAProxy": (None, None), "epoll floor": (None, None)})


def serve_once():
    yield from serve("serve-once", lambda port: load("once", port, 1, 8)["answers"],
                     {"nginx": (1.0, .85), "HAProxy": (None, None), "epoll floor": (None, None)})


def p99_busy():
    """A verdict every 2 ms on a connection of its own, while nothing else happens and while 2,000 probes/s run, 20 of them TLS."""
    idle, busy, middle = [], [], {"idle": [], "busy": []}
    with Responder(LOAD_CORE) as plain, Nginx(LOAD_CORE, tls=True) as tls:
        work = probes(1980, f'http: "http://{{a}}:{plain.port}/"', interval="1s", max_age="30s")
        ca = os.path.join(tls.dir, "ca.crt")
        work += "".join(f'  t{i}: {{ http: {{ url: "https://127.0.0.1:{tls.port}/", tls: {{ ca: {ca} }} }} }}\n' for i in range(20))
        work = "max_per_address: 64\nmax_in_flight: 1000\n" + work
        for _ in range(11):
            for key, config, into in (("idle", few(plain), idle), ("busy", work, busy)):
                with Vitald(config) as v:
                    v.settle()
                    time.sleep(.5)
                    result = load("once", v.port, 3, 32, 500)
                    into.append(result["p99"])
                    middle[key].append(result["p50"])
    yield Result("p99-busy", "us", busy, idle, "our own, idle", 2.0)
    yield Result("p50-busy", "us", middle["busy"], middle["idle"], "our own, idle")


def hold_connections(server, count, path):
    """Kept connections that have asked once."""
    held = []
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", server.port))
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        s.recv(4096)
        held.append(s)
    return held


def idle_connections():
    count, memory = 9000, {}
    for who, make in (("vitald", lambda: Vitald("")), ("nginx", Nginx), ("HAProxy", lambda: Haproxy(maxconn=9500))):
        with make() as server:
            for s in hold_connections(server, 16, "/livez"):      # what is made once, at the first
                s.close()
            before = pss(server.pid)
            held = hold_connections(server, count, "/livez")
            memory[who] = (pss(server.pid) - before) / count
            for s in held:
                s.close()
    for peer in ("nginx", "HAProxy"):
        yield Result(f"idle-connection/{peer.lower()}", "bytes each", [memory["vitald"]], [memory[peer]], peer, note=f"{count} kept connections, user space")


def verdict_growth():
    """The cost of a verdict must not know how many probes there are."""
    points = []
    with Responder(LOAD_CORE) as target:
        for count in (10, 1000, 10000):
            with Vitald(probes(count, f'tcp: "{{a}}:{target.port}"', interval="600s")) as v:
                v.settle()
                wait_for(lambda: v.attempts() >= count, "all were attempted")
                wrk(v.port, 1, 16)
                points.append((count, statistics.median(cpu_per(v, lambda: wrk(v.port, 1, 16)) for _ in range(3))))
    yield Result("growth/verdict", "exponent", [exponent(points)], most=.1, note="us CPU: " + ", ".join(f"{n}: {y:.2f}" for n, y in points))


def handshakes(server, host_file, seconds=2):
    with on_core(LOAD_CORE):
        done = subprocess.run([program("openssl", "openssl"), "s_time", "-connect", f"127.0.0.1:{server.port}", "-new", "-time", str(seconds), "-CAfile", host_file],
                              capture_output=True, text=True)
    found = re.search(r"(\d+) connections in \d+ real seconds", done.stdout)
    if not found:
        raise RuntimeError(f"openssl s_time: {done.stdout}{done.stderr}")
    return int(found.group(1))


def tls_listener():
    options = subprocess.run([os.path.join(BUILD, "vitald"), "--dump-options=yaml"], capture_output=True, text=True).stdout
    if not re.search(r"^#? +tls:", options.split("# listen:", 1)[1].split("\n\n")[0], re.M):
        raise Unavailable("the listeners of this build do not speak TLS")
    ours, peer = [], []
    with Nginx(tls=True) as nginx:
        key = f"{nginx.dir}/server.key"
        with Vitald("", listen=f", tls: {{ cert: {nginx.dir}/server.crt, key: {{ file: {key} }} }}") as v:
            for _ in range(3):
                for server, into in ((v, ours), (nginx, peer)):
                    into.append(cpu_per(server, lambda s=server: handshakes(s, f"{nginx.dir}/ca.crt")))
    yield Result("tls-handshake", "us CPU", ours, peer, "nginx")


ROWS = {"serve-kept": serve_kept, "serve-packed": serve_packed, "serve-once": serve_once, "p99-busy": p99_busy, "idle-connections": idle_connections,
        "growth-verdict": verdict_growth, "tls-listener": tls_listener}
