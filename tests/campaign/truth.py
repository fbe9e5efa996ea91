"""What is true of every probe at every moment, what was seen, and where the two differ for longer than was promised.

A truth is a set of states, for there are moments in which nobody can know: a server that is being started may be up or down.
A state that was seen is right when the truth held it at some moment of the window before: as long as the linter promises, and
longer by the time in which vitald itself had no processor or was stopped by us. All functions here are pure."""
import bisect
import datetime
import itertools
import re

ORDER = ("up", "degraded", "unknown", "down")          # from good to bad; unknown counts as a failure
ANY = frozenset(ORDER)
UP = frozenset(["up"])
LOOSE = frozenset(["up", "degraded"])
SLACK = 0.3     # seconds: an attempt's end is made by a loop that may be late, and what is seen is sampled


def worst(sets):
    """Of several truths at once: each combination's worst."""
    return frozenset(max(states, key=ORDER.index) for states in itertools.product(*sets)) if sets else UP


class Ledger:
    """The truth of each probe as a line of (time, set). Faults claim; a probe that nobody claims is up."""

    def __init__(self, names):
        self.claims = {n: {} for n in names}
        self.lines = {n: [(0.0, ANY)] for n in names}
        self.spells = {n: [] for n in names}      # (from, to, set): what a server's own log told afterwards, of what nobody did to it

    def claim(self, now, fault, name, states):
        """states: None ends the claim."""
        if states is None:
            self.claims[name].pop(fault, None)
        else:
            self.claims[name][fault] = frozenset(states)
        true = worst(list(self.claims[name].values()))
        if self.lines[name][-1][1] != true:
            self.lines[name].append((now, true))

    def segments(self, name, end):
        line, spells = self.lines[name], self.spells[name]
        out = []
        for (a, states), (b, _) in zip(line, [*line[1:], (end, None)]):
            cuts = sorted({a, b, *(t for u, v, _ in spells for t in (u, v) if a < t < b)})
            out += [(x, y, worst([states, *(s for u, v, s in spells if u < y and v > x)])) for x, y in zip(cuts, cuts[1:])]
        return out


LINE = re.compile(r"^\d+:[A-Z] (\d+ \w+ \d+ [\d:.]+) \S (.*)$")


def spells(log, rules, end):
    """What a Redis log tells: (from, to, set). rules: (how it begins, how it ends, set); a group in both says of whom. A process that
    starts anew has forgotten all."""
    begun, out = {}, []

    def over(key, t):
        if key in begun:
            out.append((begun.pop(key), t, rules[key[0]][2]))
    for at, text in (m.groups() for m in map(LINE.match, log.splitlines()) if m):
        t = datetime.datetime.strptime(at, "%d %b %Y %H:%M:%S.%f").timestamp()
        for i, (begins, ends, _) in enumerate(rules):
            if found := re.search(begins, text):
                begun.setdefault((i, *found.groups()), t)
            elif found := re.search(ends, text):
                over((i, *found.groups()), t)
        if "Redis is starting" in text:
            for key in list(begun):
                over(key, t)
    for key in list(begun):
        over(key, end)
    return out


class OwnTime:
    """How much of the time vitald had for itself: points (time, seconds without a processor or stopped, so far)."""

    def __init__(self, points):
        self.times = [t for t, _ in points] or [0.0]
        self.own = [t - lost for t, lost in points] or [0.0]

    def at(self, t):
        i = bisect.bisect_right(self.times, t) - 1
        if i < 0:
            return t - self.times[0] + self.own[0]
        if i + 1 == len(self.times):
            return self.own[i] + t - self.times[i]
        share = (t - self.times[i]) / (self.times[i + 1] - self.times[i])
        return self.own[i] + share * (self.own[i + 1] - self.own[i])

    def after(self, t, seconds):
        """The moment at which vitald has had that much time since t."""
        want = self.at(t) + seconds
        i = bisect.bisect_left(self.own, want)
        if i == 0:
            return self.times[0] + want - self.own[0]
        if i == len(self.own):
            return self.times[-1] + want - self.own[-1]
        step = self.own[i] - self.own[i - 1]
        share = (want - self.own[i - 1]) / step if step > 0 else 1
        return self.times[i - 1] + share * (self.times[i] - self.times[i - 1])


def held_against(moments, own, interval, lasts):
    """Spells of what is told for so long after it was noticed: vitald can date it by its attempts only, and makes none while it stands."""
    return [(t - interval, own.after(t, interval) + lasts, LOOSE) for t in moments]


def minus(span, covers):
    """What is left of span = (a, b)."""
    left, at = [], span[0]
    for a, b in sorted(covers):
        if a > at:
            left.append((at, min(a, span[1])))
        at = max(at, b)
        if at >= span[1]:
            break
    if at < span[1]:
        left.append((at, span[1]))
    return [(a, b) for a, b in left if b > a]


def wrong(seen, true, own, detect, recover):
    """seen: (from, to, state); true: (from, to, set). Yields (from, to, kind, state): kind is `false green` or `false red`."""
    for a, b, state in seen:
        bound = detect if state == "up" else recover if state in ("down", "unknown") else max(detect, recover)
        covers = [(u - SLACK, own.after(v, bound) + SLACK) for u, v, states in true if state in states and u - SLACK < b]
        for x, y in minus((a, b), covers):
            around = [states for u, v, states in true if u < y and v > x]
            best = max((min(s, key=ORDER.index) for s in around), key=ORDER.index, default="up")
            yield x, y, "false green" if ORDER.index(state) < ORDER.index(best) else "false red", state


def tree_level(need, levels):
    """A group's level is that of its need-th best member: as numbers, 0 is best."""
    return sorted(levels)[need - 1]
