"""Every YAML sample in the documentation is loaded; every file in conf/ that claims to be a configuration is one."""
import glob
import os
import re

import pytest

from daemon import ROOT, check_config

ENV = {"DATABASE_URL": "postgres://u:p@db.example/app", "REDIS_URL": "redis://cache.example:6379",
       "REDIS_PASSWORD": "kX9-2vQ0", "SENTINEL_PASSWORD": "kX9-2vQ0", "PGPASSWORD": "kX9-2vQ0", "MYSQL_PASSWORD": "kX9-2vQ0", "ELASTIC_PASSWORD": "kX9-2vQ0", "RABBITMQ_PASSWORD": "kX9-2vQ0"}


def samples():
    for path in sorted(glob.glob(f"{ROOT}/README.md") + glob.glob(f"{ROOT}/**/*.md", recursive=True)):
        if "/build/" in path or "/tests/fuzz/" in path:
            continue
        for n, block in enumerate(re.findall(r"```yaml\n(.*?)```", open(path).read(), re.S)):
            yield pytest.param(block, id=f"{os.path.relpath(path, ROOT)}#{n}")
    for path in sorted(glob.glob(f"{ROOT}/man/*.[1-9]")):
        text = open(path).read()
        for n, block in enumerate(re.findall(r'^\.\\" sample yaml\n\.Bd[^\n]*\n(.*?)^\.Ed', text, re.S | re.M)):
            yield pytest.param(block.replace("\\e", "\\").replace("\\-", "-").replace("\\&", ""), id=f"{os.path.relpath(path, ROOT)}#{n}")
    for path in sorted(glob.glob(f"{ROOT}/conf/*.yaml") + glob.glob(f"{ROOT}/conf/recipes/*.yaml")):
        if not path.endswith("reference.yaml"):
            yield pytest.param(open(path).read(), id=os.path.relpath(path, ROOT))


@pytest.mark.parametrize("text", samples())
def test_sample_is_a_good_configuration(text):
    r = check_config(text, env=ENV)
    assert r.returncode == 0, r.stderr


def test_there_are_samples():
    assert sum(1 for _ in samples()) >= 3


@pytest.mark.parametrize("path", sorted(glob.glob(f"{ROOT}/conf/recipes/*.yaml")), ids=os.path.basename)
def test_the_linter_has_nothing_against_a_recipe(path):
    r = check_config(open(path).read(), env=ENV)
    warnings = [line for line in r.stderr.splitlines() if "warning:" in line]
    assert not warnings, "\n".join(warnings)
