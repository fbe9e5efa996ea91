#!/usr/bin/python3
"""asker.py OUT RATE HOST PORT PATH [kept]: one user. Asks that often a second and writes a JSON line for each request: when, how
long it took, what came, and for how long the asker itself was runnable without a processor meanwhile."""
import contextlib
import http.client
import json
import signal
import sys
import time


def delay():
    with open("/proc/self/schedstat") as f:
        return int(f.read().split()[1]) / 1e9


class User:
    def __init__(self, host, port, path, kept):
        self.host, self.port, self.path, self.kept, self.connection = host, port, path, kept, None

    def ask(self):
        try:
            if not self.connection:
                self.connection = http.client.HTTPConnection(self.host, self.port, timeout=3)
            self.connection.request("GET", self.path)
            answer = self.connection.getresponse()
            said = answer.status, answer.read(200).decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as e:
            said = 0, type(e).__name__
        if not self.kept or said[0] == 0:
            with contextlib.suppress(OSError, AttributeError):
                self.connection.close()
            self.connection = None
        return said


def main(out, rate, host, port, path, kept=""):
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    user, pause = User(host, int(port), path, kept), 1 / float(rate)
    with open(out, "w", buffering=1) as f:
        while not over:
            at, lost = time.time(), delay()
            began = time.monotonic()
            code, text = user.ask()
            took = time.monotonic() - began
            f.write(json.dumps({"at": at, "took": round(took, 5), "lost": round(delay() - lost, 5), "code": code, "text": text[:60]}) + "\n")
            time.sleep(max(0, pause - took))


main(*sys.argv[1:])
