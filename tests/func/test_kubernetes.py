"""conf/kubernetes: the manifests fit the API's own schema, the numbers in them agree with the configurations that they carry, and
what the containers run is run."""
import glob
import json
import os
import re
import shutil
import subprocess

import jsonschema
import pytest
import yaml

from daemon import BUILD, ROOT, Vitald, check_config, free_port

HOME = f"{ROOT}/conf/kubernetes"
DIRECTORIES = ["app", "node", "store"]

# Of Prometheus Operator's API (monitoring.coreos.com/v1), by hand: the fields that are used here.
SERVICE_MONITOR = {
    "type": "object", "additionalProperties": False, "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"}, "kind": {"const": "ServiceMonitor"}, "metadata": {"type": "object"},
        "spec": {"type": "object", "additionalProperties": False, "required": ["selector", "endpoints"], "properties": {
            "selector": {"type": "object", "additionalProperties": False, "properties": {"matchLabels": {"type": "object"}}},
            "endpoints": {"type": "array", "items": {"type": "object", "additionalProperties": False, "properties": {
                "port": {"type": "string"}, "path": {"type": "string"}, "interval": {"type": "string"}, "scrapeTimeout": {"type": "string"}}}}}}}}


@pytest.fixture(scope="module")
def validators():
    """By (apiVersion, kind); strict: what the schema does not name is refused."""
    with open(f"{ROOT}/tests/golden/kubernetes-1.34.json") as f:
        schema = json.load(f)
    for name, definition in schema["definitions"].items():
        if name.endswith((".Quantity", ".IntOrString")):
            definition.pop("format", None)
            definition["type"] = ["string", "integer", "number"] if name.endswith(".Quantity") else ["string", "integer"]
        elif "properties" in definition:
            definition["additionalProperties"] = False
    found = {("monitoring.coreos.com/v1", "ServiceMonitor"): jsonschema.Draft4Validator(SERVICE_MONITOR)}
    for name, definition in schema["definitions"].items():
        for kind in definition.get("x-kubernetes-group-version-kind", ()):
            version = f"{kind['group']}/{kind['version']}" if kind["group"] else kind["version"]
            found[version, kind["kind"]] = jsonschema.Draft4Validator({"$ref": f"#/definitions/{name}", "definitions": schema["definitions"]})
    return found


def findings(validators, document):
    validator = validators[document["apiVersion"], document["kind"]]
    return [f"{document['kind']} {document['metadata']['name']}: {'/'.join(map(str, e.path))}: {e.message}" for e in validator.iter_errors(document)]


def documents(path):
    with open(path) as f:
        return [d for d in yaml.safe_load_all(f) if d]


def manifests(directory):
    for path in sorted(glob.glob(f"{HOME}/{directory}/*.yaml")):
        if os.path.basename(path) not in ("kustomization.yaml", "vitald.yaml", "spread.yaml"):
            for document in documents(path):
                spec = document.get("spec", {})
                if "template" in spec:          # kustomize writes the labels that a workload and its pods have in common
                    spec.setdefault("selector", {"matchLabels": {}})
                yield document


def workload(directory):
    return next(d for d in manifests(directory) if "template" in d.get("spec", {}))


def pod_of(document):
    return document["spec"]["template"]["spec"]


def container(directory, name="vitald"):
    return next(c for c in pod_of(workload(directory))["containers"] if c["name"] == name)


# ---- shape

@pytest.mark.parametrize("directory", [*DIRECTORIES, "production"])
def test_manifests_fit_the_schema(validators, directory):
    bad = [f for d in manifests(directory) for f in findings(validators, d)]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("directory", [*DIRECTORIES, "production"])
def test_what_kustomize_makes_fits_the_schema(validators, directory):
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not here (Debian 12 has none that is new enough): rendering was checked with kustomize 5.5; the manifests themselves are checked above")
    made = subprocess.run(["kubectl", "kustomize", f"{HOME}/{directory}"], capture_output=True, text=True, timeout=60)
    if "unknown field" in made.stderr or "invalid Kustomization" in made.stderr:
        pytest.skip("this kubectl's kustomize is older than 5: " + made.stderr.strip()[:200])
    assert made.returncode == 0, made.stderr
    documents_made = list(yaml.safe_load_all(made.stdout))
    bad = [f for d in documents_made for f in findings(validators, d)]
    assert not bad, "\n".join(bad)
    names = {(d["kind"], d["metadata"]["name"]) for d in documents_made}
    for document in documents_made:
        spec = document.get("spec", {})
        if "template" in spec:
            labels = spec["template"]["metadata"]["labels"]
            assert spec["selector"]["matchLabels"].items() <= labels.items()
            for volume in spec["template"]["spec"]["volumes"]:
                source = volume.get("configMap", {}).get("name")
                assert not source or source == "kube-root-ca.crt" or ("ConfigMap", source) in names, source
                secret = volume.get("secret", {}).get("secretName")
                assert not secret or ("Secret", secret) in names, secret
    if directory == "production":
        assert all(d["metadata"].get("namespace") == "shop" for d in documents_made if d["kind"] != "Namespace")


def test_the_schema_finds_mistakes(validators):
    def broken(change):
        document = workload("app")
        change(pod_of(document))
        return "\n".join(findings(validators, document))
    assert "periodSecond'" in broken(lambda pod: pod["containers"][1]["livenessProbe"].update(periodSecond=1))
    assert "'2'" in broken(lambda pod: pod["containers"][1]["livenessProbe"].update(periodSeconds="2"))
    assert "'name' is a required property" in broken(lambda pod: pod["containers"][1].pop("name"))


# ---- rules

@pytest.mark.parametrize("directory", DIRECTORIES)
def test_pods_are_restricted(directory):
    """The restricted level of Kubernetes' pod security standards, rule by rule."""
    pod = pod_of(workload(directory))
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] != 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC"))
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for volume in pod["volumes"]:
        assert set(volume) - {"name"} <= allowed, volume
    for c in [*pod.get("initContainers", ()), *pod["containers"]]:
        context = c["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]} and not context.get("privileged")
        assert not any("hostPort" in port for port in c.get("ports", ()))
        assert c["resources"]["limits"]["memory"] and c["resources"]["requests"]["memory"]


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_only_vitald_is_asked_about_readiness_and_never_about_others_lives(directory):
    for c in pod_of(workload(directory))["containers"]:
        if c["name"] == "vitald":
            assert {c[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")} == {"/startupz", "/livez", "/readyz"}
            continue
        ports = {p["name"] for p in c["ports"]} | {p["containerPort"] for p in c["ports"]}
        how = c["livenessProbe"].get("httpGet") or c["livenessProbe"]["tcpSocket"]
        assert how["port"] in ports and "readinessProbe" not in c


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_probes_say_what_the_linter_is_told(directory):
    """vitald knows who asks by `consumers`: the same numbers, or its arithmetic is about something else."""
    c, pod = container(directory), pod_of(workload(directory))
    conf = documents(f"{HOME}/{directory}/vitald.yaml")[0]
    ports = {p["name"]: p["containerPort"] for p in c["ports"]}
    assert len(conf["consumers"]) == 3
    for kind, group in ("startup", "startup"), ("liveness", "live"), ("readiness", "ready"):
        probe, told = c[f"{kind}Probe"], conf["consumers"][f"{kind}-probe"]
        assert told["group"] == group and ports[probe["httpGet"]["port"]] == 8686
        asked = (probe["periodSeconds"], probe["timeoutSeconds"], probe["failureThreshold"])
        assert (seconds(told["period"]), seconds(told["timeout"]), told["threshold"]) == asked
    notices = c["readinessProbe"]["periodSeconds"] * c["readinessProbe"]["failureThreshold"] + c["readinessProbe"]["timeoutSeconds"]
    drain = c["lifecycle"]["preStop"]["exec"]["command"]
    assert drain[:3] == ["vitalctl", "drain", "--wait"] and seconds(drain[3]) >= notices
    assert seconds(conf["shutdown_delay"]) >= notices
    assert pod["terminationGracePeriodSeconds"] >= seconds(drain[3]) + seconds(conf["shutdown_delay"]) + 5
    for other in pod["containers"]:
        if other["name"] != "vitald":
            assert other["lifecycle"]["preStop"]["sleep"]["seconds"] >= notices


@pytest.fixture
def places(tmp_path, ca):
    """What a pod mounts, as files here."""
    for name in ("postgres", "redis"):
        (tmp_path / name).write_text("kX9-2vQ0-7bTz\n")
        (tmp_path / name).chmod(0o400)
    return lambda text: (text.replace("/run/secrets/vitald", str(tmp_path)).replace("/run/secrets/redis", str(tmp_path))
                         .replace("/run/secrets/cluster/ca.crt", ca.ca))


def configuration(directory):
    with open(f"{HOME}/{directory}/vitald.yaml") as f:
        return f.read()


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_the_linter_agrees(directory, places):
    r = check_config(places(configuration(directory)))
    assert r.returncode == 0 and "0 warnings" in r.stdout, r.stdout + r.stderr
    assert "confirms nothing" not in r.stderr
    assert all(f"consumer `{kind}-probe` acts on a fault" in r.stderr for kind in ("startup", "liveness", "readiness"))


def test_numbers_that_disagree_are_found(places):
    text = places(configuration("app"))
    assert "0 warnings" not in check_config(text.replace("shutdown_delay: 12s", "shutdown_delay: 5s")).stdout
    assert "confirms nothing" in check_config(text.replace("interval: 5s", "interval: 15s")).stderr


# ---- run

def test_the_init_container_waits_for_the_stores(tmp_path, places, server):
    args = pod_of(workload("app"))["initContainers"][0]["args"]
    assert args[:2] == ["-c", "/etc/vitald/vitald.yaml"]
    text, stores = configuration("app"), {"db": free_port(), "cache": free_port()}
    for name, port in stores.items():
        text = re.sub(rf"^  {name}:\n    \w+: {{.*}}$", f"  {name}:\n    tcp: 127.0.0.1:{port}", text, flags=re.M)

    def run(*more):
        (tmp_path / "c.yaml").write_text(places(text))
        return subprocess.run([f"{BUILD}/vitald", "-c", str(tmp_path / "c.yaml"), *args[2:], *more], capture_output=True, text=True, timeout=60)
    gone = run("--timeout=1s")
    assert gone.returncode == 1 and "waiting for: db (" in gone.stderr and "stores did not pass in time" in gone.stderr, gone.stderr
    made = {name: server(lambda sock: sock.recv(1)) for name in stores}
    for name, port in stores.items():
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{made[name].port}")
    there = run()
    assert there.returncode == 0, there.stderr


class StorePod:
    """A pod of the StatefulSet: Redis by the script that the manifest mounts."""

    def __init__(self, tmp_path, name, port, master=None):
        self.dir, self.port = tmp_path / name, port
        self.dir.mkdir()
        with open(f"{HOME}/store/start.sh") as f:
            text = f.read()
        for old, new in (("/run/secrets/redis/redis", tmp_path / "redis"), ("/data", self.dir), ("redis-0.redis 6379", f"127.0.0.1 {master}")):
            assert old in text
            text = text.replace(old, str(new))
        text = text.replace("appendonly yes\n", f'appendonly yes\nport {port}\nbind 127.0.0.1\nsave ""\nrepl-diskless-sync-delay 0\n')
        (self.dir / "start.sh").write_text(text)
        with open(self.dir / "log", "w") as log:
            self.process = subprocess.Popen(["sh", str(self.dir / "start.sh")], env={"PATH": os.environ["PATH"], "POD_NAME": name}, stdout=log, stderr=log)

    def stop(self):
        self.process.kill()
        self.process.wait()


def test_the_verdict_of_a_store_gates_its_pod(tmp_path, places):
    c = container("store")
    path = {kind: c[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    places("")
    ports = [free_port(), free_port()]
    master, replica = StorePod(tmp_path, "redis-0", ports[0], "-"), None
    text = places(configuration("store")).replace("disk: { path: /data", f"disk: {{ path: {tmp_path}")
    text = re.sub(r"^listen:\n(  .*\n)+", "", text, flags=re.M).replace("interval: 5s", "interval: 200ms")
    try:
        replica = StorePod(tmp_path, "redis-1", ports[1], ports[0])
        with Vitald(text.replace("127.0.0.1:6379", f"127.0.0.1:{ports[0]}")) as first, \
                Vitald(text.replace("127.0.0.1:6379", f"127.0.0.1:{ports[1]}")) as second:
            for v in first, second:
                v.wait_code(path["startup"], 200)
                v.wait_code(path["readiness"], 200)
            first.wait_state("redis", "up")     # it has a replica
            master.stop()
            for v in first, second:             # the replica has lost its master
                v.wait_code(path["readiness"], 503)
                assert v.get(path["liveness"]).status == 200
    finally:
        master.stop()
        if replica:
            replica.stop()


def test_the_drain_before_the_stop(places):
    """preStop as it stands in the manifests, but for the time it waits."""
    command = container("node")["lifecycle"]["preStop"]["exec"]["command"]
    with Vitald("probes: { m: { memory: { fail_below: 0% , warn_below: 0% } } }\ngroups: { ready: [m] }\n") as v:
        v.wait_code("/readyz", 200)
        assert v.ctl(*command[1:3], "1ms").returncode == 0
        assert v.get("/readyz").status == 503 and v.get("/livez").status == 200
