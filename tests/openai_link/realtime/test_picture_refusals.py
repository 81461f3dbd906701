"""What refusals of a picture say about pictures at all."""

from __future__ import annotations

import pytest

from openai_link.facts import ServerError
from openai_link.realtime.picture_refusals import takes_none


def refusal(words: str) -> ServerError:
    """An error that says no more than ``words``."""
    return ServerError("", words, "", "", benign=False, fatal=False)


@pytest.mark.parametrize(
    "words",
    [
        "This model does not support image inputs.",
        "multimodal content is disabled",
        "At most 0 image(s) may be provided in one prompt",
        "No endpoints found that support image input",
        "llama-3.2-1b is not a multimodal model",
        "This session only accepts text and audio",
        "Input should be 'input_text' or 'input_audio'",
        "Invalid value: 'input_image'. Supported values are: 'input_text' and 'input_audio'.",
    ],
)
def test_a_server_without_pictures_is_known_by_its_words(words: str) -> None:
    assert takes_none(refusal(words))


@pytest.mark.parametrize(
    "words",
    [
        "The image format is not supported",
        "Image is too large: at most 1048576 bytes are accepted",
        "Could not decode the picture",
        "The image was refused by our safety policy and is not allowed",
        "Internal error",
        "Rate limit reached",
    ],
)
def test_a_complaint_about_one_picture_is_none_about_all(words: str) -> None:
    assert not takes_none(refusal(words))
