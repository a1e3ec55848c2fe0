"""A scripted engine behind the `Session` port, and builders for what it publishes.

session = FakeSession(a_snapshot(bots=[a_bot("grid", helm=Helm.PAUSED)]))
session.publish(orders=[...])      # the next picture, everything else as before
session.refuses("position_max")    # the next command comes back refused
session.commands                   # what the face sent
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from app.service.session import SILENT, Standing
from engine.core.clock import SimClock
from engine.domain.commands import AnyCommand, KillLevel
from engine.domain.errors import EngineNotRunning
from engine.domain.events import Helm
from engine.domain.order import (
    Order,
    OrderSpec,
    OrderStatus,
    Pending,
    Purpose,
    Side,
)
from engine.domain.replay import AnyReplayWish
from engine.domain.snapshots import (
    BarRow,
    BotSnapshot,
    EngineSnapshot,
    FillSnapshot,
    LimitSnapshot,
    LogRow,
    MarketSnapshot,
    Mode,
    OrderSnapshot,
    PositionSnapshot,
    ReceiptSnapshot,
    TapeRow,
)
from tests.support.builders import linear

START_NS = 1_723_118_602_400_000_000
"""2024-08-08 12:03:22.4 UTC."""
MID = 600_125
"""60,012.5 in ticks of 0.1."""
SECOND = 1_000_000_000
BTC = "test.BTCUSDT"


class FakeSession:
    """Implements `app.service.session.Session` without an engine."""

    def __init__(self, snapshot: EngineSnapshot | None = None) -> None:
        self.commands: list[AnyCommand] = []
        self.crashes = 0
        self.wishes: list[AnyReplayWish] = []
        self.company: Standing | None = None
        """Who else looks on, as the script says."""
        self.is_stopping = False
        self._snapshot = snapshot
        self._failure = ""
        self._refusal: str | None = None
        self._ids = 0
        self._is_silent = False

    # -- the port --------------------------------------------------------------------------

    def snapshot(self) -> EngineSnapshot | None:
        return self._snapshot

    def submit(self, command: AnyCommand) -> None:
        if self._failure and not self._failure.startswith(SILENT):
            raise EngineNotRunning("engine: it has stopped: start it again")
        self.commands.append(command)
        refused, self._refusal = self._refusal, None
        if self._snapshot is not None and not self._is_silent:
            receipt = ReceiptSnapshot(
                command_id=command.command_id, name=type(command).__name__, refused=refused or ""
            )
            self.publish(receipts=[*self._snapshot.receipts, receipt])

    def new_command_id(self) -> str:
        self._ids += 1
        return f"cmd{self._ids}"

    def crash(self) -> None:
        self.crashes += 1

    def steer(self, wish: AnyReplayWish) -> None:
        self.wishes.append(wish)

    def failure(self) -> str:
        return self._failure

    def standing(self) -> Standing | None:
        return self.company

    def take_token(self) -> None:
        if self.company is not None:
            self.company = self.company._replace(holder=self.company.me)

    def stop_engine(self) -> None:
        self.is_stopping = True

    # -- the script ------------------------------------------------------------------------

    def publish(self, snapshot: EngineSnapshot | None = None, **changes: Any) -> EngineSnapshot:
        """Show `snapshot`, or the present one with `changes`."""
        base = snapshot if snapshot is not None else self._snapshot
        assert base is not None, "nothing to change yet"
        changes.setdefault("version", base.version + 1)
        self._snapshot = msgspec.structs.replace(base, **changes)
        return self._snapshot

    def fails(self, words: str) -> None:
        """The engine dies."""
        self._failure = words

    def refuses(self, words: str) -> None:
        """The next command is refused."""
        self._refusal = words

    def says_nothing(self) -> None:
        """No receipts any more: the engine is slow."""
        self._is_silent = True


# -- builders --------------------------------------------------------------------------------


def a_market(mid: int = MID, **changes: object) -> MarketSnapshot:
    """A book one tick wide, thirty levels a side with sizes that look alive, and some history."""
    bid, ask = mid, mid + 1
    bids = [(bid - level, 40 + level * 37 % 900) for level in range(300)]
    asks = [(ask + level, 35 + level * 53 % 870) for level in range(300)]
    fields: dict[str, object] = {
        "instrument_id": BTC,
        "ts_ns": START_NS,
        "is_ready": True,
        "bids": bids,
        "asks": asks,
        "last_ticks": bid,
        "last_side": 1,
        "day_open_ticks": 597_600,
        "tape": some_tape(mid),
        "bars": {"1s": some_bars(mid, SECOND), "1m": some_bars(mid, 60 * SECOND)},
        "rows": 1000,
    }
    return MarketSnapshot(**{**fields, **changes})  # type: ignore[arg-type]


def some_tape(mid: int) -> list[TapeRow]:
    """Thirty prints, newest last."""
    return [
        TapeRow(
            START_NS - (29 - at) * SECOND // 3,
            mid + at % 2,
            1 + at * 7 % 40,
            1 if at % 3 else -1,
        )
        for at in range(30)
    ]


def some_bars(mid: int, length_ns: int, count: int = 120) -> list[BarRow]:
    """A wave that ends at `mid`: rising and falling bodies with wicks."""
    closes = [mid + ((at * 13) % 29 - 14) * 4 + (at % 40 - 20) * 6 for at in range(count)]
    closes[-1] = mid
    bars = []
    for at, close in enumerate(closes):
        opened = closes[at - 1] if at else close
        bars.append(
            BarRow(
                START_NS - (count - 1 - at) * length_ns,
                opened,
                max(opened, close) + 8 + at * 5 % 20,
                min(opened, close) - 8 - at * 3 % 20,
                close,
                200 + at * 97 % 700,
            )
        )
    return bars


def a_bot(bot_id: str = "grid", **changes: object) -> BotSnapshot:
    fields: dict[str, object] = {
        "bot_id": bot_id,
        "strategy": "grid",
        "instrument_id": BTC,
        "helm": Helm.AUTO,
        "helm_by": "start",
        "helm_reason": "",
        "position_lots": 0,
        "entry_ticks": None,
        "realised": Decimal("0"),
        "unrealised": Decimal("0"),
        "fees": Decimal("0"),
        "pnl": Decimal("0"),
        "open_orders": 0,
        "fills": 0,
        "last_action": "",
        "last_action_ns": 0,
        "params": {"levels": "5", "qty": "0.005"},
    }
    return BotSnapshot(**{**fields, **changes})  # type: ignore[arg-type]


def a_position(bot_id: str, lots: int, **changes: object) -> PositionSnapshot:
    fields: dict[str, object] = {
        "bot_id": bot_id,
        "instrument_id": BTC,
        "lots": lots,
        "entry_ticks": Decimal(599_800) if lots else None,
        "realised": Decimal("75.98"),
        "unrealised": Decimal("8.12") if lots else Decimal(0),
        "fees": Decimal("6.20"),
        "pnl": Decimal("77.90"),
    }
    return PositionSnapshot(**{**fields, **changes})  # type: ignore[arg-type]


def a_working_order(
    order_id: str, side: Side, ticks: int, lots: int = 5, **changes: object
) -> OrderSnapshot:
    """A resting limit order of the bot `grid`; `changes` go to the order or to its spec."""
    spec_fields = set(OrderSpec.__struct_fields__)
    spec = {key: value for key, value in changes.items() if key in spec_fields}
    rest = {key: value for key, value in changes.items() if key not in spec_fields}
    queue = rest.pop("queue_ahead_lots", 120)
    order = {
        "client_order_id": order_id,
        "bot_id": "grid",
        "placed_by": "bot",
        "spec": OrderSpec(
            **{  # type: ignore[arg-type]
                "instrument_id": BTC,
                "side": side,
                "qty_lots": lots,
                "price_ticks": ticks,
                **spec,
            }
        ),
        "created_ns": START_NS - 9 * SECOND,
        "status": OrderStatus.OPEN,
        "pending": Pending.NONE,
        **rest,
    }
    return OrderSnapshot(order=Order(**order), queue_ahead_lots=queue)  # type: ignore[arg-type]


def a_stop(order_id: str, side: Side, trigger: int, lots: int = 5, **more: object) -> OrderSnapshot:
    from engine.domain.order import OrderType

    return a_working_order(
        order_id,
        side,
        0,
        lots,
        type=OrderType.STOP,
        trigger_ticks=trigger,
        reduce_only=True,
        purpose=Purpose.PROTECTIVE,
        queue_ahead_lots=-1,
        **more,
    )


def a_fill(seq: int, side: int, ticks: int, lots: int = 5, **changes: object) -> FillSnapshot:
    fields: dict[str, object] = {
        "seq": seq,
        "ts_ns": START_NS - (20 - seq) * SECOND,
        "bot_id": "grid",
        "client_order_id": f"q{seq}",
        "instrument_id": BTC,
        "side": side,
        "ticks": ticks,
        "lots": lots,
        "fee": Decimal("0.06"),
        "is_maker": True,
    }
    return FillSnapshot(**{**fields, **changes})  # type: ignore[arg-type]


def a_log(seq: int, text: str, level: str = "info", source: str = "grid") -> LogRow:
    return LogRow(
        seq=seq, ts_ns=START_NS - (20 - seq) * SECOND, level=level, source=source, text=text
    )


def a_limit(name: str, used: str, limit: str, unit: str, **changes: object) -> LimitSnapshot:
    return LimitSnapshot(
        name=name,
        used=Decimal(used),
        limit=Decimal(limit),
        unit=unit,
        **changes,  # type: ignore[arg-type]
    )


def a_snapshot(**changes: object) -> EngineSnapshot:
    """A paper session with two bots, a few orders, fills and log lines."""
    fields: dict[str, object] = {
        "version": 1,
        "ts_ns": START_NS,
        "published_wall_ns": START_NS,
        "mode": Mode.PAPER,
        "profile": "demo",
        "world": "generated market, seed 7",
        "speed": Decimal(1),
        "feed_age_ms": 12,
        "has_ended": False,
        "kill": KillLevel.NONE,
        "kill_reason": "",
        "halted": "",
        "settle": "USDT",
        "capital": Decimal("100000"),
        "equity": Decimal("100084.10"),
        "realised": Decimal("82.18"),
        "unrealised": Decimal("8.12"),
        "fees": Decimal("6.20"),
        "funding": Decimal("0"),
        "day_pnl": Decimal("84.10"),
        "equity_curve": [
            (START_NS - (60 - at) * 10 * SECOND, Decimal(100_000 + at * at % 97))
            for at in range(60)
        ],
        "instruments": [linear()],
        "markets": [a_market()],
        "bots": some_bots(),
        "positions": [a_position("grid", 25)],
        "orders": some_orders(),
        "fills": [a_fill(seq, 1 if seq % 2 else -1, MID - seq, 5 + seq) for seq in range(1, 15)],
        "limits": some_limits(),
        "log": some_log(),
        "receipts": [],
    }
    return EngineSnapshot(**{**fields, **changes})  # type: ignore[arg-type]


def some_bots() -> list[BotSnapshot]:
    return [
        a_bot(
            "grid",
            position_lots=25,
            entry_ticks=Decimal(599_800),
            realised=Decimal("75.98"),
            unrealised=Decimal("8.12"),
            fees=Decimal("6.20"),
            pnl=Decimal("77.90"),
            open_orders=6,
            fills=14,
            last_action="6 quotes around 60012.5",
            last_action_ns=START_NS - 2 * SECOND,
        ),
        a_bot(
            "trend",
            strategy="trend",
            pnl=Decimal("-3.00"),
            last_action="fast average above slow: waiting",
            last_action_ns=START_NS - 41 * SECOND,
            params={"fast": "10", "slow": "40", "timeframe": "1m", "qty": "0.010"},
        ),
    ]


def some_orders() -> list[OrderSnapshot]:
    """Three bids and three asks of `grid`, ten ticks apart."""
    bids = [a_working_order(f"b{n}", Side.BUY, MID - 10 * n, 5) for n in (1, 2, 3)]
    asks = [a_working_order(f"s{n}", Side.SELL, MID + 10 * n, 5) for n in (1, 2, 3)]
    return bids + asks


def some_limits() -> list[LimitSnapshot]:
    return [
        a_limit("exposure", "2400", "25021", "USDT"),
        a_limit("daily_loss", "0", "25000", "USDT"),
        a_limit("drawdown", "120", "25020", "USDT"),
        a_limit("open_orders", "6", "200", "orders"),
        a_limit("orders_per_s", "2", "200", "orders"),
    ]


def some_log() -> list[LogRow]:
    return [
        a_log(1, "ledger started with 100000 USDT", source="engine"),
        a_log(2, "grid on test.BTCUSDT started"),
        a_log(3, "trend on test.BTCUSDT started", source="trend"),
        a_log(9, "buy 0.005 filled @ 60012.4 fee 0.06 maker", "trade"),
        a_log(14, "refused buy 9.000 limit: position_max limit 25021, order 540112", "warn"),
    ]


class FrozenClock(SimClock):
    """Wall and monotonic time that a test moves by hand."""

    def __init__(self) -> None:
        super().__init__(START_NS)

    def pass_ms(self, ms: int) -> None:
        self.advance_to(self.now_ns() + ms * 1_000_000)
