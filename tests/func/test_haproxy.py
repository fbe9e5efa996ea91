"""A real HAProxy: what its stats socket believes is what counts, and what its users get while things break."""
import contextlib
import re
import signal
import socket
import time

import pytest

from conftest import http_ok
from daemon import Vitald, free_port, wait_for
from lb_kit import App, HAProxy, Users, recipe

HOSTS = "127.0.0.11", "127.0.0.12"


class Farm:
    """Two applications, a vitald beside each, HAProxy in front: the recipe NAME with this machine's addresses."""

    def __init__(self, name, conf=(), cfg=()):
        self.app_port, self.port, self.stack = free_port(), free_port(), contextlib.ExitStack()
        ports = {p: free_port() for p in ("8686", "8688", "8689")}
        self.agent_port, self.public, self.gate = ports["8688"], ports["8686"], ports["8689"]
        text = recipe(name + ".cfg", ("bind :80", f"bind 127.0.0.1:{self.port}"), ("10.0.0.1", "127.0.0.1"), (":8080", f":{self.app_port}"),
                      ("/run/haproxy/admin.sock", "SOCKET"), ("inter 2s", "inter 100ms"))
        text = re.sub(r"agent-inter \S+", "agent-inter 100ms", text)
        for old, new in cfg:
            assert old in text
            text = text.replace(old, new)
        for word, port in ports.items():
            text = text.replace(f"port {word}", f"port {port}")
        self.cfg = text
        self.confs = []
        for host in HOSTS:
            text = recipe(name + ".yaml", ("127.0.0.1:8687", "127.0.0.1:0"), ("127.0.0.1:8080", f"{host}:{self.app_port}"),
                          ("interval: 2s", "interval: 100ms"))
            for old, new in conf:
                assert old in text
                text = text.replace(old, new)
            for word, port in ports.items():
                text = text.replace(f"0.0.0.0:{word}", f"{host}:{port}")
            self.confs.append(text)

    def __enter__(self):
        enter = self.stack.enter_context
        with contextlib.ExitStack() as undo:
            undo.push(self.stack)
            self.apps = [App(f"app{i + 1}", host, self.app_port) for i, host in enumerate(HOSTS)]
            for app in self.apps:
                self.stack.callback(app.stop)
            self.vitalds = [enter(Vitald(c)) for c in self.confs]
            for d in self.vitalds:
                d.wait_code("/readyz", 200)
            self.ha = enter(HAProxy(self.cfg))
            for name in "app1", "app2":
                self.ha.wait_for(name, status="UP", check_status="L7OK" if "httpchk" in self.cfg else "L4OK")
            undo.pop_all()
        return self

    def __exit__(self, *exc):
        return self.stack.__exit__(*exc)


def agent_asked(d, times=4):
    """Until the agent was asked that often again: what it said before is settled."""
    def answers():
        return int(re.search(r"^vitald_agent_answers_total (\d+)", d.get("/metrics").text, re.M).group(1))
    start = answers()
    wait_for(lambda: answers() >= start + times, "the agent is asked")


def ask_agent(host, port):
    with socket.create_connection((host, port), 5) as s:
        got = b""
        while chunk := s.recv(1000):
            got += chunk
        return got.decode()


def bodies(seen):
    return {body for _, body in seen}


# ---- httpchk


def test_httpchk_drain_and_what_haproxy_believes():
    with Farm("haproxy-httpchk") as farm, Users(farm.port) as users:
        ha, (one, _) = farm.ha, farm.vitalds
        assert ha.server("app1")["check_code"] == "200"
        wait_for(lambda: bodies(users.next()) == {"app1", "app2"}, "both serve")

        heard = wait_for(lambda: one.status()["balancers"], "HAProxy told what it believes")[0]
        assert (heard["backend"], heard["server"], heard["listener"]) == ("app", "app1", f"127.0.0.11:{farm.public}")
        assert heard["node"] == socket.gethostname()
        wait_for(lambda: [b["state"] for b in one.status()["balancers"]] == ["UP"], "UP")
        assert one.status()["balancers"][0]["weight_of_all"] == 2

        start = len(users.seen)
        one.ctl("drain")
        ha.wait_for("app1", status="NOLB", check_code=404)
        wait_for(lambda: bodies(users.next()) == {"app2"}, "the drained one gets nobody")
        wait_for(lambda: [b["state"] for b in one.status()["balancers"]] == ["NOLB"], "we know that")
        assert re.search(r'^vitald_haproxy_server_up\{server="127\.0\.0\.11:\d+ \S+ app/app1"\} 0$', one.get("/metrics").text, re.M)
        one.ctl("undrain")
        ha.wait_for("app1", status="UP")
        wait_for(lambda: bodies(users.next()) == {"app1", "app2"}, "it is back")

        farm.apps[0].healthy = False
        ha.wait_for("app1", status="DOWN", check_code=503)
        assert bodies(users.next()) == {"app2"}
        farm.apps[0].healthy = True
        ha.wait_for("app1", status="UP")
        assert users.failures(start) == []


def test_httpchk_leaving_in_order_loses_no_request():
    with Farm("haproxy-httpchk", conf=[("shutdown_delay: 10s", "shutdown_delay: 60s")]) as farm, Users(farm.port) as users:
        one = farm.vitalds[0]
        one.signal(signal.SIGTERM)
        farm.ha.wait_for("app1", status="NOLB")
        wait_for(lambda: bodies(users.next()) == {"app2"}, "nobody comes any more")
        one.stop()
        farm.ha.wait_for("app1", status="DOWN")
        farm.apps[0].stop()
        users.next(50)
        assert users.failures() == []


def test_bare_option_httpchk_is_what_the_recipe_sends():
    """OPTIONS / HTTP/1.0 without a Host, on a listener that serves verdicts only."""
    with socket.create_server(("127.0.0.1", 0)) as target:
        config = f"""listen:
  - {{ address: "127.0.0.1:0" }}
probes: {{ app: {{ tcp: "127.0.0.1:{target.getsockname()[1]}", interval: 1s }} }}
groups: {{ ready: {{ all: [app], codes: {{ draining: 404 }} }} }}
"""
        with Vitald(config) as d:
            d.wait_code("/readyz", 200)
            assert re.match(rb"HTTP/1\.[01] 200 ", d.raw(b"OPTIONS / HTTP/1.0\r\n\r\n"))
            d.ctl("drain")
            got = d.raw(b"OPTIONS / HTTP/1.0\r\n\r\n")
            assert re.match(rb"HTTP/1\.[01] 404 ", got) and got.endswith(b"\r\n\r\n")


# ---- agent


def test_agent_up_down_drain():
    with Farm("haproxy-agent", conf=[("probe: load, number: load1_per_cpu, full_at: 0.7, least_at: 3, least: 10", "pass: 100")]) as farm, \
            Users(farm.port) as users:
        ha, (one, _) = farm.ha, farm.vitalds
        ha.wait_for("app1", agent_status="L7OK", weight=lambda w: w in ("80", "100"))
        wait_for(lambda: bodies(users.next()) == {"app1", "app2"}, "both serve")
        farm.apps[0].healthy = False
        ha.wait_for("app1", status="DOWN (agent)", last_agt="via agent : down (app: bad_status)")
        assert bodies(users.next()) == {"app2"}
        farm.apps[0].healthy = True
        ha.wait_for("app1", status="UP")
        one.ctl("drain")
        ha.wait_for("app1", status="UP", weight=0)
        wait_for(lambda: bodies(users.next()) == {"app2"}, "a weight of 0 gets nobody")
        one.ctl("undrain")
        ha.wait_for("app1", status="UP", weight=lambda w: w in ("80", "100"))
        wait_for(lambda: bodies(users.next()) == {"app1", "app2"}, "it is back")
        assert users.failures() == []


@pytest.mark.parametrize("order", ["maint", "drain"])
def test_what_an_operator_ordered_survives_our_agent(order):
    believes = {"maint": "MAINT", "drain": "DRAIN (agent)"}[order]
    with Farm("haproxy-agent") as farm:
        ha, one = farm.ha, farm.vitalds[0]
        ha.command(f"set server app/app1 state {order}")
        ha.wait_for("app1", status=believes)
        agent_asked(one)
        for healthy in False, True:
            farm.apps[0].healthy = healthy
            one.wait_code("/readyz", 200 if healthy else 503)
            agent_asked(one)
            assert healthy is False or ha.server("app1")["status"] == believes
        one.ctl("drain")
        agent_asked(one)
        one.ctl("undrain")
        agent_asked(one)
        assert ha.server("app1")["status"] == believes
        ha.command("set server app/app1 state ready")
        ha.wait_for("app1", status="UP")


def test_admin_words_take_the_administrative_state_over():
    with Farm("haproxy-agent", conf=[("    weight:", "    admin_words: true\n    weight:")]) as farm:
        ha, one = farm.ha, farm.vitalds[0]
        ha.command("set server app/app1 state maint")
        ha.wait_for("app1", status="UP")      # `ready` cancels it: why this is not the default
        one.ctl("drain")
        ha.wait_for("app1", status="DRAIN (agent)")
        one.ctl("undrain")
        ha.wait_for("app1", status="UP")
        one.ctl("maintenance", "app")
        ha.wait_for("app1", status="MAINT")
        one.ctl("resume", "app")
        ha.wait_for("app1", status="UP")
        one.signal(signal.SIGTERM)
        ha.wait_for("app1", status="DOWN (agent)", last_agt="via agent : stopped (leaving)")


def test_leaving_without_a_drain_sends_no_last_down():
    """The server stays as it was: only its own check decides, and it may well be up."""
    with Farm("haproxy-agent") as farm, Users(farm.port) as users:
        ha, one = farm.ha, farm.vitalds[0]
        one.stop(signal.SIGINT)
        ha.wait_for("app1", agent_status="L4CON")
        assert ha.server("app1")["status"] == "UP"
        # a new one that knows nothing yet has nothing to say either
        farm.apps[0].hold.clear()
        text = farm.confs[0].replace("timeout: 1s", "timeout: 60s")
        with Vitald(text) as again:
            assert ask_agent(HOSTS[0], farm.agent_port) == "#starting\n"
            ha.wait_for("app1", agent_status=lambda s: s.startswith("CHECKED") or s.endswith("CHECKED"))
            assert ha.server("app1")["status"] == "UP"
            assert users.failures() == []
            # but it does not keep silent for ever
            ha.wait_for("app1", status="DOWN (agent)", last_agt="via agent : down (starting)")
            farm.apps[0].hold.set()
            again.wait_code("/readyz", 200)
            ha.wait_for("app1", status="UP")


def test_leaving_in_order_drains_first():
    with Farm("haproxy-agent") as farm, Users(farm.port) as users:
        one = farm.vitalds[0]
        one.signal(signal.SIGTERM)
        farm.ha.wait_for("app1", status="UP", weight=0)
        wait_for(lambda: bodies(users.next()) == {"app2"}, "nobody comes any more")
        one.stop()
        farm.ha.wait_for("app1", agent_status="L4CON")
        assert farm.ha.server("app1")["weight"] == "0"
        assert users.failures() == []


def test_weight_from_a_number(server, tmp_path):
    app, agent, queue = server(http_ok), free_port(), tmp_path / "queue"
    queue.write_text("ok | queue=0;;;; other=7\n")
    config = f"""probes:
  app: {{ http: "http://127.0.0.1:{app.port}/", interval: 1s }}
  queue: {{ exec: [/bin/cat, {queue}], interval: 100ms, timeout: 5s, fall: 1 }}
groups:
  ready: {{ all: [app], advisory: [queue] }}
agents:
  - address: 127.0.0.1:{agent}
    weight: {{ probe: queue, number: perf, label: queue, full_at: 10, least_at: 110, least: 20, warn: 70 }}
"""
    with Vitald(config) as d:
        d.wait_code("/readyz", 200)
        for value, line in (0, "up 100%"), (10, "up 100%"), (60, "up 60%"), (110, "up 20%"), (100000, "up 20%"), (35, "up 80%"):
            queue.with_suffix(".new").write_text(f"ok | queue={value} other=7\n")
            queue.with_suffix(".new").rename(queue)
            wait_for(lambda: ask_agent("127.0.0.1", agent) == line + "\n", f"{value}: {line}")
        # without its number the verdict alone decides
        queue.unlink()
        wait_for(lambda: ask_agent("127.0.0.1", agent) == "up 70% #queue: exit\n", ask_agent("127.0.0.1", agent))


def test_slow_agent_clients_are_bounded():
    with Farm("haproxy-agent", cfg=[("agent-inter 100ms", 'agent-inter 100ms agent-send "who are you\\n"')]) as farm:
        ha, one = farm.ha, farm.vitalds[0]

        def metric(name):
            return int(re.search(rf"^vitald_{re.escape(name)} (\d+)$", one.get("/metrics").text, re.M).group(1))
        fds = one.fds()
        with contextlib.ExitStack() as stack:
            for _ in range(400):      # connect, say nothing, read nothing, never close
                stack.enter_context(socket.create_connection((HOSTS[0], farm.agent_port), 5))
            wait_for(lambda: metric('agent_connections_limited_total{bound="full"}') > 200, "the bound is hit")
            assert metric("agent_connections") <= 64 and one.fds() <= fds + 80
            began = time.monotonic()
            assert ask_agent(HOSTS[0], farm.agent_port).startswith("up ")
            assert time.monotonic() - began < 2
            agent_asked(one)
            assert ha.server("app1")["status"] == "UP" and ha.server("app1")["agent_status"].endswith("L7OK")
            wait_for(lambda: metric("agent_connections") < 5, "those that never end are ended")
            assert metric('agent_connections_limited_total{bound="deadline"}') > 0
        # one that talks without end is cut by what it said, before its time is over
        late = metric('agent_connections_limited_total{bound="deadline"}')
        with socket.create_connection((HOSTS[0], farm.agent_port), 5) as s:
            with pytest.raises(OSError):
                while True:
                    s.sendall(b"x" * 65536)
        assert metric('agent_connections_limited_total{bound="deadline"}') == late


# ---- gate


def test_a_gate_for_a_balancer_that_only_connects():
    with Farm("haproxy-gate") as farm, Users(farm.port) as users:
        ha, one = farm.ha, farm.vitalds[0]
        for _ in range(2):
            farm.apps[0].healthy = False
            ha.wait_for("app1", status="DOWN", check_status="L4CON")
            assert bodies(users.next()) == {"app2"}
            farm.apps[0].healthy = True
            ha.wait_for("app1", status="UP")
            wait_for(lambda: bodies(users.next()) == {"app1", "app2"}, "both serve")
        assert users.failures() == []
        assert "vitald_gates_open 1" in one.get("/metrics").text


# ---- reload


def test_ports_over_a_reload(server):
    app, old, new = server(http_ok), free_port(), free_port()
    base = f"""probes: {{ app: {{ http: "http://127.0.0.1:{app.port}/", interval: 1s }}, other: {{ tcp: "127.0.0.1:{free_port()}" }} }}
groups: {{ ready: [app], broken: [other] }}
"""
    with Vitald(base + f"agents: 127.0.0.1:{old}\ngates: 127.0.0.1:{new}\n") as d:
        d.wait_code("/readyz", 200)
        assert ask_agent("127.0.0.1", old) == "up 100%\n"
        assert ask_agent("127.0.0.1", new) == ""
        # the same address, another group
        d.reload(base + f"agents: {{ address: '127.0.0.1:{old}', group: broken }}\ngates: {{ address: '127.0.0.1:{new}', group: broken }}\n")
        wait_for(lambda: ask_agent("127.0.0.1", old) == "down #other: refused\n", "it tells about the other group")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", new), 5)
        # what cannot be opened is refused as a whole
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for bad in f"agents: 127.0.0.1:{port}\n", f"agents: 127.0.0.1:{new}\ngates: 127.0.0.1:{port}\n":
                assert "in use" in d.reload(base + bad, ok=False).stderr
        assert ask_agent("127.0.0.1", old) == "down #other: refused\n"
        with pytest.raises(ConnectionRefusedError):      # nothing that was opened for it is left
            socket.create_connection(("127.0.0.1", new), 5)
        d.reload(base)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", old), 5)
        d.reload(base + f"agents: 127.0.0.1:{old}\n")
        assert ask_agent("127.0.0.1", old) == "up 100%\n"
