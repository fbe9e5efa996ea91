"""Completion for bash and zsh offers, for every command, exactly the options that the program's own help names."""
import os
import pty
import re
import select
import subprocess
import time

import pytest

from daemon import BUILD, PATIENCE, ROOT

HOME = f"{ROOT}/conf/completion"


def help_of(program, *command):
    return subprocess.run([f"{BUILD}/{program}", *(["help", *command] if program == "vitalctl" else ["--help"])], capture_output=True, text=True,
                          check=True, timeout=20).stdout


def options_in(text):
    return set(re.findall(r"^  (?:-\w, |    )?(--[a-z-]+)", text, re.M))


def commands():
    return re.findall(r"^  ([a-z]+)  ", help_of("vitalctl"), re.M)


def bash(program, *words):
    """What bash offers for the last of the words."""
    script = (f"source {HOME}/{program}.bash; COMP_WORDS=({program} {' '.join(repr(w) for w in words)}); COMP_CWORD={len(words)}; _{program}; "
              "printf '%s\\n' \"${COMPREPLY[@]}\"")
    return set(subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=20,
                              env={"PATH": f"{BUILD}:{os.environ['PATH']}"}).stdout.split())


# The completion file run by zsh itself, with the two functions of its completion system that it calls replaced: one plays that a
# command has been typed, then both print what they are given.
ZSH = r"""
_arguments() {
    if [[ $1 == -C ]]; then
        print -rl -- "$@"
        [[ -n $TYPED ]] || { state=command; return 1 }
        state=argument line=($TYPED)
        return 1
    fi
    print -rl -- "$@"
}
_describe() { print -rl -- "${(P@)2}" }
source FILE
"""


def zsh(program, typed=""):
    return subprocess.run(["zsh", "-f", "-c", ZSH.replace("FILE", f"{HOME}/_{program}")], capture_output=True, text=True, timeout=20, check=True,
                          env={"PATH": os.environ["PATH"], "TYPED": typed}).stdout


def zsh_options(text):
    return set(re.findall(r"(?:^|\)|\*)(--[a-z-]+)(?==?\[)", text, re.M))


def test_there_is_help_to_compare_with():
    assert len(commands()) >= 19 and "--until" in options_in(help_of("vitalctl", "wait"))
    assert len(options_in(help_of("vitald"))) >= 14


def test_bash_knows_every_command():
    assert {word for word in bash("vitalctl", "") if not word.startswith("-")} == set(commands())
    assert bash("vitalctl", "help", "") == set(commands())
    assert bash("vitalctl", "wa") == {"wait"}


@pytest.mark.parametrize("command", commands())
def test_bash_knows_every_option(command):
    if command != "help":       # it completes commands
        assert bash("vitalctl", command, "--") == options_in(help_of("vitalctl", command))


@pytest.mark.parametrize("words, offered", [
    (("wait", "--until", ""), {"pass", "fail"}), (("status", "-o", ""), {"text", "json"}), (("check", "--output", ""), {"text", "nagios"}),
    (("explain", "--color", "a"), {"auto", "always"}), (("--socket", "/x", "wa"), {"wait"})])
def test_bash_knows_values(words, offered):
    assert bash("vitalctl", *words) == offered


def test_bash_knows_the_daemons_options():
    assert bash("vitald", "--") == options_in(help_of("vitald"))
    assert bash("vitald", "--log-level", "") == {"error", "warning", "notice", "info", "debug"}


def test_zsh_knows_every_command():
    said = zsh("vitalctl")
    assert set(re.findall(r"^([a-z]+):", said, re.M)) == set(commands())


@pytest.mark.parametrize("command", commands())
def test_zsh_knows_every_option(command):
    if command != "help":
        assert zsh_options(zsh("vitalctl", command)) == options_in(help_of("vitalctl", command))


def test_zsh_knows_the_daemons_options():
    assert zsh_options(zsh("vitald")) == options_in(help_of("vitald"))


def test_zsh_itself_completes(tmp_path):
    """The real thing, at a terminal: what is typed grows when the tab key is pressed."""
    child, terminal = pty.fork()
    if not child:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {"PATH": f"{BUILD}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"})
    seen = ""

    def until(text):
        nonlocal seen
        end = time.monotonic() + PATIENCE
        while text not in seen:
            assert time.monotonic() < end, seen
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 65536).decode(errors="replace")
    try:
        os.write(terminal, f"unsetopt zle_bracketed_paste 2>/dev/null; fpath=({HOME} $fpath); autoload -Uz compinit; compinit -u -D; print -n DO; print NE\n".encode())
        until("DONE")
        os.write(terminal, b"vitalctl undr\t")
        until("vitalctl undrain")
    finally:
        os.close(terminal)
        os.kill(child, 9)
        os.waitpid(child, 0)
