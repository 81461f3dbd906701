"""Commands of the documents: which a test executes, and why not the others."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.cli import main
from tests.docs.documents import ROOT

REASONS = {
    r"make run|.*mixminus run\b": "it runs for ever: tests/processes/test_run.py starts a gateway",
    r"make (test|quick|check|bench|docs|soak)\b": "it takes minutes, and has this test in it",
    r"\S*mixminus bench|python -m benchmarks": "it measures: tests/benchmarks runs each suite",
    r"python -m tests\.(fuzz|model)": "it takes minutes: tests/fuzz and tests/model run short ones",
    r"python -m openai_link\.simulator --(?!help)": "it runs for ever: tests/openai_link has it",
    r"sudo (nano|sh|systemctl)\b|systemctl|journalctl": "it changes or needs a service of the "
    "machine: tests/deploy/trees.py does so in trees of its own",
    r"docker": "it needs Docker",
    r"(\S*/)?pip|python3? -m (pip|venv)": "it downloads",
    r"curl": "it asks a gateway: tests/processes/echo/test_roles.py executes it",
    r"\S*mixminus logs": "it reads a gateway's log: tests/deploy/test_log_lines.py has one",
    r"\S*mixminus doctor(?!.*--no-call)": "it makes a call through a gateway of its own",
    r"\S*mixminus (drain|status --cluster)": "it needs a cluster: bench cluster has one",
    r"\S*python -m deploy\.cluster\.local": "it runs for ever, and needs nats-server",
    r"\S*python -m deploy\.cluster\.certificates": "test_cluster_example.py makes them",
    r"(cd|export|cp|git|\.)( |$)": "it prepares the next command",
}
"""Pattern of the whole command, variables apart → why no test of the documents executes it."""
EXPECTED = {"--revoke": (1,), "doctor": (0, 1, 2)}
"""Exit codes where there is no such invitation, or the machine has something to mend."""
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*=.*", re.DOTALL)


def reason(words: list[str]) -> str | None:
    """Why a command is not executed; None: it is."""
    bare = [word for n, word in enumerate(words) if not _is_variable(words, n)]
    line = " ".join(bare)
    if not bare:
        return REASONS[r"(cd|export|cp|git|\.)( |$)"]
    if bare[-1] in ("--help", "--version"):
        return None
    return next((why for pattern, why in REASONS.items() if re.match(pattern, line)), None)


def _is_variable(words: list[str], number: int) -> bool:
    return all(_VARIABLE.fullmatch(word) for word in words[: number + 1])


def execute(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run it; fails where it does. Our own command runs in this process, which takes no start."""
    program, *rest = words
    if Path(program).name == "mixminus":
        out, code = io.StringIO(), 0
        monkeypatch.setattr("sys.argv", ["mixminus", *rest])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                code = main(rest)
            except SystemExit as end:
                code = int(end.code or 0)
        told = out.getvalue()
    else:
        command = [sys.executable if program.endswith("python") else program, *rest]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        code, told = done.returncode, done.stdout + done.stderr
    wanted = next((codes for word, codes in EXPECTED.items() if word in words), (0,))
    assert code in wanted and "Traceback" not in told, (words, code, told)
