"""Credentials for NATS: the forms of the file, and what is damaged."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.cluster.credentials import Credentials, parse_credentials, read_credentials
from mixer_core.runtime.errors import SettingsError

SEED_BYTES = bytes(range(32))


def seed(raw: bytes = SEED_BYTES, kind: bytes = b"\x95\xa0") -> str:
    """An nkey seed of a user."""
    body = kind + raw
    check = binascii.crc_hqx(body, 0).to_bytes(2, "little")
    return base64.b32encode(body + check).decode().rstrip("=")


def creds(jwt: str = "aa.bb.cc", key: str = "") -> str:
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        "************************* IMPORTANT *************************\n"
        f"-----BEGIN USER NKEY SEED-----\n{key or seed()}\n------END USER NKEY SEED------\n"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("s3cret\n", Credentials(token="s3cret")),
        ("user:pass:word", Credentials(user="user", password="pass:word")),
        (creds(), Credentials(jwt=b"aa.bb.cc")),
        (creds().replace("\n", "\r\n"), Credentials(jwt=b"aa.bb.cc")),
    ],
)
def test_the_three_forms(text: str, found: Credentials) -> None:
    assert parse_credentials(text) == found


@pytest.mark.parametrize(
    "text",
    [
        *("", "\n", "two words", "a:\n", ":b", "a\nb"),
        creds(key=seed()[:-3]),
        creds(key="A" + seed()[1:]),
        creds(key=seed(SEED_BYTES + b"x")),
        creds(key="!"),
        creds().replace("USER NKEY", "OTHER NKEY"),
        creds().split("****")[0],
    ],
)
def test_what_is_no_credentials(text: str) -> None:
    assert parse_credentials(text) is None


def test_the_key_signs_the_servers_nonce() -> None:
    found = parse_credentials(creds())
    assert found is not None and found.key is not None
    signature = base64.b64decode(found.sign("nonce"))
    found.key.public_key().verify(signature, b"nonce")
    with pytest.raises(InvalidSignature):
        found.key.public_key().verify(signature, b"another")


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    found = parse_credentials(text)
    assert found is None or "secret" not in repr(found)


def test_nothing_of_the_file_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "nats.creds"
    for content in (b"my hidden words", b"hidd\xffen", b"hidden" * 20_000):
        file.write_bytes(content)
        with pytest.raises(SettingsError, match="has no credentials") as caught:
            read_credentials(str(file))
        assert "hidd" not in str(caught.value) and caught.value.__cause__ is None
    file.write_text("hidden")
    assert "hidden" not in repr(read_credentials(str(file)))
