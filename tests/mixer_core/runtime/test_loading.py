from __future__ import annotations

import gc
import os
import ssl
import sys
from collections.abc import Iterator
from importlib import import_module

import pytest

from mixer_core.runtime.loading import loading, without, without_authorities


@pytest.fixture(autouse=True)
def nothing_stays_frozen() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_nothing_is_collected_while_a_program_is_imported_and_all_of_it_is_left_alone() -> None:
    before = gc.get_freeze_count()
    with loading():
        assert not gc.isenabled()
        made = [[number] for number in range(1_000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() - before > len(made)


def test_an_import_that_fails_leaves_the_collector_on() -> None:
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()


def test_what_is_not_needed_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with without("wave"), pytest.raises(ImportError):
        import_module("wave")
    assert import_module("wave").__name__ == "wave"


def test_what_is_there_already_stays() -> None:
    with without("gc"):
        assert import_module("gc") is gc


@pytest.mark.parametrize("before", [{}, {"SSL_CERT_FILE": "/some/file", "SSL_CERT_DIR": "/some"}])
def test_tls_that_is_made_inside_trusts_nobody(
    before: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    with without_authorities():
        context = ssl.create_default_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.get_ca_certs() == []
    assert {n: v for n, v in os.environ.items() if n.startswith("SSL_CERT_")} == before
