"""``mixminus invite``: make, list and revoke invitations."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from mixer_core.runtime.errors import ProblemError, SettingsError, StartupError
from mixer_core.runtime.lock_file import is_held, path_of
from mixer_core.runtime.settings import load_all
from signaling import lan, lan_notice
from signaling.access.book import Invitation
from signaling.access.desk import Desk
from signaling.access.gate import LOCAL_NAMES, host_name
from signaling.access.ledger import Ledger
from signaling.access.links import first_link, link, terminal_qr
from signaling.registry.names import check_name, check_room

from .settings import GATEWAY, AllSettings

HERE_ONLY = (
    "mixminus: this link works on this computer only: for others, start the gateway with "
    "`mixminus run --lan`, or give their address of the page with --url"
)
UNITS_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
MAX_LIFETIME_S = 366 * 86_400


def main(arguments: Sequence[str]) -> int:
    """Entry point of the command; returns the exit code."""
    given = _parser().parse_args(arguments)
    now_s = int(time.time())
    try:
        settings = load_all(AllSettings)
        desk = Desk(Ledger(settings.state_dir))
        if given.list:
            return _list(desk, now_s)
        if given.revoke:
            return _revoke(desk, given.revoke, now_s)
        if not given.rooms:
            raise SettingsError("name a room: mixminus invite home")
        _invite(desk, given, given.url or base_url(settings), now_s)
    except StartupError as error:
        print(f"mixminus: {error}", file=sys.stderr)
        return error.exit_code
    except ProblemError as error:
        print(f"mixminus: {error.detail}", file=sys.stderr)
        return SettingsError.exit_code
    return 0


def base_url(settings: AllSettings) -> str:
    """The page's address for those who are invited: on the local network, behind a proxy, here."""
    section = settings.signaling
    port = section.https_port if section.lan else lan_notice.posted(settings.state_dir)
    if port is not None:
        found = lan.page_urls(replace(section, https_port=port))
        if found:
            return found[0]
    runs = is_held(path_of(settings.state_dir, GATEWAY))
    noted = lan_notice.posted_url(settings.state_dir) if runs else ""
    return noted or lan_notice.page_url(section)


def first_words(settings: AllSettings) -> str:
    """What a start with ``lan`` prints until an admin has come in: a QR code and a link.

    Only in a terminal: elsewhere the output may be a log.
    """
    found = lan.page_urls(settings.signaling)
    if not found:
        return ""
    if not sys.stdout.isatty():
        return "mixminus: to let a phone in: mixminus invite home --role admin\n"
    desk = Desk(Ledger(settings.state_dir))
    return first_link(desk, found[0], int(time.time()), columns()) or ""


def columns() -> int:
    """The width of the terminal."""
    return shutil.get_terminal_size().columns


def lifetime_s(text: str) -> int:
    """Seconds of a text like ``30m``, ``12h``, ``7d`` or ``4w``."""
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip().lower())
    seconds = int(match[1]) * UNITS_S[match[2]] if match else 0
    if not 60 <= seconds <= MAX_LIFETIME_S:
        raise argparse.ArgumentTypeError("write a time from 1m to 366d, such as 30m, 12h, 7d or 4w")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mixminus invite", description="Let somebody in: a link and its QR code."
    )
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help="room or rooms of the invitation")
    parser.add_argument("--name", default="", help="verified name; without it they choose one")
    parser.add_argument("--role", choices=("listen", "speak", "admin"), default="speak")
    parser.add_argument(
        "--expires", type=lifetime_s, default=7 * 86_400, metavar="TIME", help="default: 7d"
    )
    parser.add_argument("--once", action="store_true", help="for one browser only")
    parser.add_argument("--url", default="", help="the page's address, if it is another")
    parser.add_argument("--list", action="store_true", help="show all invitations")
    parser.add_argument("--revoke", metavar="ID", help="end an invitation and its calls")
    return parser


def _invite(desk: Desk, given: argparse.Namespace, base: str, now_s: int) -> None:
    rooms = [check_room(room) for room in given.rooms]
    name = check_name(given.name) if given.name.strip() else ""
    made, token = desk.invite(rooms, given.role, name, given.expires, given.once, now_s)
    address = link(base, token)
    if sys.stdout.isatty():
        print(terminal_qr(address, columns()))
    print(address)
    print(f"mixminus: {_line(made, now_s)}", file=sys.stderr)
    if host_name(base.partition("://")[2].partition("/")[0]) in LOCAL_NAMES:
        print(HERE_ONLY, file=sys.stderr)


def _list(desk: Desk, now_s: int) -> int:
    for invitation in desk.book().invitations.values():
        print(_line(invitation, now_s))
    return 0


def _revoke(desk: Desk, invitation: str, now_s: int) -> int:
    try:
        desk.revoke(invitation, now_s)
    except KeyError:
        words = f"there is no invitation {invitation[:40]}: mixminus invite --list shows them"
        print(f"mixminus: {words}", file=sys.stderr)
        return 1
    print(f"mixminus: {invitation} is revoked; calls that came by it end")
    return 0


def _line(invitation: Invitation, now_s: int) -> str:
    ends = time.strftime("%Y-%m-%d %H:%M", time.localtime(invitation.expires_s))
    parts = [
        invitation.id,
        invitation.state(now_s),
        invitation.role,
        ",".join(invitation.rooms),
        invitation.name or "(any name)",
        f"until {ends}",
        *(["once"] if invitation.once else []),
        f"used {invitation.used}",
    ]
    return "  ".join(parts)
