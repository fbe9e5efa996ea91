"""A system bus of our own, and a systemd on it that says what it is told: fake_systemd1.c."""
import contextlib
import os
import socket
import subprocess

from daemon import ROOT, wait_for


def build(program):
    subprocess.run(["gcc", "-O1", "-D_GNU_SOURCE", "-o", program, f"{ROOT}/tests/func/fake_systemd1.c", "-lsystemd"], check=True)
    return program


class Bus:
    def __init__(self, path, program):
        self.path, self.program, self.daemon, self.fake = path, program, None, None
        self.env = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={path}/bus"}

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.path}/bus")
        with open(f"{self.path}/bus.conf", "w") as f:
            f.write('<busconfig><type>session</type><listen>unix:path=%s/bus</listen><policy context="default"><allow send_destination="*" '
                    'eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>' % self.path)
        self.daemon = subprocess.Popen(["dbus-daemon", f"--config-file={self.path}/bus.conf", "--nofork"], stderr=subprocess.DEVNULL)
        wait_for(self.answers, "the bus")
        return self

    def answers(self):
        with socket.socket(socket.AF_UNIX) as s, contextlib.suppress(OSError):
            s.connect(f"{self.path}/bus")
            return True

    def start_fake(self):
        self.fake = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.env)
        assert self.fake.stdout.readline() == "ready\n"
        return self

    def say(self, line):
        """Returns how many calls there were."""
        self.fake.stdin.write(line + "\n")
        self.fake.stdin.flush()
        return int(self.fake.stdout.readline())

    def stop(self, *which):
        for name in which or ("fake", "daemon"):
            process = getattr(self, name)
            if process:
                process.kill()
                process.wait()
                setattr(self, name, None)
