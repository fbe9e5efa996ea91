"""Real MariaDB servers in directories of their own, as an unprivileged user, and a server that only pretends."""
import glob
import hashlib
import os
import pwd
import shutil
import signal
import socket
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


# ---- MySQL 8, of which Debian has none: what differs from MariaDB, as its manual says it, and no more


def text_of(value):
    return b"\xfb" if value is None else bytes([len(str(value))]) + str(value).encode()


def result_set(number, rows):
    """rows: maps, all with the same keys; at least one."""
    names = list(rows[0])
    columns = [b"\3def\0\0\0" + text_of(n) * 2 + b"\x0c" + struct.pack("<HIBHB", 33, 250, 253, 0, 0) + b"\0\0" for n in names]
    parts = [bytes([len(names)]), *columns, b"\xfe\0\0\2\0", *[b"".join(text_of(v) for v in row.values()) for row in rows], b"\xfe\0\0\2\0"]
    return b"".join(packet(number + i, p) for i, p in enumerate(parts))


def fault(number, code, state, text):
    return packet(number, b"\xff" + struct.pack("<H", code) + b"#" + state + text.encode())


class MySQL8:
    """handle() for a server fixture. cached: the login is known by its hash (the short way), else the password comes encrypted with a key
    that is asked for. old: the words of MySQL before 8.0.22."""
    NONCE = b"abcdefghijklmnopqrst"
    OK = b"\0\0\0\2\0\0\0"

    def __init__(self, password, cached=True, old=False, gtid="3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77"):
        self.password, self.cached, self.old, self.gtid, self.asked = password.encode(), cached, old, gtid, []
        self.dir = tempfile.mkdtemp(prefix="m8")
        if not cached:
            subprocess.run(["openssl", "genrsa", "-out", f"{self.dir}/key", "2048"], check=True, capture_output=True)
            self.public = subprocess.run(["openssl", "rsa", "-in", f"{self.dir}/key", "-pubout"], check=True, capture_output=True).stdout

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.dir, ignore_errors=True)

    @staticmethod
    def read(sock):
        head = sock.recv(4, socket.MSG_WAITALL)
        if len(head) < 4:
            raise OSError("gone")
        return head[3], sock.recv(struct.unpack("<I", head[:3] + b"\0")[0], socket.MSG_WAITALL)

    def scramble(self):
        once = hashlib.sha256(self.password).digest()
        mask = hashlib.sha256(hashlib.sha256(once).digest() + self.NONCE).digest()
        return bytes(a ^ b for a, b in zip(once, mask))

    def decrypt(self, secret):
        plain = subprocess.run(["openssl", "pkeyutl", "-decrypt", "-inkey", f"{self.dir}/key", "-pkeyopt", "rsa_padding_mode:oaep"], input=secret,
                               capture_output=True, check=True).stdout
        return bytes(b ^ self.NONCE[i % 20] for i, b in enumerate(plain)).rstrip(b"\0")

    def log_in(self, sock):
        caps = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000 | 0x200000
        sock.sendall(packet(0, b"\x0a" + (b"5.7.44" if self.old else b"8.4.3") + b"\0" + struct.pack("<I", 7) + self.NONCE[:8] + b"\0" +
                            struct.pack("<HBHH", caps & 0xffff, 255, 2, caps >> 16) + b"\x15" + bytes(10) + self.NONCE[8:] + b"\0caching_sha2_password\0"))
        number, reply = self.read(sock)
        proof = reply[32:].split(b"\0", 1)[1][1:33]
        if self.cached:
            good = proof == self.scramble()
            number += 1
            if good:
                sock.sendall(packet(number, b"\1\3"))
        else:
            sock.sendall(packet(number + 1, b"\1\4"))
            number, wish = self.read(sock)
            assert wish == b"\2", wish
            sock.sendall(packet(number + 1, b"\1" + self.public))
            number, secret = self.read(sock)
            good = self.decrypt(secret) == self.password
        sock.sendall(packet(number + 1, self.OK) if good else fault(number + 1, 1045, b"28000", "Access denied for user 'vitald'@'localhost' (using password: YES)"))
        return good

    def replica(self, source="Source", mine="Replica"):
        return {f"{mine}_IO_State": "", f"{source}_Host": "db1", f"{source}_Port": 3306, f"{mine}_IO_Running": "Yes", f"{mine}_SQL_Running": "Yes",
                f"Seconds_Behind_{source}": 4, "Last_IO_Errno": 0, "Last_IO_Error": "", "Last_SQL_Errno": 0, "Last_SQL_Error": "", "Channel_Name": ""}

    def answer(self, sql):
        rows = {
            "SELECT @@global.read_only": [{"a": 1, "b": 0, "c": 151}],
            "SHOW GLOBAL STATUS": [{"Variable_name": "Threads_connected", "Value": 3}, {"Variable_name": "Uptime", "Value": 99}],
            "SHOW SLAVE STATUS" if self.old else "SHOW REPLICA STATUS": [self.replica(*(("Master", "Slave") if self.old else ()))],
            "SELECT GTID_SUBSET('": [{"a": int(self.gtid in sql)}],
            "SELECT 1": [{"1": 1}],
        }
        found = next((r for start, r in rows.items() if sql.startswith(start)), None)
        if found:
            return result_set(1, found)
        if sql.startswith(("SET SESSION max_execution_time = ", "SET SESSION TRANSACTION READ ONLY", "SET NAMES")):
            return packet(1, self.OK)
        return fault(1, 1064, b"42000", "You have an error in your SQL syntax")

    def __call__(self, sock):
        if not self.log_in(sock):
            return
        while True:
            _, command = self.read(sock)
            if command[:1] == b"\1":
                return sock.close()
            self.asked.append(command[1:].decode())
            sock.sendall(self.answer(self.asked[-1]))
