"""Helper processes answer commands, name their failures, and end."""

from __future__ import annotations

import os

import pytest

from benchmarks.rig.helper_process import HelperError, HelperProcess, child_environment

MODULE = "benchmarks.rig.load_process"


def test_settings_keys_and_proxies_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIXMINUS_SIGNALING__HTTP_PORT", "OPENAI_API_KEY", "https_proxy"):
        monkeypatch.setenv(name, "x")
    environment = child_environment(MORE="1")
    assert {name for name, value in environment.items() if value == "x"} == set()
    assert environment["MORE"] == "1"
    assert environment["PYTHONPATH"].split(os.pathsep)[0].endswith(os.getcwd().split("/")[-1])


@pytest.mark.processes
def test_commands_are_answered_in_order_and_failures_named() -> None:
    helper = HelperProcess(MODULE)
    try:
        helper.order("look")
        helper.order("network", loss=0.5)
        assert (helper.answer(), helper.answer()) == ([], None)
        with pytest.raises(HelperError, match="do_nonsense"):
            helper.ask("nonsense")
        assert helper.ask("epochs") == []
    finally:
        helper.close()
    with pytest.raises(HelperError, match="has ended"):
        helper.ask("look")


@pytest.mark.processes
def test_a_module_that_does_not_exist_has_ended() -> None:
    helper = HelperProcess("benchmarks.rig.missing")
    with pytest.raises(HelperError, match="has ended"):
        helper.ask("look")
    helper.close()
