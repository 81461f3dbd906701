"""Invitations: from the link to the session, and every way in which one does not count."""

from __future__ import annotations

import fcntl
import os
import stat
from dataclasses import replace
from pathlib import Path

import jwt
import pytest

from mixer_core.runtime.errors import ProblemError, RuntimeDirError
from signaling.access import ledger
from signaling.access.book import MAX_INVITATIONS, Book, Invitation
from signaling.access.desk import Desk
from signaling.access.identity import MACHINE
from signaling.access.ledger import BOOK_FILE, KEY_FILE, LOCK_FILE, Ledger
from signaling.access.links import first_link, link, svg_qr, terminal_qr
from signaling.access.owners import Owners

NOW_S = 1_800_000_000
MACHINE_TOKEN = "correct-horse-battery"


@pytest.fixture(name="desk")
def _desk(tmp_path: Path) -> Desk:
    return Desk(Ledger(tmp_path), MACHINE_TOKEN)


def invite(desk: Desk, **more: object) -> tuple[str, str]:
    """Id and token of an invitation to the kitchen for an hour."""
    wish = {"rooms": ["kitchen"], "role": "speak", "name": "", "lifetime_s": 3600, "once": False}
    made, token = desk.invite(**(wish | more), now_s=NOW_S)  # type: ignore[arg-type]
    return made.id, token


def refused(desk: Desk, token: str, now_s: int = NOW_S) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        desk.exchange(token, "", now_s)
    return caught.value


def test_an_expired_invitation_is_refused(desk: Desk) -> None:
    _, token = invite(desk)
    desk.exchange(token, "", NOW_S + 3599)
    error = refused(desk, token, NOW_S + 3600)
    assert (error.status, error.title) == (401, "Invitation expired")
    assert "ask whoever invited you" in error.detail


def test_its_session_ends_with_it(desk: Desk) -> None:
    _, token = invite(desk)
    _, cookie = desk.exchange(token, "", NOW_S)
    with pytest.raises(ProblemError, match="ended"):
        desk.session(cookie, NOW_S + 3600)


def test_a_revoked_invitation_and_its_sessions_are_refused(desk: Desk) -> None:
    invitation, token = invite(desk)
    who, cookie = desk.exchange(token, "", NOW_S)
    assert desk.verdict(who.subject, "home", NOW_S) is None
    desk.revoke(invitation, NOW_S)
    assert refused(desk, token).title == "Invitation revoked"
    assert (desk.verdict(who.subject, "home", NOW_S) or ("",))[0] == "revoked"
    with pytest.raises(ProblemError, match="revoked"):
        desk.session(cookie, NOW_S)


def test_once_lets_one_browser_in_and_that_one_again(desk: Desk) -> None:
    _, token = invite(desk, once=True)
    who, cookie = desk.exchange(token, "", NOW_S)
    assert refused(desk, token).title == "Invitation used"
    assert desk.exchange(token, cookie, NOW_S) == (who, cookie)


def test_otherwise_every_browser_has_a_subject_of_its_own(desk: Desk) -> None:
    _, token = invite(desk)
    subjects = {desk.exchange(token, "", NOW_S)[0].subject for _ in range(5)}
    assert len(subjects) == 5


def tampered(desk: Desk) -> dict[str, tuple[str, str]]:
    """Bad tokens, and what is said of them."""
    _, good = invite(desk, role="listen")
    head, _, signature = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    more = claims | {"role": "admin"}
    other = jwt.encode(more, b"k" * 32, "HS256").split(".")[1]
    session = desk.exchange(good, "", NOW_S)[1]
    return {
        "alg none": (jwt.encode(more, None, "none"), "not signed"),
        "another algorithm": (jwt.encode(more, desk.key * 2, "HS512"), "not signed"),
        "another key": (jwt.encode(more, b"k" * 32, "HS256"), "changed"),
        "another role": (f"{head}.{other}.{signature}", "changed"),
        "a bit of the signature": (
            good[:-2] + ("A" if good[-2] != "A" else "B") + good[-1],
            "changed",
        ),
        "half of it": (good[: len(good) // 2], "incomplete"),
        "no token": ("hello", "incomplete"),
        "empty": ("", "incomplete"),
        "no text of tokens": ("ä.ö.ü", "incomplete"),
        "endless": ("a" * 100_000, "too long"),
        "a session": (session, "not an invite token"),
        "other claims": (jwt.encode({"jti": 5}, desk.key, "HS256"), "another version"),
        "an unknown role": (jwt.encode(claims | {"role": "root"}, desk.key, "HS256"), "version"),
        "an end in words": (jwt.encode(claims | {"exp": "never"}, desk.key, "HS256"), "version"),
    }


def test_every_bad_token_is_refused_with_a_reason(desk: Desk) -> None:
    for words, (token, reason) in tampered(desk).items():
        error = refused(desk, token)
        assert (error.status, error.title) == (401, "Invitation not valid"), words
        assert reason in error.detail, (words, error.detail)
        assert "ask" in error.detail, words


def test_an_invitation_that_is_in_no_book_is_refused(desk: Desk, tmp_path: Path) -> None:
    _, token = invite(desk)
    (tmp_path / BOOK_FILE).unlink()
    assert refused(desk, token).title == "Invitation revoked"


def test_the_machine_token_becomes_a_session_that_ends_with_it(desk: Desk, tmp_path: Path) -> None:
    who, cookie = desk.exchange(MACHINE_TOKEN, "", NOW_S)
    assert (who.subject, who.role, who.rooms) == (MACHINE.subject, "admin", None)
    assert desk.session(cookie, NOW_S + 60) == who
    with pytest.raises(ProblemError, match="revoked"):
        Desk(Ledger(tmp_path), "another-long-token-1").session(cookie, NOW_S)
    with pytest.raises(ProblemError, match="revoked"):
        Desk(Ledger(tmp_path)).session(cookie, NOW_S)


def test_who_was_removed_stays_out_and_the_link_lets_nobody_new_in(desk: Desk) -> None:
    _, token = invite(desk, rooms=["kitchen", "attic"])
    bob, bobs = desk.exchange(token, "", NOW_S)
    _, anns = desk.exchange(token, "", NOW_S)
    desk.ban("kitchen", bob.subject, NOW_S + 60)
    assert desk.session(bobs, NOW_S + 60).banned == {"kitchen"}
    assert desk.session(anns, NOW_S + 60).banned == frozenset()
    assert desk.exchange(token, bobs, NOW_S + 60)[0].banned == {"kitchen"}
    assert desk.exchange(token, "", NOW_S + 61)[0].banned == {"kitchen"}
    desk.ban("attic", bob.subject, NOW_S + 60)
    assert refused(desk, token, NOW_S + 61).title == "Removed"


def test_a_clock_that_is_set_back_lets_nobody_in_by_the_link_of_somebody_who_was_removed(
    desk: Desk,
) -> None:
    _, token = invite(desk, rooms=["kitchen", "attic"])
    who, _ = desk.exchange(token, "", NOW_S)
    desk.ban("kitchen", who.subject, NOW_S + 2)
    earlier_s = NOW_S - 600
    again, cookie = desk.exchange(token, "", earlier_s)
    assert again.banned == {"kitchen"}
    desk.ban("attic", who.subject, earlier_s + 1)
    assert desk.session(cookie, earlier_s + 2).banned == {"kitchen"}, "others who came stay"
    assert refused(desk, token, earlier_s + 3).title == "Removed"


def test_key_and_book_are_private_and_shared(desk: Desk, tmp_path: Path) -> None:
    invitation, token = invite(desk, name="Anna")
    for name in (KEY_FILE, BOOK_FILE):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert token not in (tmp_path / BOOK_FILE).read_text()
    other = Desk(Ledger(tmp_path))
    assert other.exchange(token, "", NOW_S)[0].name == "Anna"
    other.revoke(invitation, NOW_S)
    assert refused(desk, token).title == "Invitation revoked"
    assert desk.names(NOW_S) == frozenset()


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(RuntimeDirError, match="chmod 600") as caught:
        Ledger(tmp_path)
    assert caught.value.exit_code == 78


def _directory(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 300, b'{"invitations": 5}', b"[" * 200_000, b"\xff\xfe"]
)
def test_a_damaged_list_is_one_line_that_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    desk = Desk(Ledger(tmp_path))
    (tmp_path / BOOK_FILE).write_bytes(content)
    with pytest.raises(RuntimeDirError, match="delete it") as caught:
        desk.book()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [BOOK_FILE, LOCK_FILE])
def test_a_list_or_lock_that_cannot_be_opened_is_one_line(tmp_path: Path, name: str) -> None:
    desk = Desk(Ledger(tmp_path))
    _directory(tmp_path / name)
    with pytest.raises(RuntimeDirError, match=name):
        invite(desk)


def test_a_lock_that_another_process_does_not_let_go_is_one_line(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that was stopped (Ctrl-Z) in the middle must not hold up the gateway."""
    desk.invite(["home"], "speak", "", 3_600, False, 100)
    monkeypatch.setattr(ledger, "LOCK_S", 0.0)
    with (tmp_path / LOCK_FILE).open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RuntimeDirError, match="another process has held it"):
            desk.invite(["home"], "speak", "", 3_600, False, 100)
    desk.invite(["home"], "speak", "", 3_600, False, 100)


def test_what_ended_long_ago_is_forgotten(desk: Desk) -> None:
    old, _ = invite(desk)
    for days in (30, 38):
        desk.invite(["home"], "listen", "", 60, False, NOW_S + days * 86_400)
    assert old not in desk.book().invitations and len(desk.book().invitations) == 2


def test_a_link_carries_the_token_where_no_server_sees_it(desk: Desk) -> None:
    _, token = invite(desk)
    address = link("https://nano.local:8443/mix/", token)
    assert address == f"https://nano.local:8443/mix/#invite={token}"
    assert svg_qr(address).startswith("<svg")
    lines = terminal_qr(address, 200).splitlines()
    assert len(lines) < 40 and max(map(len, lines)) < 400


def test_the_first_start_invites_one_admin(desk: Desk) -> None:
    words = first_link(desk, "https://192.168.1.5:8443", NOW_S, 80)
    assert words is not None
    again = first_link(desk, "https://192.168.1.5:8443", NOW_S + 1, 80)
    assert again is not None
    first, second = (text.strip().rsplit("#invite=", 1)[1] for text in (words, again))
    assert refused(desk, first).title == "Invitation revoked"
    who, _ = desk.exchange(second, "", NOW_S + 2)
    assert (who.role, who.rooms) == ("admin", ("home",))
    assert first_link(desk, "https://192.168.1.5:8443", NOW_S + 3, 80) is None


def test_the_address_of_a_participant_is_a_secret() -> None:
    owners = Owners(lambda: b"k" * 32)
    address = owners.address("p-00000001")
    assert owners.participant(address) == "p-00000001"
    assert Owners(lambda: b"k" * 32).address("p-00000001") == address
    for wrong in (
        "p-00000001",
        "p-00000001.",
        address[:-1],
        address.replace("1.", "2."),
        "",
        "ä.ö",
    ):
        assert owners.participant(wrong) is None
    assert Owners(lambda: b"l" * 32).participant(address) is None


def test_an_invitation_is_for_as_many_rooms_as_a_cookie_can_name(desk: Desk) -> None:
    name = "Ж" * 64
    rooms = [f"{number:03}-{60 * 'r'}" for number in range(60)]
    most = 0
    with pytest.raises(ProblemError, match="make several") as caught:
        for count in range(1, len(rooms)):
            _, token = invite(desk, rooms=rooms[:count], name=name)
            _, cookie = desk.exchange(token, "", NOW_S)
            assert len(f"mixminus={cookie}") < 4_096
            assert desk.session(cookie, NOW_S).rooms == tuple(rooms[:count])
            most = count
    assert caught.value.status == 400 and most > 20
    assert len(desk.book().invitations) == most, "what was refused is not in the book"


def test_a_call_ends_with_its_invitation_or_a_removal(desk: Desk) -> None:
    _, token = invite(desk)
    who, _ = desk.exchange(token, "", NOW_S)
    other, _ = desk.exchange(token, "", NOW_S)
    assert desk.verdict(who.subject, "kitchen", NOW_S + 3599) is None
    told = desk.verdict(who.subject, "kitchen", NOW_S + 3600)
    assert told is not None and told[0] == "expired" and "ask whoever" in told[1]
    desk.ban("kitchen", who.subject, NOW_S + 1)
    assert (desk.verdict(who.subject, "kitchen", NOW_S + 1) or ("",))[0] == "removed"
    assert desk.verdict(who.subject, "attic", NOW_S + 1) is None
    assert desk.verdict(other.subject, "kitchen", NOW_S + 1) is None
    for subject in ("", "local", "machine"):
        assert desk.verdict(subject, "kitchen", NOW_S + 9**9) is None


def test_a_book_that_stands_in_for_one_that_cannot_be_read_ends_only_what_it_gave_out(
    desk: Desk, tmp_path: Path
) -> None:
    _, token = invite(desk)
    who, _ = desk.exchange(token, "", NOW_S)
    stand_in = Desk(Ledger(tmp_path / "other", stands_in=True))
    assert stand_in.verdict(who.subject, "kitchen", NOW_S) is None
    ident, token = invite(stand_in)
    newcomer, _ = stand_in.exchange(token, "", NOW_S)
    stand_in.revoke(ident, NOW_S)
    assert (stand_in.verdict(newcomer.subject, "kitchen", NOW_S) or ("",))[0] == "revoked"


@pytest.mark.parametrize("columns", [20, 40, 60, 68, 69, 80, 120])
def test_a_qr_code_is_never_wider_than_the_terminal(desk: Desk, columns: int) -> None:
    _, token = invite(desk)
    address = link("https://192.168.178.200:8443", token)
    shown = terminal_qr(address, columns)
    lines = shown.splitlines()
    if "\u2588" in shown:
        assert max(map(len, lines)) <= columns
    else:
        assert len(lines) == 1 and f"this terminal has {columns}" in shown
    words = first_link(desk, "https://192.168.178.200:8443", NOW_S, columns) or ""
    assert words.splitlines()[-1].startswith("https://192.168.178.200:8443/#invite=")
    assert ("\u2588" in words) == ("\u2588" in shown) or columns in (68, 69)


def test_eighty_columns_are_enough_for_a_qr_code(desk: Desk) -> None:
    for base in ("https://192.168.178.200:8443", "https://[fd12:3456:789a:1::1234:5678]:8443"):
        assert "\u2588" in (first_link(desk, base, NOW_S, 80) or "")


def test_the_list_of_invitations_does_not_grow_without_end(tmp_path: Path) -> None:
    book = Book()
    for number in range(MAX_INVITATIONS):
        made = Invitation(f"{number:08x}", ("home",), "speak", "", NOW_S + 60, False, NOW_S)
        book.invitations[made.id] = made
    full = replace(book)
    assert full.revoke("00000000").invitations["00000000"].revoked
    with pytest.raises(ProblemError, match="invitations already") as caught:
        full.add(Invitation("new", ("home",), "speak", "", NOW_S + 60, False, NOW_S))
    assert caught.value.status == 409


@pytest.mark.parametrize("damage", [b"", b"{", b"[" * 4_000, b"\xff", b'{"invitations": 3}', None])
def test_a_damaged_list_is_told_in_one_line(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / BOOK_FILE
    desk = Desk(Ledger(tmp_path))
    if damage is None:
        path.mkdir()
    else:
        path.write_bytes(damage)
    with pytest.raises(RuntimeDirError) as caught:
        desk.book()
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(RuntimeDirError):
        invite(desk)


JUMPS_S = [40 * 86_400, 4_000 * 86_400, -40 * 86_400]


@pytest.mark.parametrize("jump_s", JUMPS_S)
def test_a_clock_that_jumps_and_comes_back_ends_no_invitation(tmp_path: Path, jump_s: int) -> None:
    desk = Desk(Ledger(tmp_path))
    made, token = desk.invite(["home"], "speak", "", 86_400, False, NOW_S)
    for _ in range(3):
        desk.invite(["home"], "speak", "", 60, False, NOW_S + jump_s)
    desk.invite(["home"], "speak", "", 60, False, NOW_S + 1)
    assert made.id in desk.book().invitations
    desk.exchange(token, "", NOW_S + 2)


def test_an_invitation_leaves_the_list_a_week_after_its_end_was_noticed(tmp_path: Path) -> None:
    desk = Desk(Ledger(tmp_path))
    made, _ = desk.invite(["home"], "speak", "", 60, False, NOW_S)
    for days, is_listed in ((1, True), (7, True), (8, False)):
        desk.invite(["home"], "speak", "", 60, False, NOW_S + days * 86_400 + 60)
        assert (made.id in desk.book().invitations) == is_listed, days


def test_a_full_book_becomes_empty_again_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signaling.access.book.MAX_INVITATIONS", 2)
    desk = Desk(Ledger(tmp_path))
    for _ in range(2):
        desk.invite(["home"], "speak", "", 60, False, NOW_S)
    for days in (0, 1):
        with pytest.raises(ProblemError, match="already"):
            desk.invite(["home"], "speak", "", 60, False, NOW_S + days * 86_400)
    desk.invite(["home"], "speak", "", 60, False, NOW_S + 9 * 86_400)


@pytest.mark.parametrize("name", ["access.key", "invitations.json", "invitations.lock"])
@pytest.mark.parametrize("kind", ["pipe", "directory", "link", "zeros", "huge"])
def test_whatever_stands_in_a_files_place_is_told(tmp_path: Path, name: str, kind: str) -> None:
    desk = Desk(Ledger(tmp_path))
    desk.invite(["home"], "speak", "", 60, False, NOW_S)
    path = tmp_path / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path, 0o600)
    elif kind == "directory":
        path.mkdir(0o700)
    elif kind == "link":
        path.symlink_to(name)
    else:
        path.write_bytes(bytes(32 if kind == "zeros" and name != "access.key" else 9 << 20))
        path.chmod(0o600)
    if name == "invitations.lock" and kind in ("pipe", "zeros", "huge"):
        desk.invite(["home"], "speak", "", 60, False, NOW_S)
        return
    with pytest.raises(RuntimeDirError, match=name):
        Desk(Ledger(tmp_path)).invite(["home"], "speak", "", 60, False, NOW_S)
