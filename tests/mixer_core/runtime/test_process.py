from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mixer_core.runtime import bound_path
from mixer_core.runtime.errors import RuntimeDirError
from mixer_core.runtime.lock_file import LockFile, path_of
from tests.support.waiting import PATIENCE_S

PROGRAM = """
import sys
from mixer_core.runtime import process
from mixer_core.runtime.settings import CommonSettings
sys.exit(process.run("probe", CommonSettings, lambda context: print("ran", context.runtime_dir)))
"""


def start(runtime_dir: Path | str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"MIXMINUS_RUNTIME__DIR": str(runtime_dir)} | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_the_runtime_directory_is_made_private(short_dir: Path) -> None:
    path = short_dir / "a" / "b"
    bound_path.prepare_runtime_dir(path)
    assert path.stat().st_mode & 0o777 == 0o700
    path.chmod(0o755)
    bound_path.prepare_runtime_dir(path)
    assert path.stat().st_mode & 0o777 == 0o700


def test_a_runtime_directory_below_a_file_is_refused_with_the_cure(short_dir: Path) -> None:
    (short_dir / "file").write_text("")
    with pytest.raises(RuntimeDirError, match="MIXMINUS_RUNTIME__DIR"):
        bound_path.prepare_runtime_dir(short_dir / "file" / "dir")


@pytest.mark.processes
def test_a_program_runs_and_ends_with_zero(short_dir: Path) -> None:
    done = start(short_dir)
    assert (done.returncode, done.stdout) == (0, f"ran {short_dir}\n")


@pytest.mark.processes
@pytest.mark.parametrize(
    ("variables", "exit_code", "words"),
    [
        ({"MIXMINUS_RUNTIME__DIRECTORY": "1"}, 78, "unknown setting"),
        ({"MIXMINUS_RUNTIME__DIR": "/proc/mixminus"}, 78, "cannot be created"),
    ],
)
def test_what_a_person_can_fix_is_one_line_and_a_code(
    short_dir: Path, variables: dict[str, str], exit_code: int, words: str
) -> None:
    done = start(short_dir, **variables)
    assert done.returncode == exit_code
    assert words in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.processes
def test_a_second_instance_ends_with_one(short_dir: Path) -> None:
    with LockFile(path_of(short_dir, "probe")) as lock:
        lock.take()
        done = start(short_dir)
    assert done.returncode == 1
    assert "already runs" in done.stderr and len(done.stderr.splitlines()) == 1
