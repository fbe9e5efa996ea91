"""Real PostgreSQL servers and PgBouncer in directories of their own, as an unprivileged user, and ways to break them."""
import contextlib
import glob
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading

import fault_kit
from daemon import free_port, wait_for

BIN = next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)), None)
FAST = """
defaults: { interval: 200ms, interval_unsettled: 100ms, timeout: 1s, rise: 1, fall: 1, jitter: 0% }
"""
HBA = """local all all trust
local replication all trust
hostssl certified all samenet cert
hostssl all all samenet scram-sha-256
hostssl replication all samenet scram-sha-256
"""


def unprivileged(home):
    """initdb and postgres refuse root. HOME, for libpq as nobody would look into root's."""
    env = ["env", f"HOME={home}", "LC_ALL=C"]
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *env] if os.geteuid() == 0 else env


def give_away(path):
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "nobody:nogroup", path], check=True)


class Postgres:
    """One server. `data` is copied from another, stopped one, or made; settings: lines of postgresql.conf."""

    def __init__(self, settings="", tls=None, copy=None, base_of=None, hba=HBA):
        self.dir = tempfile.mkdtemp(prefix="pg")
        os.chmod(self.dir, 0o711)
        self.data, self.port, self.process = f"{self.dir}/d", free_port(), None
        give_away(self.dir)
        if base_of:
            self.copy_running(base_of)
        elif copy:
            subprocess.run(["cp", "-a", copy.data, self.data], check=True)
        else:
            self.init()
        if tls:
            for name, path in zip(("server.crt", "server.key"), tls):
                shutil.copy(path, f"{self.data}/{name}")
                os.chmod(f"{self.data}/{name}", 0o600)
            settings += "\nssl = on"
        with open(f"{self.data}/postgresql.auto.conf", "a") as f:
            f.write(f"port = {self.port}\nunix_socket_directories = '{self.dir}'\n{settings}\n")
        with open(f"{self.data}/pg_hba.conf", "w") as f:
            f.write(hba)
        give_away(self.data)

    def run(self, program, *args, env=None):
        done = subprocess.run([*unprivileged(self.dir), f"{BIN}/{program}", *args], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **(env or {})})
        assert done.returncode == 0, done.stdout + done.stderr

    def init(self):
        self.run("initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--no-sync", "--locale=C.UTF-8", "--no-instructions")
        with open(f"{self.data}/postgresql.auto.conf", "a") as f:
            f.write("listen_addresses = '127.0.0.1,127.0.0.2'\nfsync = off\nsynchronous_commit = off\nfull_page_writes = off\nautovacuum = off\n"
                    "shared_buffers = 16MB\nmax_wal_senders = 4\npassword_encryption = 'scram-sha-256'\nwal_retrieve_retry_interval = '100ms'\n")

    def copy_running(self, primary):
        self.run("pg_basebackup", "-d", f"host={primary.dir} port={primary.port} user=postgres application_name=standby", "-D", self.data, "-R", "-X", "stream",
                 "-c", "fast", "--no-sync")

    def start(self, *more, wait=True):
        self.launch(*more)
        if wait:
            wait_for(lambda: self.answers(*more), f"postgres on {self.port} answers")
        return self

    def launch(self, *more):
        with open(f"{self.dir}/log", "ab") as log:
            self.process = subprocess.Popen([*unprivileged(self.dir), f"{BIN}/postgres", "-D", self.data, *more], stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def answers(self, *more):
        if self.process.poll() is not None:      # the children of a killed one hold its memory for a moment longer
            assert "pre-existing shared memory block" in self.log()[-600:], self.log()
            self.launch(*more)
        return self.psql("select 1").returncode == 0

    def log(self):
        with open(f"{self.dir}/log", errors="replace") as f:
            return f.read()

    def psql(self, text, database="postgres", user="postgres"):
        return subprocess.run(["psql", "-X", "-A", "-t", "-h", self.dir, "-p", str(self.port), "-U", user, "-d", database, "-c", text],
                              capture_output=True, text=True, timeout=30, env={**os.environ, "PGCONNECT_TIMEOUT": "10"})

    def sql(self, text, **where):
        done = self.psql(text, **where)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextlib.contextmanager
    def session(self, text, user="postgres"):
        """A psql that stays in a session after this statement."""
        p = subprocess.Popen(["psql", "-X", "-h", self.dir, "-p", str(self.port), "-U", user, "-d", "postgres", "-A", "-t"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            p.stdin.write(text + ";\nselect 'ready';\n")
            p.stdin.flush()
            line = "?"
            while line and "ready" not in line:
                line = p.stdout.readline()
            assert line, "the session ended"
            yield p
        finally:
            p.kill()
            p.wait()
            p.stdin.close()
            p.stdout.close()

    def reload(self, settings):
        for line in settings.split(";"):
            self.sql(f"alter system set {line}")
        self.sql("select pg_reload_conf()")

    def signal(self, number):
        self.process.send_signal(number)

    def children(self):
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True).stdout
        return [int(p) for p in out.split()]

    def freeze(self):
        """Nobody answers any more: the postmaster, and the sessions."""
        for pid in [self.process.pid, *self.children()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in [self.process.pid, *self.children()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.thaw()
            self.signal(signal.SIGQUIT)     # immediate
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            if self.process.poll() is None:
                self.kill()

    @property
    def address(self):
        return f"localhost:{self.port}"

    def url(self, user="probe", password="ppw", database="postgres", mode="require", host="localhost"):
        return f"postgres://{user}:{password}@{host}:{self.port}/{database}?sslmode={mode}"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
        if exc and exc[0]:
            print(self.log()[-3000:])
        shutil.rmtree(self.dir, ignore_errors=True)


def make_users(server):
    server.sql("create role probe login password 'ppw'; grant pg_monitor to probe; create role poor login password 'xpw'")
    server.sql("create database certified")
    server.sql("create table secret (x int); create table stuff (x int); insert into stuff values (1), (2), (null); grant select on stuff to probe")


class PgBouncer:
    places = 8          # more than a test has probes

    def __init__(self, server, mode="transaction"):
        self.dir, self.port = tempfile.mkdtemp(prefix="pb"), free_port()
        os.chmod(self.dir, 0o711)
        with open(f"{self.dir}/users", "w") as f:
            f.write('"probe" "ppw"\n"other" "opw"\n"vitald" "vpw"\n')
        with open(f"{self.dir}/ini", "w") as f:
            f.write(f"[databases]\npostgres = host={server.dir} port={server.port} dbname=postgres\napp = host={server.dir} port={server.port} dbname=app\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
                    f"listen_port = {self.port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {self.dir}/users\npool_mode = {mode}\n"
                    f"logfile = {self.dir}/log\nmax_client_conn = {self.places}\nserver_login_retry = 1\nserver_connect_timeout = 1\n")
        give_away(self.dir)
        self.process = subprocess.Popen([*unprivileged(self.dir), shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", f"{self.dir}/ini"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        wait_for(self.answers, "pgbouncer listens")

    @contextlib.contextmanager
    def full(self):
        """All places are taken, by clients that say nothing; one that comes too early for a place tries again."""
        over, held = threading.Event(), []

        def take():
            while not over.is_set():
                for s in select.select(held, [], [], 0.01)[0]:       # told that there is no place
                    held.remove(s)
                    s.close()
                if len(held) < self.places:
                    with contextlib.suppress(OSError):
                        held.append(socket.create_connection(("127.0.0.1", self.port), 2))
            for s in held:
                s.close()
        taker = threading.Thread(target=take)
        taker.start()
        try:
            yield
        finally:
            over.set()
            taker.join()

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def probes(policy=FAST, **rows):
    """name={...options of postgres...} as configuration."""
    return policy + "probes:\n" + "".join(f"  {name}: {{ postgres: {json.dumps(options)} }}\n" for name, options in rows.items()) + fault_kit.groups(*rows)


# ---- fakes: the server's side of the protocol, by hand


def message(kind, *parts):
    body = b"".join(parts)
    return kind + struct.pack("!I", len(body) + 4) + body


def startup(sock):
    """Reads the client's first message, says no to TLS before it."""
    while True:
        head = sock.recv(8, socket.MSG_WAITALL)
        if len(head) < 8:
            raise OSError("gone")
        size, code = struct.unpack("!II", head)
        if code != 80877103:
            sock.recv(size - 8, socket.MSG_WAITALL)
            return
        sock.sendall(b"N")


def error(state, text):
    return message(b"E", b"SFATAL\0VFATAL\0C" + state.encode() + b"\0M" + text.encode() + b"\0\0")


AUTH_OK = message(b"R", struct.pack("!I", 0))
READY = message(b"Z", b"I")
