"""What ``mixminus run`` checks and says before supervisord takes over."""

from __future__ import annotations

import pytest

from deploy.cli import assistant
from openai_link.settings import OpenaiLinkSettings


@pytest.mark.parametrize(
    ("settings", "simulated", "words"),
    [
        (OpenaiLinkSettings(), True, "the local simulator (OPENAI_API_KEY is not set)"),
        (OpenaiLinkSettings(upstream="simulator"), True, "the local simulator"),
        (OpenaiLinkSettings(model="m-1"), False, "m-1 at https://api.openai.com/v1"),
    ],
)
def test_it_says_who_the_assistant_is(
    settings: OpenaiLinkSettings, simulated: bool, words: str
) -> None:
    assert assistant(settings, simulated) == words
