"""Every fenced block of the documents is run, as its language allows."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.settings import AllSettings
from mixer_core.runtime.settings import load_all
from tests.docs import commands, executed
from tests.docs.documents import ROOT, Block, documents

yaml = pytest.importorskip("yaml")

BLOCKS = [block for document in documents() for block in document.blocks]
RUN = [block for block in BLOCKS if block.is_run]
NOT_RUN = 4
"""Blocks that say that no test runs them. One more needs a reason and a change here."""
PROXIES = ("docs/proxies.md", "tests/processes/proxies.py")
"""nginx' and Caddy's configurations stand there, and run there."""
PROGRAMS = r"(?:\S*/)?(mixminus|make|pip|python3?|curl|sudo|docker|apt(-get)?)\s"


def run_toml(block: Block, folder: Path) -> None:
    """It is a settings file."""
    file = folder / "settings.toml"
    file.write_text(block.text, encoding="utf-8")
    load_all(AllSettings, {"MIXMINUS_CONFIG": str(file)})


def run_json(block: Block, _: Path) -> None:
    """It can be read."""
    json.loads(block.text)


def run_yaml(block: Block, _: Path) -> None:
    """It can be read."""
    assert yaml.safe_load(block.text)


def run_python(block: Block, _: Path) -> None:
    """It runs as a module; what waits for something at the top is only compiled."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(block.text, str(block), "exec", flags=flags, dont_inherit=True)
    if code.co_flags & 0x80 or 'if __name__ == "__main__"' in block.text:
        return
    module = types.ModuleType("snippet")
    sys.modules["snippet"] = module
    try:
        exec(code, module.__dict__)
    finally:
        del sys.modules["snippet"]


def run_sh(block: Block, _: Path) -> None:
    """Its programs, options and settings exist; what is quick is executed, too (below)."""
    for words in commands.commands(block.text):
        commands.check(words)


def run_http(block: Block, _: Path) -> None:
    """The request is one of those that the table of roles knows."""
    method, target = block.text.split()[:2]
    text = (ROOT / "docs" / "roles.md").read_text(encoding="utf-8")
    secret = "/rooms/{room}/participants/{secret}"
    path = target.partition("?")[0].replace("{Location}", secret)
    assert f"`{method} {path}`" in text, f"{method} {path}"


def run_proxy(block: Block, _: Path) -> None:
    """A real proxy runs it, in a test of its own."""
    document, test = PROXIES
    assert block.path == document and "recipes(" in (ROOT / test).read_text(encoding="utf-8")


def run_page(block: Block, _: Path) -> None:
    """It is the example that the gateway serves, which a browser runs (tests/browser)."""
    served = ROOT / "signaling" / "web" / f"example.{block.language}"
    assert served.read_text(encoding="utf-8") == block.text, f"not what {served.name} is"


def run_text(block: Block, _: Path) -> None:
    """It is no command in disguise."""
    first = [line for line in block.text.splitlines() if re.match(PROGRAMS, line)]
    assert not first, f"this is a command: {first[0]}"


RUNNERS: dict[str, Callable[[Block, Path], None]] = {
    "toml": run_toml,
    "json": run_json,
    "yaml": run_yaml,
    "python": run_python,
    "sh": run_sh,
    "http": run_http,
    "nginx": run_proxy,
    "caddy": run_proxy,
    "text": run_text,
    "html": run_page,
    "js": run_page,
}


@pytest.mark.parametrize("block", RUN, ids=str)
def test_a_block_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert block.language in RUNNERS, f"{block}: the language of this block is one of {[*RUNNERS]}"
    monkeypatch.chdir(tmp_path)
    try:
        RUNNERS[block.language](block, tmp_path)
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{block}: {error}") from error


SH = [
    words
    for block in RUN
    if block.language == "sh"
    for words in commands.commands(block.text)
    if not block.path.startswith("tests/")
]


@pytest.mark.processes
def test_what_is_quick_and_harms_nothing_is_executed(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in os.environ if n.startswith(("MIXMINUS_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    for name in ("DIR", "STATE_DIR"):
        monkeypatch.setenv(f"MIXMINUS_RUNTIME__{name}", str(short_dir / name.lower()))
    for words in SH:
        if executed.reason(words) is None:
            executed.execute(words, monkeypatch)


def test_what_is_not_executed_has_a_reason_and_no_reason_is_left_over() -> None:
    used = {executed.reason(words) for words in SH}
    assert used - {None} == set(executed.REASONS.values())
    assert sum(executed.reason(words) is None for words in SH) >= 8


def test_pages_for_a_checkout_name_the_command_that_is_there() -> None:
    """Only who has installed it has ``mixminus`` in the path."""
    for block in RUN:
        if block.language != "sh" or block.path == "docs/install.md":
            continue
        for words in commands.commands(block.text):
            assert "mixminus" not in words[:3] or "docker" in words, (str(block), words)


def test_few_blocks_are_not_run() -> None:
    left_out = [str(block) for block in BLOCKS if not block.is_run]
    assert len(left_out) == NOT_RUN, left_out


@pytest.mark.parametrize(
    "line",
    [
        "mixminus fly", "mixminus run --moon", "make money", "python -m nowhere",
        "python -m openai_link.simulator --moon", "MIXMINUS_SIGNALING__PORT=1 make run",
        "curl https://example.org", "pip install '.[moon]'",
        "sudo sh deploy/install.sh --moon", "docker run mixminus run --moon",
        "docker build -f moon .",
    ],
)  # fmt: skip
def test_a_command_that_cannot_work_is_found(line: str) -> None:
    with pytest.raises(Exception, match=r"moon|fly|money|nowhere|PORT|curl"):
        for words in commands.commands(line):
            commands.check(words)
