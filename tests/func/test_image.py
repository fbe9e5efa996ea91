"""The container images: what is in them, how large they are, and run: read-only, without root, without capabilities, with a
memory limit, by podman and runc. `make image-check` builds the Dockerfile besides."""
import glob
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request

import pytest
import yaml

from daemon import BUILD, ROOT, free_port, make, wait_for

STAGE, IMAGES = f"{BUILD}/stage", f"{BUILD}/image"
COMPOSE = f"{ROOT}/conf/compose/compose.yaml"
pytestmark = pytest.mark.skipif("address" in BUILD, reason="images are made from the plain build")


def why_not_run():
    if os.geteuid() != 0:
        return "needs root: podman with runc"
    for tool in ("podman", "runc"):
        if not shutil.which(tool):
            return f"needs {tool} (tests/setup test)"
    return None


runs = pytest.mark.skipif(why_not_run() is not None, reason=f"images are not run: {why_not_run()}")


def modules():
    return sorted(os.path.basename(m)[:-3] for m in glob.glob(f"{BUILD}/modules/*.so") if not m.endswith("skeleton.so"))


class Archive:
    """An OCI layout in a tar, read and verified."""

    def __init__(self, path):
        self.path = path
        with tarfile.open(path) as tar:
            self.files = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}
        for name, content in self.files.items():
            if name.startswith("blobs/"):
                assert hashlib.sha256(content).hexdigest() == os.path.basename(name), "a blob's name is its digest"
        assert json.loads(self.files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
        [entry] = json.loads(self.files["index.json"])["manifests"]
        self.digest = entry["digest"]
        self.manifest = json.loads(self.blob(entry))
        self.config = json.loads(self.blob(self.manifest["config"]))
        self.layers = [self.blob(layer) for layer in self.manifest["layers"]]
        plain = [gzip.decompress(layer) for layer in self.layers]
        assert ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in plain] == self.config["rootfs"]["diff_ids"]
        self.members = {}
        for layer in plain:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                for m in tar.getmembers():
                    self.members["/" + m.name] = (m, tar.extractfile(m).read() if m.isfile() else None)

    def blob(self, entry):
        content = self.files["blobs/" + entry["digest"].replace(":", "/")]
        assert len(content) == entry["size"]
        return content


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Copies: who makes them anew meanwhile, in the same tree, writes into the ones that were made."""
    make("image")
    mine = shutil.copytree(IMAGES, tmp_path_factory.mktemp("images") / "made")
    return {variant: Archive(f"{mine}/vitald-{variant}.tar") for variant in ("core", "full")}


def test_size(images):
    assert sum(map(len, images["core"].layers)) < 6e6
    assert sum(map(len, images["full"].layers)) < 12e6
    assert images["full"].layers[0] == images["core"].layers[0], "one layer is common to both"


def test_configuration(images):
    for image in images.values():
        config = image.config["config"]
        assert config["User"] == "65532:65532" and config["Entrypoint"] == ["/usr/sbin/vitald"]
        assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/vitalctl", "check"]
    docker = json.loads(images["full"].files["manifest.json"])[0]
    assert docker["Config"] == "blobs/" + images["full"].manifest["config"]["digest"].replace(":", "/"), "docker load finds the same"
    with open(f"{ROOT}/conf/container/Dockerfile") as f:
        says = f.read().replace("\\\n", "")
    for variable in images["full"].config["config"]["Env"]:
        assert variable in re.search(r"^ENV (.*)$", says, re.M).group(1).split(), "the Dockerfile's image has the same environment"
    assert 'CMD ["/usr/bin/vitalctl", "check"]' in says and "USER 65532:65532" in says


def test_exactly_the_libraries(images, tmp_path):
    """Everything that is needed is there, and nothing that is not."""
    for image in images.values():
        wanted, have = set(), {}
        for path, (member, content) in image.members.items():
            assert not member.mode & 0o6000, f"{path} is setuid"
            if content and content[:4] == b"\x7fELF":
                (tmp_path / "elf").write_bytes(content)
                text = subprocess.run(["readelf", "-dW", tmp_path / "elf"], check=True, capture_output=True, text=True).stdout
                wanted |= set(re.findall(r"\(NEEDED\).*\[(.*)\]", text))
                if "/lib" in path and "/modules/" not in path and "/plugin/" not in path:
                    have[os.path.basename(path)] = path
        assert wanted <= set(have), f"missing: {wanted - set(have)}"
        assert {n for n in set(have) - wanted if not n.startswith("ld-linux")} == set(), "nobody needs these"
        assert not [p for p in image.members if p.endswith(("/sh", "/bash", "/apt", "/busybox"))]
    inside = {os.path.basename(p)[:-3] for p in images["full"].members if "/vitald/modules/" in p and p.endswith(".so")}
    assert inside == set(modules())
    assert any(p.endswith("plugin/caching_sha2_password.so") for p in images["full"].members), "how MySQL 8 wants logins"
    licences = [p for p in images["core"].members if re.match(r"/usr/share/doc/[^/]+/copyright$", p)]
    assert len(licences) >= 6, "each library's licence goes with it"


def test_only_the_distributions_authorities_are_trusted(images):
    """Whoever this machine trusts besides stays here."""
    inside = images["core"].members["/etc/ssl/certs/ca-certificates.crt"][1]
    files = glob.glob("/usr/share/ca-certificates/mozilla/*.crt")
    assert len(files) > 50 and inside.count(b"BEGIN CERTIFICATE") == len(files)
    for path in files:
        assert open(path, "rb").read().strip() in inside, path


def test_same_digest_again(images, tmp_path):
    shutil.copytree(STAGE, tmp_path / "other")
    environment = {**os.environ, "TZ": "Asia/Tokyo", "HOME": str(tmp_path)}
    environment.pop("SOURCE_DATE_EPOCH", None)
    version = images["full"].config["config"]["Labels"]["org.opencontainers.image.version"]
    done = subprocess.run(f"umask 077; exec {ROOT}/conf/container/make-image {tmp_path}/other out {version}", shell=True, cwd=tmp_path, env=environment,
                          check=True, capture_output=True, text=True)
    assert images["full"].digest in done.stdout and images["core"].digest in done.stdout, done.stdout
    for variant, image in images.items():
        assert (tmp_path / "out" / f"vitald-{variant}.tar").read_bytes() == open(image.path, "rb").read()


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed (tests/setup test)")
def test_another_reader_agrees(images):
    for image in images.values():
        done = subprocess.run(["skopeo", "inspect", f"oci-archive:{image.path}"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["Digest"] == image.digest


# ---- run -----------------------------------------------------------------------------------------------------------------

def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except OSError:
        return 0, ""


def state(port, name):
    code, body = get(port, f"/status/{name}")
    probe = json.loads(body)["probe"] if code == 200 else {}
    return probe.get("state"), (probe.get("outcome") or {}).get("reason")


class Podman:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="vi", dir="/var/tmp")
        store = ["--root", f"{self.dir}/store", "--runroot", f"{self.dir}/run", "--storage-driver", "vfs"]
        self.base = ["podman", *store, "--cgroup-manager", "cgroupfs", "--runtime", "runc", "--tmpdir", f"{self.dir}/tmp", "--events-backend", "file"]
        self.names = []

    def __call__(self, *args, check=True):
        done = subprocess.run([*self.base, *args], capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
        return done

    def start(self, image, config=None, *options, run=True, **env):
        """As hardened as the documents say it can be. One's own port on the host's loopback: here is no bridge."""
        name, port = f"v{len(self.names)}", free_port()
        self.names.append(name)
        if config:
            path = f"{self.dir}/{name}.yaml"
            with open(path, "w") as f:
                f.write(config)
            options += ("-v", f"{path}:/etc/vitald/vitald.yaml:ro")
        env = {"VITALD_LISTEN": f"127.0.0.1:{port}", "VITALD_SHUTDOWN_DELAY": "0s", **env}
        done = self("run", *(["-d"] if run else []), "--name", name, "--network", "host", "--read-only", "--read-only-tmpfs=false", "--memory", "64m", "--pids-limit", "64",
                    "--cap-drop", "all", "--security-opt", "no-new-privileges", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=500:500",
                    *[x for k, v in env.items() for x in ("-e", f"{k}={v}")], *options, image, check=run)
        return (name, port) if run else done

    def logs(self, name):
        done = self("logs", name)
        return done.stdout + done.stderr

    def close(self):
        if self.names:
            self("rm", "-f", "-t", "0", *self.names, check=False)
        subprocess.run(["umount", "-q", f"{self.dir}/store/vfs"], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)
        for parent in glob.glob("/sys/fs/cgroup/*/libpod_parent"):
            if not any(os.path.isdir(f"{parent}/{d}") for d in os.listdir(parent)):
                os.rmdir(parent)


@pytest.fixture(scope="module")
def podman(images):
    made = Podman()
    try:
        for variant, image in images.items():       # by the docker archive, which alone carries the health check to podman
            made("pull", "-q", f"docker-archive:{image.path}")
        yield made
    finally:
        made.close()


def name_of(images, variant):
    return json.loads(images[variant].files["manifest.json"])[0]["RepoTags"][0]


@runs
def test_runs_hardened(images, podman):
    name, port = podman.start(name_of(images, "core"))
    wait_for(lambda: get(port, "/readyz")[0] == 200, "ready", every=0.05)
    pid = podman("inspect", "-f", "{{.State.Pid}}", name).stdout.strip()
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    assert status["Uid"].split() == ["65532"] * 4 and status["Gid"].split() == ["65532"] * 4
    assert {status[c] for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert re.search(r"^\S+ / \S+ ro[, ]", open(f"/proc/{pid}/mounts").read(), re.M), "its root cannot be written"
    assert podman("inspect", "-f", "{{.HostConfig.Memory}}", name).stdout.strip() == str(64 << 20)
    for path in open(f"/proc/{pid}/cgroup").read().splitlines():
        number, controllers, where = path.split(":", 2)
        if controllers == "memory":
            assert open(f"/sys/fs/cgroup/memory{where}/memory.limit_in_bytes").read().strip() == str(64 << 20)
    check = images["core"].config["config"]["Healthcheck"]["Test"]
    assert podman("exec", name, *check[1:]).stdout.startswith("pass: ")
    assert podman("healthcheck", "run", name).returncode == 0
    podman("stop", "-t", "20", name)
    assert podman("inspect", "-f", "{{.State.ExitCode}}", name).stdout.strip() == "0", "it left in order, by itself"


@runs
def test_health_check_fails_when_it_should(images, podman):
    name, port = podman.start(name_of(images, "core"), "probes: { gone: { tcp: '127.0.0.1:1' } }\ngroups: { health: { all: [gone] } }\n"
                              "defaults: { interval: 1s, timeout: 500ms }\n")
    wait_for(lambda: get(port, "/healthz")[0] == 503, "down", every=0.05)
    assert podman("exec", name, "/usr/bin/vitalctl", "check", check=False).returncode == 1
    assert podman("healthcheck", "run", name, check=False).returncode == 1


HTTPS = "defaults: {{ interval: 1s, timeout: 500ms }}\nprobes: {{ web: {{ http: {{ url: 'https://localhost:{port}/' }} }} }}\n"


@runs
def test_every_module_loads(images, podman):
    name, port = podman.start(name_of(images, "full"))
    wait_for(lambda: get(port, "/livez")[0] == 200, "alive", every=0.05)
    listed = podman("exec", name, "/usr/sbin/vitald", "--list-modules").stdout
    for module in modules():
        assert re.search(rf"^{module}  ", listed, re.M), podman.logs(name)


@runs
def test_stores_by_environment_alone(images, podman):
    """In the full image a store that is announced is really asked; in the core one its probe says what is missing."""
    where = {"DATABASE_URL": "postgresql://u:p@localhost:1/x", "REDIS_URL": "redis://localhost:1", "MYSQL_URL": "mysql://u:p@localhost:1/x"}
    for variant, expected in (("full", "refused"), ("core", "install the package vitald-postgres")):
        name, port = podman.start(name_of(images, variant), **where)
        wait_for(lambda port=port, expected=expected: expected in get(port, "/status")[1], f"{variant}: {expected}", every=0.05)
        assert get(port, "/readyz")[0] == 503
        if variant == "full":
            wait_for(lambda port=port: get(port, "/status")[1].count('"refused"') >= 3, "all three asked, by name", every=0.05)


@runs
def test_certificates_are_believed(images, podman, ca):
    """The image's own list is what counts, and it is read: with our authority in its place our server is believed."""
    from conftest import Server
    import ssl
    crt, key = ca.issue("image")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(crt, key)

    def answer(sock):
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    server = Server(answer, tls)
    config = HTTPS.format(port=server.port)
    os.chmod(ca.dir, 0o755)
    name, port = podman.start(name_of(images, "core"), config)
    wait_for(lambda: state(port, "web") == ("down", "cert_untrusted"), "not believed", every=0.05)
    name, port = podman.start(name_of(images, "core"), config, "-v", f"{ca.ca}:/etc/ssl/certs/ca-certificates.crt:ro")
    wait_for(lambda: state(port, "web") == ("up", "ok"), "believed", every=0.05)


@runs
def test_wrong_configuration_is_an_exit_code(images, podman):
    assert podman.start(name_of(images, "core"), "nonsense: 1\n", run=False).returncode == 78


# ---- compose -------------------------------------------------------------------------------------------------------------

SECRETS = {"POSTGRES_PASSWORD": "correct horse", "REDIS_PASSWORD": "battery staple"}


def compose():
    """The file, with variables replaced as compose does it."""
    def value(m):
        return SECRETS.get(m.group(1)) or m.group(3)
    with open(COMPOSE) as f:
        return yaml.safe_load(re.sub(r"\$\{(\w+)(:[-?]([^}]*))?\}", value, f.read()))


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed (tests/setup test)")
def test_compose_file_is_one():
    done = subprocess.run(["docker-compose", "-f", COMPOSE, "config", "-q"], capture_output=True, text=True, env={**os.environ, **SECRETS})
    assert done.returncode == 0 and not done.stderr, done.stderr
    without = subprocess.run(["docker-compose", "-f", COMPOSE, "config", "-q"], capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert without.returncode != 0 and "say which" in without.stderr, "no password is a mistake, not an empty one"


def test_compose_gates_the_app(images):
    services = compose()["services"]
    vitald = services["vitald"]
    assert services["app"]["depends_on"]["vitald"]["condition"] == "service_healthy"
    assert vitald["healthcheck"]["test"] == ["CMD", "/usr/bin/vitalctl", "check", "ready"]
    assert vitald["image"] == name_of(images, "full"), "the image that make image makes"
    assert vitald["read_only"] and vitald["cap_drop"] == ["ALL"] and vitald["security_opt"] == ["no-new-privileges:true"]
    uid = images["full"].config["config"]["User"].split(":")[0]
    assert f"uid={uid}" in vitald["tmpfs"][0]
    with open(f"{ROOT}/Makefile") as f:
        assert vitald["image"].endswith(":" + re.search(r"^VERSION\s*:= (\S+)", f.read(), re.M).group(1))


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("redis-server"), reason="needs root and redis-server: a network of its own for port 6379")
def test_compose_redis_asks_for_its_password(tmp_path):
    service = compose()["services"]["redis"]
    command = [word.replace("$$", "$") for word in service["command"]]
    redis = subprocess.Popen(["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "in", *command], cwd=tmp_path, stdout=subprocess.DEVNULL,
                             env={"PATH": os.environ["PATH"], **service["environment"]})

    def ping(**env):
        return subprocess.run(["nsenter", "-t", str(redis.pid), "-n", "redis-cli", "ping"], capture_output=True, text=True, env={"PATH": os.environ["PATH"], **env}).stdout
    try:
        wait_for(lambda: "PONG" in ping(REDISCLI_AUTH=SECRETS["REDIS_PASSWORD"]), "PONG", every=0.05)
        assert "NOAUTH" in ping()
        assert SECRETS["REDIS_PASSWORD"] not in open(f"/proc/{redis.pid}/cmdline").read()
    finally:
        redis.kill()
        redis.wait()


def test_compose_environment_is_a_configuration(images):
    """What vitald makes of it: both stores are required, with their logins, and no secret is shown."""
    environment = {"PATH": os.environ["PATH"], **compose()["services"]["vitald"]["environment"]}
    done = subprocess.run([f"{BUILD}/vitald", "--dump-config"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and not re.search("error|warning", done.stderr), done.stderr
    assert "horse" not in done.stdout and "staple" not in done.stdout
    probes = {name: probe for name, probe in yaml.safe_load(done.stdout)["probes"].items() if "postgres" in probe or "redis" in probe}
    assert len(probes) == 2, done.stdout
    for probe in probes.values():
        [(kind, options)] = [(k, probe[k]) for k in ("postgres", "redis") if k in probe]
        assert kind in json.dumps(options), "the host's name is the service's"
    port = free_port()
    daemon = subprocess.Popen([f"{BUILD}/vitald"], env={**environment, "VITALD_LISTEN": f"127.0.0.1:{port}"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        code, body = wait_for(lambda: next((a for a in [get(port, "/readyz?verbose")] if a[0]), None), "an answer", every=0.02)
    finally:
        daemon.kill()
        daemon.wait()
    assert code == 503
    for name in probes:
        assert re.search(rf"{name} (?!.*advisory)", body), body
