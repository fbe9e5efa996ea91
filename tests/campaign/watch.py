"""What is seen from outside while a campaign runs: states and verdicts, the files, vitald's own resources, the processor's absence."""
import contextlib
import http.client
import json
import os
import re
import subprocess
import threading
import time

LEVEL = {"up": 0, "degraded": 1, "unknown": 2, "down": 2}
VERDICT = {"pass": 0, "warn": 1, "fail": 2}
EVERY = 0.1


def tree_pids(pid):
    found, edge = [], [pid]
    while edge:
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", ",".join(map(str, edge))], capture_output=True, text=True).stdout
        edge = [int(x) for x in out.split()]
        found += edge
    return found


def size(v):
    with open(f"/proc/{v.pid}/status") as f:
        text = f.read()
    return {"fds": v.fds(), "threads": int(re.search(r"Threads:\s+(\d+)", text).group(1)), "children": len(tree_pids(v.pid)),
            "rss_kib": int(re.search(r"VmRSS:\s+(\d+)", text).group(1))}


def kernel_kills():
    with open("/proc/vmstat") as f:
        return int(re.search(r"^oom_kill (\d+)", f.read(), re.M).group(1))


class Seen:
    """A line of (from, to, state) for each name; what nobody answered is a gap."""

    def __init__(self):
        self.lines, self.open = {}, {}

    def note(self, name, before, after, state):
        line = self.lines.setdefault(name, [])
        if state is not None and line and self.open.get(name) and line[-1][2] == state:
            line[-1] = (line[-1][0], after, state)
        elif state is not None:
            # the change fell between the two looks: it is dated by the second
            line.append((before, after, state))
        self.open[name] = state is not None


class Watcher(threading.Thread):
    """Asks /status all the time, over one connection; and the kernel how long vitald had to wait for a processor."""

    def __init__(self, town):
        super().__init__(daemon=True)
        self.town, self.over, self.looks = town, False, 0
        self.states, self.files, self.lost, self.mixed, self.silent = Seen(), Seen(), [], [], []
        self.reasons, self.standing_since, self.stood = [], None, 0.0
        self.jumps, self.sizes = {}, []
        self.kills, self.killed = [], kernel_kills()
        self.pid, self.waited, self.before = None, 0.0, 0.0

    def run_delay(self):
        """Of all that vitald has been: a restart makes another process."""
        pid = self.town.vitald.pid
        if pid != self.pid:
            self.pid, self.waited, self.before = pid, 0.0, self.before + self.waited
        with contextlib.suppress(OSError), open(f"/proc/{pid}/schedstat") as f:
            self.waited = int(f.read().split()[1]) / 1e9
        return self.before + self.waited

    def stand(self, now, on):
        """vitald was stopped, or goes on: that time is not its own."""
        if on:
            self.standing_since = now
        else:
            self.stood += now - self.standing_since
            self.standing_since = None

    def own(self, now):
        stood = self.stood + (now - self.standing_since if self.standing_since else 0)
        self.lost.append((now, stood + self.run_delay()))

    def run(self):
        connection = None
        while not self.over:
            began = time.time()
            self.own(began)
            if self.killed != (killed := kernel_kills()):
                self.kills.append(began)
                self.killed = killed
            if (not self.sizes or began > self.sizes[-1][0] + 10) and not self.standing_since:
                with contextlib.suppress(OSError, AttributeError):      # it may just leave
                    self.sizes.append((began, size(self.town.vitald), self.town.vitald.pid))
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.town.port, timeout=1)
                connection.request("GET", "/status")
                self.look(began, json.loads(connection.getresponse().read()), time.time())
            except (OSError, http.client.HTTPException, ValueError) as e:
                with contextlib.suppress(AttributeError):
                    connection.close()
                connection = None
                self.silent.append((began, time.time(), type(e).__name__))
                for name in list(self.states.open):
                    self.states.open[name] = False
            for i in (1, 2, 3):
                self.files.note(f"web{i}-http", began, time.time(), "up" if os.path.exists(f"{self.town.dir}/up-{i}") else "down")
            time.sleep(max(0, EVERY - (time.time() - began)))

    def look(self, before, status, after):
        self.looks += 1
        state = {p["name"]: p["state"] for p in status["probes"]}
        for p in status["probes"]:
            last = self.jumps.get(p["name"])
            if last and p["state"] != last[0]:
                o = p["outcome"] or {}
                self.reasons.append((after, p["name"], last[0], p["state"], o.get("reason"), o.get("text")))
            self.jumps[p["name"]] = (p["state"], p["transitions"])
            self.states.note(p["name"], before, after, p["state"])
        self.consistent(after, state, {g["name"]: g["verdict"] for g in status["groups"]})

    def consistent(self, now, state, verdict):
        """In one picture every group is exactly what its rule makes of its members."""
        level = {n: LEVEL[s] for n, s in state.items()}
        rules = {f"of-{p.name}": (None, [p.name]) for p in self.town.probes}
        for name, (need, members) in {**rules, **self.town.trees()}.items():
            of = sorted(level[m] if m in level else VERDICT[verdict[m]] for m in members)
            if of[(need or len(of)) - 1] != VERDICT[verdict[name]]:
                self.mixed.append((now, name, verdict[name], [state.get(m, verdict.get(m)) for m in members][:8]))
