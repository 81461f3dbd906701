"""Tokens, prices, shares and the daily budget."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.events import encode_map
from mixer_core.journal.records import TOKEN_NAMES, Tokens
from openai_link.prices import Price
from openai_link.room.budget import Stop, Warn
from openai_link.room.money import (
    MAX_PEOPLE,
    MAX_TOLD,
    OTHERS,
    PriceTable,
    Spending,
    SpendingAction,
    TellUsage,
    WriteUsage,
)
from openai_link.settings import OpenaiLinkSettings

MODEL = "gpt-realtime-2.1"
TABLE = PriceTable.of(OpenaiLinkSettings())
DAY_MS = 86_400_000


def usage(text: int = 0, audio: int = 0, out: int = 0, cached: int = 0) -> dict[str, Any]:
    return {
        "total_tokens": text + audio + out,
        "input_tokens": text + audio,
        "output_tokens": out,
        "input_token_details": {
            "text_tokens": text,
            "audio_tokens": audio,
            "image_tokens": 0,
            "cached_tokens": cached,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": cached, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 0, "audio_tokens": out},
    }


def spending(budget_usd: float = 0.0) -> Spending:
    names = {"p-1": "Anna", "p-2": "Ben"}
    return Spending(TABLE, budget_usd, lambda wall_ms: f"day {wall_ms // DAY_MS}", lambda: names)


def warnings(actions: list[SpendingAction]) -> list[str]:
    return [action.code for action in actions if isinstance(action, Warn)]


def test_cost_by_modality_with_the_cache() -> None:
    cost = TABLE.cost_usd(usage(text=1_000, audio=2_000, out=500, cached=1_024), MODEL)
    expected = (1_000 * 4 + (2_000 - 1_024) * 32 + 1_024 * 0.4 + 500 * 64) / 1e6
    assert cost == pytest.approx(expected)


def test_the_longest_name_of_the_table_fits() -> None:
    assert TABLE.price("gpt-realtime-2.1-mini-2026-09-01") == TABLE.prices["gpt-realtime-2.1-mini"]
    assert TABLE.price("gpt-realtime-2.1-2026") == TABLE.prices["gpt-realtime-2.1"]
    assert TABLE.price("another") is None and TABLE.cost_usd(usage(1), "another") is None


def test_a_version_is_no_beginning_of_another_one() -> None:
    table = PriceTable({"gpt-realtime-2": TABLE.prices["gpt-realtime-2"]}, "today")
    assert table.price("gpt-realtime-2.1") is table.price("gpt-realtime-20") is None
    assert table.price("gpt-realtime-2-2026-01-01") == table.price("openai/gpt-realtime-2")
    family = PriceTable({"gpt-": TABLE.prices["gpt-realtime-2"]}, "today")
    assert family.price("gpt-realtime-20") is not None


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("whisper-1", 0.006),
        ("gpt-transcribe", 0.0045),
        ("gpt-live-transcribe", 0.017),
        ("gpt-realtime-whisper", 0.017),
    ],
)
def test_models_that_are_billed_by_the_minute(model: str, usd: float) -> None:
    """Whether their servers count seconds, or tokens of which ten are a second."""
    by_tokens = {"type": "tokens", "input_tokens": 600, "output_tokens": 90, "total_tokens": 690}
    assert TABLE.cost_usd({"type": "duration", "seconds": 60}, model) == pytest.approx(usd)
    assert TABLE.cost_usd(by_tokens, model) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("model", "usd"), [("gpt-4o-transcribe", 2.5 + 10), ("gpt-4o-mini-transcribe", 1.25 + 5)]
)
def test_models_that_transcribe_by_tokens(model: str, usd: float) -> None:
    million = 1_000_000
    details = {"text_tokens": 0, "audio_tokens": million}
    counted = {"type": "tokens", "input_tokens": million, "output_tokens": million}
    assert TABLE.cost_usd(counted | {"input_token_details": details}, model) == pytest.approx(usd)
    assert TABLE.price(f"{model}-2025-12-15") == TABLE.price(model)


def test_a_server_that_breaks_nothing_down_is_billed_as_audio() -> None:
    tokens = Tokens.of({"input_tokens": 100, "output_tokens": 10, "total_tokens": 110})
    assert tokens == Tokens(audio_in=100, audio_out=10)
    assert Tokens.of(None) == Tokens.of({}) == Tokens()
    assert Tokens.of({"input_tokens": None, "input_token_details": "x"}) == Tokens()


def test_reasoning_beside_the_text_is_counted_as_text() -> None:
    details = {"text_tokens": 5, "audio_tokens": 20, "reasoning_tokens": 30}
    tokens = Tokens.of({"output_tokens": 55, "output_token_details": details})
    assert (tokens.text_out, tokens.audio_out) == (35, 20)


def test_cached_tokens_without_modality_count_as_text_first() -> None:
    details = {"text_tokens": 100, "audio_tokens": 50, "cached_tokens": 128}
    tokens = Tokens.of({"input_tokens": 150, "input_token_details": details})
    assert (tokens.text_cached, tokens.audio_cached) == (100, 28)


def test_transcriptions_are_billed_by_tokens_or_seconds() -> None:
    table = PriceTable({"whisper": Price(0, 0, 0, 10, 0, 0), "gpt-x": Price(2, 0, 5, 3, 0, 0)}, "")
    by_time = {"type": "duration", "seconds": 60.0}
    assert table.cost_usd(by_time, "whisper-1") == pytest.approx(0.006)
    tokens = {"type": "tokens", "input_tokens": 120, "output_tokens": 8, "total_tokens": 128,
              "input_token_details": {"text_tokens": 20, "audio_tokens": 100}}  # fmt: skip
    assert table.cost_usd(tokens, "gpt-x") == pytest.approx((20 * 2 + 100 * 3 + 8 * 5) / 1e6)


def test_a_response_is_written_told_and_shared() -> None:
    account = spending()
    shares = [("p-1", 0.75), ("p-2", 0.25)]
    write, tell = account.add(usage(out=1_000), MODEL, shares, 5, "resp_1", status="cancelled")
    assert isinstance(write, WriteUsage) and isinstance(tell, TellUsage)
    assert write.record.shares == (("p-1", "Anna", 0.75), ("p-2", "Ben", 0.25))
    assert write.record.cost_usd == pytest.approx(0.064) and write.record.status == "cancelled"
    assert account.people == {"Anna": pytest.approx(0.048), "Ben": pytest.approx(0.016)}
    assert tell.event["room"]["cost_usd"] == 0.064
    assert tell.event["response"]["tokens"] == {"audio_out": 1_000}
    assert account.metrics()["spent_usd_total"] == pytest.approx(0.064)
    assert account.metrics()["tokens_audio_out_total"] == 1_000


def test_nothing_is_counted_twice_or_without_usage() -> None:
    account = spending()
    assert account.add(None, MODEL, [], 5, "resp_1") == []
    assert account.add(usage(out=10), MODEL, [], 5, "resp_1")
    assert account.add(usage(out=10), MODEL, [], 5, "resp_1") == []
    assert account.people == {"": pytest.approx(account.cost_usd)}


def test_an_id_of_another_session_is_another_one() -> None:
    account = spending()
    for session in ("1", "2", "tv1.1", "tv1.2"):
        assert account.add(usage(out=10), MODEL, [], 5, "item_1", "transcription", session=session)
        assert not account.add(
            usage(out=10), MODEL, [], 5, "item_1", "transcription", session=session
        )


def test_an_unknown_model_is_said_once_and_costs_nothing_known() -> None:
    account = spending(1.0)
    actions = account.add(usage(out=10), "home-made", [], 5, "r1")
    assert warnings(actions) == ["price_unknown"]
    assert isinstance(actions[0], WriteUsage) and actions[0].record.cost_usd is None
    assert warnings(account.add(usage(out=10), "home-made", [], 5, "r2")) == []
    assert (account.unpriced, account.cost_usd, account.tokens.audio_out) == (2, 0.0, 20)


def test_a_budget_warns_stops_and_is_new_the_next_day() -> None:
    account = spending(1.0)
    assert account.day_total("day 0", 0.5) == [] and account.blocked(5) is None
    assert warnings(account.add(usage(out=5_000), MODEL, [], 5, "r1")) == ["budget_low"]
    assert warnings(account.add(usage(out=100), MODEL, [], 5, "r2")) == []
    *_, stop, last = account.add(usage(out=5_000), MODEL, [], 5, "r3")
    assert isinstance(last, TellUsage), "what is told may not fit: it comes last"
    assert isinstance(stop, Stop) and not stop.problem.retryable
    assert stop.problem.code == "budget_spent" and "$1.00" in stop.problem.message
    blocked = account.blocked(6)
    assert blocked is not None and "$1.00" in blocked.message
    assert account.day_total("day 0", 1.2) == [], "it is said once"
    assert account.blocked(DAY_MS) is None
    assert account.day_total("day 0", 1.3) == [], "yesterday does not count today"
    assert account.blocked(DAY_MS) is None


def test_what_other_rooms_spend_counts() -> None:
    account = spending(1.0)
    (warn,) = account.day_total("day 0", 0.9)
    assert isinstance(warn, Warn) and "90 %" in warn.message
    (stop,) = account.day_total("day 0", 1.1)
    assert isinstance(stop, Stop)


def test_what_other_nodes_spend_counts_on_its_day_only() -> None:
    account = spending(1.0)
    account.day_total("day 0", 0.3)
    (warn,) = account.spent_elsewhere({"day 0": 0.55, "day 0~sim": 9.0})
    assert isinstance(warn, Warn) and "85 %" in warn.message
    *_, told = account.add(usage(out=100), MODEL, [], 5, "r1")
    assert isinstance(told, TellUsage) and told.event["day"]["cost_usd"] == 0.8564
    (stop,) = account.spent_elsewhere({"day 0": 0.7, "day 1": 0.2})
    assert isinstance(stop, Stop)
    blocked = account.blocked(6)
    assert blocked is not None and "($1.01)" in blocked.message
    assert account.blocked(DAY_MS) is None
    *_, told = account.add(usage(out=100), MODEL, [], DAY_MS, "r2")
    assert isinstance(told, TellUsage) and told.event["day"]["cost_usd"] == 0.2064
    assert account.spent_elsewhere({}) == []
    *_, told = account.add(usage(out=100), MODEL, [], DAY_MS, "r3")
    assert isinstance(told, TellUsage) and told.event["day"]["cost_usd"] == 0.0128


def test_a_room_has_a_budget_of_its_own_within_that_of_all() -> None:
    table, day_of = TABLE, lambda wall_ms: f"day {wall_ms // DAY_MS}"
    account = Spending(table, 5.0, day_of, dict, "den", 0.5)
    (warn,) = account.day_total("day 0", 1.0, 0.45)
    assert isinstance(warn, Warn) and "90 % of today's budget of this room of $0.50" in warn.message
    actions = account.add(usage(text=20_000), MODEL, (), 5, "resp-1")
    (stop,) = [action for action in actions if isinstance(action, Stop)]
    assert "The budget of this room of $0.50" in stop.problem.message
    (told,) = [action for action in actions if isinstance(action, TellUsage)]
    assert told.event["room"]["budget_usd"] == 0.5 and told.event["room"]["day_usd"] == 0.53
    blocked = account.blocked(5)
    assert blocked is not None and "raise [rooms.den] daily_budget_usd" in blocked.message
    assert account.change(5.0, 1.0) == [] and account.blocked(5) is None, "it was raised"
    assert [type(action) for action in account.change(1.0, 1.0)] == [Stop], "that of all is spent"
    assert account.change(0.0, 0.0) == [] and account.blocked(5) is None
    assert [type(action) for action in account.change(0.0, 0.55)] == [Warn]
    assert account.blocked(DAY_MS) is None, "the next day"


def test_a_busy_room_has_bounded_accounts_that_fit_into_an_event() -> None:
    account = spending()
    for number in range(300):
        who = f"{number:03} " + "𝄞" * 60
        *_, tell = account.add(usage(out=1_000 + number), MODEL, [(who, 1.0)], 5, f"r{number}")
    assert isinstance(tell, TellUsage)
    assert len(account.people) == MAX_PEOPLE + 1 and OTHERS in account.people
    assert sum(account.people.values()) == pytest.approx(account.cost_usd)
    people = tell.event["people"]
    assert len(people) == MAX_TOLD and sum(people.values()) == pytest.approx(account.cost_usd)
    dearest = sorted(set(account.people) - {OTHERS}, reverse=True)[: MAX_TOLD - 1]
    assert list(people) == [*dearest, OTHERS]
    encode_map(tell.event)


COUNT = st.integers(0, 10_000)


@given(st.lists(st.tuples(COUNT, COUNT, COUNT), max_size=20), st.floats(0, 1))
def test_sums_agree(counts: list[tuple[int, int, int]], part: float) -> None:
    account = spending()
    shares = [("p-1", part), ("p-2", 1 - part)]
    records = []
    for number, (text, audio, out) in enumerate(counts):
        given_usage = usage(text, audio, out, cached=audio // 2)
        for action in account.add(given_usage, MODEL, shares, 5, f"r{number}"):
            if isinstance(action, WriteUsage):
                records.append(action.record)
    assert account.tokens == sum((r.tokens for r in records), Tokens())
    assert account.cost_usd == pytest.approx(sum(r.cost_usd or 0 for r in records))
    assert sum(account.people.values()) == pytest.approx(account.cost_usd)
    assert account.tokens.audio_in == sum(audio for _, audio, _ in counts)
    assert len(TOKEN_NAMES) == 9
