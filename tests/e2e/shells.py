# SPDX-License-Identifier: MIT
"""Shells that complete a line: what each of them would offer, and what a user sees of it."""

import os
import re
import subprocess
import time

from program import BUILD
from terminal import Terminal

COMPLETION = BUILD / "completion"


def environment(home):
    """No settings of the user who runs the tests."""
    own = {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "ZDOTDIR": str(home), "LC_ALL": "C.UTF-8"}
    return {k: v for k, v in os.environ.items() if k not in ("BASH_ENV", "ENV")} | own


def ask(home, *argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, env=environment(home))
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return {line for line in done.stdout.splitlines() if line}


class Bash:
    settings = ".bashrc"

    def __init__(self, home):
        self.home = home
        script = "".join(f". '{file}'\n" for file in sorted((COMPLETION / "bash").iterdir()))
        (home / self.settings).write_text(script + "PS1='> '\n")
        self.argv = ["bash", "--rcfile", home / self.settings, "-i"]

    def candidates(self, line):
        """As readline calls it: at = a new word begins."""
        words = re.findall(r"=|[^\s=]+", line) + ([""] if line.endswith(" ") else [])
        script = """
            . "$1"; command=$2; shift
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
            function=$(complete -p "$command" | sed 's/.*-F \\([^ ]*\\).*/\\1/')
            "$function"; printf '%s\\n' "${COMPREPLY[@]}"
        """
        return ask(self.home, "bash", "-c", script, "bash", self.home / self.settings, *words)

    def close(self):
        pass


class Fish:
    settings = "settings.fish"

    def __init__(self, home):
        self.home = home
        script = "".join(f"source '{file}'\n" for file in sorted((COMPLETION / "fish").iterdir()))
        (home / self.settings).write_text(script + "function fish_prompt; echo '> '; end\n")
        self.argv = ["fish", "--no-config", "-C", f"source {home / self.settings}"]

    def candidates(self, line):
        done = ask(self.home, "fish", "--no-config", "-c", f"source {self.home / self.settings}; complete -C '{line}'")
        return {re.sub(r"^--[a-z-]+=(?=.)", "", one.split("\t")[0]) for one in done}

    def close(self):
        pass


class Zsh:
    """Its completion runs in its line editor only: in a terminal, with all candidates written to a file."""

    settings = ".zshrc"
    capture = """
        compadd() {
            # Not where completion asks for itself.
            if [[ ${@[1,(i)(-|--)]} != *-[OAD]* ]]; then
                local -a hits
                builtin compadd -O hits "$@"
                print -rl -- $hits >>"$HOME/hits"
            fi
            builtin compadd "$@"
        }
        capture() { zle complete-word; print -- --END-- >>"$HOME/hits"; zle kill-buffer }
        zle -N capture
        bindkey '^T' capture
    """

    def __init__(self, home):
        self.home = home
        (home / self.settings).write_text(f"""
            fpath=('{COMPLETION}/zsh' $fpath)
            autoload -U compinit && compinit -u -D
            setopt no_list_beep
            LISTMAX=1000
            PS1='> '
            [[ -n $CAPTURE ]] && {{ {self.capture} }}
            print ready
            """)
        self.argv = ["zsh", "-i"]
        self.terminal = None

    def candidates(self, line):
        self.terminal = self.terminal or start(self, "CAPTURE=yes")
        file = self.home / "hits"
        file.write_text("")
        self.terminal.type(line)
        self.terminal.keys("C-t")
        end = time.monotonic() + 20
        while not file.read_text().endswith("--END--\n"):
            assert time.monotonic() < end, self.terminal.screen()
            time.sleep(0.01)
        return {one for one in file.read_text().split("\n") if one and one != "--END--"}

    def close(self):
        if self.terminal:
            self.terminal.__exit__()


def start(shell, *more):
    """It in a terminal, once it has read its settings."""
    env = [f"{k}={v}" for k, v in environment(shell.home).items() if k in ("HOME", "XDG_CONFIG_HOME", "ZDOTDIR", "LC_ALL")]
    terminal = Terminal(shell.home, shell.argv, width=100, height=40, env=[*env, *more])
    terminal.wait_for(r"^> ?$")
    return terminal


SHELLS = {"bash": Bash, "fish": Fish, "zsh": Zsh}
