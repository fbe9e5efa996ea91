"""The judge of a campaign, and a short campaign."""
import os
import subprocess
import sys
import time
import types

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../func")]

from daemon import BUILD  # noqa: E402
from faults import Effect  # noqa: E402
from town import Town  # noqa: E402
from truth import ANY, LOOSE, Ledger, OwnTime, SLACK, UP, held_against, minus, spells, worst, wrong  # noqa: E402

DOWN = frozenset(["down"])
DEGRADED = frozenset(["degraded"])
ALONE = OwnTime([(0, 0), (100, 0)])


def judge(seen, true, own=ALONE, detect=2, recover=1):
    return [(round(a, 3), round(b, 3), kind, state) for a, b, kind, state in wrong(seen, true, own, detect, recover)]


def test_what_is_left_of_a_span():
    assert minus((0, 10), [(2, 3), (5, 20), (2.5, 4)]) == [(0, 2), (4, 5)]
    assert minus((0, 10), [(-1, 11)]) == []


def test_the_worst_of_several_truths():
    assert worst([]) == UP
    assert worst([UP, DOWN]) == DOWN
    assert worst([frozenset(["up", "degraded"]), frozenset(["up", "down"])]) == {"up", "degraded", "down"}


def test_a_fault_that_is_seen_in_time_is_right():
    assert judge([(0, 11.9, "up"), (11.9, 20, "down"), (20, 30, "up")], [(0, 10, UP), (10, 19, DOWN), (19, 30, UP)]) == []


def test_each_way_to_be_wrong():
    true = [(0, 10, UP), (10, 20, DOWN), (20, 30, UP)]
    assert judge([(0, 15, "up"), (15, 20.5, "down"), (20.5, 30, "up")], true) == [(12 + SLACK, 15, "false green", "up")]
    assert judge([(0, 11, "up"), (11, 25, "down"), (25, 30, "up")], true) == [(21 + SLACK, 25, "false red", "down")]
    assert judge([(0, 5, "up"), (5, 6, "down"), (6, 10, "up")], true) == [(5, 6, "false red", "down")]
    assert judge([(0, 5, "up"), (5, 5.05, "unknown"), (5.05, 10, "up")], true)[0][2:] == ("false red", "unknown")
    assert judge([(10, 11, "up"), (11, 20, "degraded")], true) == [(11, 20, "false green", "degraded")]


def test_what_nobody_can_know_is_not_held_against_it():
    true = [(0, 10, UP), (10, 20, ANY), (20, 30, UP)]
    assert judge([(0, 15, "up"), (15, 20.5, "down"), (20.5, 30, "up")], true) == []


def test_time_without_a_processor_is_added_to_the_bound():
    own = OwnTime([(0, 0), (10, 0), (15, 5), (100, 5)])
    assert own.at(20) == 15 and own.after(9, 2) == 16 and own.after(16, 1) == 17
    true = [(0, 9, UP), (9, 30, DOWN)]
    assert judge([(0, 16, "up")], true, own) == []
    assert judge([(0, 17, "up")], true, own) == [(16 + SLACK, 17, "false green", "up")]


def test_what_happens_while_vitald_stands_is_dated_when_it_goes_on():
    own = OwnTime([(0, 0), (10, 0), (17, 7), (100, 7)])
    assert held_against([30], own, 1, 10) == [(29, 41, LOOSE)]
    assert held_against([12], own, 1, 10) == [(11, 28, LOOSE)]
    assert judge([(20, 28, "degraded")], [(11, 28, LOOSE), (28, 50, UP)], own, recover=1) == []
    assert judge([(20, 28, "degraded")], [(11, 22, LOOSE), (22, 50, UP)], own, recover=1) == [(24 + SLACK, 28, "false red", "degraded")]


def test_the_ledger_knows_several_faults_at_once():
    ledger = Ledger(["a"])
    ledger.claim(1, "x", "a", DOWN)
    ledger.claim(2, "y", "a", ANY)
    ledger.claim(3, "x", "a", None)
    ledger.claim(4, "y", "a", None)
    assert ledger.segments("a", 5)[1:] == [(1, 3, DOWN), (3, 4, ANY), (4, 5, UP)]


LOG = """71:X 21 Nov 2026 00:30:00.250 # +sdown sentinel aaa 127.0.0.1 26379 @ mymaster 127.0.0.1 6379
71:X 21 Nov 2026 00:30:01.000 # +tilt #tilt mode entered
71:X 21 Nov 2026 00:30:02.000 # +sdown sentinel bbb 127.0.0.1 26380 @ mymaster 127.0.0.1 6379
71:X 21 Nov 2026 00:30:03.500 # -sdown sentinel aaa 127.0.0.1 26379 @ mymaster 127.0.0.1 6379
71:X 21 Nov 2026 00:30:04.000 # -sdown sentinel ccc 127.0.0.1 26381 @ mymaster 127.0.0.1 6379
72:X 21 Nov 2026 00:30:05.000 # oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo
72:X 21 Nov 2026 00:30:06.000 # +tilt #tilt mode entered
not a line of a log
"""


def test_what_a_server_says_of_itself():
    began = time.mktime((2026, 11, 21, 0, 30, 0, 0, 0, -1))
    rules = [(r"\+tilt", r"-tilt", LOOSE), (r"\+sdown sentinel (\S+)", r"-sdown sentinel (\S+)", ANY)]
    found = sorted((a - began, b - began, s) for a, b, s in spells(LOG, rules, began + 10))
    assert found == [(0.25, 3.5, ANY), (1, 5, LOOSE), (2, 5, ANY), (6, 10, LOOSE)]


def test_what_a_server_says_makes_no_fault_unknown():
    ledger = Ledger(["a"])
    ledger.claim(2, "x", "a", DEGRADED)
    ledger.claim(8, "x", "a", None)
    ledger.spells["a"] = [(1, 5, LOOSE), (4, 9, LOOSE)]
    true = ledger.segments("a", 20)[2:]
    assert true == [(2, 4, DEGRADED), (4, 5, DEGRADED), (5, 8, DEGRADED), (8, 9, LOOSE), (9, 20, UP)]
    assert judge([(2, 20, "up")], true, detect=1)[0][2:] == ("false green", "up")
    assert judge([(9, 20, "degraded")], true, recover=1)[0][2:] == ("false red", "degraded")


def lies(town, server, fault):
    """What each probe is caught at that sees nothing, and that always sees the worst: of a fault that lasts from 10 to 20."""
    ledger = Ledger([p.name for p in town.probes])
    at = [10]
    run = types.SimpleNamespace(town=town, claim=lambda key, name, states: ledger.claim(at[0], key, name, states))
    for name in ledger.lines:
        ledger.lines[name] = [(0, UP)]
    effect = Effect(run, server, fault, spares=False)
    effect.now()
    at[0] = 20
    effect.now(UP)
    caught = {n: [{k for _, _, k, _ in judge([(5, 30, state)], ledger.segments(n, 30))} for state in ("up", "down")] for n in ledger.lines}
    return {n for n, (blind, _) in caught.items() if blind == {"false green"}}, {n for n, (_, blind) in caught.items() if blind == {"false red"}}


def test_while_a_master_is_replaced_nobody_knows_and_then_all_is_well():
    town = Town(types.SimpleNamespace(timeout=1.5))
    said = []
    with town.stack:
        town.clusters(types.SimpleNamespace(ports=[1, 2, 3]), types.SimpleNamespace(ports=[1, 2, 3, 4]))
        run = types.SimpleNamespace(town=town, claim=lambda key, name, states: said.append((name, states)))
        for spares, loose in ((True, []), (False, [ANY, None])):
            said.clear()
            with Effect(run, "cluster", "master", spares).turning():
                pass
            assert [s for n, s in said if n == "cluster"] == [ANY, DEGRADED]
            assert [s for n, s in said if n == "cluster-loose"] == loose


def test_who_sees_nothing_is_caught_at_each_fault():
    town = Town(types.SimpleNamespace(timeout=1.5))
    every = {"sentinel", "sentinel-any", "cluster", "cluster-loose", "unit-app", "unit-both", "unit-job"}
    with town.stack:
        town.clusters(types.SimpleNamespace(ports=[1, 2, 3]), types.SimpleNamespace(ports=[1, 2, 3, 4]))
        town.units()
        town.clock()
        dated = {"file-aged"} if town.env else set()
        for server, fault, seen in (("sentinel", "kill", {"sentinel", "sentinel-any"}), ("sentinel", "quorum", {"sentinel", "sentinel-any"}),
                                    ("cluster", "slot", {"cluster", "cluster-loose"}), ("cluster", "replica", {"cluster"}), ("cluster", "master", {"cluster"}),
                                    ("units", "kill", {"unit-app", "unit-both", "unit-job"}), ("units", "fails", {"unit-app", "unit-both"}),
                                    ("units", "starts", {"unit-app", "unit-both"}), ("clock", "far", dated), ("clock", "ahead", set())):
            green, red = lies(town, server, fault)
            assert green == seen, (server, fault)
            assert red == every | dated, "a down that lasts longer than the fault"


@pytest.mark.skipif(os.geteuid() != 0 or "address" in BUILD, reason="root, and a vitald whose memory is its own")
def test_a_short_campaign():
    done = subprocess.run(["/usr/bin/python3", f"{HERE}/campaign.py", "--short", "--seconds", "28", "--seed", "1"], capture_output=True, text=True, timeout=400)
    print(done.stdout[-20000:], done.stderr[-4000:])
    assert done.returncode == 0
