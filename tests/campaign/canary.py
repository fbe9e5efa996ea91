#!/usr/bin/python3
"""canary.py OUT: a little work four times a second, as a server does for one login, and how long it had to wait for a processor."""
import json
import signal
import sys
import time

over = []
signal.signal(signal.SIGTERM, lambda *_: over.append(1))
signal.signal(signal.SIGINT, signal.SIG_IGN)


def delay():
    with open("/proc/self/schedstat") as f:
        return int(f.read().split()[1]) / 1e9


with open(sys.argv[1], "w", buffering=1) as out:
    while not over:
        at, lost, worked = time.time(), delay(), time.process_time()
        while time.process_time() < worked + 0.01:
            pass
        out.write(json.dumps({"at": at, "took": round(time.time() - at, 4), "lost": round(delay() - lost, 4)}) + "\n")
        time.sleep(0.25)
