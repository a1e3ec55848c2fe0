"""Break-even, reverse, alerts and incidents: what their keys may do, and what they send."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.views import rules
from app.views.bell import QUIET_NS, Bell
from app.views.breakeven import breakeven_ticks
from app.views.handover import preview
from engine.domain.events import Helm
from engine.domain.incident import CHOICES, Choice, Incident, IncidentKind
from engine.domain.snapshots import IncidentSnapshot, LogRow
from tests.support.session import START_NS, a_bot, a_snapshot

prices = st.integers(100, 10**8)
rates = st.decimals("0", "0.01", places=5)


@given(entry=prices, rate=rates)
def test_leaving_at_break_even_never_loses_and_a_tick_earlier_does(
    entry: int, rate: Decimal
) -> None:
    up = breakeven_ticks(Decimal(entry), rate, is_long=True)
    assert up - entry >= rate * (up + entry)
    assert (up - 1) - entry < rate * (up - 1 + entry)
    down = breakeven_ticks(Decimal(entry), rate, is_long=False)
    assert entry - down >= rate * (down + entry)
    assert entry - (down + 1) < rate * (down + 1 + entry)


@given(entry=prices, rate=rates)
def test_the_same_price_holds_for_inverse_contracts(entry: int, rate: Decimal) -> None:
    """Paid in coin: value is 1 / price, exactly in fractions."""
    from fractions import Fraction

    share = Fraction(rate)
    up = breakeven_ticks(Decimal(entry), rate, is_long=True)
    gained = Fraction(1, entry) - Fraction(1, up)
    assert gained >= share * (Fraction(1, entry) + Fraction(1, up))


def an_alert(seq: int, ts_ns: int) -> LogRow:
    return LogRow(seq=seq, ts_ns=ts_ns, level="alert", source="risk", text="look")


def test_the_bell_rings_for_news_only_and_at_most_once_a_second() -> None:
    bell, before = Bell(), a_snapshot()
    last = max([row.seq for row in before.log] + [fill.seq for fill in before.fills])
    bell.hear(before)
    assert not bell.rings(0)
    news = [
        msgspec.structs.replace(before, log=[*before.log, an_alert(last + n, n)]) for n in (1, 2)
    ]
    bell.hear(news[0])
    assert bell.rings(1)
    bell.hear(news[1])
    assert not bell.rings(2)
    assert bell.rings(1 + QUIET_NS)
    assert not bell.rings(2 + 2 * QUIET_NS)


def test_a_muted_bell_does_not_ring_later_for_what_it_missed() -> None:
    bell, before = Bell(), a_snapshot()
    bell.hear(before)
    bell.is_muted = True
    bell.hear(msgspec.structs.replace(before, log=[an_alert(10_000, 1)]))
    assert not bell.rings(0)
    bell.is_muted = False
    assert not bell.rings(QUIET_NS)


def test_only_what_an_incident_takes_is_offered() -> None:
    one = Incident(
        incident_id="i1",
        kind=IncidentKind.FOREIGN,
        since_ns=1,
        instrument_id="",
        ours="no such order",
        venues="order x",
        last_event="filled",
    )
    shown = IncidentSnapshot(incident=one, choices=CHOICES[one.kind])
    view = rules.ViewState(snapshot=a_snapshot(incidents=[shown]), incident_id="i1")
    assert rules.can_decide(Choice.ADOPT)(view) == "a foreign takes ignore or flatten"
    assert rules.can_decide(Choice.FLATTEN)(view) == ""
    empty = rules.ViewState(snapshot=a_snapshot(), incident_id="")
    assert rules.can_decide(Choice.IGNORE)(empty) == "no incident selected"


def test_a_preview_says_what_changes_hands_and_what_would_refuse() -> None:
    shot = a_snapshot()
    bot = shot.bots[0]
    told = preview(shot, bot, "take")
    assert told.position_lots == bot.position_lots
    own = [s.order for s in shot.orders if s.order.bot_id == bot.bot_id]
    assert sorted(told.orders + told.orders_kept) == sorted(one.client_order_id for one in own)
    assert told.params == bot.params
    back = preview(shot, bot, "give")
    assert ("not yours" in back.sentences[0]) is (bot.helm is not Helm.MANUAL)


def test_giving_back_tells_what_the_bot_would_do() -> None:
    """It told the last line of the log as what it had in mind: mostly an old fill."""
    held = {"helm": Helm.MANUAL, "last_action": "sell 0.008 filled @ 60033.0"}
    bot = a_bot("grid", **held, would="buy 2 x 0.010 @ 60098.0", would_ns=START_NS)
    told = preview(a_snapshot(bots=[bot]), bot, "give")
    assert "At 12:03:22 it would have: buy 2 x 0.010 @ 60098.0." in told.sentences
    assert told.would == bot.would
    quiet = a_bot("grid", **held)
    told = preview(a_snapshot(bots=[quiet]), quiet, "give")
    assert "It has not wanted to send anything since you took it." in told.sentences
    assert not any("filled" in sentence for sentence in told.sentences)
