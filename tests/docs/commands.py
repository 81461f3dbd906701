"""The commands in the documents: are there such programs, subcommands, options, settings?"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from deploy import invite as _invite  # ifaddr asks ldconfig once, when it is imported.
from deploy.cli import main
from deploy.settings import AllSettings
from mixer_core.runtime.settings import load_all
from tests.docs.documents import ROOT, documents

ADDRESS = "http://127.0.0.1:8080"
"""Where the documents' gateway is."""
INSTALLER = ROOT / "deploy/install.sh"
_VARIABLE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)", re.DOTALL)
__all__ = ["ADDRESS", "UnknownCommandError", "check", "commands", "requests"]
del _invite
_ELSEWHERE = {"MIXMINUS_CONFIG", "MIXMINUS_TOKEN"}
"""Variables of ours that are no settings."""


class UnknownCommandError(Exception):
    """Nobody here can say whether this command works."""


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a block; brackets, dots and comments of usage lines apart."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        bare = line if line.lstrip().startswith("pip") else re.sub(r"[\[\]…]", " ", line)
        if words := shlex.split(bare, comments=True):
            yield words


def requests() -> Iterator[tuple[list[str], str | None]]:
    """Each curl command of the documents, and the JSON that stands below it."""
    for document in documents():
        for block, below in itertools.zip_longest(document.blocks, document.blocks[1:]):
            if block.language == "sh" and block.is_run:
                answer = below.text if below is not None and below.language == "json" else None
                for words in commands(block.text):
                    if words[0] == "curl":
                        yield words, answer


def check(words: list[str]) -> None:
    """Fails where a command of the documents could not work.

    Raises:
        UnknownCommandError: it is another program's.
    """
    settings = {}
    while words and (variable := _VARIABLE.fullmatch(words[0])):
        settings[variable[1]] = variable[2]
        words = words[1:]
    ours = {k: v for k, v in settings.items() if k.startswith("MIXMINUS_") and k not in _ELSEWHERE}
    load_all(AllSettings, ours)
    if not words:
        return
    program, *rest = words
    match Path(program).name:
        case "mixminus":
            _check_mixminus(rest)
        case "python" | "python3":
            _check_module(rest)
        case "make":
            targets = [word for word in rest if "=" not in word]
            assert set(targets) <= _make_targets(), f"make has no {rest}"
        case "pip":
            _check_extras(rest)
        case "curl":
            assert any(word.startswith(ADDRESS) for word in rest), f"curl of {rest}"
        case "cd" | "export" | "cp" | "nano":
            pass
        case "sudo":
            check(rest)
        case "sh":
            _check_installer(rest)
        case "systemctl" | "journalctl":
            assert {"mixminus", "multi-user.target"} & set(rest), f"{words}: of which unit?"
        case "docker":
            _check_docker(rest)
        case other:
            raise UnknownCommandError(
                f"no test knows {other}: check it in {__name__}, or write above the block "
                "*Not run by a test: why.*"
            )


def _check_mixminus(rest: list[str]) -> None:
    before = []
    for word in rest:
        if word.startswith("-"):
            break
        before.append(word)
    words = _help((*before, "--help"))
    for option in _options(rest):
        assert re.search(rf"{re.escape(option)}\b", words), f"mixminus {before} has no {option}"


@cache
def _help(arguments: tuple[str, ...]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code: object = main(arguments)
        except SystemExit as end:
            code = end.code
    assert code == 0, f"mixminus {' '.join(arguments)}: {out.getvalue()}"
    return out.getvalue()


def _check_module(rest: list[str]) -> None:
    if rest == ["--version"]:
        return
    assert rest[:1] == ["-m"], f"python {rest}: only modules are checked"
    try:
        found = importlib.util.find_spec(rest[1])
    except ModuleNotFoundError:
        found = None
    assert found is not None, f"there is no module {rest[1]}"
    folders = map(Path, found.submodule_search_locations or ())
    files = [file for folder in folders for file in folder.glob("*.py")] or [str(found.origin)]
    text = "".join(Path(file).read_text(encoding="utf-8") for file in files)
    for option in _options(rest[2:]):
        assert f'"{option}"' in text or option == "--help", f"{rest[1]} has no {option}"


def _check_installer(rest: list[str]) -> None:
    assert Path(rest[0]).name == INSTALLER.name, f"sh {rest[0]}: only the installer is known"
    text = INSTALLER.read_text(encoding="utf-8")
    for option in _options(rest):
        assert re.search(rf"^ .*{option}\b", text, re.MULTILINE), f"the installer has no {option}"


def _check_docker(rest: list[str]) -> None:
    for option, file in itertools.pairwise(rest):
        assert option != "-f" or (ROOT / file).is_file(), f"there is no {file}"
    if rest[0] in ("run", "exec"):
        last = len(rest) - 1 - rest[::-1].index("mixminus")
        _check_mixminus(rest[last + 1 :])


def _options(words: list[str]) -> list[str]:
    return [word.partition("=")[0] for word in words if word.startswith("--")]


@cache
def _make_targets() -> frozenset[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([a-z]+):", text, re.MULTILINE))


def _check_extras(rest: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in re.findall(r"\[([a-z,]+)\]", " ".join(rest)):
        assert set(extra.split(",")) <= set(project["optional-dependencies"]), extra
