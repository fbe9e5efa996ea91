"""The judge of a campaign, and a short campaign."""
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../func")]

from daemon import BUILD  # noqa: E402
from truth import ANY, Ledger, OwnTime, SLACK, UP, minus, worst, wrong  # noqa: E402

DOWN = frozenset(["down"])
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


def test_the_ledger_knows_several_faults_at_once():
    ledger = Ledger(["a"])
    ledger.claim(1, "x", "a", DOWN)
    ledger.claim(2, "y", "a", ANY)
    ledger.claim(3, "x", "a", None)
    ledger.claim(4, "y", "a", None)
    assert ledger.segments("a", 5)[1:] == [(1, 3, DOWN), (3, 4, ANY), (4, 5, UP)]


@pytest.mark.skipif(os.geteuid() != 0 or "address" in BUILD, reason="root, and a vitald whose memory is its own")
def test_a_short_campaign():
    done = subprocess.run(["/usr/bin/python3", f"{HERE}/campaign.py", "--short", "--seconds", "28", "--seed", "1"], capture_output=True, text=True, timeout=400)
    print(done.stdout[-20000:], done.stderr[-4000:])
    assert done.returncode == 0
