"""No bytes are read more leniently here than by the servers that may stand in front: a short run of differential.py, and what longer ones found."""
import pytest

import differential
from differential import Bench, Story, judge, seen_by_peer, seen_by_vitald

REQUEST = b"GET /g1 HTTP/1.1\r\nHost: x\r\n\r\n"


def test_generated_bytes_mean_the_same_to_all():
    findings, taken = differential.compare(3000, seed=1)
    assert not findings, "\n".join(findings[:10])
    assert min(taken.values()) > 300, f"too little gets through to compare anything: {taken}"


@pytest.fixture(scope="module")
def bench():
    with Bench() as b:
        yield b


@pytest.mark.parametrize("data,seen,end", [
    (REQUEST, [b"/g1"], "open"),
    (b"GET /g0 HTTP/1.1\r\nHost: x\r\n\r\n" + REQUEST + REQUEST[:-2], [b"/g0", b"/g1"], "open"),
    (REQUEST * 4 + b"GET /g2 HTTP/1\r\n\r\n", [b"/g1"] * 4, "refused"),                                           # all that came is answered after the end of the sender
    (b"CONNECT /g0 HTTP/1.1\r\nHost: x\r\n\r\n" + REQUEST, [], "refused"),                                        # a tunnel for others: what is in it is no request
    (b"PRI /g0 HTTP/1.1\r\nHost: x\r\n\r\n" + REQUEST, [], "refused"),
    (b"GET http://y/g0 HTTP/1.1\r\nHost: x\r\n\r\n" + REQUEST, [b"/g0", b"/g1"], "open"),
    (b"GET /g0 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" + REQUEST, [b"/g0", b"/g1"], "open"),
    (b"GET /g0 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(REQUEST) + REQUEST, [], "refused"),
    (b"GET /g0 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + REQUEST, [], "refused"),
    (b"GET /g0 HTTP/1.1\r\nHost: x/y\r\n\r\n", [], "refused"),
    (b"GET /g0?a\x80\x01b HTTP/1.1\r\nHost: x\r\n\r\n" + REQUEST, [], "refused"),
])
def test_what_was_found(bench, data, seen, end):
    (ours, split, nginx, node), = bench.stories([data])
    assert (ours.seen, ours.end) == (seen, end) == (split.seen, split.end), str(ours)
    assert judge(ours, {"nginx": nginx, "Node": node}) is None, f"{ours} / {nginx} / {node}"


def test_the_judge_sees_what_smuggles():
    """Stories as they would be if we were wrong."""
    def story(*seen, end="open", vitald=True):
        head = {"refused": b"HTTP/1.1 400 x\r\nConnection: close\r\n\r\n", "open": b""}[end]
        if vitald:
            return Story(b"".join(b"HTTP/1.1 %d x\r\n\r\n" % (220 + n) for n in seen) + head, seen_by_vitald)
        return Story(b"".join(b"HTTP/1.1 200 x\r\nX-Saw: GET /g%d\r\n\r\n" % n for n in seen) + head, seen_by_peer)

    def wrong(ours, theirs):
        return judge(ours, {"nginx": theirs, "Node": theirs})
    assert wrong(story(0, 1), story(0, 1, vitald=False)) is None
    assert wrong(story(0, end="refused"), story(0, 1, vitald=False)) is None
    assert wrong(story(0, 1), story(0, 2, vitald=False))                              # another request
    assert wrong(story(0, 1), story(0, vitald=False))                                 # their body, our request
    assert wrong(story(0), story(0, 1, vitald=False))                                 # our body, their request
    assert wrong(story(0, 1), story(0, end="refused", vitald=False))                  # nobody else takes it
