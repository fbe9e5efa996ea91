"""Real MariaDB servers in directories of their own, as an unprivileged user, and a server that only pretends."""
import glob
import os
import pwd
import shutil
import signal
import struct
import subprocess
import tempfile
import time

from daemon import free_port, wait_for

FAST = """
defaults: { interval: 200ms, interval_unsettled: 100ms, timeout: 1s, rise: 1, fall: 1, jitter: 0% }
"""
PROBE = ("CREATE USER vitald@'%' IDENTIFIED BY 'vpw'; GRANT REPLICA MONITOR ON *.* TO vitald@'%'; GRANT SELECT ON shop.* TO vitald@'%';"
         "CREATE USER poor@'%' IDENTIFIED BY 'ppw'; CREATE USER secure@'%' IDENTIFIED BY 'spw' REQUIRE SSL; CREATE USER certified@'%' REQUIRE X509;"
         "CREATE USER repl@'%' IDENTIFIED BY 'rpw'; GRANT REPLICATION SLAVE ON *.* TO repl@'%';"
         "CREATE USER open@'%'; CREATE USER boss@'%' IDENTIFIED BY 'bpw'; GRANT ALL ON *.* TO boss@'%';"
         "CREATE DATABASE shop; CREATE TABLE shop.queue (id INT PRIMARY KEY); INSERT INTO shop.queue VALUES (1), (2), (3);")


def nobody():
    """How to start things as somebody who is not root, where we are root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def give(path):
    """Everything below path belongs to whom the server runs as."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        for p in [path, *glob.glob(f"{path}/**", recursive=True)]:
            os.chown(p, user.pw_uid, user.pw_gid, follow_symlinks=False)


class Template:
    """A data directory with accounts and a table, made once; servers get copies."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="my")
        os.chmod(self.dir, 0o755)
        self.data = f"{self.dir}/data"
        give(self.dir)
        done = subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal",
                               "--skip-test-db", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M", f"--tmpdir={self.dir}"],
                              capture_output=True, text=True, env={**os.environ, "HOME": self.dir}, **nobody())
        assert done.returncode == 0, done.stdout + done.stderr

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.dir, ignore_errors=True)


class MariaDB:
    def __init__(self, template, *options, number=1, fill=True):
        self.dir = tempfile.mkdtemp(prefix="my")
        os.chmod(self.dir, 0o711)
        self.number, self.options = number, list(options)
        self.port, self.socket = free_port(), f"{self.dir}/s.sock"
        shutil.copytree(template.data, f"{self.dir}/data")
        os.mkdir(f"{self.dir}/tmp")
        give(self.dir)
        self.start()
        if fill:
            self.sql(PROBE)

    def start(self, *more):
        with open(f"{self.dir}/log", "ab") as log:
            self.process = subprocess.Popen(
                ["mariadbd", "--no-defaults", f"--datadir={self.dir}/data", f"--socket={self.socket}", f"--port={self.port}",
                 "--bind-address=127.0.0.1", f"--server-id={self.number}", f"--log-bin={self.dir}/data/bin", f"--pid-file={self.dir}/pid",
                 "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0",
                 "--innodb-flush-method=nosync", "--innodb-doublewrite=0", "--performance-schema=OFF", "--skip-name-resolve",
                 f"--tmpdir={self.dir}/tmp", *self.options, *more],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "HOME": self.dir}, **nobody())
        wait_for(self.answers, f"mariadbd on {self.port} answers", every=0.03)

    def answers(self):
        assert self.process.poll() is None, self.log()
        return self.client("SELECT 1").returncode == 0

    def client(self, statements, timeout=20):
        return subprocess.run(["mariadb", "--no-defaults", "-N", "-B", "-u", "root", "-S", self.socket, "-e", statements],
                              capture_output=True, text=True, timeout=timeout)

    def sql(self, statements):
        done = self.client(statements)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def replicate(self, source, **options):
        """Follows source from where it is now."""
        position = source.sql("SELECT @@global.gtid_current_pos")
        more = "".join(f", {k}={v}" for k, v in options.items())
        self.sql(f"SET GLOBAL gtid_slave_pos='{position}'; CHANGE MASTER TO master_host='127.0.0.1', master_port={source.port}, master_user='repl', "
                 f"master_password='rpw', master_use_gtid=slave_pos, master_connect_retry=1{more}; START SLAVE")

    def sessions(self, count):
        """Clients that stay, idle; the caller ends them."""
        return [subprocess.Popen(["mariadb", "--no-defaults", "-u", "poor", "-pppw", "-h", "127.0.0.1", "-P", str(self.port)],
                                 stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(count)]

    def url(self, user="vitald", password="vpw", database=""):
        return f"mysql://{user}:{password}@127.0.0.1:{self.port}{'/' if database else ''}{database}"

    def log(self):
        with open(f"{self.dir}/log", errors="replace") as f:
            return f.read()

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        if exc[0]:
            print(self.log()[-1500:])
        shutil.rmtree(self.dir, ignore_errors=True)


# ---- the pretender: enough of the protocol to misbehave in it


def packet(number, body):
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


def greeting(tls):
    caps = 0x1 | 0x8 | 0x200 | 0x8000 | 0x80000 | (0x800 if tls else 0)
    return packet(0, b"\x0a8.0.99-pretender\0" + struct.pack("<I", 7) + b"abcdefgh\0" + struct.pack("<HBHH", caps & 0xffff, 33, 2, caps >> 16) +
                  b"\x15" + bytes(10) + b"ijklmnopqrst\0mysql_native_password\0")


LOGGED_IN = packet(2, b"\0\0\0\2\0\0\0")


def stay(sock):
    while sock.recv(4096):
        time.sleep(0.01)


def silent(sock):
    stay(sock)


def at_once_gone(sock):
    sock.close()


def web(sock):
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def stalls_in_tls(sock):
    sock.sendall(greeting(True))
    stay(sock)


def without_tls(sock):
    sock.sendall(greeting(False))
    sock.recv(4096)
    sock.sendall(LOGGED_IN)
    stay(sock)


def wants_the_password(sock):
    """Asks for it in clear, and sends back what it gets, as an error text."""
    sock.sendall(greeting(False))
    sock.recv(4096)
    sock.sendall(packet(2, b"\xfemysql_clear_password\0"))
    sock.sendall(packet(4, b"\xff\x15\x04#28000got " + sock.recv(4096)))


def endless_rows(sock):
    """Logs in, and then every answer has rows without an end."""
    sock.sendall(greeting(False))
    sock.recv(4096)
    sock.sendall(LOGGED_IN)
    sock.recv(4096)
    column = b"\3def\0\0\0\1x\1x\x0c" + struct.pack("<HIBHB", 33, 20, 253, 0, 0) + b"\0\0"
    sock.sendall(packet(1, b"\1") + packet(2, column) + packet(3, b"\xfe\0\0\2\0"))
    number = 4
    while True:
        sock.sendall(b"".join(packet((number + i) % 256, b"\1a") for i in range(1000)))
        number += 1000
