"""Whatever arrives on the socket, the engine goes on; and pictures survive being taken apart."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.service import delta
from app.service import protocol as p
from app.service.wishes import unusable
from engine.domain import commands as c
from engine.domain.algo import AnyAlgo
from engine.domain.order import OrderSpec, Side
from engine.domain.snapshots import (
    EngineSnapshot,
    FeedLinkSnapshot,
    LinkSnapshot,
    LinkStage,
    ReplaySnapshot,
)
from tests.support.desk import Desk
from tests.support.service import Bare, ScriptedEngine
from tests.support.session import BTC, MID, a_bot, a_log, a_market, a_snapshot, a_working_order
from tests.support.worlds import assert_same_state, rebuilt
from tests.unit.trading.test_helm import a_grid

PARSED = 100_000
SENT = 300

# -- frames ------------------------------------------------------------------------------------


def _good_wishes() -> list[p.Frame]:
    """One of every command there is."""
    spec = OrderSpec(instrument_id=BTC, side=Side.BUY, qty_lots=1, price_ticks=5)
    given: dict[str, Any] = {
        "bot_id": "bot-1",
        "spec": spec,
        "client_order_id": "q1",
        "algo_id": "a1",
        "strategy": "grid",
        "instrument_id": "test.BTCUSDT",
        "price_ticks": 600_000,
        "params_json": "{}",
        "lots": 5,
        "cap_ticks": 600_000,
        "incident_id": "i1",
        "until_ns": 1,
    }
    wishes: list[p.Frame] = []
    for number, kind in enumerate(get_args(c.AnyCommand)):
        wanted = {field.name for field in msgspec.structs.fields(kind) if field.required}
        fields = {name: given[name] for name in wanted - {"command_id"}}
        specs = _algos() if kind in (c.PlaceAlgo, c.AmendAlgo) else [given["spec"]]
        for one in specs:
            fields |= {"spec": one} if "spec" in wanted else {}
            wishes.append(p.Wish(command=kind(command_id=f"c{number}", **fields)))
    return wishes


def _algos() -> list[AnyAlgo]:
    """One of every kind; what must be given is a small number."""
    known = {"instrument_id": BTC, "side": Side.BUY, "qty_lots": 5, "weights": [1, 2]}
    return [
        kind(
            **{
                field.name: known.get(field.name, 600_000 if "ticks" in field.name else 9)
                for field in msgspec.structs.fields(kind)
                if field.required
            }
        )
        for kind in get_args(AnyAlgo)
    ]


def _good_frames(bare: Bare) -> list[p.Frame]:
    return [
        bare.hello(),
        *_good_wishes(),
        p.Ping(number=7),
        p.Seen(version=3),
        p.Resync(),
        p.TakeToken(),
        p.StopEngine(),
        p.Crash(),
    ]


def _odd_frame(chance: random.Random, good: list[bytes]) -> bytes:
    """Random bytes, a good frame with some bytes changed, or one with a lying length."""
    body = bytearray(chance.choice(good)[4:])
    match chance.randrange(5):
        case 0:
            body = bytearray(chance.randbytes(chance.randrange(1, 200)))
        case 1:
            return chance.randbytes(chance.randrange(1, 40))
        case 2:
            body = body[: chance.randrange(1, len(body) + 1)]
        case 3:
            at = chance.randrange(len(body))
            body[at:at] = chance.randbytes(chance.randrange(1, 9))
        case _:
            for _ in range(chance.randrange(1, 4)):
                body[chance.randrange(len(body))] = chance.randrange(256)
    return len(body).to_bytes(4, "big") + bytes(body)


def test_a_hundred_thousand_odd_frames_do_the_trader_no_harm() -> None:
    """What can be read as a wish, and is not refused for its values, is carried out or refused by
    the real trader; nothing raises, and its state stays the fold of its events."""
    chance = random.Random(1)
    desk = Desk(bots=[a_grid("bot-1")])
    desk.book(600_000, 600_001)
    shown = a_snapshot(bots=[a_bot("bot-1")])
    good = [p.encode(frame) for frame in _good_wishes()]
    read = carried_out = 0
    for number in range(PARSED):
        try:
            frame = p.parse_from_face(_odd_frame(chance, good)[4:])
        except p.ProtocolError:
            continue
        read += 1
        if not isinstance(frame, p.Wish) or unusable(frame.command, shown):
            continue
        wish = msgspec.structs.replace(frame.command, command_id=f"w{number}")
        desk.trader.process(wish, desk.now_ns)
        desk.collect()
        if number % 50 == 0:
            desk.pass_ms(20)
        carried_out += 1
    assert read > 1000
    assert carried_out > 1000
    assert_same_state(desk.trader.state, rebuilt(desk.events))


def test_the_engine_outlives_random_frames(own_home: Path) -> None:
    fuzz(own_home, SENT, seed=1)


def fuzz(home: Path, frames: int, seed: int) -> None:
    """`frames` callers, most of them let in, each saying odd things over a real socket."""
    chance = random.Random(seed)
    with ScriptedEngine(home) as engine:
        sent = 0
        while sent < frames:
            with Bare(home) as bare:
                good = [p.encode(frame) for frame in _good_frames(bare)]
                burst = good[:1] if chance.random() < 0.9 else []
                burst += [_odd_frame(chance, good) for _ in range(chance.randrange(1, 4))]
                sent += 1  # The others may come to closed doors.
                bare.send_all_and_leave(b"".join(burst))
        assert engine.is_well()
        # What was carried out were whole commands; nothing else came through.
        assert all(isinstance(command, c.Command) for command in engine.carried_out)


@given(st.binary(max_size=300))
def test_bytes_are_a_frame_or_a_protocol_error(body: bytes) -> None:
    for parse in (p.parse_from_face, p.parse_from_engine):
        try:
            parse(body)
        except p.ProtocolError:
            continue


@given(st.binary(max_size=300))
def test_a_delta_fits_or_is_refused(body: bytes) -> None:
    try:
        delta.apply(a_snapshot(), body)
    except p.ProtocolError:
        return


def test_an_endless_nesting_is_refused() -> None:
    with pytest.raises(p.ProtocolError):
        p.parse_from_face(b"\x81\xa4type" + b"\x91" * 60_000)


# -- pictures ----------------------------------------------------------------------------------

few = st.lists(st.integers(0, 6), max_size=40)


@given(few, few)
def test_any_list_can_be_made_of_any_other(old: list[int], new: list[int]) -> None:
    rows, wanted = [str(n) for n in old], [str(n) for n in new]
    assert delta.patched(rows, delta.list_patch(rows, wanted)) == wanted


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_a_window_that_moves_on_sends_only_its_new_rows(kept: int, gone: int, fresh: int) -> None:
    rows = [str(n) for n in range(kept + gone + fresh)]
    old, new = rows[: gone + kept], rows[gone:]
    patch = delta.list_patch(old, new)
    assert delta.patched(old, patch) == new
    if kept:
        added = [row for step in patch if isinstance(step, list) for row in step]
        assert added == rows[gone + kept :]


@st.composite
def snapshots(draw: st.DrawFn) -> EngineSnapshot:
    """Pictures of one engine at any two moments."""
    mid = MID + draw(st.integers(-5, 5))
    orders = [
        a_working_order(f"q{n}", Side.BUY, MID - n, queue_ahead_lots=draw(st.integers(-1, 3)))
        for n in draw(st.lists(st.integers(0, 12), unique=True, max_size=8))
    ]
    changes: dict[str, Any] = {
        "version": draw(st.integers(1, 9)),
        "feed_age_ms": draw(st.integers(0, 2)),
        "markets": [a_market(mid)] if draw(st.booleans()) else [a_market(mid, bars={})],
        "orders": orders,
        "bots": [a_bot(f"b{n}") for n in range(draw(st.integers(0, 3)))],
        "log": [a_log(n, f"line {n}") for n in range(draw(st.integers(0, 9)), 12)],
    }
    return a_snapshot(**changes)


@given(snapshots(), snapshots())
def test_a_picture_comes_out_as_it_went_in(old: EngineSnapshot, new: EngineSnapshot) -> None:
    assert delta.is_comparable(old, new)
    assert delta.apply(old, delta.changes(old, new)) == new


def test_every_field_of_a_picture_travels() -> None:
    """Also one that has been added since."""
    old = a_snapshot()
    for field in msgspec.structs.fields(EngineSnapshot):
        other = A_LINK if field.name == "link" else _another(getattr(old, field.name))
        new = msgspec.structs.replace(old, **{field.name: other})
        assert delta.apply(old, delta.changes(old, new)) == new, field.name
        assert delta.apply(new, delta.changes(new, old)) == old, field.name


A_LINK = LinkSnapshot(
    stage=LinkStage.DEGRADED,
    words="the venue does not answer",
    since_ns=1,
    venue="v",
    user_stream="up",
    feeds=[FeedLinkSnapshot(instrument_id="v.A", state="up", trouble="")],
    clock_offset_ms=None,
    reconciled_ns=0,
    unanswered=1,
    foreign=0,
    dead_man="nothing",
    dead_man_words="",
)


def _another(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case None:
            return ReplaySnapshot(
                start_ns=1, end_ns=9, is_playing=True, is_seeking=False, fills_ns=[3]
            )
        case list() if value and isinstance(value[0], type(a_market())):
            return [a_market(MID + 3)]
        case list():
            return value[1:]
        case str():
            return (
                next((one for one in type(value) if one != value), "") if _is_enum(value) else "x"
            )
        case _:
            return type(value)(1) if value != 1 else type(value)(2)


def _is_enum(value: str) -> bool:
    return type(value) is not str
