"""What one seed tells: the account, the bots, the faults and when they strike, and the person."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from engine.domain import commands as c
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.order import OrderSpec, Side
from engine.trading.state import MANUAL
from tests.simulation.chance import Chance
from tests.simulation.faults import Faults, Kind

EPOCH_NS = 1_760_000_000_000_000_000
LIVENESS_S = 60.0
"""From the end of the faults to trading again."""
AGREED_S = 60.0
"""From the end of the faults to the venue's word on every order: also on what a stream has lost
without saying so, which only a comparison brings to light."""
SETTLE_S = 14.0
"""From the last wish of the person to the comparison with the venue."""


@dataclass(frozen=True)
class Stroke:
    """A fault at a moment, for some seconds."""

    at_s: float
    kind: Kind
    for_s: float


@dataclass(frozen=True)
class Wish:
    at_s: float
    command: c.AnyCommand


@dataclass(frozen=True)
class Story:
    seed: int
    instruments: tuple[Instrument, ...]
    balances: dict[str, Decimal]
    fee_asset: str
    bots: int
    faults: Faults
    faults_begin_s: float
    """Mostly after the first orders; sometimes the very first start meets them."""
    faults_end_s: float
    strokes: tuple[Stroke, ...]
    wishes: tuple[Wish, ...]
    kills_at_end: bool
    rests_in_calm: bool
    """The bots are paused once the faults are over, and the market slows down: most of the minute
    that the engine has for getting back would show nothing but more of the same."""

    @property
    def calm_s(self) -> float:
        """When trading must be back."""
        return self.faults_end_s + LIVENESS_S

    @property
    def agreed_s(self) -> float:
        return self.faults_end_s + AGREED_S

    @property
    def end_s(self) -> float:
        return self.agreed_s + SETTLE_S


PLANNED: dict[Kind, tuple[int, int]] = {
    Kind.BANNED: (2, 20),
    Kind.MAINTENANCE: (2, 15),
    Kind.KEY_REVOKED: (5, 15),
    Kind.STREAM_DROP: (0, 6),
    Kind.HALF_OPEN: (3, 15),
    Kind.HALT: (3, 12),
    Kind.RULES_CHANGE: (0, 0),
    Kind.FOREIGN_ORDER: (0, 0),
    Kind.FOREIGN_FILL: (0, 0),
    Kind.ID_REUSE: (0, 0),
    Kind.ENDED_BY_VENUE: (0, 0),
    Kind.DEPOSIT: (0, 0),
    Kind.VENUE_SKEW: (4, 15),
    Kind.CLOCK_STEP: (1, 8),
    Kind.BOOK_GAP: (1, 4),
    Kind.BOOK_CROSSED: (1, 4),
    Kind.BOOK_STALE: (2, 8),
    Kind.PRICE_SPIKE: (2, 8),
    Kind.FEED_DROP: (1, 8),
    Kind.CRASH: (1, 8),
    Kind.POWER_CUT: (1, 8),
    Kind.DISK_FULL: (1, 8),
    Kind.SYNC_EIO: (1, 8),
    Kind.SLOW_DISK: (3, 12),
    Kind.SECOND_ENGINE: (0, 0),
}
"""Kinds that strike at planned moments, and for how many seconds: at least, at most."""


def tell(seed: int) -> Story:
    chance = Chance(seed).fork("story")
    faults = Faults.drawn(chance.fork("faults"))
    is_spot = chance.hits(600)
    instruments = tuple(
        _instrument(is_spot, base) for base in ("BTC", "ETH")[: chance.between(1, 2)]
    )
    balances = {"USDT": Decimal(100_000)}
    if is_spot:
        balances |= {one.base: Decimal(0) for one in instruments}
    fee_asset = ""
    if chance.hits(400) or faults.has(Kind.FEE_ASSET_OUT):
        fee_asset = "BNB"
        balances["BNB"] = Decimal("0.02" if faults.has(Kind.FEE_ASSET_OUT) else "50")
    begin_s = float(chance.between(4, 8)) if chance.hits(800) else 0.0
    faults_end_s = begin_s + chance.between(8, 22)
    first_ms, last_ms = int(begin_s * 1000), int(faults_end_s * 1000)
    strokes = [
        Stroke(chance.between(first_ms, last_ms) / 1000, kind, _length(chance, kind))
        for kind in faults.kinds
        if kind in PLANNED
        for _ in range(chance.between(1, 3))
    ]
    bots = chance.between(1, 3)
    return Story(
        seed=seed,
        instruments=instruments,
        balances=balances,
        fee_asset=fee_asset,
        bots=bots,
        faults=faults,
        faults_begin_s=begin_s,
        faults_end_s=faults_end_s,
        strokes=tuple(sorted(strokes, key=lambda one: one.at_s)),
        wishes=_wishes(chance.fork("person"), faults_end_s, instruments[0], bots),
        kills_at_end=chance.hits(300),
        rests_in_calm=chance.hits(880),
    )


def _length(chance: Chance, kind: Kind) -> float:
    low, high = PLANNED[kind]
    return chance.between(low * 1000, high * 1000) / 1000


def _instrument(is_spot: bool, base: str) -> Instrument:
    venue = "sim_spot" if is_spot else "sim_usdm"
    return Instrument(
        instrument_id=f"{venue}.{base}USDT",
        venue=venue,
        symbol=f"{base}USDT",
        kind=InstrumentKind.SPOT if is_spot else InstrumentKind.LINEAR,
        base=base,
        quote="USDT",
        tick=Decimal(1),
        lot=Decimal("0.001"),
        min_notional=Decimal(5),
    )


def _wishes(chance: Chance, until_s: float, instrument: Instrument, bots: int) -> tuple[Wish, ...]:
    """Now and then the person does something; a switch that was thrown is reset later."""
    wishes: list[Wish] = []
    for number in range(chance.below(3)):
        spec = OrderSpec(
            instrument_id=instrument.instrument_id,
            side=Side.BUY,
            qty_lots=chance.between(1, 6),
            price_ticks=49_900 - chance.between(0, 50),
        )
        at_s = chance.between(3000, int(until_s * 1000)) / 1000
        order = c.PlaceOrder(command_id=f"order{number}", bot_id=MANUAL, spec=spec)
        wishes.append(Wish(at_s, order))
    for number in range(chance.below(4)):
        at_s = chance.between(3000, int(until_s * 1000)) / 1000
        name = f"p{number}"
        match chance.below(8):
            case 0:
                wishes.append(Wish(at_s, c.PauseBot(command_id=name)))
                wishes += _resumed(at_s + 4, name, bots)
            case 1 | 2:
                wishes.append(Wish(at_s, c.CancelAll(command_id=name)))
            case 3 | 4:
                wishes.append(Wish(at_s, c.Flatten(command_id=name)))
                wishes += _resumed(at_s + 5, name, bots)
            case _:
                level = chance.pick(list(c.KillLevel)[1:])
                wishes.append(Wish(at_s, c.Kill(command_id=name, level=level)))
                wishes.append(Wish(at_s + 5, c.ResetKill(command_id=f"{name}-reset")))
                wishes += _resumed(at_s + 6, name, bots)
    return tuple(sorted(wishes, key=lambda one: one.at_s))


def _resumed(at_s: float, name: str, bots: int) -> list[Wish]:
    return [
        Wish(at_s, c.ResumeBot(command_id=f"{name}-{number}", bot_id=f"bot{number}"))
        for number in range(1, bots + 1)
    ]
