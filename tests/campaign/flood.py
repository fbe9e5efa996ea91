#!/usr/bin/python3
"""flood.py PORT SOURCE: from that address, requests as fast as one process can, and fifty connections that never end theirs."""
import contextlib
import signal
import socket
import sys

over = []
signal.signal(signal.SIGTERM, lambda *_: over.append(1))


def connect():
    s = socket.socket()
    s.settimeout(1)
    s.bind((sys.argv[2], 0))
    s.connect(("127.0.0.1", int(sys.argv[1])))
    return s


slow = []
while not over:
    with contextlib.suppress(OSError):
        if len(slow) < 50:
            slow.append(connect())
            slow[-1].sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        with contextlib.closing(connect()) as s:
            s.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n" * 4 + b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
            while not over and s.recv(65536):
                pass
