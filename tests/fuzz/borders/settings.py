"""The settings: a TOML file and variables of the environment."""

from __future__ import annotations

import functools
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from deploy.settings import AllSettings
from mixer_core.runtime.errors import StartupError
from mixer_core.runtime.ice_servers import parse_ice_servers
from mixer_core.runtime.outer_addresses import parse_announced
from mixer_core.runtime.settings import CONFIG_VARIABLE, load, load_all
from openai_link.realtime.session_object import choose_upstream, session_object
from openai_link.secrets import check_secrets, with_secrets
from openai_link.settings import Settings as LinkSettings
from signaling.access.gate import machine_token
from signaling.http.forwarded import Proxies, clean_path
from tests.fuzz.border import Border, joined, pieces

ROOT = Path(__file__).parents[3]
FILE = 0
T = TypeVar("T")
MOST_WORDS = 12_000


@functools.cache
def _file() -> Path:
    folder = tempfile.mkdtemp(prefix="mm-settings-")
    weakref.finalize(_file, shutil.rmtree, folder, True)
    return Path(folder) / "mixminus.toml"


def attempt(data: bytes) -> None:
    """What cannot be used is a StartupError in one line, at the start and not later."""
    env: dict[str, str] = {"HOME": "/nowhere"}
    for kind, body in pieces(data, 20):
        if kind == FILE:
            _file().write_bytes(body)
            env[CONFIG_VARIABLE] = str(_file())
        else:
            name, _, value = body.decode("utf-8", "surrogateescape").partition("=")
            env[name.replace("\0", "")] = value.replace("\0", "")
    settings = _checked(lambda: load_all(AllSettings, env))
    link = _checked(lambda: load(LinkSettings, env))
    _checked(lambda: machine_token(env))
    if settings is not None:
        _checked(settings.media_worker.network)
        _checked(lambda: Proxies(settings.signaling.trusted_proxies))
        _checked(lambda: clean_path(settings.signaling.public_path))
        _checked(lambda: parse_announced(settings.media_worker.announce_address))
        _checked(lambda: parse_ice_servers(settings.media_worker.ice_servers))
    if link is not None:
        _link(link, env)


def _link(link: LinkSettings, env: dict[str, str]) -> None:
    _checked(lambda: check_secrets(link, env))
    filled = _checked(lambda: with_secrets(link, env))
    if filled is None:
        return
    _checked(lambda: choose_upstream(filled, env.get("OPENAI_API_KEY", "")))
    _checked(lambda: session_object(filled.openai_link))


def _checked(make: Callable[[], T]) -> T | None:
    try:
        return make()
    except StartupError as error:
        assert "\n" not in str(error), str(error)
        assert 0 < len(str(error)) < MOST_WORDS
        str(error).encode("utf-8", "backslashreplace")
        return None


def _seeds() -> Iterator[bytes]:
    whole = (ROOT / "deploy" / "mixminus.toml").read_bytes()
    lines = [line for line in whole.split(b"\n") if line and not line.startswith(b"#")]
    yield joined((FILE, b"\n".join(lines)[:60_000]))
    yield joined(
        (FILE, b'[signaling]\nhttp_port = 8081\nmode = "conference"\n'), (1, b"MIXMINUS_X=1")
    )
    yield joined((1, b"MIXMINUS_SIGNALING__HTTP_PORT=99999"))
    yield joined((1, b"MIXMINUS_MEDIA_WORKER__UDP_PORTS=50000-50099"))
    yield joined((1, b"MIXMINUS_MEDIA_WORKER__ICE_SERVERS=turn:a.example:3478?transport=udp"))
    yield joined((1, b"MIXMINUS_MEDIA_WORKER__ANNOUNCE_ADDRESS=203.0.113.7, a.example"))
    yield joined((1, b"MIXMINUS_OPENAI_LINK__TOOL_CHOICE=required"), (1, b"OPENAI_API_KEY=sk-x"))
    yield joined((1, b"MIXMINUS_SIGNALING__TRUSTED_PROXIES=10.0.0.0/8"), (1, b"MIXMINUS_TOKEN=abc"))
    servers = b'[openai_link.mcp_servers.home]\nurl = "http://x/${KEY}"\nconfirm = true\n'
    yield joined((FILE, servers), (1, b"KEY=v"))
    yield joined(
        (FILE, b'[openai_link]\nextra_session = \'{"a": {"b": 1}}\'\n[openai_link.prices.m]\n')
    )


BORDERS = (
    Border(
        "settings",
        "settings file and environment",
        "only StartupError, in one line; whatever was loaded can be used or is refused likewise",
        attempt,
        _seeds,
        (
            *("mixer_core.runtime.settings", "openai_link.settings", "openai_link.secrets"),
            *("mixer_core.runtime.outer_addresses", "mixer_core.runtime.ice_servers"),
            *("openai_link.realtime.session_object", "openai_link.realtime.upstream"),
            *(
                "signaling.http.forwarded",
                "mixer_core.runtime.secrets",
                "media_worker.webrtc.network",
            ),
        ),
        tokens=(
            *(b"MIXMINUS_", b"__", b"=", b"[[", b"'''", b'"""', b"\\uD800", b"inf", b"1e400"),
            *(b"${", b"}", b"\xff", b"\n[openai_link]\n", b"\n[signaling]\n", b"{a=1}", b"[]"),
        ),
        most_bytes=8_000,
        short=60,
    ),
)
