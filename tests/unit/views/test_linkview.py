"""A live engine's ties to its venue, in words."""

from __future__ import annotations

from app.views.linkview import dead_man_words, stage_words
from engine.domain.snapshots import LinkSnapshot, LinkStage


def a_link(**changes: object) -> LinkSnapshot:
    fields: dict[str, object] = {
        "stage": LinkStage.TRADING,
        "words": "",
        "since_ns": 1,
        "venue": "binance_spot",
        "user_stream": "up",
        "feeds": [],
        "clock_offset_ms": 3,
        "reconciled_ns": 1,
        "unanswered": 0,
        "foreign": 0,
        "dead_man": "resting_stops",
        "dead_man_words": "",
    }
    return LinkSnapshot(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_stage_comes_with_its_reason() -> None:
    assert stage_words(a_link()) == "trading"
    halted = a_link(stage=LinkStage.HALTED, words="the key is refused: revoked")
    assert stage_words(halted) == "halted: the key is refused: revoked"


def test_what_protects_is_named_for_every_venue() -> None:
    assert dead_man_words(a_link()) == "resting stops only"
    assert dead_man_words(a_link(dead_man="venue_timer")) == "venue timer"
    assert dead_man_words(a_link(dead_man="nothing")) == "nothing"
