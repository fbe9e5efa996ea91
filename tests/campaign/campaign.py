#!/usr/bin/python3
"""campaign.py [--minutes M | --seconds S] [--seed N] [--out DIR] [--short] [--only FAULT|SERVER ...]: vitald among real servers that break, for that long.

A seed makes the plan: which fault hits what, in which order, for how long. The report says what was seen: report.txt, report.json."""
import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../func")]

import faults  # noqa: E402
import report  # noqa: E402
from town import KILL_SHOWS, Town  # noqa: E402
from truth import Ledger, OwnTime, held_against  # noqa: E402
from watch import Watcher, size  # noqa: E402


class Pace:
    def __init__(self, interval, timeout, unsettled, fall, stalls, slots):
        self.interval, self.timeout, self.unsettled, self.fall, self.stalls, self.slots = interval, timeout, unsettled, fall, stalls, slots


SHORT = Pace(0.5, 1, 0.25, 1, (2, 3), 4)
LONG = Pace(1, 1.5, 0.5, 2, (3, 60), 3)


class Run:
    def __init__(self, town, pace, seed, seconds, only=()):
        self.town, self.pace, self.seed, self.seconds, self.only, self.dice = town, pace, seed, seconds, only, random.Random(seed)
        self.lock, self.free, self.busy, self.alone = threading.RLock(), threading.Condition(), set(), 0
        self.timeline, self.errors, self.beating, self.over, self.hunger, self.stands, self.restarts = [], [], True, False, [], [], []
        self.stalls = random.Random(seed + 1)

    # ---- what faults use

    def claim(self, key, name, states):
        with self.lock:
            self.ledger.claim(time.time(), key, name, states)

    def rest(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (self.over and seconds > 5):
            time.sleep(min(0.1, max(0, end - time.monotonic())))

    def stall_for(self):
        shortest, longest = self.pace.stalls
        return shortest + (longest - shortest) * self.stalls.random() ** 3      # mostly short ones

    @contextlib.contextmanager
    def standing(self, spans=None):
        """Nobody can be answered. spans: where else to note when."""
        began = time.time()
        self.watcher.stand(began, True)
        yield
        now = time.time()
        self.watcher.stand(now, False)
        for s in [self.stands] + ([] if spans is None else [spans]):
            s.append((began, now))

    @contextlib.contextmanager
    def hungry(self):
        began = time.time()
        yield
        self.hunger.append((began, time.time()))

    # ---- the plan

    def able(self, need):
        return {None: True, "long": self.pace is LONG, "faketime": bool(self.town.env.get("LD_PRELOAD")), "nft": self.town.network, "tmpfs": "disk" in {p.name for p in self.town.probes},
                "fuse": "fuse" in self.town.servers, "netem": self.town.delays}[need]

    def deck(self):
        """Each fault once for each server that it can hit, shuffled, without end. Those that this machine cannot do are named."""
        cards = [(f, s) for f, names, need in faults.OF_SERVERS for s in names if self.able(need)
                 and (s in self.town.servers or s in ("mark", "switch", "job", "icmp", "disk", "net", "clock"))]
        self.skipped = sorted({f"{f.__name__} {s}" for f, names, need in faults.OF_SERVERS for s in names if self.pace is LONG or need != "long"} -
                              {f"{f.__name__} {s}" for f, s in cards})
        cards += [(f, "vitald") for f in faults.OF_VITALD]
        cards = [(f, s) for f, s in cards if any(w in (f.__name__, s) for w in self.only)] if self.only else cards
        while True:
            # the first of each kind, and then the rest, so that a short run has met most kinds
            hand = list(cards)
            self.dice.shuffle(hand)
            first = {f: (f, s) for f, s in reversed(hand)}
            yield from [*[c for c in hand if first[c[0]] == c], *[c for c in hand if first[c[0]] != c]]

    def dwell(self, server):
        needs = [p.name for p in self.town.probes if server in p.needs] or ["file"]
        detect, recover = (max(self.town.bound(n)[i] for n in needs) for i in (0, 1))
        return detect + 0.5 + self.dice.random() * self.pace.timeout * 2, recover + 0.5 + self.dice.random() * self.pace.timeout

    @contextlib.contextmanager
    def turn(self, fault, server):
        """One fault at a time for each server; some want to be alone."""
        alone = fault in faults.ALONE
        mine = faults.HOLDS.get(fault, {server})
        with self.free:
            self.free.wait_for(lambda: not (mine & self.busy) and not self.alone and (not alone or not self.busy))
            self.busy |= mine
            self.alone += alone
        try:
            yield
        finally:
            with self.free:
                self.busy -= mine
                self.alone -= alone
                self.free.notify_all()

    def work(self):
        while not self.over:
            with self.lock:
                (fault, server), = [next(self.cards)]
                stay, rest = self.dwell(server)
            if fault in faults.EARLY and time.time() > self.end - self.seconds / 2:
                continue
            with self.turn(fault, server):
                if self.over or time.time() + stay + rest > self.end:
                    if not self.over and self.end - time.time() > 8:
                        continue
                    return
                self.one(fault, server, stay, rest)

    def one(self, fault, server, stay, rest):
        began = time.time()
        try:
            steps = fault(self, server)
            next(steps)
            broken = time.time()
            self.rest(stay)
            next(steps, None)
            self.timeline.append((began, broken, time.time(), fault.__name__, server))
            self.rest(rest)
        except Exception:
            self.errors.append(f"{fault.__name__} {server}: {traceback.format_exc()}")
            self.over = True

    def beats(self):
        while not self.over_all:
            if self.beating:        # while vitald is stopped too: what it is sent then waits for it
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.town.vitald.ctl("beat", "beat", timeout=5)
            time.sleep(self.pace.timeout / 3)

    def asker(self, name, port, path, rate, kept=""):
        return subprocess.Popen([sys.executable, f"{HERE}/asker.py", f"{self.out}/{name}.jsonl", str(rate), "127.0.0.1", str(port), path, *kept.split()])

    # ---- the run

    def go(self, out):
        self.out, self.over_all = out, False
        self.ledger = Ledger([p.name for p in self.town.probes])
        self.watcher = Watcher(self.town)
        self.began = time.time()
        for n in self.ledger.lines:
            self.ledger.lines[n] = [(self.began - 60, frozenset(["up"]))]
        beats = threading.Thread(target=self.beats, daemon=True)
        beats.start()
        self.watcher.start()
        users = [self.asker("user-haproxy", self.town.users["haproxy"], "/", 25), self.asker("user-nginx", self.town.users["nginx"], "/", 25),
                 self.asker("verdict-kept", self.town.port, "/healthz/of-web1-http", 20, "kept"), self.asker("verdict-new", self.town.port, "/readyz", 20)]
        users.append(subprocess.Popen([sys.executable, f"{HERE}/canary.py", f"{out}/canary.jsonl"]))
        self.rest(2)
        self.before = size(self.town.vitald)
        self.end = time.time() + self.seconds
        self.cards = self.deck()
        workers = [threading.Thread(target=self.work, daemon=True) for _ in range(self.pace.slots)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        self.rest(4)
        for p in users:
            p.send_signal(signal.SIGTERM)
        for p in users:
            p.wait()
        self.watcher.over = True
        self.watcher.join()
        self.over_all = True
        beats.join()
        self.ended = time.time()
        self.hear()
        self.settle()

    def hear(self):
        """What servers and the kernel did by themselves."""
        self.ledger.spells["memory"] += held_against(self.watcher.kills, OwnTime(self.watcher.lost), self.pace.interval, KILL_SHOWS)
        for server in self.town.servers.values():
            if hasattr(server, "spells"):
                told = server.spells(self.ended)
                for p in self.town.probes:
                    if server.name in p.needs:
                        self.ledger.spells[p.name] += told

    def settle(self):
        """What is held at the end; the attempts of a moment hold some, so the best of several looks counts."""
        looks = []
        for _ in range(20):
            looks.append(size(self.town.vitald))
            time.sleep(0.1)
        self.after = {k: min(x[k] for x in looks) for k in looks[0]}


def inside():
    """Again, in a network and a mount table of our own, where this machine lets us."""
    if os.environ.get("CAMPAIGN_INSIDE"):
        return
    cage = ["unshare", "--net", "--mount"]
    if os.geteuid() == 0 and subprocess.run([*cage, "true"], capture_output=True).returncode == 0:
        os.environ["CAMPAIGN_INSIDE"] = "1"
        os.execvp("unshare", [*cage, sys.executable, *sys.argv])


def prepare(town):
    town.network = town.delays = False
    if not os.environ.get("CAMPAIGN_INSIDE"):
        return
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    resolv = town.path("resolv.conf")
    town.write("resolv.conf", "nameserver 127.0.0.53\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", resolv, "/etc/resolv.conf"], check=True)
    with contextlib.suppress(subprocess.CalledProcessError, FileNotFoundError):
        faults.network()
        town.network = True
    town.delays = subprocess.run(["tc", "qdisc", "add", "dev", "lo", "root", "netem"], capture_output=True).returncode == 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--seconds", type=float)
    p.add_argument("--seed", type=int, default=None)
    p.add_argument("--short", action="store_true")
    p.add_argument("--only", nargs="*", default=[], help="faults, or servers that they hit")
    p.add_argument("--out", default=f"{os.environ.get('VITALD_BUILD', HERE + '/../../build')}/campaign")
    a = p.parse_args()
    if a.seed is None:
        a.seed = random.randrange(1 << 32)
        sys.argv += ["--seed", str(a.seed)]
    inside()
    os.makedirs(a.out, exist_ok=True)
    pace = SHORT if a.short else LONG
    town = Town(pace)
    prepare(town)
    run = Run(town, pace, a.seed, a.seconds or a.minutes * 60, a.only)
    try:
        town.build()
        town.open()
        run.go(a.out)
        good = report.write(run, a.out)
    finally:
        if hasattr(town, "vitald"):
            with open(f"{a.out}/vitald.log", "w") as f:
                f.write(town.vitald.log())
        town.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
