#!/usr/bin/python3
"""The same bytes to vitald, to nginx and to Node's llhttp: where one of them sees a request, the others must not see something else.

    tests/func/differential.py [--cases N] [--seed S]        make differential CASES=N SEED=S

Every case is a connection's worth of bytes, made from a seed: pipelined requests, bent in the ways that smuggle. Each
server tells which requests it saw; what vitald may not do is listed at `judge`. A case that fails is printed with its
number, so that `--seed S --first N --cases 1` shows it again."""
import argparse
import contextlib
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile

from daemon import ROOT, Vitald, wait_for

GROUPS = 8                  # /g0 ... /g7; vitald answers the n-th with 220 + n, so that its answers tell what it saw
BATCH = 48


# ---- cases ----

METHODS = [b"GET"] * 24 + [b"HEAD", b"OPTIONS", b"POST", b"PUT", b"DELETE", b"TRACE", b"CONNECT", b"FOO", b"get", b"G\0ET", b"GE T", b"G\tET", b"PRI",
                           b"", b"GET\r", b"GET\n", b"M-SEARCH", b"G(T", b"\x80GET"]
VERSIONS = [b"HTTP/1.1"] * 24 + [b"HTTP/1.0"] * 4 + [b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1", b"HTTP/1.", b"HTTP/01.1", b"HTTP/1.01", b"http/1.1",
                                 b"HTTP/1.1 ", b" HTTP/1.1", b"HTTP/1.1\t", b"HTTP /1.1", b"HTTP/1.1x", b"HTTP/11", b"", b"HTTP/1.1\r", b"HTTP/1,1", b"HTTP/1.\xb2"]
ENDS = [b"\r\n"] * 40 + [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n ", b"\0\r\n", b" \r\n", b"\t\r\n", b"\x0b\r\n", b"\r\0\n", b"\x85", b"\r\n\t", b"\n\n"]
GAPS = [b" "] * 40 + [b"  ", b"\t", b"", b"\x0b", b"\x0c", b"\0", b"\xa0", b" \t", b"\r", b"\r ", b"\n "]
COLONS = [b": "] * 30 + [b":", b" : ", b" :", b"\t:", b":\t", b":  ", b"\0: ", b":\0", b"::", b"=", b" ", b"\x0b: ", b":\x0b", b":\r\n ", b"\r\n: ", b":\n ", b":\x0c"]
NAME_ENDS = [b""] * 40 + [b" ", b"\t", b"\0", b"\r", b"\x0b", b"_", b"\x80", b"(", b",", b"\r\n", b"\n", b"\x7f"]
TOKENS = [b"\0", b"\n", b"\r", b"\r\n", b" ", b"\t", b"\x0b", b"\x0c", b"\x1c", b"\x7f", b"\x80", b"\xa0", b"\xff", b":", b",", b";", b"\r\n\r\n", b"\n\n", b"\r\n ",
          b"0", b"chunked", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: y\r\n", b"/", b"?", b"#", b"%00", b"%0d%0a", b"\"", b"\\"]
CODINGS = [b"chunked", b"Chunked", b"xchunked", b"chunked, identity", b"identity", b"identity, chunked", b"chunked;x=y", b"\x0bchunked", b"chunked\x0b", b"gzip, chunked",
           b"chunked, chunked", b"", b"\tchunked", b"chunked\0", b",chunked", b"chunked,", b"\"chunked\"", b"gzip", b"c\rhunked", b"chunk", b"chunkedx"]
HOSTS = [b"x"] * 30 + [b"x:80", b"", b"[::1]", b"[::1]:80", b"x:", b"x y", b"x/y", b"x@y", b"x,y", b"x\0", b"x:80:80", b"x?y", b"x#y", b"\xc3\xa4", b"x%41", b"x\\y", b"[x", b"x]",
                     b"\"x\"", b"x;y", b"<x>", b"x\ty", b"x:99999", b"x:a", b".", b"..", b"x..y", b"^"]
CONNECTIONS = [b"keep-alive", b"close", b"Close", b"close, keep-alive", b"keep-alive, close", b"closed", b"Host", b"Content-Length", b"Transfer-Encoding", b"upgrade",
               b"Upgrade, HTTP2-Settings", b",", b"", b"keep-alive\0", b"te, close", b"close;", b"\"close\""]
PLAIN = [b"Accept: */*", b"User-Agent: kube-probe/1.34", b"X-Y: " + b"z" * 200, b"X: \x80\xff", b"Expect: 100-continue", b"Upgrade: websocket", b"Upgrade: h2c",
         b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", b"TE: trailers, chunked", b"Trailer: Content-Length", b"Range: bytes=0-1", b"Content_Length: 5", b"Content-Encoding: chunked",
         b"Transfer_Encoding: chunked", b"Content-Length-X: 5", b"X-Content-Length: 5", b"If-None-Match: *", b"X:", b":", b"", b"X", b"X Y: z", b" X: y", b"Max-Forwards: 0"]


def lengths(n):
    d = b"%d" % n
    return [d] * 6 + [b"+" + d, b"-" + d, b"0x" + d, b" " + d, d + b" ", d + b"\t", b"\t" + d, b"00" + d, b"0" * 25 + d, d + b", " + d, d + b"," + b"%d" % (n + 1), d + b".0",
                      d + b"e0", d + b"\x0b", b"\x0b" + d, d + b"\0", b"", b"%d" % (n + 2**32), b"%d" % (n + 2**64), b"%d" % (2**63), b"9" * 30, b"0", b"-0", b"+0", b"0, 0", b"0x0",
                      d + b";", b"\"" + d + b"\"", d + b" " + d, b"0 " + d, d + b"\r\n " + d, b"\xb2", d + b"a", b"a" + d, b"_" + d, b"1_0"]


class Maker:
    def __init__(self, seed, number):
        self.r = random.Random(f"{seed}/{number}")
        self.path = 0

    def pick(self, choices):
        return self.r.choice(choices)

    def rarely(self, share=0.1):
        return self.r.random() < share

    def next_path(self):
        self.path = min(self.path + 1, GROUPS)
        return b"/g%d" % (self.path - 1)

    def target(self):
        path = self.next_path()
        if not self.rarely():
            return path
        return self.pick([b"http://x" + path, b"HTTP://x" + path, b"https://x:443" + path, b"http:/" + path, b"http://" + path, b"//x" + path, path + b"?a=b", path + b"#f", path + b"/",
                          path + b"?a b", path + b" x", b"*", b"x:80", b"", path + b"%20", path + b"\x80", path + b"\x7f", path + b"\0", path + b"\t", path + b"?\"<>", b"http://y" + path,
                          b"http://x", b"http://x?a", b"ftp://x" + path, b"http://u@x" + path, b"http://x y" + path, b"http://[::1]" + path, path + b"?" + b"q" * 3000, path + b"\\",
                          b"http://x\0" + path, b"x" + path, b"?" + path, b"/.." + path, b"/./" + path[1:], b"http://x#" + path, b"http://x\\y" + path, b"http:" + path])

    def field(self, name, value):
        end = self.pick(NAME_ENDS) if self.rarely() else b""
        colon = self.pick(COLONS) if self.rarely() else b": "
        if self.rarely(0.05):
            name = self.pick([name.lower(), name.upper(), b" " + name, name.replace(b"-", b"_"), b"\0" + name, name[:-1], name + b"s", b"\xef\xbb\xbf" + name, name.replace(b"-", b" ")])
        return name + end + colon + value + self.end()

    def end(self):
        return self.pick(ENDS) if self.rarely(0.06) else b"\r\n"

    def chunked(self, inner):
        size = b"%x" % len(inner)
        if self.rarely(0.4):
            size = self.pick([size + b";a=b", size + b" ", size + b" ;a", b"0" + size, b"0x" + size, size.upper(), size + b";\n", size + b"\r", size + b";a=\"\r\n\"", b"+" + size,
                              b"-" + size, b"%x" % (len(inner) + 2**32), b"%x" % (len(inner) + 2**64), b"f" * 17, b" " + size, b"", size + b"\0", size + b"x", size + b"\t"])
        last = self.pick([b"0\r\n\r\n"] * 8 + [b"0\r\nX: y\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n", b"0\n\n", b"0\r\n", b"00\r\n\r\n", b"0;a\r\n\r\n", b"0 \r\n\r\n", b"\r\n", b""])
        return size + self.end() + inner + self.end() + last

    def body(self):
        """Fields that frame a body, and the body, which holds a whole request: the one that must stay unseen."""
        inner = b"GET " + self.next_path() + b" HTTP/1.1\r\nHost: x\r\n\r\n" if self.rarely(0.8) else b"a=b"
        fields, raw = [], b""
        kind = self.r.randrange(6)
        if kind in (0, 2, 3):
            fields.append(self.field(b"Content-Length", self.pick(lengths(len(inner)))))
            raw = inner
        if kind in (1, 2, 3):
            fields.append(self.field(b"Transfer-Encoding", self.pick(CODINGS)))
            raw = self.chunked(inner) if kind != 3 else b"0\r\n\r\n" + inner
        if kind == 4:
            one, two = self.pick(lengths(len(inner))), self.pick(lengths(self.pick([0, len(inner), 3])))
            fields += [self.field(b"Content-Length", one), self.field(b"Content-Length", two)]
            raw = inner
        if kind == 5:
            fields += [self.field(b"Transfer-Encoding", self.pick(CODINGS)), self.field(b"Transfer-Encoding", self.pick(CODINGS))]
            raw = self.chunked(inner)
        self.r.shuffle(fields)
        return fields, raw

    def request(self):
        line = self.pick(METHODS) + (self.pick(GAPS) if self.rarely() else b" ") + self.target()
        version = self.pick(VERSIONS)
        line += ((self.pick(GAPS) if self.rarely() else b" ") + version if version else b"") + self.end()
        hosts = self.pick([1] * 20 + [0, 2])
        fields = [self.field(b"Host", self.pick(HOSTS)) for _ in range(hosts)]
        body = b""
        if self.rarely(0.35):
            framed, body = self.body()
            fields += framed
        if self.rarely(0.3):
            fields.append(self.field(b"Connection", self.pick(CONNECTIONS)))
        while self.rarely(0.3):
            fields.append(self.pick(PLAIN) + self.end())
        if self.rarely(0.3):
            self.r.shuffle(fields)
        return line + b"".join(fields) + self.end() + body

    def bent(self, data):
        """A few bytes that nobody thought of."""
        for _ in range(self.r.randrange(1, 4)):
            at = self.r.randrange(len(data) + 1)
            data = self.pick([lambda: data[:at] + self.pick(TOKENS) + data[at:], lambda: data[:at] + data[at + 1:], lambda: data[:at] + self.pick(TOKENS) + data[at + 1:],
                              lambda: data[:at] + bytes([self.r.randrange(256)]) + data[at + 1:], lambda: data[:at] + data[at:at + 30] + data[at:], lambda: data[:at]])()
        return data

    def case(self):
        data = b""
        if self.rarely(0.05):
            data = self.pick([b"\r\n", b"\n", b"\r\n\r\n", b"\r", b" ", b"\0", b"\xef\xbb\xbf", b"\x16\x03\x01"])
        for _ in range(self.pick([1, 2, 2, 3, 4])):
            data += self.request()
            if self.rarely(0.05):
                data += self.pick([b"\r\n", b"\n", b"\r\n\r\n", b" ", b"\0", b"x"])
        return self.bent(data) if self.rarely(0.25) else data


# ---- what a server made of it ----

HEAD = re.compile(rb"HTTP/1\.[01] (\d+)[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
REFUSALS = {400, 405, 411, 413, 414, 417, 431, 494, 501, 505}
ABSOLUTE = re.compile(rb"^[a-zA-Z]+://[^/?#]*")


class Story:
    """`seen`: the targets that were answered as requests, None where the answer does not tell which. `end`: "refused", "closed"
    by what a request asked for, "late": the machine was too busy for us to send all in time, or "open": everything else was taken for the beginning of more, or for a body."""

    def __init__(self, answer, target_of):
        self.seen, self.end, self.raw = [], "open", answer
        for m in HEAD.finditer(answer):
            status, fields = int(m[1]), m[2].lower()
            if status < 200:
                continue
            if b"x-why: hpe_invalid_eof_state" in fields:
                break
            if status == 408:
                self.end = "late"
                break
            closes = b"connection: close" in fields
            if status in REFUSALS and closes:
                self.end = "refused"
                break
            self.seen.append(target_of(status, m[2]))
            if closes:
                self.end = "closed"
                break

    def __str__(self):
        return f"{[s.decode('latin1') if s is not None else '?' for s in self.seen]} {self.end}"


def seen_by_vitald(status, _fields):
    return b"/g%d" % (status - 220) if 220 <= status < 220 + GROUPS else None


def seen_by_peer(_status, fields):
    said = re.search(rb"^X-Saw: \S+ (.*?)\r$", fields, re.M)
    return re.split(rb"[?#]", ABSOLUTE.sub(b"", said[1]))[0].rstrip(b"/") if said else None


def differ(a, b):
    return a is not None and b is not None and a != b


def judge(ours, peers):
    """What is wrong with our story beside theirs; None when nothing is."""
    for name, other in peers.items():
        for i, (a, b) in enumerate(zip(ours.seen, other.seen)):
            if differ(a, b):
                return f"request {i} is another one for {name}"
        if len(ours.seen) > len(other.seen) and other.end == "open":
            return f"request {len(other.seen)} is a part of something else for {name}"
        if len(ours.seen) < len(other.seen) and ours.end == "open":
            return f"request {len(ours.seen)} of {name} is a part of something else for us"
    reached = {len(p.seen) for p in peers.values()}
    if len(reached) > 1 or len(ours.seen) <= min(reached) or any(p.end != "refused" for p in peers.values()):
        return None
    first = min(reached)
    unserved = ours.seen[first:] == [None] and ours.end == "closed"        # a method that no one knows, told so in other words
    return None if unserved else f"request {first} is refused by all others"


# ---- the servers ----

def talk(path, data, cut=None):
    """A connection that has been sent `data`, in two pieces if `cut`; all that comes is read later."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(path)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        s.sendall(data[:cut])
        if cut is None:
            s.shutdown(socket.SHUT_WR)
    return s


def send_rest(s, rest):
    with contextlib.suppress(OSError):
        s.sendall(rest)
        s.shutdown(socket.SHUT_WR)


def finish(s):
    got = b""
    with contextlib.suppress(ConnectionResetError), s:
        while chunk := s.recv(65536):
            got += chunk
    return got


class Bench:
    """All three, side by side on unix sockets."""

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="df")
        self.nginx_path, self.node_path, self.vitald_path = (f"{self.dir}/{n}.sock" for n in ("nginx", "node", "vitald"))
        self.processes = []
        groups = "".join(f"  g{i}: {{ all: [self], codes: {{ pass: {220 + i}, warn: {220 + i}, fail: {220 + i}, draining: {220 + i} }} }}\n" for i in range(GROUPS))
        aliases = ", ".join(f"/g{i}: g{i}" for i in range(GROUPS))
        self.vitald = Vitald("listen: [ { address: '127.0.0.1:0' }, { address: 'unix:%s' } ]\nprobes: { self: { self: ~ } }\ngroups:\n%saliases: { %s }\n" %
                             (self.vitald_path, groups, aliases))
        os.mkdir(f"{self.dir}/tmp")
        temps = "".join(f"{k}_temp_path {self.dir}/tmp/{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(f"{self.dir}/nginx.conf", "w") as f:
            f.write(f"daemon off; master_process off; pid {self.dir}/pid; error_log /dev/null crit;\nevents {{ worker_connections 1024; }}\nhttp {{ access_log off; {temps}\n"
                    f"server {{ listen unix:{self.nginx_path} backlog=512; server_name x; keepalive_requests 100000;\n"
                    "add_header X-Saw \"$request_method $request_uri\" always; location / { return 200 \"\"; } } }\n")
        self.start(["nginx", "-e", "/dev/null", "-p", self.dir, "-c", f"{self.dir}/nginx.conf"])
        self.start(["nodejs" if shutil.which("nodejs") else "node", f"{ROOT}/tests/func/differential.js", self.node_path])
        for path in (self.nginx_path, self.node_path, self.vitald_path):
            wait_for(lambda p=path: self.listens(p), path)
        return self

    def start(self, command):
        self.processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))

    def listens(self, path):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            return True
        return False

    def __exit__(self, *exc):
        for p in self.processes:
            p.kill()
            p.wait()
        self.vitald.__exit__(*exc)
        shutil.rmtree(self.dir, ignore_errors=True)

    def stories(self, cases):
        """For each case what vitald, vitald fed in two pieces, nginx and Node made of it."""
        cuts = [len(c) // 2 for c in cases]
        halves = [talk(self.vitald_path, c, cut) for c, cut in zip(cases, cuts)]
        whole = [(talk(self.vitald_path, c), talk(self.nginx_path, c), talk(self.node_path, c)) for c in cases]
        for case, cut, half in zip(cases, cuts, halves):
            send_rest(half, case[cut:])
        for half, (vitald, nginx, node) in zip(halves, whole):
            yield Story(finish(vitald), seen_by_vitald), Story(finish(half), seen_by_vitald), Story(finish(nginx), seen_by_peer), Story(finish(node), seen_by_peer)


def compare(cases, seed, first=0, show=False):
    """Findings as texts, and how many requests each server took."""
    findings, taken = [], {"vitald": 0, "nginx": 0, "Node": 0}
    with Bench() as bench:
        for start in range(first, first + cases, BATCH):
            numbers = range(start, min(start + BATCH, first + cases))
            made = [Maker(seed, n).case() for n in numbers]
            for number, data, (ours, split, nginx, node) in zip(numbers, made, bench.stories(made)):
                wrong = judge(ours, {"nginx": nginx, "Node": node})
                if not wrong and split.end != "late" and (ours.seen, ours.end) != (split.seen, split.end):
                    wrong = f"in two pieces it is something else for us: {split}"
                for name, story in (("vitald", ours), ("nginx", nginx), ("Node", node)):
                    taken[name] += len(story.seen)
                if wrong or show:
                    findings.append(f"case {number} of seed {seed}: {wrong}\n  vitald {ours}\n  nginx  {nginx}\n  Node   {node}\n  {data!r}")
    return findings, taken


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--cases", type=int, default=100000)
    options.add_argument("--seed", default=str(random.SystemRandom().randrange(10**9)))
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--show", action="store_true", help="show every case, not only what is wrong")
    o = options.parse_args()
    findings, taken = compare(o.cases, o.seed, o.first, o.show)
    for text in findings[:50]:
        print(text)
    print(f"seed {o.seed}: {o.cases} cases, {len(findings)} findings; requests taken: " + ", ".join(f"{k} {v}" for k, v in taken.items()))
    return 1 if findings and not o.show else 0


if __name__ == "__main__":
    sys.exit(main())
