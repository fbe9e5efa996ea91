"""Every example in the manuals and in README.md is run as it stands. Only places, ports and long times are made ours."""
import glob
import json
import os
import re
import shutil
import signal
import subprocess

import jsonschema
import pytest
import yaml

from daemon import BUILD, ROOT, Vitald, check_config, wait_for
from test_docs import ENV

PAGES = sorted(glob.glob(f"{ROOT}/man/*.[1-9]"))


def plain(text):
    for mark, char in (("\\(dq", '"'), ("\\-", "-"), ("\\&", ""), ("\\e", "\\")):
        text = text.replace(mark, char)
    return text


def examples():
    for path in PAGES:
        with open(path) as f:
            text = f.read()
        name = os.path.basename(path)
        for n, block in enumerate(re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed", text, re.S | re.M)):
            yield pytest.param(plain(block), id=f"{name}-block{n}")
        for n, line in enumerate(re.findall(r"^\.Dl (.*)", text, re.M)):
            yield pytest.param(plain(line) + "\n", id=f"{name}-line{n}")
    with open(f"{ROOT}/README.md") as f:
        text = f.read()
    for n, line in enumerate(re.findall(r"^    (.*)", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), re.M)):
        for m, command in enumerate(re.split(r" {2,}(?=vitalctl |#)| {3,}(?=[^ &])", line)):
            if command and not command.startswith("#"):
                yield pytest.param(command + "\n", id=f"README-{n}.{m}")


CONFIG = """
probes:
  db: { memory: { fail_below: 0%, warn_below: 0% } }
  cache: { memory: { fail_below: 0%, warn_below: 0% } }
  backup: { heartbeat: { max_silence: 1h, at_start: pass } }
groups: { ready: [db, cache] }
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory, ca):
    """A running daemon and a directory in which the examples find what they speak of."""
    d = tmp_path_factory.mktemp("examples")
    shutil.copy(f"{ROOT}/conf/vitald.yaml", d / "vitald.yaml")
    for made, name in zip(ca.issue("example"), ("server.pem", "server.key")):
        shutil.copy(made, d / name)
    (d / "operators").write_text("ab" * 32 + "\n")
    (d / "operators").chmod(0o600)
    (d / "run-backup").write_text("#!/bin/sh\n")
    (d / "run-backup").chmod(0o755)
    with Vitald(CONFIG) as v:
        v.wait_code("/readyz", 200)
        v.examples = d
        yield v


def shell(v, text, timeout=60):
    """In a shell with the programs on its path."""
    for old, new in (("/etc/vitald/", f"{v.examples}/"), ("127.0.0.1:8686", f"127.0.0.1:{v.port}"), ("build/", ""),
                     ("--wait 15s", "--wait 15ms"), ("--for 10s", "--for 10ms"), ("kubectl apply -k ", "kubectl kustomize ")):
        text = text.replace(old, new)
    env = {"PATH": f"{BUILD}:{v.examples}:{os.environ['PATH']}", "VITALCTL_SOCKET": v.control, "VITALD_LISTEN": f"127.0.0.1:{v.port}"}
    return subprocess.Popen(["sh", "-c", text], env=env, cwd=v.examples, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def succeeds(v, text):
    process = shell(v, text)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, f"{text}: left with {process.returncode}\n{out}{err}"
    return out + err


def goes_on(v, text):
    """Prints something, and goes on until it is interrupted."""
    process = shell(v, "exec " + text)
    try:
        assert process.stdout.readline()
        assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=20)


def is_configuration(text):
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    return isinstance(tree, dict) and bool(set(tree) & {"probes", "groups", "listen", "notify", "files", "agents", "gates", "control", "log", "receivers"})


def check_sample(v, text):
    text = re.sub(r"([0-9a-f]{8})\.\.\.64 digits", r"\1" * 8, text.replace("/etc/vitald/", f"{v.examples}/"))
    r = check_config(text, env=ENV)
    assert r.returncode == 0, r.stderr


def check_env_file(v, text):
    path = v.examples / "example.env"
    path.write_text(text)
    path.chmod(0o600)
    r = check_config("probes: { a: { tcp: { address: 'x:1', send: x, expect: \"${REDIS_PASSWORD}|${REDIS_HOST}|${DATABASE_URL}\" } } }\n", f"--env-file={path}", "--dump-config")
    assert r.returncode == 0 and "warning" not in r.stderr, r.stdout + r.stderr
    read = yaml.safe_load(r.stdout)["probes"]["a"]["tcp"]["expect"].replace("$$", "$")
    assert read == 'two words, and a "quote"|cache.example|postgres://app:p$4word-9f2c@db.example/app'


def build_module(v, text):
    """The first module of vital-probe(3): compiled with the line that stands there, loaded, and found by its name."""
    modules = v.examples / "modules"
    modules.mkdir(exist_ok=True)
    shutil.copy(f"{ROOT}/probes/skeleton.c", v.examples / "skeleton.c")
    text = text.replace("/usr/local/include", f"{ROOT}/probes").replace("/usr/local/lib/vitald/modules/", f"{modules}/")
    succeeds(v, "set -e\n" + text)
    r = check_config('probes: { mail: { skeleton: { address: "127.0.0.1:25", greeting: "220 " } } }\n', f"--modules={modules}")
    assert r.returncode == 0, r.stderr


def compile_row(v, text):
    source = v.examples / "row.c"
    source.write_text(f'#include "vital_probe.h"\nstruct my_conf {{ uint64_t slow; }};\nconst struct vital_opt rows[] = {{\n{text}VITAL_OPT_END }};\n')
    succeeds(v, f"gcc -std=c11 -Wall -Wextra -Werror -I {ROOT}/probes -c -o row.o row.c")


def check_healthcheck(v, text):
    command = yaml.safe_load(text.split("CMD ", 1)[1])
    succeeds(v, " ".join(command))


def run_daemon(v, text):
    """Checks are run as they stand; the daemon itself is started on a port and in a place of its own."""
    if "--check-config" in text or "--until" in text:
        succeeds(v, text)
    elif "--once" in text:
        process = shell(v, text)
        out, err = process.communicate(timeout=60)
        assert process.returncode in (0, 1, 2, 3) and "STATE" in out.upper(), out + err
    else:
        process = shell(v, "exec env -u VITALD_LISTEN XDG_RUNTIME_DIR=. VITALD_LISTEN=127.0.0.1:0 " + text)
        line = ""
        while "listening on http://127.0.0.1:" not in line:
            line = process.stderr.readline()
            assert line, "it ended"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 0


ELSEWHERE = {
    r"make\b": "the Makefile's own targets: `make test` is what runs this",
    r"sudo |apt|dpkg|docker|podman|systemctl": "the package, image and service tests do these for real",
}

def check_kubelet_probes(v, text):
    """As Kubernetes' schema has them, about groups that there are, on the port that the example beside them listens on."""
    with open(f"{ROOT}/tests/golden/kubernetes-1.34.json") as f:
        schema = json.load(f)
    probe = {"$ref": "#/definitions/io.k8s.api.core.v1.Probe", "definitions": schema["definitions"]}
    for given in yaml.safe_load(text).values():
        jsonschema.validate(given, probe)
        assert v.group(given["grpc"]["service"]) and given["grpc"]["port"] == 8690


HOW = [
    (r"readinessProbe:", check_kubelet_probes),
    (r"(?s).*NAME=|# \.env", check_env_file),
    (r"gcc ", build_module),
    (r"VITAL_OPT", compile_row),
    (r"HEALTHCHECK", check_healthcheck),
    (r"vitalctl .*(--watch|-w |-f\b|--follow)|curl .*(-N|/events)", goes_on),
    (r"(build/)?vitalctl |run-backup|curl |openssl ", succeeds),
    (r"vitald ", run_daemon),
]


def how_to(text):
    if is_configuration(text):
        return check_sample
    return next((how for pattern, how in HOW if re.match(pattern, text)), None)


@pytest.mark.parametrize("text", examples())
def test_example_does_what_it_says(place, text):
    why = next((why for pattern, why in ELSEWHERE.items() if re.match(pattern, text)), None)
    if not why:
        how = how_to(text)
        assert how, f"nothing here knows how to run this example:\n{text}"
        how(place, text)
    place.ctl("undrain")
    place.ctl("resume", "db", "cache")


def test_there_are_examples():
    assert sum(1 for _ in examples()) > 25


@pytest.mark.parametrize("path", [p for p in PAGES], ids=os.path.basename)
def test_manual_is_well_formed(path):
    """mandoc finds no fault but those of style that the source has on purpose: long lines, our name as the operating system."""
    r = subprocess.run(["mandoc", "-Tlint", "-W", "warning", path], capture_output=True, text=True)
    faults = [line for line in (r.stdout + r.stderr).splitlines() if re.search(r"(WARNING|ERROR|UNSUPP|FATAL|SYSERR)", line)]
    assert not faults, "\n".join(faults)
    rendered = subprocess.run(["mandoc", "-Tutf8", path], capture_output=True, text=True)
    assert rendered.returncode == 0 and len(rendered.stdout) > 2000
    own = {os.path.basename(p) for p in PAGES}
    with open(path) as f:
        for name, section in re.findall(r"^\.Xr (vital\S*) (\d)", f.read(), re.M):
            assert f"{name}.{section}" in own, f"there is no {name}({section})"


@pytest.mark.parametrize("program, page", [("vitald", "vitald.8"), ("vitalctl", "vitalctl.1")])
def test_manual_names_every_option(program, page):
    with open(f"{ROOT}/man/{page}") as f:
        text = f.read()
    helps = [subprocess.run([f"{BUILD}/{program}", "--help"], capture_output=True, text=True).stdout]
    if program == "vitalctl":
        for command in re.findall(r"^  ([a-z]+)  ", helps[0], re.M):
            assert re.search(rf"^\.It Cm {command}\b", text, re.M), f"vitalctl.1 does not explain {command}"
            helps.append(subprocess.run([f"{BUILD}/vitalctl", "help", command], capture_output=True, text=True).stdout)
    for option in set(re.findall(r"^  (?:-\w, |    )?--([a-z-]+)", "".join(helps), re.M)):
        assert re.search(rf"Fl -?-?{option}\b|, -{option}\b|\| -{option}\b", text), f"{page} does not name --{option}"
