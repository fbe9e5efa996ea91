"""Reload is all or nothing, and nobody who asks sees it."""
import contextlib
import os
import signal
import socket
import threading
import time

from conftest import http_ok
from daemon import Vitald, free_port, wait_for

LISTEN = "listen:\n  - {{ address: \"127.0.0.1:{}\", serve: [verdicts, status, metrics, events, page] }}\n"


class Poller:
    """Asks /readyz about a thousand times a second, a new connection each time, and keeps what was not 200."""

    def __init__(self, port):
        self.port, self.asked, self.wrong, self.go = port, 0, [], True
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while self.go:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                    s.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    head = s.recv(4096)
                    if not head.startswith(b"HTTP/1.1 200"):
                        self.wrong.append(head)
            except OSError as e:
                self.wrong.append(repr(e))
            self.asked += 1
            time.sleep(0.001)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.go = False
        self.thread.join()
        assert not self.wrong, (len(self.wrong), self.asked, self.wrong[:3])

    def more(self, n=50):
        until = self.asked + n
        wait_for(lambda: self.asked >= until, "the poller asks on")


def probes(*ports):
    return "probes:\n" + "".join(f"  p{i}: {{ tcp: \"127.0.0.1:{p}\", interval: 1s, timeout: 500ms }}\n" for i, p in enumerate(ports))


def test_no_blip_while_probes_and_listeners_come_and_go():
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(3)]
        listen, other = free_port(), free_port()
        base = LISTEN.format(listen)
        with Vitald(base + probes(*ports[:2])) as d:
            d.wait_code("/readyz", 200)
            with Poller(listen) as poller:
                poller.more()
                d.reload(base + probes(*ports))                       # adds a healthy probe
                wait_for(lambda: d.probe("p2")["state"] == "up", "p2 up")
                poller.more()
                d.reload(base + probes(ports[0]))                     # drops two
                poller.more()
                d.reload(base + f"  - {{ address: \"127.0.0.1:{other}\" }}\n" + probes(ports[0]))   # another listener
                assert d.get("/readyz", port=other).status == 200
                poller.more()
                d.reload(base + probes(ports[0]))
                poller.more()


def test_bad_reload_changes_nothing():
    with socket.create_server(("127.0.0.1", 0)) as s, Vitald(probes(s.getsockname()[1])) as d:
        d.wait_code("/readyz", 200)
        before = d.status()
        refused = d.reload("probes:\n  p0: { tcp: [1] }\n  p1: { nonsense: 1 }\n", ok=False)
        assert "vitald.yaml:" in refused.stdout + refused.stderr and "nonsense" in refused.stdout + refused.stderr
        d.signal(signal.SIGHUP)
        d.wait_log("reload refused")
        after = d.status()
        assert [p["name"] for p in before["probes"]] == [p["name"] for p in after["probes"]]
        assert d.get("/readyz").status == 200


def test_reload_that_cannot_listen_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as s, Vitald(LISTEN.format(free_port()) + probes(s.getsockname()[1])) as d:
        d.wait_code("/readyz", 200)
        taken = s.getsockname()[1]
        refused = d.reload(LISTEN.format(d.port) + f"  - {{ address: \"127.0.0.1:{taken}\" }}\n" + probes(taken), ok=False)
        assert "in use" in refused.stdout + refused.stderr
        assert d.get("/readyz").status == 200


def test_equal_probes_keep_their_history_and_changed_ones_their_state(server):
    web = server(http_ok)
    config = "probes:\n  a: {{ http: \"http://127.0.0.1:{0}/\", interval: 1s }}\n  b: {{ http: {{ url: \"http://127.0.0.1:{0}/\", method: {1} }}, interval: 1s }}\n"
    with Vitald(config.format(web.port, "GET")) as d:
        d.wait_state("a", "up")
        d.wait_state("b", "up")
        since = d.probe("a")["since"], d.probe("b")["since"]
        d.reload(config.format(web.port, "HEAD"))
        assert d.probe("a")["state"] == "up" and d.probe("b")["state"] == "up"
        assert (d.probe("a")["since"], d.probe("b")["since"]) == since


def test_sighup_reloads():
    with socket.create_server(("127.0.0.1", 0)) as s, Vitald(probes(s.getsockname()[1])) as d:
        d.write(probes(s.getsockname()[1], s.getsockname()[1]))
        d.signal(signal.SIGHUP)
        wait_for(lambda: any(p["name"] == "p1" for p in d.status()["probes"]), "p1 is there")


def test_drain_and_modes_go_on_over_a_reload():
    with socket.create_server(("127.0.0.1", 0)) as s, Vitald(probes(s.getsockname()[1])) as d:
        d.wait_code("/readyz", 200)
        assert d.ctl("drain").returncode == 0
        assert d.ctl("maintenance", "p0").returncode == 0
        d.reload()
        assert d.get("/readyz").status == 503
        assert d.probe("p0")["mode"] == "maintenance"
        assert d.ctl("undrain").returncode == 0
        d.wait_code("/readyz", 200)


def test_many_reloads_leak_nothing(server):
    web = server(http_ok)
    one = f"probes:\n  a: {{ http: \"http://127.0.0.1:{web.port}/\", interval: 1s }}\n"
    two = one + f"  b: {{ tcp: \"127.0.0.1:{web.port}\", interval: 1s }}\n"
    with Vitald(one) as d:
        d.wait_state("a", "up")
        for _ in range(5):
            d.reload(two)
            d.reload(one)
        d.wait_state("a", "up")
        before = d.fds()
        for _ in range(30):
            d.reload(two)
            d.reload(one)
        wait_for(lambda: d.fds() <= before + 2, "descriptors are given back")


def test_reload_takes_over_what_the_log_shall_hold():
    with socket.create_server(("127.0.0.1", 0)) as s:
        base = probes(s.getsockname()[1])
        with Vitald(base) as d:
            d.wait_code("/readyz", 200)
            d.reload(base + "log: { level: warning, format: json }\n")
            d.reload("probes: {", ok=False)
            d.wait_log(r"(?m)^\{.*reload refused")
            assert "reloaded the configuration" not in d.log()


def test_reload_says_what_waits_for_the_next_start():
    with Vitald(probes(1)) as d:
        said = d.reload(probes(1) + f"control: {{ path: {d.dir}/elsewhere.sock }}\n")
        assert "next start" in said.stdout and d.control in said.stdout
