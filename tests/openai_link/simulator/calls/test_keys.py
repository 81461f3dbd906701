"""The API key, and ephemeral keys with their sessions."""

from __future__ import annotations

import random

import pytest

from openai_link.simulator.calls.keys import KeyRing, Unauthorized
from openai_link.simulator.engine.ids import IdMint


def test_an_ephemeral_key_opens_sessions_until_it_expires() -> None:
    keys = KeyRing("sk-right", IdMint(random.Random(1)))
    session = {"type": "realtime", "instructions": "x"}
    secret = keys.create({"session": session, "expires_after": {"seconds": 10}}, now_s=100)
    assert keys.session_of(secret.value, now_s=109) == session
    assert keys.session_of(secret.value, now_s=109) == session
    with pytest.raises(Unauthorized):
        keys.session_of(secret.value, now_s=110)
    assert keys.session_of("sk-right", now_s=0) is None
    with pytest.raises(Unauthorized):
        keys.session_of("sk-wrong", now_s=0)
