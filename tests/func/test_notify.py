"""Notifications: real receivers (an HTTP server that can be slow, dead, refusing or endless; a program; Debian's Alertmanager)
hear of what settled, once, and a broken one costs nobody anything."""
import contextlib
import http.client
import http.server
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import pytest

from daemon import Vitald, check_config, free_port, wait_for

QUICK = "defaults: { interval: 100ms, timeout: 80ms, interval_unsettled: 50ms, fall: 1, rise: 1 }\n"


class Receiver:
    """An HTTP server that keeps what is posted; answer(path, headers, body) -> (status, headers) decides."""

    def __init__(self, answer=None, tls=None, port=0):
        self.got, outer = [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers = (answer or (lambda *_: (200, {})))(self.path, self.headers, body)
                outer.got.append((self.path, dict(self.headers), body, time.monotonic(), status))
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def messages(self, status=200):
        return [json.loads(body) for _, _, body, _, s in list(self.got) if s == status]

    def titles(self):
        return [(m["status"], m["name"]) for m in self.messages()]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()


class Target:
    """A file that a probe wants: up and down at will, without a port that others could take."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="nt")
        self.path = os.path.join(self.dir, "alive")
        self.set(True)

    def set(self, up):
        if up:
            open(self.path, "w").close()
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)

    def probe(self, more=""):
        return f"{{ file: {self.path}{more} }}"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.dir)


def receivers(v):
    return {r["receiver"] + ":" + r["kind"]: r for r in v.status()["receivers"]}


def test_a_fault_and_its_end_are_told_once_with_what_hangs_on_it():
    with Receiver() as chat, Target() as t:
        children = "".join(f"  child{i}: {{ file: {t.path}, depends_on: [db] }}\n" for i in range(30))
        config = QUICK + (f"probes:\n  db: {t.probe()}\n{children}"
                          f"notify:\n  chat: {{ webhook: 'http://127.0.0.1:{chat.port}/hook', group_wait: 300ms }}\n")
        with Vitald(config) as v:
            v.wait_code("/readyz", 200)
            t.set(False)
            wait_for(lambda: chat.got, "a message")
            first = chat.messages()[0]
            assert (first["status"], first["name"], first["kind"]) == ("firing", "db", "probe")
            assert first["affected"] == [f"child{i}" for i in range(30)] and first["groups"] == ["ready"]
            assert first["reason"] == "not_found" and first["severity"] == "critical" and first["host"] in first["title"]
            t.set(True)
            wait_for(lambda: len(chat.got) == 2, "the end")
            v.wait_code("/readyz", 200)
            last = chat.messages()[1]
            assert last["status"] == "resolved" and last["key"] == first["key"] and last["duration"] > 0 and last["since"] == first["since"]
            t.set(False)
            wait_for(lambda: len(chat.got) == 3, "the next fault")
            assert chat.titles() == [("firing", "db"), ("resolved", "db"), ("firing", "db")]      # nothing else came in between
            wait_for(lambda: receivers(v)["chat:webhook"]["delivered"] == 3, "its answer counts")
            assert re.search(r'^vitald_notify_delivered_total\{receiver="chat"\} 3$', v.get("/metrics").text, re.M)


def test_a_template_headers_tokens_and_tls(ca):
    crt, key = ca.issue("receiver")
    with Receiver(tls=(crt, key)) as chat, Target() as t:
        secret = os.path.join(t.dir, "url")
        with open(secret, "w") as f:
            f.write(f"https://localhost:{chat.port}/services/T0PSECRET\n")
        os.chmod(secret, 0o400)
        webhook = (f"{{ url: {{ file: {secret} }}, tls: {{ ca: {ca.ca} }}, bearer: B3ARERTOKEN, headers: {{ X-Key: H3ADERKEY }}, "
                   "body: '{\"m\": \"[{{status}}] {{title}}\", \"p\": {{priority}}, \"who\": {{groups}}, \"key\": \"B0DYKEY\"}' }")
        with Vitald(QUICK + f"probes: {{ db: {t.probe()} }}\nnotify: {{ chat: {{ webhook: {webhook}, group_wait: 0 }} }}\n") as v:
            v.wait_code("/readyz", 200)
            t.set(False)
            wait_for(lambda: chat.got, "a message")
            path, headers, body, _, _ = chat.got[0]
            said = json.loads(body)
            assert path == "/services/T0PSECRET" and headers["Authorization"] == "Bearer B3ARERTOKEN" and headers["X-Key"] == "H3ADERKEY"
            assert said["m"].startswith("[firing] db is down") and said["p"] == 5 and said["who"] == ["ready"]
            dump = subprocess.run([v.binary, "-c", v.conf, "--dump-config"], capture_output=True, text=True).stdout
            everything = dump + v.log() + v.get("/status").text + v.get("/metrics").text + v.ctl("notify").stdout + v.get("/").text
            for word in ("T0PSECRET", "B3ARERTOKEN", "H3ADERKEY", "B0DYKEY"):
                assert word not in everything


def test_a_certificate_that_is_not_trusted_gets_nothing(ca):
    crt, key = ca.issue("stranger")
    with Receiver(tls=(crt, key)) as chat, Vitald(f"probes: {{ ok: {{ exec: [/bin/true] }} }}\nnotify: {{ chat: {{ webhook: 'https://localhost:{chat.port}/x' }} }}\n") as v:
        r = v.ctl("notify", "test", "chat")
        assert r.returncode == 1 and "certificate" in r.stdout + r.stderr and not chat.got


def dead_port():
    """Nobody listens there, and nobody else can meanwhile."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s


def endless(sock):
    """An answer whose head never ends."""
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        sock.sendall(b"X-More: " + b"y" * 1000 + b"\r\n")


def endless_body(sock):
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        sock.sendall(b"400\r\n" + b"y" * 1024 + b"\r\n")


def mute(sock):
    while sock.recv(65536):
        pass


def test_broken_receivers_cost_only_themselves(server):
    with Receiver() as good, Target() as t, dead_port() as dead:
        ports = {"dead": dead.getsockname()[1], "mute": server(mute).port, "endless": server(endless).port, "body": server(endless_body).port}
        lines = "".join(f"  {name}: {{ webhook: {{ url: 'http://127.0.0.1:{port}/', timeout: 500ms }}, group_wait: 0, retry_for: 2s }}\n" for name, port in ports.items())
        with Vitald(QUICK + f"probes: {{ db: {t.probe()}, app: {{ exec: [/bin/true] }} }}\nnotify:\n{lines}  good: {{ webhook: 'http://127.0.0.1:{good.port}/', group_wait: 0 }}\n") as v:
            v.wait_code("/readyz", 200)
            before = v.probe("app")["attempts"]["pass"]
            t.set(False)
            wait_for(lambda: good.titles() == [("firing", "db")], "the good one is told")
            wait_for(lambda: all(receivers(v)[f"{n}:webhook"]["retried"] for n in ("dead", "mute", "endless")), "the others fail")
            wait_for(lambda: receivers(v)["body:webhook"]["delivered"] == 1, "a status is enough")
            wait_for(lambda: v.probe("app")["attempts"]["pass"] > before + 5, "probes go on")
            told = receivers(v)
            assert "refused" in told["dead:webhook"]["error"] and "no answer within 500ms" in told["mute:webhook"]["error"]
            wait_for(lambda: all(receivers(v)[f"{n}:webhook"]["expired"] for n in ("dead", "mute", "endless")), "there is an end to it")
            assert len(re.findall(r"receiver=dead .*cannot be told", v.log())) == 1
            assert v.probe("app")["outcome"]["class"] == "pass"


def test_later_and_no_are_different_answers():
    answers = [(503, {}), (429, {"Retry-After": "2"}), (200, {})]
    with Receiver(lambda path, *_: answers[min(sum(p == "/later" for p, *_ in later.got), 2)] if path == "/later" else (403, {})) as later, Target() as t:
        config = QUICK + (f"probes: {{ db: {t.probe()} }}\nnotify:\n  later: {{ webhook: 'http://127.0.0.1:{later.port}/later', group_wait: 0 }}\n"
                          f"  no: {{ webhook: 'http://127.0.0.1:{later.port}/no', group_wait: 0 }}\n")
        with Vitald(config) as v:
            v.wait_code("/readyz", 200)
            t.set(False)
            wait_for(lambda: receivers(v)["later:webhook"]["delivered"] == 1, "the third try")
            tries = [when for path, _, _, when, _ in later.got if path == "/later"]
            assert len(tries) == 3 and tries[1] - tries[0] > 0.7 and tries[2] - tries[1] > 1.9
            no = receivers(v)["no:webhook"]
            assert (no["refused"], no["retried"], no["waiting"]) == (1, 0, 0) and "HTTP 403" in no["error"] and no["failing_since"]
            assert sum(path == "/no" for path, *_ in later.got) == 1
            assert "receiver failing" in v.ctl("events").stdout and "receiver works" in v.ctl("events").stdout


HOOK = """#!/bin/sh
{ env; printf '%s\\n' "$@"; cat; } > "$OUT/new.$$" && mv "$OUT/new.$$" "$OUT/$VITALD_STATUS"
exit 0
"""


def test_a_hook_gets_facts_and_nothing_else():
    with Target() as t:
        hook, evil = os.path.join(t.dir, "hook"), "$(touch OUT/pwned); `touch OUT/pwned` \\\"; rm -rf / #<b> %s\\n".replace("OUT", t.dir)
        with open(hook, "w") as f:
            f.write(HOOK)
        os.chmod(hook, 0o755)
        script = os.path.join(t.dir, "check")
        with open(script, "w") as f:
            f.write(f"#!/bin/sh\ntest -e {t.path} && exit 0\ncat <<'END'\n{evil}\nEND\nexit 2\n")
        os.chmod(script, 0o755)
        config = (f"probes: {{ db: {{ exec: [{script}], interval: 100ms, timeout: 5s, fall: 1, rise: 1 }} }}\n"
                  f"notify: {{ me: {{ exec: {{ command: [{hook}, 'a b', '$HOME'], env: {{ OUT: {t.dir} }} }}, group_wait: 0 }} }}\n")
        with Vitald(config, env={"LEAK": "not this"}) as v:
            v.wait_code("/readyz", 200)
            t.set(False)
            text = open(wait_for(lambda: os.path.exists(f"{t.dir}/firing") and f"{t.dir}/firing", "the hook ran")).read()
            facts = json.loads(text[text.index('{"title"'):])
            assert facts["detail"] == v.probe("db")["outcome"]["text"] and "$(touch" in facts["detail"]
            assert f"VITALD_DETAIL={facts['detail']}\n" in text and "VITALD_NAME=db\n" in text and "\na b\n$HOME\n" in text
            assert "LEAK" not in text and not os.path.exists(f"{t.dir}/pwned")
            t.set(True)
            wait_for(lambda: os.path.exists(f"{t.dir}/resolved"), "and its end")


def test_hooks_that_fail_hang_or_are_missing():
    with tempfile.TemporaryDirectory() as d:
        for name, body in {"again": "exit 75", "never": "echo no way; exit 3", "hangs": "exec sleep 1000"}.items():
            with open(f"{d}/{name}", "w") as f:
                f.write(f"#!/bin/sh\n{body}\n")
            os.chmod(f"{d}/{name}", 0o755)
        lines = "".join(f"  {n}: {{ exec: {{ command: {d}/{n}, timeout: 300ms }} }}\n" for n in ("again", "never", "hangs", "missing"))
        with Vitald("probes: { ok: { exec: [/bin/true] } }\nnotify:\n" + lines) as v:
            for name, said in {"again": "exit code 75", "never": "exit code 3: no way", "hangs": "no answer within 300ms", "missing": "No such file"}.items():
                r = v.ctl("notify", "test", name)
                assert r.returncode == 1 and said in r.stdout + r.stderr, (name, r.stdout, r.stderr)
            assert v.ctl("notify", "test", "agian").stderr.strip().endswith("did you mean `again`?")
            assert v.ctl("notify").stdout.count("delivered") == 4
            wait_for(lambda: not re.search("sleep", "".join(v.children())), "nothing is left behind")


def test_flapping_is_one_message_and_people_ordered_things_are_none():
    with Receiver() as chat, Target() as t, Target() as other:
        config = QUICK + (f"probes: {{ db: {t.probe()}, calm: {other.probe()} }}\n"
                          f"notify: {{ chat: {{ webhook: 'http://127.0.0.1:{chat.port}/', group_wait: 1s, groups: none, flapping: {{ changes: 4, window: 1h }} }} }}\n")
        with Vitald(config) as v:
            v.wait_code("/readyz", 200)
            v.ctl("maintenance", "calm")
            other.set(False)
            v.wait_state("calm", "down")
            for _ in range(4):
                t.set(False)
                v.wait_state("db", "down")
                t.set(True)
                v.wait_state("db", "up")
            wait_for(lambda: chat.got, "a message")
            assert ("flapping", "db") in chat.titles() and "calm" not in str(chat.titles())
            count = len(chat.got)
            t.set(False)
            v.wait_state("db", "down")
            v.ctl("resume", "calm")
            wait_for(lambda: chat.titles()[-1] == ("firing", "calm"), "what was ordered is over")
            assert len(chat.got) == count + 1


def test_neither_a_start_nor_a_drain_is_an_alarm():
    with Receiver() as chat, Target() as t:
        with Vitald(QUICK + f"probes: {{ db: {t.probe()} }}\nnotify: {{ chat: {{ webhook: 'http://127.0.0.1:{chat.port}/', group_wait: 0 }} }}\n") as v:
            v.wait_code("/readyz", 200)
            assert v.ctl("drain").returncode == 0
            v.wait_code("/readyz", 503)
            t.set(False)
            wait_for(lambda: chat.got, "the probe is told")
            assert chat.titles() == [("firing", "db")] and chat.messages()[0]["groups"] == []
            assert v.ctl("undrain").returncode == 0
            wait_for(lambda: len(chat.got) == 2, "and what it would have taken along, once nobody drains")
            assert chat.titles()[1] == ("firing", "ready") and chat.messages()[1]["causes"] == ["db"]


def test_nothing_is_told_twice_by_a_reload_or_a_restart():
    with Receiver() as chat, Target() as t:
        config = QUICK + (f"state_file: {t.dir}/state\nprobes: {{ db: {t.probe()} }}\n"
                          f"notify: {{ chat: {{ webhook: 'http://127.0.0.1:{chat.port}/', group_wait: 200ms }} }}\n")
        with Vitald(config) as v:
            v.wait_code("/readyz", 200)
            t.set(False)
            wait_for(lambda: chat.titles() == [("firing", "db")], "told")
            v.reload(config + "aliases: { /x: ready }\n")
            v.reload(config.replace("chat:", "chat2:") + "\n")              # another one has not heard of it yet
            wait_for(lambda: chat.titles() == [("firing", "db")] * 2, "who is new is told")
            v.reload(config.replace("chat:", "chat2:").replace("probes: {", "probes: { ok: { exec: [/bin/true] },"))
            v.wait_state("ok", "up")
            wait_for(lambda: b"chat2 pdb" in open(f"{t.dir}/state", "rb").read(), "it is kept")
        with Vitald(config.replace("chat:", "chat2:")) as v:
            v.wait_state("db", "down")
            t.set(True)
            v.wait_state("db", "up")
            wait_for(lambda: len(chat.got) == 3, "its end")
            assert chat.titles() == [("firing", "db")] * 2 + [("resolved", "db")]


def test_what_was_never_delivered_is_told_after_a_restart():
    with Target() as t, dead_port() as dead:
        port = dead.getsockname()[1]
        config = QUICK + (f"state_file: {t.dir}/state\nprobes: {{ db: {t.probe()} }}\n"
                          f"notify: {{ chat: {{ webhook: 'http://127.0.0.1:{port}/', group_wait: 0 }} }}\n")
        with Vitald(config) as v:
            v.wait_code("/readyz", 200)
            t.set(False)
            wait_for(lambda: receivers(v)["chat:webhook"]["retried"], "nobody is there")
        dead.close()
        with Receiver(port=port) as chat, Vitald(config) as v:
            wait_for(lambda: chat.got, "told now")
            assert chat.titles() == [("firing", "db")] and chat.messages()[0]["groups"] == ["ready"]


class Alertmanager:
    def __init__(self):
        self.dir, self.port = tempfile.mkdtemp(prefix="am"), free_port()
        with open(f"{self.dir}/am.yml", "w") as f:
            f.write("route: { receiver: none }\nreceivers: [{ name: none }]\n")
        self.log = open(f"{self.dir}/log", "wb")
        self.process = subprocess.Popen(["prometheus-alertmanager", f"--config.file={self.dir}/am.yml", f"--storage.path={self.dir}/data",
                                         f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="], stdout=self.log, stderr=self.log)
        wait_for(lambda: self.get("/-/ready") is not None, "Alertmanager is ready")

    def get(self, path):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(c), contextlib.suppress(OSError):
            c.request("GET", path)
            r = c.getresponse()
            return r.read() if r.status == 200 else None

    def alerts(self):
        return {a["labels"]["alertname"]: a for a in json.loads(self.get("/api/v2/alerts") or "[]")}

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.mark.skipif(not shutil.which("prometheus-alertmanager"), reason="prometheus-alertmanager is not installed")
def test_a_real_alertmanager_hears_of_it_keeps_it_and_sees_it_resolved():
    with contextlib.ExitStack() as stack:
        t = stack.enter_context(Target())
        both = [Alertmanager(), Alertmanager()]
        for am in both:
            stack.callback(am.stop)
        urls = ", ".join(f"{{ url: 'http://127.0.0.1:{am.port}', labels: {{ team: shop }}, resend: 1s }}" for am in both)
        config = QUICK + (f"probes: {{ db: {t.probe()}, a: {{ file: {t.path}, depends_on: [db] }} }}\n"
                          f"notify: {{ prom: {{ alertmanager: [{urls}], group_wait: 200ms }} }}\n")
        config += f"state_file: {t.dir}/state\n"
        v = stack.enter_context(Vitald(config))
        v.wait_code("/readyz", 200)
        t.set(False)
        for am in both:
            alert = wait_for(lambda: am.alerts().get("VitaldProbeDown"), "the alert")
            assert alert["labels"] | {"instance": ""} == {"alertname": "VitaldProbeDown", "job": "vitald", "instance": "", "severity": "critical",
                                                          "probe": "db", "type": "file", "team": "shop"}
            assert alert["annotations"]["affected"] == "a" and alert["annotations"]["groups"] == "ready"
            assert len(am.alerts()) == 1
        one = both[0].alerts()["VitaldProbeDown"]
        later = wait_for(lambda: (a := both[0].alerts().get("VitaldProbeDown")) and a["endsAt"] > one["endsAt"] and a, "it is sent again")
        assert later["startsAt"] == one["startsAt"] and later["fingerprint"] == one["fingerprint"]
        shown = subprocess.run(["amtool", f"--alertmanager.url=http://127.0.0.1:{both[0].port}", "alert", "query"], capture_output=True, text=True)
        assert "VitaldProbeDown" in shown.stdout, shown
        v.stop()
        v = stack.enter_context(Vitald(config))                     # a restart keeps it alive, as the same
        last = both[0].alerts()["VitaldProbeDown"]
        later = wait_for(lambda: (a := both[0].alerts().get("VitaldProbeDown")) and a["endsAt"] > last["endsAt"] and a, "the next process sends it again")
        assert later["fingerprint"] == one["fingerprint"] and later["annotations"]["affected"] == "a"
        t.set(True)
        for am in both:
            wait_for(lambda: not am.alerts(), "it is resolved")
        wait_for(lambda: all(r["waiting"] == 0 for r in v.status()["receivers"]), "and forgotten")
        assert v.ctl("notify", "test", "prom").returncode == 0
        wait_for(lambda: "VitaldTest" in both[1].alerts(), "a test")


@pytest.mark.parametrize("notify, said", [
    ("{ webhook: 'ftp://x/' }", "it must begin with http://"),
    ("{ webhook: { url: 'http://h/', body: '{\"a\": \"{{titel}}\"}' } }", "did you mean {{title}}"),
    ("{ webhook: { url: 'http://h/', body: '{\"{{title}}\": 1}' } }", "a member's name cannot hold a placeholder"),
    ("{ webhook: { url: 'http://h/', headers: { Host: x } } }", "`Host` is set by vitald itself"),
    ("{ webhook: { url: 'http://h/', headers: { X: \"a\\r\\nEvil: 1\" } } }", "a value holds a line break"),
    ("{ webhook: 'http://h/', groups: [redy] }", "did you mean `ready`"),
    ("{ webhook: 'http://h/', probes: [ready] }", "`ready` is a group: it belongs under `groups`"),
    ("{ webhook: { url: 'http://h/', tls: true } }", "the URL does not begin with https://"),
    ("{ exec: [on-change] }", "absolute path"),
    ("{ exec: [/bin/sh, /usr/local/bin/on-change] }", "a list would be several programs"),
    ("{ exec: /bin/sh }", "would run the message as a program"),
    ("{ exec: { command: [/usr/bin/python3.11, '-'] } }", "would run the message as a program"),
    ("{ exec: [{ command: [/bin/bash, -s, x] }, { command: [/bin/true] }] }", "would run the message as a program"),
    ("{ alertmanager: { url: 'http://h/', labels: { severity: x } } }", "none of vitald's own"),
    ("{ groups: [ready] }", "needs one of `webhook`, `exec`, `alertmanager`"),
])
def test_what_cannot_work_is_refused(notify, said):
    r = check_config("probes: { a: { tcp: 'x:1' } }\nnotify: { me: " + notify + " }\n")
    assert r.returncode != 0 and said in r.stderr, r.stderr


@pytest.mark.parametrize("notify, said", [
    ("{ webhook: { url: 'http://h/', bearer: x } }", "sends a credential to http://h in the clear"),
    ("{ webhook: 'http://u:p@h/' }", "in the clear"),
    ("{ webhook: 'https://h/', groups: none }", "no receiver is told of the group `ready`"),
    ("{ webhook: 'https://h/', groups: none, probes: none }", "is told of nothing"),
])
def test_what_will_not_do_what_is_hoped_is_said(notify, said):
    r = check_config("probes: { a: { tcp: 'x:1' } }\nnotify: { me: " + notify + " }\n")
    assert r.returncode == 0 and said in r.stderr, r.stderr


def test_every_fact_is_in_the_manual():
    from daemon import ROOT
    manual = open(f"{ROOT}/man/vitald.yaml.5.in").read()
    section = manual[manual.index("The facts are:"):]
    told = {name for line in re.findall(r"^\.It Va (.*)$", section[:section.index(".El")], re.M) for name in line.replace(",", " ").split()}
    with Receiver() as chat, Vitald(f"probes: {{ ok: {{ exec: [/bin/true] }} }}\nnotify: {{ chat: {{ webhook: 'http://127.0.0.1:{chat.port}/' }} }}\n") as v:
        assert v.ctl("notify", "test", "chat").returncode == 0
        assert set(chat.messages()[0]) - {"allowed_mentions"} == told
