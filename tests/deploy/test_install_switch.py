"""The installer goes to another release, and back, where systemd has had enough of starting."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.gateway import ROOT

pytestmark = pytest.mark.processes

SERVICE = ROOT / "deploy/service"
OLD, NEW = "0.1.0-01234567", "0.2.0-89abcdef"
SYSTEMCTL = """
starts=1  # The limit: whoever does not reset it starts nothing.
systemctl() {
  case $1 in
    reset-failed) starts=0 ;;
    start)
      [ $starts = 0 ] || { echo 'attempted too often' >&2; return 1; }
      starts=1
      [ -f "$HOME_DIR/current/starts" ] ;;
    is-failed) [ ! -f "$HOME_DIR/current/is-ready" ] ;;
  esac
}
journalctl() { echo 'its last words'; }
"""
COMMAND = """#!/bin/sh
case $2 in
  stop) echo 45 ;;
  ready) [ -f "$INSTALLED_RELEASE/is-ready" ] ;;
esac
"""


def make_release(home: Path, name: str, *facts: str) -> None:
    """An installed release, whose interpreter only knows where its files are."""
    release = home / name
    shutil.copytree(SERVICE, release / "deploy/service")
    (release / "deploy/service/mixminus").write_text(COMMAND)
    python = release / "bin/python"
    python.parent.mkdir()
    python.write_text(
        f"#!/bin/sh\ncase $* in *__path__*) echo {release}/deploy ;; *) false ;; esac\n"
    )
    python.chmod(0o755)
    for fact in facts:
        (release / fact).touch()


def switch(folder: Path, *facts: str) -> tuple[int, str, str]:
    """Go from OLD, which is ready, to NEW: exit code, words, and the release that is current."""
    home = folder / "home"
    make_release(home, OLD, "starts", "is-ready")
    make_release(home, NEW, *facts)
    (home / "current").symlink_to(OLD)
    (folder / "lib").mkdir()
    functions = (ROOT / "deploy/install.sh").read_text().partition("\n# As one block")[0]
    places = f"HOME_DIR={home} COMMAND={folder}/mixminus LIB={folder}/lib UNITS={folder}/units"
    machine = f"RUN={folder} CACHE={folder} SYSTEMD=yes START=yes WAIT_S=20 TEMP={folder}"
    which = f"INSTALLED={OLD} RELEASE={NEW}"
    script = f"{functions}\n{SYSTEMCTL}\n{places} {machine} {which}\nswitch\n"
    done = subprocess.run(
        ["sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": os.defpath},
    )
    return done.returncode, done.stdout, os.readlink(home / "current")


def test_a_release_is_started_however_often_the_one_before_was(tmp_path: Path) -> None:
    code, words, current = switch(tmp_path, "starts", "is-ready")
    assert (code, current) == (0, NEW), words


@pytest.mark.parametrize("facts", [("starts",), ()], ids=["not ready", "not started"])
def test_a_release_that_does_not_get_ready_leaves_the_one_before_running(
    tmp_path: Path, facts: tuple[str, ...]
) -> None:
    code, words, current = switch(tmp_path, *facts)
    assert (code, current) == (1, OLD), words
    assert f"{NEW} did not get ready: going back to {OLD}" in words and "its last words" in words
    assert f"upgrade failed; {OLD} runs again" in words
    assert not (tmp_path / "home" / NEW).exists()
