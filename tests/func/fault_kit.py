"""What must hold for every fault that a server suffers from: the right reason, inside the attempt's timeout, a verdict that turns
inside the bound that the schedule promises, in the right order, and a way back."""
import datetime
import json
import re
import time

from daemon import wait_for

# Many attempts, and the rise and fall of whoever sets none.
CALM = "defaults: { interval: 400ms, timeout: 1s, jitter: 0% }\n"
DOWN = {"warn": "degraded", "fail": "down"}
SLACK = 3       # of a loaded machine, on top of what is promised
DEAD = "refused|reset|closed"      # what is seen of a killed server depends on the moment
LAG = 0.25      # an attempt's end is made by a loop that may be late


def groups(*names):
    """A group for each probe, so that each has a verdict of its own."""
    return "groups:\n" + "".join(f"  of-{n}: {{ all: ['{n}'] }}\n" for n in names)


def timed(text):
    return datetime.datetime.fromisoformat(text).timestamp()


class Watch:
    """From now on: what breaks is broken after this, and then sees() and recovers() hold the journal to it."""

    def __init__(self, v, fall=1, unsettled=0.1):
        self.v, self.fall, self.unsettled = v, fall, unsettled
        self.printed = []
        self.mark()

    def mark(self):
        """Something is about to happen."""
        self.last = max((e["id"] for e in self.journal()), default=0)
        self.began = time.time()

    def journal(self, since=0):
        out = self.v.ctl("events", "-o", "json", "--last", "500", "--since", str(since))
        assert out.returncode == 0, out.stderr
        text = out.stdout.strip()
        if not text:
            return []
        return json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]

    def bound(self, name):
        """Seconds from the fault to the verdict: as the linter prints it."""
        p = self.v.probe(name)
        return p["interval_seconds"] + p["timeout_seconds"] + (self.fall - 1) * max(self.unsettled, p["timeout_seconds"])

    def transition(self, name, to, first=None):
        def found():
            return next((e for e in self.journal(self.last) if e["kind"] == "probe" and e["name"] == name and e["to"] == to), None)
        e = wait_for(found, f"{name} turns {to}", every=0.02)
        assert re.fullmatch(first or ".*", e["reason"] or ""), e
        return e

    def verdict(self, name, change, level):
        """The group follows its probe: after it, and in the same turn."""
        def found():
            return next((e for e in self.journal(change["id"]) if e["kind"] == "group" and e["name"] == f"of-{name}" and e["to"] == level), None)
        e = wait_for(found, f"the verdict of-{name} turns {level}", every=0.02)
        assert 0 <= timed(e["time"]) - timed(change["time"]) <= LAG, (change, e)

    def sees(self, name, class_, reason=None, text=None, first=None, within=0):
        """The fault: its transition, first by the reason `first` where it begins with another one or the moment decides, its verdict,
        and its outcome now. within: seconds that the fault itself takes until it can be seen. Returns the outcome's text."""
        acted = time.time()
        e = self.transition(name, DOWN[class_], first or reason)
        took = timed(e["time"]) - self.began
        assert took > -0.01, f"{name} was red before anything was broken: {e}"
        assert timed(e["time"]) <= acted + self.bound(name) + within + SLACK, f"{took:.2f} s, promised are {self.bound(name):.2f} s: {e}"
        self.verdict(name, e, class_)
        self.printed.append(f"{name} {reason or e['reason']} {took * 1000:.0f} ms")
        return self.outcome(name, class_, reason, text)

    def outcome(self, name, class_, reason, text):
        p = self.v.wait_outcome(name, class_=class_, **({"reason": reason} if reason else {}), **({"text": text} if text else {}))
        o = p["outcome"]
        assert o["duration_seconds"] <= p["timeout_seconds"] + LAG, o
        assert not p["attempts"]["internal"], p
        return o["text"]

    def changes(self, name, class_, reason, text=None, within=0):
        """Since mark() the same state has another reason: inside the bound, and neither the probe nor its verdict moved for it."""
        acted = time.time()
        told = self.outcome(name, class_, reason, text)
        assert time.time() <= acted + self.bound(name) + within + SLACK, f"{name} was not {reason} in time"
        moved = [e for e in self.journal(self.last) if e["name"] in (name, f"of-{name}")]
        assert not moved, moved
        return told

    def quiet(self, *names):
        """Since mark(), not one of them has left its state."""
        moved = [e for e in self.journal(self.last) if e["kind"] == "probe" and e["name"] in names]
        assert not moved, moved

    def calm(self, *names, attempts=3):
        """What was done before has been seen and is over: so many attempts in a row have passed. The next thing begins here."""
        for name in names:
            since = {}

            def in_a_row():
                p = self.v.probe(name)
                passed = p["attempts"].pop("pass")
                if p["state"] != "up" or p["attempts"] != since.get("others"):
                    since.update(others=p["attempts"] if p["state"] == "up" else None, passed=passed)
                return passed >= since["passed"] + attempts
            wait_for(in_a_row, f"{name} is calm")
        self.mark()

    def recovers(self, *names, within=0, to="up"):
        """The cure was given after mark(), or just now: each comes back, and its verdict."""
        for name in names:
            acted = time.time()
            e = self.transition(name, to)
            assert timed(e["time"]) <= acted + self.bound(name) + within + SLACK, e
            self.verdict(name, e, {"up": "pass", "degraded": "warn"}[to])
        self.mark()
