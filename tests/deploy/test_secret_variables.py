"""Which program gets which secret."""

from __future__ import annotations

import os

import pytest

from deploy import secret_variables
from deploy.secret_variables import FD_VARIABLE, separate


def test_each_program_gets_its_own() -> None:
    env = {
        "PATH": "/bin",
        "OPENAI_API_KEY": "sk-1",
        "MIXMINUS_TOKEN": "door",
        "HOME_ASSISTANT_TOKEN": "house",
        "https_proxy": "http://ada:secret@proxy",
        "MIXMINUS_SIMULATOR__API_KEY": "sim",
        "MIXMINUS_SIGNALING__TLS_KEY": "/etc/key.pem",
        "PLAIN_NAME": "of an MCP server",
    }
    public, shares = separate(env, {"PLAIN_NAME": ("openai_link",)})
    assert public == {"PATH": "/bin", "MIXMINUS_SIGNALING__TLS_KEY": "/etc/key.pem"}
    assert shares == {
        "signaling": {"MIXMINUS_TOKEN": "door"},
        "simulator": {"MIXMINUS_SIMULATOR__API_KEY": "sim"},
        "openai_link": {
            name: env[name]
            for name in (
                "OPENAI_API_KEY",
                "HOME_ASSISTANT_TOKEN",
                "https_proxy",
                "MIXMINUS_SIMULATOR__API_KEY",
                "PLAIN_NAME",
            )
        },
    }


def test_line_ends_and_secrets_of_white_space_go() -> None:
    env = {
        "OPENAI_API_KEY": "sk-1\r\n",
        "MIXMINUS_TOKEN": " \n",
        "https_proxy": "http://proxy\n",
        "NAME": "x\n",
    }
    public, shares = separate(env)
    assert public == {"NAME": "x\n"}
    assert shares == {"openai_link": {"OPENAI_API_KEY": "sk-1", "https_proxy": "http://proxy"}}


def test_they_travel_in_a_file_that_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = {"signaling": {"MIXMINUS_TOKEN": "dör"}}
    fd = secret_variables.pass_on(shares)
    assert os.get_inheritable(fd)
    monkeypatch.setenv(FD_VARIABLE, str(fd))
    assert secret_variables.take() == shares
    assert secret_variables.take() == {}
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)
