"""The Debian packages: cut, judged by lintian, and installed, upgraded, removed and purged under a real systemd. The lab is an
overlay of this machine's root; VITALD_PACKAGE_ROOT names another one (`make deb-check` gives an empty Debian)."""
import glob
import json
import os
import re
import shutil
import subprocess

import pytest

import systemd_lab
from daemon import BUILD, ROOT, make, wait_for
from systemd_lab import Lab, Poller

EMPTY = os.environ.get("VITALD_PACKAGE_ROOT")
STAGE, DEBS = f"{BUILD}/stage", f"{BUILD}/deb"
pytestmark = [pytest.mark.skipif("address" in BUILD, reason="packages are cut from the plain build"),
              pytest.mark.skipif(not shutil.which("dpkg-shlibdeps"), reason="no packages: needs dpkg-dev (tests/setup test)")]
lab_only = pytest.mark.skipif(systemd_lab.why_not() is not None, reason=f"packages are not installed: {systemd_lab.why_not()}")


@pytest.fixture(scope="module")
def debs():
    make("deb")
    return {re.match(r"([a-z-]+)_", os.path.basename(path)).group(1): path for path in glob.glob(f"{DEBS}/*.deb")}


def fields(deb):
    text = subprocess.run(["dpkg-deb", "-f", deb], check=True, capture_output=True, text=True).stdout
    return dict(re.findall(r"^([A-Za-z-]+): (.*)$", text, re.M))


def contents(deb):
    lines = subprocess.run(["dpkg-deb", "-c", deb], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[5][1:]: line.split()[:2] for line in lines}


def built_modules():
    return {os.path.basename(m)[:-3] for m in glob.glob(f"{BUILD}/modules/*.so")} - {"skeleton"}


def test_one_package_for_each_module(debs):
    assert set(debs) == {"vitald", "vitald-dev"} | {f"vitald-{m}" for m in built_modules()}
    version = fields(debs["vitald"])["Version"]
    for module in built_modules():
        says = fields(debs[f"vitald-{module}"])
        assert f"vitald (= {version})" in says["Depends"]
        files = [path for path, (mode, _) in contents(debs[f"vitald-{module}"]).items() if mode.startswith("-") and "/doc/" not in path]
        assert files == [f"/usr/lib/vitald/modules/{module}.so"]
    assert "libpq5" in fields(debs["vitald-postgres"])["Depends"]
    assert not re.search("libpq|hiredis|mariadb|libsystemd0", fields(debs["vitald"])["Depends"]), "the daemon needs no module's library"


def test_the_daemon_names_these_packages(debs, tmp_path):
    """What a message tells people to install is what is built."""
    (tmp_path / "empty").mkdir()
    for module in built_modules():
        conf = tmp_path / f"{module}.yaml"
        conf.write_text(f"probes: {{ x: {{ {module}: {{}} }} }}\n")
        done = subprocess.run([f"{STAGE}/usr/sbin/vitald", "-c", str(conf), "--modules", str(tmp_path / "empty"), "--check-config"],
                              capture_output=True, text=True)
        named = re.search(r"install the package (\S+)", done.stdout + done.stderr)
        assert named and named.group(1) in debs, done.stdout + done.stderr


def test_contents(debs):
    have = contents(debs["vitald"])
    for path in ("/usr/sbin/vitald", "/usr/bin/vitalctl", "/etc/vitald/vitald.yaml", "/lib/systemd/system/vitald.service",
                 "/lib/systemd/system/vitald.socket", "/lib/systemd/system/vitald-admin.socket", "/usr/lib/sysusers.d/vitald.conf",
                 "/usr/lib/tmpfiles.d/vitald.conf", "/usr/share/man/man8/vitald.8.gz", "/usr/share/man/man1/vitalctl.1.gz",
                 "/usr/share/man/man5/vitald.yaml.5.gz", "/usr/share/man/man7/vitald-probes.7.gz",
                 "/usr/share/bash-completion/completions/vitalctl", "/usr/share/zsh/vendor-completions/_vitald"):
        assert path in have, path
    assert {"/usr/include/vital_probe.h", "/usr/share/man/man3/vital-probe.3.gz"} <= set(contents(debs["vitald-dev"]))
    assert {owner for _, owner in have.values()} == {"root/root"}
    assert subprocess.run(["dpkg-deb", "-I", debs["vitald"], "conffiles"], capture_output=True, text=True).stdout == "/etc/vitald/vitald.yaml\n"


@pytest.mark.skipif(not shutil.which("lintian"), reason="lintian is not installed (tests/setup test)")
def test_manuals_name_the_places_of_this_installation(debs):
    with open(f"{STAGE}/usr/share/man/man3/vital-probe.3") as f:
        text = f.read()
    assert "/usr/include/vital_probe.h" in text and "/usr/lib/vitald/modules/" in text and "/usr/local" not in text


def test_lintian_finds_nothing(debs):
    done = subprocess.run(["lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", *sorted(debs.values())], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout.strip(), done.stdout + done.stderr


def test_same_bytes_again(debs, tmp_path):
    """Where, when and by whom it is cut leaves no trace; `make deb-check` compiles in two places besides."""
    environment = {**os.environ, "TZ": "Asia/Tokyo", "LANG": "C.UTF-8", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    environment.pop("SOURCE_DATE_EPOCH", None)
    version = fields(debs["vitald"])["Version"]
    shutil.copytree(STAGE, tmp_path / "other")
    subprocess.run(f"umask 077; exec {ROOT}/conf/debian/make-deb other out {version}", shell=True, check=True,
                   cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    for name, path in debs.items():
        again = tmp_path / "out" / os.path.basename(path)
        assert again.read_bytes() == open(path, "rb").read(), name
    for program in ("usr/sbin/vitald", "usr/bin/vitalctl"):
        assert ROOT.encode() not in open(f"{STAGE}/{program}", "rb").read(), f"{program} knows where it was compiled"


# ---- installed -----------------------------------------------------------------------------------------------------------

class PackageLab(Lab):
    def __init__(self, debs):
        super().__init__(EMPTY or "/")
        self.debs = debs

    def place_vitald(self, units):
        """Nothing: the package does. Only what would keep a package from starting its service goes, and slow indexing."""
        for path in ("/usr/sbin/policy-rc.d", "/var/lib/man-db/auto-update"):
            if os.path.exists(self.path(path)):
                os.unlink(self.path(path))
        os.makedirs(self.path("/opt/debs"))
        for deb in self.debs.values():
            shutil.copy(deb, self.path("/opt/debs"))

    def get(self, path, port=8686):
        """With this machine's curl: an empty root has none."""
        done = subprocess.run(["nsenter", "-t", self.leader, "-n", "curl", "-s", "-m", "5", "-w", "\n%{http_code}", f"http://127.0.0.1:{port}{path}"],
                              capture_output=True, text=True)
        body, _, code = done.stdout.rpartition("\n")
        return int(code or 0), body

    def python(self, code, *args):
        return subprocess.Popen(["nsenter", "-t", self.leader, "-n", "/usr/bin/python3", "-c", code, *args],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def install(self, *names, pattern="{}_*.deb", options=()):
        files = [path[len(self.root):] for name in names for path in glob.glob(self.path("/opt/debs/" + pattern.format(name)))]
        assert len(files) == len(names), files
        if EMPTY:
            return self.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "--no-install-recommends", *options, "install", *files, timeout=300)
        return self.run("dpkg", *options, "-i", *files, timeout=300)

    def vitalctl(self, *args):
        return self.run("vitalctl", *args, check=False)

    def next_version(self, name, version, also=""):
        """The same package with a higher version; `also` is added to the configuration that it ships."""
        tree = self.path("/opt/next")
        shutil.rmtree(tree, ignore_errors=True)
        subprocess.run(["dpkg-deb", "-R", self.debs[name], tree], check=True)
        control = open(f"{tree}/DEBIAN/control").read()
        with open(f"{tree}/DEBIAN/control", "w") as f:
            f.write(re.sub(r"^Version: .*$", f"Version: {version}", re.sub(r"vitald \(= [^)]*\)", f"vitald (= {version})", control), flags=re.M))
        if also:
            with open(f"{tree}/etc/vitald/vitald.yaml", "a") as f:
                f.write(also)
        out = self.path(f"/opt/debs/next-{version}-{name}_x.deb")
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, out], check=True, capture_output=True)

    def traces(self):
        """Names below the roots that a package may touch."""
        roots = [self.path(d) for d in ("/etc", "/usr", "/var/lib", "/run/vitald", "/lib/systemd") if os.path.exists(self.path(d))]
        found = subprocess.run(["find", *roots, "-name", "*vital*", "-not", "-path", "*/var/lib/dpkg/*", "-not", "-path", "*/var/lib/apt/*"],
                               capture_output=True, text=True).stdout
        return {path[len(self.root):] for path in found.splitlines()}


@pytest.fixture(scope="module")
def lab(debs):
    made = PackageLab(debs)
    try:
        before = made.traces()
        made.boot()
        made.before = before
        yield made
    finally:
        made.close()


def active(lab):
    return lab.show("ActiveState") == "active"


CONFIG = """
listen:
  - { name: vitald, address: 127.0.0.1:8686, serve: all }
defaults: { interval: 1s }
probes:
  root: { disk: { path: / } }
  gone: { tcp: "127.0.0.1:1" }
  db:   { postgres: { hosts: "127.0.0.1:1", user: x } }
groups: { ready: { all: [root], advisory: [gone, db] } }
"""


@lab_only
def test_life_of_the_package(lab):
    """One story, told in its order: a package has one life."""
    modules = [f"vitald-{m}" for m in sorted(built_modules())]
    check_first_install(lab)
    check_missing_module(lab, modules)
    check_upgrade(lab, modules)
    check_changed_conffile(lab)
    check_stopped_stays_stopped(lab)
    check_removal(lab, modules)


def check_first_install(lab):
    lab.install("vitald")
    assert active(lab) and lab.run("systemctl", "is-enabled", "vitald.service").stdout.strip() == "enabled"
    assert lab.run("systemctl", "is-enabled", "vitald.socket", check=False).stdout.strip() == "disabled"
    wait_for(lambda: lab.get("/readyz")[0] == 200, "ready", every=0.05)
    user = lab.run("getent", "passwd", "vitald").stdout.split(":")
    assert user[6].strip() == "/usr/sbin/nologin"
    uid = re.search(r"^Uid:\s+(\d+)", lab.run("cat", f"/proc/{lab.pid()}/status").stdout, re.M).group(1)
    assert uid == user[2], "the user that sysusers made before anything needed it"
    assert lab.run("stat", "-c", "%a %U", "/etc/vitald/secrets").stdout.strip() == "700 root"
    assert lab.vitalctl("status").returncode == 0
    assert lab.run("vitald", "--check-config").returncode == 0


def outcome(lab, name):
    code, body = lab.get("/status")
    return next((p for p in json.loads(body)["probes"] if p["name"] == name), {}) if code == 200 else {}


def check_missing_module(lab, modules):
    with open(lab.path("/etc/vitald/vitald.yaml"), "a") as f:
        f.write(CONFIG)
    lab.run("systemctl", "reload", "vitald")
    told = wait_for(lambda: "vitald-postgres" in json.dumps(outcome(lab, "db")) and outcome(lab, "db"), "the package's name", every=0.05)
    assert told["state"] == "unknown"
    before = lab.pid()
    with open(lab.path("/etc/vitald/vitald.yaml"), "a") as f:
        f.write("nonsense: 1\n")
    said = lab.install(*modules)
    assert "has no option" in said.stderr + said.stdout or "nonsense" in said.stderr + said.stdout, said
    assert lab.pid() == before, "a wrong configuration does not cost the one that runs"
    lab.run("sed", "-i", "/nonsense/d", "/etc/vitald/vitald.yaml")
    lab.run("dpkg", "-r", *modules)
    wait_for(lambda: active(lab) and lab.pid() != before and outcome(lab, "db"), "begun anew without them", every=0.05)
    before = lab.pid()
    lab.install(*modules)
    wait_for(lambda: outcome(lab, "db").get("state") == "down", "the module came by itself", every=0.05)
    assert lab.pid() != before
    have = lab.run("vitald", "--list-modules").stdout
    assert all(re.search(rf"^{m.removeprefix('vitald-')} ", have, re.M) for m in modules), have


def check_upgrade(lab, modules):
    """With its socket on: nobody is refused, no verdict changes, nothing is checked in a burst, the edited file stays."""
    lab.run("systemctl", "stop", "vitald.service")
    lab.run("systemctl", "enable", "--now", "vitald.socket")
    lab.run("systemctl", "start", "vitald.service")
    for name in ("root", "gone", "db"):
        wait_for(lambda name=name: outcome(lab, name).get("state") in ("up", "down"), f"{name} settles", every=0.05)
    edited = open(lab.path("/etc/vitald/vitald.yaml")).read()
    since = {name: outcome(lab, name)["since"] for name in ("root", "gone", "db")}
    for name in ("vitald", *modules):
        lab.next_version(name, "9.1")
    before, poller = lab.pid(), Poller(lab, 8686, "/readyz", 4)
    lab.install("vitald", *modules, pattern="next-9.1-{}_x.deb")
    seen = poller.result()
    assert set(seen["got"]) == {"200"} and seen["begun"] > 1000, seen
    assert lab.pid() != before, "the new one runs"
    assert open(lab.path("/etc/vitald/vitald.yaml")).read() == edited
    assert {name: outcome(lab, name)["since"] for name in since} == since, "an upgrade is no event"
    assert lab.run("systemctl", "is-enabled", "vitald.socket").stdout.strip() == "enabled"


def check_changed_conffile(lab):
    """Edited here and changed there: whoever keeps his own keeps it, and gets the other beside it."""
    edited = open(lab.path("/etc/vitald/vitald.yaml")).read()
    lab.next_version("vitald", "9.2", "# a new default\n")
    lab.run("dpkg", "--force-confold", "--force-depends", "-i", "/opt/debs/next-9.2-vitald_x.deb")
    assert open(lab.path("/etc/vitald/vitald.yaml")).read() == edited
    assert "# a new default" in open(lab.path("/etc/vitald/vitald.yaml.dpkg-dist")).read()
    assert active(lab)


def check_stopped_stays_stopped(lab):
    lab.run("systemctl", "stop", "vitald.socket", "vitald.service")
    lab.next_version("vitald", "9.3")
    lab.run("dpkg", "--force-confold", "--force-depends", "-i", "/opt/debs/next-9.3-vitald_x.deb")
    assert not active(lab), "an upgrade starts nothing that people stopped"
    lab.run("systemctl", "start", "vitald.service")


def check_removal(lab, modules):
    kept = open(lab.path("/etc/vitald/vitald.yaml")).read()
    lab.run("dpkg", "-r", *modules, "vitald")
    assert not active(lab) and lab.get("/readyz")[0] == 0
    assert open(lab.path("/etc/vitald/vitald.yaml")).read() == kept
    os.unlink(lab.path("/etc/vitald/vitald.yaml.dpkg-dist"))
    secret = lab.path("/etc/vitald/secrets/password")
    open(secret, "w").close()
    lab.run("dpkg", "-P", *modules, "vitald")
    assert lab.traces() - lab.before == {"/etc/vitald"} and os.path.exists(secret), "people's secrets are theirs"
    os.unlink(secret)
    lab.install("vitald")
    lab.run("dpkg", "-P", "vitald")
    assert lab.traces() - lab.before == set(), "a purge leaves nothing"
    wait_for(lambda: "vitald" not in lab.run("systemctl", "list-units", "--all", "--no-legend", "vitald*", check=False).stdout, "no unit is left", every=0.1)
