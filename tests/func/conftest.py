"""Shared parts: certificates, a real nginx, small servers that misbehave on purpose."""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading

import pytest

from daemon import free_port, wait_for

# A run in the background inherits an interrupt that is ignored, and so would all programs that tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def run(*args, **kwargs):
    return subprocess.run(args, check=True, capture_output=True, text=True, **kwargs)


class CA:
    """A certificate authority of our own, in a directory."""

    def __init__(self, path):
        self.dir = path
        self.ca = os.path.join(path, "ca.crt")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
            "-subj", "/CN=test-ca", "-keyout", f"{path}/ca.key", "-out", self.ca)

    def issue(self, name, san="DNS:localhost,IP:127.0.0.1", days=30, not_before=None, not_after=None):
        key, csr, crt = (f"{self.dir}/{name}.{e}" for e in ("key", "csr", "crt"))
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-keyout", key, "-out", csr)
        if not_before:          # openssl x509 cannot backdate, openssl ca can
            open(f"{self.dir}/index.txt", "w").close()
            conf = f"{self.dir}/ca.conf"
            with open(conf, "w") as f:
                f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.dir}/index.txt\nnew_certs_dir={self.dir}\nrand_serial=yes\n"
                        f"default_md=sha256\npolicy=p\ncopy_extensions=none\nunique_subject=no\nx509_extensions=e\n[p]\ncommonName=supplied\n"
                        f"[e]\nsubjectAltName={san}\n")
            run("openssl", "ca", "-batch", "-config", conf, "-cert", self.ca, "-keyfile", f"{self.dir}/ca.key", "-in", csr,
                "-out", crt, "-notext", "-startdate", not_before, "-enddate", not_after)
        else:
            ext = f"{self.dir}/{name}.ext"
            with open(ext, "w") as f:
                f.write(f"subjectAltName={san}\n")
            run("openssl", "x509", "-req", "-in", csr, "-CA", self.ca, "-CAkey", f"{self.dir}/ca.key", "-CAcreateserial",
                "-days", str(days), "-extfile", ext, "-out", crt)
        return crt, key


@pytest.fixture(scope="session")
def ca():
    with tempfile.TemporaryDirectory(prefix="ca") as path:
        yield CA(path)


class Nginx:
    """A real nginx with these server blocks; PORT and TLSPORT in the text are replaced."""

    def __init__(self, servers, **places):
        self.dir = tempfile.mkdtemp(prefix="ng")
        self.port, self.tls_port = free_port(), free_port()
        os.mkdir(f"{self.dir}/tmp")
        for word, value in {"TLSPORT": str(self.tls_port), "PORT": str(self.port), **places}.items():
            servers = servers.replace(word, value)
        temps = "".join(f"{k}_temp_path {self.dir}/tmp/{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.conf = f"{self.dir}/nginx.conf"
        with open(self.conf, "w") as f:
            f.write(f"daemon off; pid {self.dir}/nginx.pid; worker_processes 1; error_log {self.dir}/error.log info;\n"
                    f"events {{ worker_connections 256; }}\nhttp {{ access_log {self.dir}/access.log; {temps}\n{servers}\n}}\n")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["nginx", "-e", f"{self.dir}/error.log", "-p", self.dir, "-c", self.conf])
        wait_for(self.answers, "nginx answers")
        return self

    def answers(self):
        assert self.process.poll() is None, open(f"{self.dir}/error.log").read()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def workers(self):
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True).stdout
        return [int(p) for p in out.split()]

    def stop(self):
        if self.process and self.process.poll() is None:
            for pid in self.workers():
                os.kill(pid, 18)    # a stopped worker would not leave
            self.process.terminate()
            self.process.wait(10)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Server:
    """A TCP server on loopback that hands every connection to handle(sock) in a thread; `accepted` counts."""

    def __init__(self, handle, tls=None):
        self.handle, self.tls, self.accepted, self.open = handle, tls, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            self.open.append(sock)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            self.handle(sock)
        except (OSError, ssl.SSLError):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.listener.close()
        for s in self.open:
            s.close()


@pytest.fixture
def server():
    made = []

    def make(handle, tls=None):
        made.append(Server(handle, tls))
        return made[-1]
    yield make
    for s in made:
        s.__exit__()


def http_ok(sock):
    """Answers every request with 200."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            chunk = sock.recv(4096)
            if not chunk:
                return
            data += chunk
        data = data.split(b"\r\n\r\n", 1)[1]
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
