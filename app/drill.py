"""The drill exchange put together: venues, instruments, their markets, accounts to trade with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from engine.archive.catalogue import load_counted
from engine.core.clock import Clock, LiveClock
from engine.core.ids import new_token
from engine.domain.errors import BadInput
from engine.domain.instrument import InstrumentKind
from engine.drill.clock import VenueClock
from engine.drill.dialects.binance_spot import BinanceSpot
from engine.drill.dialects.binance_usdm import BinanceUsdm
from engine.drill.exchange import Exchange
from engine.drill.market import MarketSource
from engine.drill.ports import Dialect, Interceptor
from engine.drill.server import DrillServer
from engine.drill.values import AccountSpec, InstrumentRules
from engine.kernels.layout import Rows
from engine.sim.generator import MarketGenerator

BLOCK_ROWS = 20_000

SPOT_RULES = (
    InstrumentRules(
        symbol="BTCUSDT", base="BTC", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.00001")
    ),
    InstrumentRules(
        symbol="ETHUSDT",
        base="ETH",
        quote="USDT",
        tick=Decimal("0.01"),
        lot=Decimal("0.0001"),
        min_qty=Decimal("0.0001"),
        max_qty=Decimal(90_000),
        market_max_qty=Decimal(2000),
    ),
    InstrumentRules(
        symbol="BNBUSDT",
        base="BNB",
        quote="USDT",
        tick=Decimal("0.01"),
        lot=Decimal("0.001"),
        min_qty=Decimal("0.001"),
        max_qty=Decimal(90_000),
        market_max_qty=Decimal(2000),
    ),
)
USDM_RULES = (
    InstrumentRules(
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        tick=Decimal("0.1"),
        lot=Decimal("0.001"),
        kind=InstrumentKind.LINEAR,
        min_qty=Decimal("0.001"),
        max_qty=Decimal(1000),
        market_max_qty=Decimal(120),
        min_notional=Decimal(100),
    ),
)
USDM_BALANCES = {"USDT": Decimal(100_000)}
_MARKETS = {
    # Symbol: tick and lot of the generated rows, start in ticks.
    "BTCUSDT": (Decimal("0.1"), Decimal("0.001"), 600_000),
    "ETHUSDT": (Decimal("0.01"), Decimal("0.01"), 300_000),
    "BNBUSDT": (Decimal("0.01"), Decimal("0.01"), 60_000),
}
SPOT_BALANCES = {
    "USDT": Decimal(100_000),
    "BTC": Decimal(2),
    "ETH": Decimal(20),
    "BNB": Decimal(10),
}


def generated(symbol: str, seed: int) -> MarketSource:
    """An endless market for one of the known symbols."""
    tick, lot, start_ticks = _MARKETS[symbol]
    number = list(_MARKETS).index(symbol)
    generator = MarketGenerator(seed + 1_000_003 * number, start_ticks=start_ticks)
    return MarketSource(generator, tick, lot, generator.crash)


class _Blocks:
    """A recording that is in memory, handed out in blocks: the exchange unpacks one at a time."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows[rows["ts_exch_ns"].argsort(kind="stable")]
        self._at = 0

    def next_block(self) -> Rows | None:
        block = self._rows[self._at : self._at + BLOCK_ROWS]
        self._at += len(block)
        return block if len(block) else None


def recorded(paths: Sequence[Path]) -> tuple[str, str, MarketSource]:
    """(venue, symbol, market) of a recording; BadInput when no venue here lists the symbol."""
    instrument, rows, _ = load_counted(paths)
    listed = {
        InstrumentKind.SPOT: ("binance_spot", SPOT_RULES),
        InstrumentKind.LINEAR: ("binance_usdm", USDM_RULES),
    }
    venue, rules = listed.get(instrument.kind, ("", ()))
    if instrument.symbol not in [each.symbol for each in rules]:
        known = ", ".join(
            f"{name}.{each.symbol}" for name, some in listed.values() for each in some
        )
        raise BadInput("--capture", instrument.instrument_id, f"the drill trades {known}")
    return venue, instrument.symbol, MarketSource(_Blocks(rows), instrument.tick, instrument.lot)


def new_account(name: str, **fields: object) -> AccountSpec:
    """With a key and a secret made on the spot, and money to play with. `fields` replace any."""
    spec = {"api_key": new_token(), "secret": new_token(), "balances": SPOT_BALANCES} | fields
    return AccountSpec(name=name, **spec)  # type: ignore[arg-type]


def open_drill(
    folder: Path,
    *,
    accounts: Sequence[AccountSpec] | None = None,
    seed: int = 1,
    symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT", "BNBUSDT"),
    usdm_symbols: Sequence[str] = ("BTCUSDT",),
    markets: Mapping[tuple[str, str], MarketSource] | None = None,
    speed: Decimal = Decimal(1),
    interceptor: Interceptor | None = None,
    port: int = 0,
    clock: Clock | None = None,
) -> DrillServer:
    """A server that is not started yet: `async with open_drill(folder) as server:`.

    `symbols` are listed on spot, `usdm_symbols` as perpetuals. `markets`: by venue and symbol;
    what has none gets a generated one. `folder` takes certificates, the ledgers and the note of
    where it listens.
    """
    venue_clock = VenueClock(clock or LiveClock())
    given = markets or {}
    sources = {
        symbol: given.get(("binance_spot", symbol)) or generated(symbol, seed) for symbol in symbols
    }
    specs = accounts if accounts is not None else [new_account("demo")]
    core = Exchange(
        "binance_spot",
        [rules for rules in SPOT_RULES if rules.symbol in symbols],
        specs,
        venue_clock,
        sources,
        folder / "ledger-binance_spot.jsonl",
        speed,
    )
    venues: list[tuple[Dialect, Exchange]] = [(BinanceSpot(core), core)]
    if usdm_symbols:
        futures = Exchange(
            "binance_usdm",
            [rules for rules in USDM_RULES if rules.symbol in usdm_symbols],
            [msgspec.structs.replace(spec, balances=USDM_BALANCES) for spec in specs],
            venue_clock,
            {
                symbol: given.get(("binance_usdm", symbol)) or generated(symbol, seed + 1)
                for symbol in usdm_symbols
            },
            folder / "ledger-binance_usdm.jsonl",
            speed,
        )
        venues.append((BinanceUsdm(futures), futures))
    return DrillServer(venues, venue_clock, folder, interceptor=interceptor, port=port)
