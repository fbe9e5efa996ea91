"""Single moments: starting, reloading, being scraped, being looked at."""
import statistics
import subprocess
import threading
import time

from kit import LOAD_CORE, Responder, Result, Vitald, cpu_us, exponent, is_open, load, probes, wait_for


def quiet(target, count):
    """Attempted once, then not for a long time."""
    return probes(count, f'http: "http://{{a}}:{target.port}/"', interval="600s")


def start_times(config, rounds):
    """Wall time until a verdict was answered, and the CPU time that it took us."""
    wall, cpu = [], []
    for _ in range(rounds):
        with Vitald(config, wait=False) as v:
            v.stop()
            v.process = None
            began = time.monotonic()
            v.launch()
            wait_for(lambda: is_open(v.port) and v.get("/livez")[0] in (200, 503), "an answer", every=.0003)
            wall.append((time.monotonic() - began) * 1e3)
            cpu.append(cpu_us(v.pid) / 1e3)
    return wall, cpu


def start():
    with Responder(LOAD_CORE) as target:
        wall, cpu = start_times(None, 7)
        yield Result("start/default", "ms", wall, most=20, note=f"CPU {statistics.median(cpu):.1f} ms")
        points = []
        for count in (2500, 5000, 10000):
            wall, cpu = start_times(quiet(target, count), 3)
            points.append((count, statistics.median(cpu)))
        yield Result("start/10000-probes", "ms", wall, most=300, note=f"CPU {points[-1][1]:.0f} ms")
        yield Result("growth/start", "exponent", [exponent(points)], most=1.2, note="ms CPU: " + ", ".join(f"{n}: {y:.0f}" for n, y in points))


def beside(work, port, seconds=2):
    """p99 and p50 of verdicts at 500/s while work() is repeated."""
    over = threading.Event()

    def again():
        while not over.is_set():
            work()
    worker = threading.Thread(target=again)
    worker.start()
    try:
        return load("once", port, seconds, 64, 500)
    finally:
        over.set()
        worker.join()


def reload():
    wall, p99, alone, cpu = [], [], [], []
    points = []
    with Responder(LOAD_CORE) as target:
        for count in (2500, 5000, 10000):
            config = quiet(target, count)
            with Vitald(config) as v:
                wait_for(lambda: v.attempts() >= count, "all were attempted", every=.2)
                costs = []

                def change():
                    v.write(config.replace("600s", f"{600 + len(costs)}s"))
                    before, began = cpu_us(v.pid), time.monotonic()
                    v.ctl("reload")
                    wall.append((time.monotonic() - began) * 1e3)
                    costs.append((cpu_us(v.pid) - before) / 1e3)
                wall.clear()
                for _ in range(3):
                    change()
                points.append((count, statistics.median(costs)))
                if count == 10000:
                    cpu = list(costs)
                    for _ in range(3):
                        alone.append(load("once", v.port, 2, 64, 500)["p99"])
                        p99.append(beside(change, v.port)["p99"])
    yield Result("reload/10000-probes", "ms", wall, note=f"CPU {statistics.median(cpu):.0f} ms")
    yield Result("reload/p99-meanwhile", "us", p99, alone, "our own, idle", note="reload after reload")
    yield Result("growth/reload", "exponent", [exponent(points)], most=1.2, note="ms CPU: " + ", ".join(f"{n}: {y:.0f}" for n, y in points))


def metrics():
    p99, alone, wall, points = [], [], [], []
    with Responder(LOAD_CORE) as target:
        for count in (1250, 2500, 5000, 10000):
            with Vitald(quiet(target, count)) as v:
                wait_for(lambda: v.attempts() >= count, "all were attempted", every=.2)
                wall.clear()
                before = cpu_us(v.pid)
                for _ in range(4):
                    began = time.monotonic()
                    size = len(v.get("/metrics")[1])
                    wall.append((time.monotonic() - began) * 1e3)
                    time.sleep(.26)      # or the picture is shared
                points.append((count, (cpu_us(v.pid) - before) / 4e3))
                if count == 10000:
                    for _ in range(3):
                        alone.append(load("once", v.port, 2, 64, 500)["p99"])
                        p99.append(beside(lambda: v.get("/metrics"), v.port)["p99"])
    yield Result("metrics/size", "bytes", [size], note="10,000 http probes")
    yield Result("metrics/render", "ms CPU", [points[-1][1]], note=f"{points[-1][1] * 1e6 / size:.0f} ns CPU a byte, writing included; {statistics.median(wall):.0f} ms until the reader had it")
    yield Result("metrics/p99-meanwhile", "us", p99, alone, "our own, idle", note="scrape after scrape")
    yield Result("growth/metrics", "exponent", [exponent(points)], most=1.2, note="ms CPU: " + ", ".join(f"{n}: {y:.1f}" for n, y in points))


def vitalctl():
    def run(v, binary, *arguments):
        began = time.monotonic()
        v.ctl(*arguments, binary=binary)
        return (time.monotonic() - began) * 1e3

    def bare():
        began = time.monotonic()
        subprocess.run(["/bin/true"], capture_output=True)
        return (time.monotonic() - began) * 1e3
    with Responder(LOAD_CORE) as target:
        for count in (10, 10000):
            with Vitald(quiet(target, count)) as v:
                wait_for(lambda: v.attempts() >= count, "all were attempted", every=.2)
                for binary in ("vitalctl", "vitalctl-static"):
                    yield Result(f"{binary}/status-{count}", "ms", [run(v, binary, "status") for _ in range(7)], [bare() for _ in range(7)], "/bin/true")


ROWS = {"start": start, "reload": reload, "metrics": metrics, "vitalctl": vitalctl}
