"""A trader at a market that a test sets by hand, and a venue that answers when the test says so."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal

from engine.core.messages import MarketAdvanced, TimersDue
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain import reports as r
from engine.domain.instrument import Instrument
from engine.domain.order import Order, OrderSpec, OrderType, Purpose, Side, TimeInForce
from engine.kernels import layout as k
from engine.market.view import MarketView
from engine.ports.venue import SIMULATED, Cancel, Submit, VenueAbilities, VenueRequest
from engine.runtime.trader import BotSpec, BuildStrategy, Trader
from engine.strategy.catalogue import build_strategy
from engine.strategy.runner import Guard
from engine.trading.risk.limits import RiskLimits
from tests.support.builders import a_fill, linear

WINDOW = 1 << 20
START_NS = 1_700_000_000_000_000_000
MS = 1_000_000


def no_guard(name: str) -> AbstractContextManager[object]:
    return nullcontext()


class Desk:
    """`desk.book(bid, ask)` sets the touch, `desk.pass_ms(n)` lets time go by, `desk.accept()`
    and `desk.fill()` speak for the venue. Events are collected in `events`."""

    def __init__(
        self,
        *,
        instrument: Instrument | None = None,
        capital: str = "100000",
        limits: RiskLimits | None = None,
        bots: list[BotSpec] | None = None,
        mid_ticks: int = 600_000,
        guard: Guard = no_guard,
        build: BuildStrategy = build_strategy,
        abilities: VenueAbilities = SIMULATED,
    ) -> None:
        self.instrument = instrument or linear()
        self.state_arrays = k.new_market(mid_ticks, (1_000_000_000,), WINDOW)
        self.view = MarketView(self.instrument, self.state_arrays, {"1s": 0})
        self.id = self.instrument.instrument_id
        self._new_trader = lambda: Trader(
            limits=limits or RiskLimits(),
            markets={self.id: self.view},
            guard=guard,
            build=build,
            abilities=abilities,
        )
        self.trader = self._new_trader()
        self.now_ns = START_NS
        self.events: list[e.AnyEvent] = []
        self.requests: list[VenueRequest] = []
        self.report_seq = 0
        self.commands = 0
        self._touch = [0, 0]
        self.trader.begin(self.session(capital), bots or [])
        self.collect()

    def session(self, capital: str) -> e.SessionStarted:
        return e.SessionStarted(
            ts_ns=START_NS,
            world="test",
            capital=Decimal(capital),
            settle=self.instrument.settle,
            salt=7,
            instruments=[self.instrument],
        )

    # -- market ----------------------------------------------------------------------------------

    def book(self, bid: int, ask: int, lots: int = 1000) -> None:
        state = self.state_arrays
        for row in (k.BID, k.ASK):
            state.book[row, self._touch[row]] = 0
        base = state.scalars[k.M_BASE]
        self._touch = [bid - base, ask - base]
        state.book[k.BID, bid - base] = lots
        state.book[k.ASK, ask - base] = lots
        state.scalars[k.M_BEST_BID] = bid
        state.scalars[k.M_BEST_ASK] = ask
        state.scalars[k.M_READY] = 1
        state.scalars[k.M_TOP_VERSION] += 1
        self.trader.process(MarketAdvanced(instrument_id=self.id, reasons=k.WAKE_TOP), self.now_ns)
        self.collect()

    def trade(self, ticks: int, lots: int = 1, side: int = k.BUY) -> None:
        """Somebody trades at `ticks`; the book stays as it is."""
        scalars = self.state_arrays.scalars
        scalars[k.M_LAST_TICKS] = ticks
        scalars[k.M_LAST_SIDE] = side
        scalars[k.M_VOLUME] += lots
        self.trader.process(
            MarketAdvanced(instrument_id=self.id, reasons=k.WAKE_TRADE), self.now_ns
        )
        self.collect()

    def empty_book(self) -> None:
        self.state_arrays.scalars[k.M_BEST_BID] = k.NO_BID
        self.state_arrays.scalars[k.M_BEST_ASK] = k.NO_ASK

    def pass_ms(self, milliseconds: int) -> None:
        """Time goes by; every timer on the way fires at its instant."""
        end = self.now_ns + milliseconds * MS
        while self.trader.next_timer_ns <= end:
            self.now_ns = self.trader.next_timer_ns
            self.trader.process(TimersDue(), self.now_ns)
        self.now_ns = end
        self.collect()

    def restarted(self) -> Trader:
        """A trader that knows what the journal says and has woken up at its last instant."""
        trader = self._new_trader()
        trader.restore(self.events)
        trader.resume()
        return trader

    # -- wishes ----------------------------------------------------------------------------------

    def do(self, command: type[c.Command], **fields: object) -> str:
        """Give a command; returns why it was refused, "" if it was done."""
        self.commands += 1
        key = f"c{self.commands}"
        self.trader.process(command(command_id=key, **fields), self.now_ns)  # type: ignore[arg-type]
        self.collect()
        return self.trader.state.commands[key].refused

    def place(
        self, side: Side, lots: int, ticks: int = 0, bot_id: str = "manual", **spec: object
    ) -> str:
        fields: dict[str, object] = {"price_ticks": ticks, "tif": TimeInForce.GTC, **spec}
        wanted = OrderSpec(instrument_id=self.id, side=side, qty_lots=lots, **fields)  # type: ignore[arg-type]
        return self.do(c.PlaceOrder, bot_id=bot_id, spec=wanted)

    # -- the venue -------------------------------------------------------------------------------

    @property
    def live(self) -> list[Order]:
        return list(self.trader.state.orders.values())

    def submits(self) -> list[Submit]:
        return [item for item in self.requests if isinstance(item, Submit)]

    def cancels(self) -> list[str]:
        return [item.client_order_id for item in self.requests if isinstance(item, Cancel)]

    def accept(self, order: Order) -> None:
        self._report(r.AcceptReport, order, venue_order_id=f"v{order.client_order_id}")

    def fill(self, order: Order, lots: int | None = None, ticks: int | None = None) -> None:
        price = ticks or order.spec.price_ticks
        fill = a_fill(f"t{self.report_seq + 1}", lots or order.spec.qty_lots, price, fee=Decimal(0))
        self._report(r.FillReport, order, fill=fill)

    def canceled(self, order: Order) -> None:
        self._report(r.CancelReport, order)

    def expired(self, order: Order, reason: str = "ioc") -> None:
        self._report(r.ExpireReport, order, reason=reason)

    def rejected(self, order: Order, reason: str = "would trigger at once") -> None:
        self._report(r.RejectReport, order, reason=reason)

    def triggered(self, order: Order) -> None:
        self._report(r.TriggerReport, order)

    def holds(self, bot_id: str, lots: int) -> None:
        """The venue states what it holds for a book."""
        self.trader.process(
            r.PositionReport(
                report_seq=self.report_seq,
                venue_ns=self.now_ns,
                received_ns=self.now_ns,
                bot_id=bot_id,
                instrument_id=self.id,
                lots=lots,
            ),
            self.now_ns,
        )
        self.collect()

    def liquidates(self, bot_id: str, lots: int, ticks: int) -> None:
        """The venue closes so many lots of a long position by an order of its own."""
        self.report_seq += 1
        self.trader.process(
            r.LiquidationReport(
                report_seq=self.report_seq,
                venue_ns=self.now_ns,
                received_ns=self.now_ns,
                client_order_id=f"liquidation-{self.report_seq}",
                bot_id=bot_id,
                spec=OrderSpec(
                    instrument_id=self.id,
                    side=Side.SELL,
                    qty_lots=lots,
                    type=OrderType.MARKET,
                    tif=TimeInForce.IOC,
                    reduce_only=True,
                    purpose=Purpose.FLATTEN,
                ),
                due_ticks=ticks,
            ),
            self.now_ns,
        )
        self.collect()
        self.fill(self.live[-1], ticks=ticks)

    def _report(self, kind: type[r.Report], order: Order, **fields: object) -> None:
        self.report_seq += 1
        self.trader.process(
            kind(  # type: ignore[call-arg]
                client_order_id=order.client_order_id,
                report_seq=self.report_seq,
                venue_ns=self.now_ns,
                received_ns=self.now_ns,
                **fields,
            ),  # type: ignore[arg-type]
            self.now_ns,
        )
        self.collect()

    def collect(self) -> None:
        outbox = self.trader.drain()
        self.events += outbox.events
        self.requests += outbox.requests

    def seen(self, kind: type[e.Event]) -> list[e.Event]:
        return [event for event in self.events if isinstance(event, kind)]
