"""``mixminus invite``: what it prints, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import cli, invite
from deploy.settings import GATEWAY
from mixer_core.runtime.lock_file import LockFile, path_of
from signaling import lan_notice
from signaling.access.desk import Desk
from signaling.access.ledger import Ledger
from signaling.settings import SignalingSettings


@pytest.fixture(name="desk", autouse=True)
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("MIXMINUS_RUNTIME__STATE_DIR", str(tmp_path))
    return Desk(Ledger(tmp_path))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command."""
    code = cli.main(["invite", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_link_lets_somebody_in(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    wish = ("kitchen", "attic", "--name", "Anna", "--role", "admin", "--expires", "12h", "--once")
    code, out, _ = run(capsys, *wish)
    assert code == 0
    base, _, token = out.strip().rpartition("/#invite=")
    assert base == "http://127.0.0.1:8080"
    (known,) = desk.book().invitations.values()
    who, _ = desk.exchange(token, "", known.created_s)
    assert (who.role, who.name, who.rooms) == ("admin", "Anna", ("kitchen", "attic"))
    assert known.once and known.expires_s - known.created_s == 12 * 3_600


def test_another_address_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "home", "--url", "https://talk.example/voice/")
    assert out.startswith("https://talk.example/voice/#invite=")


def test_list_and_revoke(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "home", "--role", "listen")
    token = out.strip().rpartition("#invite=")[2]
    code, listed, _ = run(capsys, "--list")
    assert code == 0 and token not in listed
    invitation = listed.split()[0]
    assert listed.split()[1:4] == ["open", "listen", "home"]
    assert run(capsys, "--revoke", invitation)[0] == 0
    assert "revoked" in run(capsys, "--list")[1]
    assert desk.book().invitations[invitation].revoked
    code, _, err = run(capsys, "--revoke", "nothing")
    assert code == 1 and "--list" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 78),
        (("Bad Room",), 78),
        (("home", "--name", "Assistant"), 78),
        (("home", "--name", "x" * 65), 78),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    arguments: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (code, "")
    assert err.startswith("mixminus: ") and err.count("\n") == 1


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "367d", "1y", "-1d", "9999999d"])
def test_a_time_that_is_none_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(capsys, "home", f"--expires={text}")
    assert "such as" in capsys.readouterr().err


def test_times() -> None:
    assert [invite.lifetime_s(text) for text in ("30m", "12H", " 7d", "4w")] == [
        1_800,
        43_200,
        604_800,
        2_419_200,
    ]


def test_a_key_that_others_can_read_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "access.key").chmod(0o644)
    code, _, err = run(capsys, "home")
    assert code == 78 and "chmod 600" in err


def test_a_link_made_beside_a_gateway_of_the_local_network_leads_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``run --lan`` is no setting that this command could read."""
    monkeypatch.setattr(
        invite.lan, "page_urls", lambda section: [f"https://192.168.1.5:{section.https_port}"]
    )
    _, out, err = run(capsys, "home")
    assert out.startswith("http://127.0.0.1:8080/#invite=")
    assert "on this computer only" in err and "--lan" in err
    lan_notice.post(tmp_path, 9443)
    _, out, err = run(capsys, "home")
    assert out.startswith("https://192.168.1.5:9443/#invite=") and "only" not in err
    lan_notice.post(tmp_path, None)
    assert run(capsys, "home")[1].startswith("http://127.0.0.1")
    for damage in ("", "x", "0", "70000", "\0"):
        (tmp_path / lan_notice.FILE).write_text(damage)
        assert run(capsys, "home")[1].startswith("http://127.0.0.1")


def test_a_link_leads_to_the_gateway_that_runs_whatever_its_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lan_notice.post_url(tmp_path, SignalingSettings(http_port=18_080, public_path="/voice"))
    assert run(capsys, "home")[1].startswith("http://127.0.0.1:8080/#"), "it does not run"
    with LockFile(path_of(tmp_path, GATEWAY)) as lock:
        lock.take()
        assert run(capsys, "home")[1].startswith("http://127.0.0.1:18080/voice/#invite=")
        for damage in ("", "x", "http://a b", "javascript:1", "http://" + "x" * 600, "http://\xe4"):
            (tmp_path / lan_notice.URL_FILE).write_text(damage)
            assert run(capsys, "home")[1].startswith("http://127.0.0.1:8080/#")


def test_a_link_made_behind_a_proxy_has_its_name_and_path(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIXMINUS_SIGNALING__TLS", "off")
    monkeypatch.setenv("MIXMINUS_SIGNALING__ALLOWED_HOSTS", "talk.example, other.example")
    monkeypatch.setenv("MIXMINUS_SIGNALING__PUBLIC_PATH", "/voice")
    _, out, err = run(capsys, "home")
    assert out.startswith("https://talk.example/voice/#invite=") and "only" not in err
