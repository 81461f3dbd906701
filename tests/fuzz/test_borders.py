"""Every border against its corpus and some changes of it; ``python -m tests.fuzz`` takes longer."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import corpus, hunt
from tests.fuzz.arcs import file_of
from tests.fuzz.border import Border, joined, pieces
from tests.fuzz.borders import BORDERS
from tests.fuzz.borders import http as site
from tests.fuzz.guard import smaller, try_input
from tests.fuzz.mutation import Mutator
from tests.support.tables import examples

IN_MEMORY = [name for name, border in BORDERS.items() if not border.needs_sockets]
OUTSIDE = [name for name, border in BORDERS.items() if border.needs_sockets]


def check(border: Border) -> None:
    outcome = hunt.short(border, examples(border.short))
    told = [f"{fault.data!r}\n{fault.words}" for fault in outcome.faults.values()]
    assert not told, "\n".join(told)


@pytest.mark.parametrize("name", IN_MEMORY)
def test_a_border_holds(name: str) -> None:
    check(BORDERS[name])


@pytest.fixture
def open_site() -> Iterator[None]:
    yield
    site.close()


@pytest.mark.sockets
@pytest.mark.usefixtures("open_site")
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_border_with_sockets_holds(name: str) -> None:
    check(BORDERS[name])


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@settings(max_examples=examples(60))
@given(VALUES)
def test_any_value_is_taken(value: object) -> None:
    """As a control message, an event, a tool's result: whatever JSON and MessagePack can say."""
    for name in ("control", "zmtp"):
        packed = bytes(msgpack.packb(value, unicode_errors="surrogatepass"))
        assert try_input(BORDERS[name], packed) is None
    for name in ("tools", "refusals"):
        assert try_input(BORDERS[name], repr(value).encode()) is None


@settings(max_examples=examples(60))
@given(st.binary(max_size=300))
def test_any_bytes_are_taken(data: bytes) -> None:
    for name in ("zmtp", "browser", "sctp", "stun", "rtp", "offers", "tokens"):
        fault = try_input(BORDERS[name], data)
        assert fault is None, fault.words


# -- the fuzzers themselves -----------------------------------------------------------------------


@pytest.mark.parametrize("name", BORDERS)
def test_a_border_says_what_it_is(name: str) -> None:
    border = BORDERS[name]
    assert border.title and border.oracle and border.modules
    assert all(file_of(module) for module in border.modules)
    assert corpus.read(name), "there is no corpus"


def test_a_fault_is_found_and_made_small() -> None:
    def attempt(data: bytes) -> None:
        if b"!" in data:
            raise KeyError(data)

    border = Border("x", "x", "x", attempt, lambda: [b"abc" * 20 + b"!" + b"def" * 20], ())
    outcome = hunt.short(border, 0)
    (fault,) = outcome.faults.values()
    assert fault.key[:2] == ("x", "KeyError")
    assert smaller(border, fault).data == b"!"


def test_an_endless_attempt_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.guard.MOST_CPU_S", 0.05)

    def attempt(data: bytes) -> None:
        while True:
            try:
                sum(range(1_000))
            except Exception:  # As a careless handler does it.
                continue

    fault = try_input(Border("x", "x", "x", attempt, list, ()), b"")
    assert fault is not None and fault.key[1] == "TooSlow"


def test_the_search_reaches_what_chance_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what is new to the modules that it watches."""
    from tests.fuzz import test_borders as watched

    border = Border(
        "x", "x", "x", lambda data: watched.locked(data), lambda: [b"aaaa"], (__name__,)
    )
    monkeypatch.setattr(
        "tests.fuzz.arcs.file_of", lambda module: watched.locked.__code__.co_filename
    )
    outcome = hunt.long(border, 20.0, 1, most=60_000)
    assert outcome.faults, outcome.executions


def locked(data: bytes) -> None:
    """A door with three locks."""
    if data[:1] != b"\x07":
        return
    if data[1:2] != b"\xbf":
        return
    if data[2:3] == b"\xc0":
        raise ValueError("open")


def test_the_same_seed_makes_the_same_inputs() -> None:
    border = BORDERS["control"]
    made = [[Mutator(border, list(border.seeds()), 5).next() for _ in range(1)] for _ in range(2)]
    assert made[0] == made[1]


def test_pieces_are_what_was_joined() -> None:
    source = random.Random(1)
    parts = [(source.randrange(256), source.randbytes(source.randrange(300))) for _ in range(20)]
    assert list(pieces(joined(*parts))) == parts
