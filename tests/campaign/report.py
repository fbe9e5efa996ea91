"""From what was true and what was seen to numbers, and to a page that a person reads."""
import json
import time

from truth import OwnTime, SLACK, minus, wrong

REACT = 1.2     # seconds: HAProxy asks its agent every 200 ms and waits 500 ms for a connection; nginx asks each time, and waits as long
SLOW = 0.05


def lines(path):
    with open(path) as f:
        return [json.loads(x) for x in f if x.endswith("}\n")]


def overlap(spans, a, b):
    return any(x < b and y > a for x, y in spans)


def starved(run):
    """Spans in which the machine had so little left that a server could not be expected to answer within a timeout."""
    wide = run.pace.timeout * 2
    return [(c["at"] - 0.5, c["at"] + c["took"] + wide) for c in lines(f"{run.out}/canary.jsonl") if c["lost"] > run.pace.timeout / 8]


def share(spans, a, b):
    """Of a to b, how much lies in one of them."""
    return 1 - sum(y - x for x, y in minus((a, b), spans)) / (b - a)


def timed_out(run, name, t):
    """What the probe was seen to turn with, last before t."""
    seen = [r for r in run.watcher.reasons if r[1] == name and r[0] <= t + 0.5]
    return bool(seen) and seen[-1][4] == "timeout"


def wrongs(run, own):
    found = []
    for what, seen in (("probe", run.watcher.states), ("file", run.watcher.files)):
        for name in seen.lines:
            if name not in run.ledger.lines:
                continue
            for a, b, kind, state in wrong(seen.lines[name], run.ledger.segments(name, run.ended), own, *run.town.bound(name)):
                if not excused(run, what, own, a, b, state, name):
                    found.append({"from": a, "to": b, "seconds": round(b - a, 3), "kind": kind, "state": state, "probe": name, "seen_in": what})
    return found


def excused(run, what, own, a, b, state, name):
    """Files cannot be written by a process that is stopped, and one that leaves takes them away; and after a stop for longer than a state lasts it is unknown until it was
    looked at."""
    if what == "file" and state == "down" and overlap(run.restarts, a, b):
        return True
    if state == "unknown":
        longest = run.pace.interval * 3 + run.pace.timeout
        return any(y - x > longest * 0.8 and x < b and own.after(y, run.town.bound(name)[1]) + SLACK > a for x, y in run.stands)
    return False


def verdict_of(run, own, name, t):
    """What the probe of an application was for all of the time before t in which a promise could not yet be due: a state, or None."""
    detect, recover = run.town.bound(name)
    states = [(u, v, s) for u, v, s in run.ledger.segments(name, run.ended) if u <= t]
    now = states[-1][2]
    bound = detect if "up" not in now else recover
    if len(now) != 1 or own.after(states[-1][0], bound) + SLACK + REACT > t:
        return None
    return next(iter(now))


def users(run, own, hungry):
    """Failed requests that a true and timely verdict would have avoided."""
    out = {}
    for name, apps in (("haproxy", ["web1-http", "web2-http"]), ("nginx", ["web3-http"])):
        asked = lines(f"{run.out}/user-{name}.jsonl")
        bad, gated, ours, fate, failed, machine = [], 0, 0, 0, 0, 0
        for r in asked:
            if r["code"] == 200:
                continue
            failed += 1
            states = [verdict_of(run, own, a, r["at"]) for a in apps]
            if overlap(run.stands, r["at"] - REACT, r["at"] + r["took"] + REACT) or overlap(run.hunger, r["at"] - REACT, r["at"] + r["took"] + 3):
                ours += 1           # we were stopped, or had no descriptor: nobody had a verdict
            elif None in states:
                fate += 1           # the fault is younger than any promise
            elif name == "haproxy" and "up" not in states:
                fate += 1           # there was nothing left to send it to
            elif name == "nginx" and states == ["down"] and r["code"] == 503 and r["text"].startswith("not ready"):
                gated += 1
            elif overlap(hungry, r["at"] - run.pace.timeout, r["at"] + r["took"]):
                machine += 1
            else:
                bad.append({**r, "states": states})
        out[name] = {"asked": len(asked), "failed": failed, "before_any_promise": fate, "refused_by_gate": gated, "while_vitald_stood": ours, "without_a_processor": machine,
                     "avoidable": len(bad), "first": bad[:20]}
    return out


def answers(run):
    """Verdicts that took longer than 50 ms of the time in which the asker and vitald had a processor."""
    out = {}
    own = OwnTime(run.watcher.lost)
    for name in ("verdict-kept", "verdict-new"):
        asked = lines(f"{run.out}/{name}.jsonl")
        slow = [r for r in asked if r["took"] > SLOW and not overlap(run.stands, r["at"] - 0.1, r["at"] + r["took"])]
        ours = []
        for r in slow:
            a, b = r["at"], r["at"] + r["took"]
            starved = (b - a) - (own.at(b) - own.at(a)) + r["lost"]
            if r["took"] - starved > SLOW and not overlap(run.hunger, a, b):
                ours.append({**r, "starved": round(starved, 4)})
        took = sorted(r["took"] for r in asked) or [0]
        out[name] = {"asked": len(asked), "median_ms": round(took[len(took) // 2] * 1000, 2), "p99_ms": round(took[len(took) * 99 // 100] * 1000, 2),
                     "slower_than_50_ms": len(slow), "of_these_with_a_processor": len(ours), "first": ours[:20],
                     "no_answer": sum(r["code"] == 0 and not overlap(run.stands + run.hunger, r["at"] - 0.1, r["at"] + r["took"] + 0.5) for r in asked)}
    return out


def quarters(run):
    """The middle of what vitald held, in each quarter of the time since its last restart: what grows, grows here."""
    sizes = [x for _, x, pid in run.watcher.sizes if pid == run.watcher.sizes[-1][2]]
    parts = [sizes[len(sizes) * i // 4:len(sizes) * (i + 1) // 4] for i in range(4)]
    return {k: [sorted(x[k] for x in p)[len(p) // 2] for p in parts if p] for k in run.before}


def leaks(run):
    grown = {k: run.after[k] - run.before[k] for k in run.before}
    allowed = {"fds": 12, "threads": 8, "children": 6, "rss_kib": 8192}
    return {"before": run.before, "after": run.after, "quarters": quarters(run), "leaked": [k for k, n in grown.items() if n > allowed[k]]}


def count(found, kind):
    return sum(w["kind"] == kind for w in found), round(sum(w["seconds"] for w in found if w["kind"] == kind), 2)


def write(run, out):
    own = OwnTime(run.watcher.lost)
    hungry, every = starved(run), wrongs(run, own)
    # an answer that came too late, for nobody had a processor to make it: counted apart
    machine = [w for w in every if w["kind"] == "false red" and timed_out(run, w["probe"], w["from"]) and overlap(hungry, w["from"] - run.pace.timeout, w["from"] + 0.5)]
    found = [w for w in every if w not in machine]
    facts = {
        "seed": run.seed, "seconds": round(run.ended - run.began, 1), "probes": len(run.town.probes), "types": len({p.conf.split(":")[0] for p in run.town.probes}),
        "faults": len(run.timeline), "kinds": sorted({f"{t[3]} {t[4]}" for t in run.timeline}), "skipped_here": run.skipped, "looks": run.watcher.looks,
        "machine_starved_share": round(share(hungry, run.began, run.ended), 3),
        "timeouts_of_a_starved_machine": {"count": len(machine), "seconds": round(sum(w["seconds"] for w in machine), 2), "first": machine[:50]},
        "wrong_seconds": round(sum(w["seconds"] for w in found), 2), "false_red": count(found, "false red"), "false_green": count(found, "false green"),
        "inconsistent_pictures": len(run.watcher.mixed), "wrong": found, "mixed": run.watcher.mixed[:50], "transitions": len(run.watcher.reasons),
        "restarts": run.town.restarts, "vitald_stood_seconds": round(sum(b - a for a, b in run.stands), 1), "vitald_without_processor_seconds": round(run.watcher.lost[-1][1] - run.watcher.lost[0][1] - run.watcher.stood, 2),
        "unanswered_looks": len([s for s in run.watcher.silent if not overlap(run.stands + run.hunger, s[0] - 0.2, s[1] + 0.2)]),
        "users": users(run, own, hungry), "answers": answers(run), "resources": leaks(run), "errors": run.errors,
    }
    good = not (found or run.watcher.mixed or run.errors or facts["resources"]["leaked"] or any(u["avoidable"] for u in facts["users"].values()))
    facts["good"] = good
    facts["timeline"] = sorted(run.timeline)
    with open(f"{out}/report.json", "w") as f:
        json.dump(facts, f, indent=1, default=str)
    text = page(run, facts)
    with open(f"{out}/report.txt", "w") as f:
        f.write(text)
    print(text if not good else text[:text.index("\ntimeline")])
    return good


def page(run, f):
    r = [f"{'GOOD' if f['good'] else 'BAD'}: seed {f['seed']}, {f['seconds']} s, {f['probes']} probes of {f['types']} types, {f['faults']} faults, {f['transitions']} changes of state seen",
         f"wrong answers: {f['wrong_seconds']} s (false red {f['false_red'][0]}, {f['false_red'][1]} s; false green {f['false_green'][0]}, {f['false_green'][1]} s); groups that contradict their members: {f['inconsistent_pictures']}",
         f"vitald was stopped for {f['vitald_stood_seconds']} s and had to wait {f['vitald_without_processor_seconds']} s for a processor; looks: {f['looks']}, without an answer at other times: {f['unanswered_looks']}"]
    if f["restarts"]:
        r.append(f"vitald was restarted {len(f['restarts'])} times while a file system hung: at most {max(x[0] for x in f['restarts'])} s to leave, {max(x[1] for x in f['restarts'])} s to serve")
    r.append(f"the machine had too little processor for {f['machine_starved_share']:.0%} of the time; timeouts in it, counted apart: {f['timeouts_of_a_starved_machine']['count']}, "
             f"{f['timeouts_of_a_starved_machine']['seconds']} s")
    for name, u in f["users"].items():
        r.append(f"users of {name}: {u['asked']} requests, {u['failed']} failed: {u['before_any_promise']} before a verdict was due, {u['refused_by_gate']} refused by the gate, "
                 f"{u['while_vitald_stood']} while vitald stood, {u['without_a_processor']} without a processor, AVOIDABLE {u['avoidable']}")
    for name, a in f["answers"].items():
        r.append(f"{name}: {a['asked']} answers, median {a['median_ms']} ms, p99 {a['p99_ms']} ms; {a['slower_than_50_ms']} slower than 50 ms, {a['of_these_with_a_processor']} of them not for want of a processor; {a['no_answer']} without an answer")
    r.append(f"resources before {f['resources']['before']}, after {f['resources']['after']}; leaked: {f['resources']['leaked'] or 'nothing'}; by quarter of the time since the last restart: {f['resources']['quarters']}")
    if f["skipped_here"]:
        r.append("this machine cannot: " + ", ".join(f["skipped_here"]))
    r += ["", *f["errors"]]
    r += [f"WRONG {w['kind']} {w['probe']} seen as {w['state']} in {w['seen_in']} for {w['seconds']} s from {w['from'] - run.began:.2f}" for w in f["wrong"]]
    r += [f"CONTRADICTION at {m[0] - run.began:.2f}: {m[1:]}" for m in f["mixed"]]
    r += [f"AVOIDABLE {name} at {b['at'] - run.began:.2f}: {b['code']} {b['text']} {b['states']}" for name, u in f["users"].items() for b in u["first"]]
    r += ["", "timeline (seconds since the start)"]
    events = [(a, f"{fault} {server} (until {c - run.began:.2f})") for a, _, c, fault, server in f["timeline"]]
    events += [(t, f"    {name}: {old} -> {new} ({reason}: {text})") for t, name, old, new, reason, text in run.watcher.reasons]
    r += [f"{t - run.began:9.2f}  {text}" for t, text in sorted(events)]
    return "\n".join(r) + "\n"
