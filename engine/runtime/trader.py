"""The deterministic core: messages in, events and requests out.

`process` is synchronous, has one caller, and reads no clock, no random source and no socket. The
caller owns time: it tells the trader what instant it is, makes the drained events durable, and
only then lets the drained requests leave. Given the same messages at the same instants the trader
produces the same bytes.

One instant is one batch. Within it the caller keeps this order: reports of the venue, then what
the market did, then commands, then `TimersDue`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import assert_never

import msgspec

from engine.core.messages import Hold, MarketAdvanced, Message, TimersDue
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain import reports as r
from engine.domain.money import MONEY, ZERO
from engine.market.view import MarketView
from engine.ports.venue import SIMULATED, VenueAbilities, VenueRequest
from engine.runtime.helm import HelmDesk
from engine.runtime.roster import BotRoster, BuildStrategy
from engine.strategy.catalogue import build_strategy
from engine.strategy.context import NoShield, Shield
from engine.strategy.runner import NEVER_NS, BotRunner, Guard
from engine.trading.account_desk import AccountDesk
from engine.trading.algos.desk import AlgoDesk
from engine.trading.flatten import Flattener
from engine.trading.incidents import IncidentDesk
from engine.trading.markouts import FillMarker
from engine.trading.order_manager import OrderManager
from engine.trading.portfolio import Portfolio
from engine.trading.risk.gate import RiskGate
from engine.trading.risk.limits import RiskLimits
from engine.trading.risk.monitor import PriceGuard, check_losses, check_positions
from engine.trading.state import TradingState

HOUSEKEEPING_NS = 250_000_000
"""How often losses, positions and unfinished business are looked at, in market time, where
nothing else is asked for."""
EQUITY_MARK_NS = 10_000_000_000
DAY_NS = 86_400_000_000_000


class BotSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A bot to run: which strategy, on what, with which parameters (canonical JSON)."""

    bot_id: str
    strategy: str
    instrument_id: str
    params_json: str


class Outbox(msgspec.Struct):
    """What one batch produced. Requests may leave only once the events are durable."""

    events: list[e.AnyEvent]
    requests: list[VenueRequest]


class Trader:
    def __init__(
        self,
        *,
        limits: RiskLimits,
        markets: Mapping[str, MarketView],
        guard: Guard,
        shield: Shield | None = None,
        build: BuildStrategy = build_strategy,
        housekeeping_ns: int = HOUSEKEEPING_NS,
        abilities: VenueAbilities = SIMULATED,
        marks_fills: bool = False,
    ) -> None:
        """`build` makes a strategy from a journalled bot: name, parameters, instrument.

        `housekeeping_ns`: how often losses and positions are looked at. A market that stands
        still for minutes, such as one made of bars, needs it no more often than it moves.
        `marks_fills`: journal where the market stood after each fill. Backtests keep that apart.
        """
        self.state = TradingState()
        self.markets = markets
        self.portfolio = Portfolio(self.state, markets)
        self.price_guard = PriceGuard(limits, self.state, self.portfolio, markets, self._record)
        self.limits = limits
        gate = RiskGate(limits, self.state, self.portfolio, markets, self.price_guard.distrusted)
        self.orders = OrderManager(
            self.state,
            gate,
            self._record,
            self._send,
            cuts_reducing=not abilities.has_reduce_only,
        )
        self.flattener = Flattener(self.state, self.orders, markets, self._record)
        self.algos = AlgoDesk(self.state, self.orders, gate, markets, abilities, self._record)
        self.incidents = IncidentDesk(self.state, self.portfolio, self._record)
        self._account = AccountDesk(self.state, self.incidents, self._record)
        self._roster = BotRoster(
            self.state,
            self.orders,
            self.algos,
            markets,
            self._record,
            guard,
            shield or NoShield(),
            build,
        )
        self.runners: Mapping[str, BotRunner] = self._roster.runners
        self._helm = HelmDesk(
            self.state,
            self.orders,
            self.algos,
            self.flattener,
            self.portfolio,
            self._roster,
            self.incidents,
            markets,
            self._record,
        )
        self._marker = FillMarker(self.state, markets, self._record) if marks_fills else None
        self._housekeeping_ns = housekeeping_ns
        self._equity_mark_ns = EQUITY_MARK_NS // HOUSEKEEPING_NS * housekeeping_ns
        self._events: list[e.AnyEvent] = []
        self._requests: list[VenueRequest] = []
        self._next_housekeeping_ns = NEVER_NS
        self._next_equity_mark_ns = NEVER_NS

    # -- life ----------------------------------------------------------------------------------

    def begin(self, session: e.SessionStarted, bots: Sequence[BotSpec], hold: str = "") -> None:
        """Start a new ledger at `session.ts_ns` with these bots steering, once `hold` is over."""
        self._record(session)
        now_ns = session.ts_ns
        if hold:
            self._record(e.HoldChanged(ts_ns=now_ns, instrument_id="", reason=hold))
        for spec in bots:
            self._record(
                e.BotAdded(
                    ts_ns=now_ns,
                    bot_id=spec.bot_id,
                    strategy=spec.strategy,
                    instrument_id=spec.instrument_id,
                    params_json=spec.params_json,
                )
            )
        self._record(e.DayStarted(ts_ns=now_ns, equity=session.capital))
        self._start_runners(now_ns)

    def restore(self, events: Iterable[e.AnyEvent]) -> None:
        """Rebuild the state of an existing ledger by folding its events."""
        for event in events:
            self.state.apply(event)

    def resume(self, now_ns: int = 0, hold: str = "") -> None:
        """After `restore`: start the bots, as of the last event where the markets are back at its
        instant, else of `now_ns`, and once `hold` is over."""
        now_ns = max(now_ns, self.state.last_ns)
        if hold:
            for instrument_id in [key for key in self.state.holds if key]:
                self.process(Hold(instrument_id=instrument_id, reason=""), now_ns)
            self._record(e.HoldChanged(ts_ns=now_ns, instrument_id="", reason=hold))
        self.price_guard.recall()
        for view in self.markets.values():
            self.price_guard.look(view.instrument.instrument_id, now_ns)
        self.algos.resume(now_ns)
        self._start_runners(now_ns)

    def _start_runners(self, now_ns: int) -> None:
        began_ns = self.state.began_ns
        self._next_housekeeping_ns = _next_multiple(began_ns, now_ns, self._housekeeping_ns)
        self._next_equity_mark_ns = _next_multiple(began_ns, now_ns, self._equity_mark_ns)
        self._roster.start(now_ns)

    # -- time ----------------------------------------------------------------------------------

    @property
    def next_timer_ns(self) -> int:
        """The instant at which the trader must next be given `TimersDue`."""
        soonest = min(
            self._next_housekeeping_ns, self._next_equity_mark_ns, self.algos.next_timer_ns
        )
        for runner in self.runners.values():
            if runner.next_timer_ns < soonest and not runner.is_held:
                soonest = runner.next_timer_ns
        return soonest

    @property
    def wake_mask(self) -> int:
        """Which market changes somebody needs to see at once; moves as algos come and go."""
        mask = self.algos.wake_mask
        for runner in self.runners.values():
            mask |= runner.wake_mask
        return mask

    # -- messages ------------------------------------------------------------------------------

    def process(self, message: Message, now_ns: int) -> None:
        """Take in one message that belongs to the instant `now_ns`."""
        match message:
            case MarketAdvanced(instrument_id=instrument_id, reasons=reasons):
                self._look(instrument_id, now_ns)
                # What guards a position comes before what may want another one.
                self.algos.on_market(instrument_id, reasons, now_ns)
                for runner in self.runners.values():
                    if runner.bot.instrument_id == instrument_id and not runner.is_held:
                        runner.on_market(reasons, now_ns)
            case TimersDue():
                self._on_timers(now_ns)
            case r.Report():
                self._on_report(message, now_ns)
            case r.FundingReport():
                self.orders.on_funding(message, now_ns)
            case r.LiquidationReport():
                if self.orders.on_liquidation(message, now_ns):
                    self._helm.on_liquidation(message.bot_id, now_ns)
            case r.PositionReport():
                self.incidents.on_position(message, now_ns)
            case Hold():
                self._on_hold(message, now_ns)
            case (
                r.OpeningReport()
                | r.CashReport()
                | r.ForeignReport()
                | r.BalanceReport()
                | r.DoubtReport()
                | r.RulesReport()
                | r.VerifiedReport()
            ):
                self._account.on_report(message, now_ns)
                self.incidents.look(now_ns)
            case c.Command():
                self._helm.execute(message, now_ns)
                self.algos.step_all(now_ns)
            case _:
                assert_never(message)

    def drain(self) -> Outbox:
        """Everything produced since the last drain."""
        outbox = Outbox(self._events, self._requests)
        self._events, self._requests = [], []
        return outbox

    def record_shock(self, by: str, now_ns: int) -> None:
        """The world's crash button was pressed (generated markets only)."""
        self._record(e.MarketShocked(ts_ns=now_ns, by=by))

    def _on_hold(self, hold: Hold, now_ns: int) -> None:
        """Stop or let go on; bots that could not start under the hold start now."""
        if self.state.holds.get(hold.instrument_id, "") == hold.reason:
            return
        self._record(
            e.HoldChanged(ts_ns=now_ns, instrument_id=hold.instrument_id, reason=hold.reason)
        )
        for runner in list(self.runners.values()):
            runner.on_release(now_ns)

    def _on_report(self, report: r.AnyReport, now_ns: int) -> None:
        event = self.orders.on_report(report, now_ns)
        order = self.state.find_order(event.client_order_id) if event is not None else None
        has_traded = isinstance(event, e.OrderFilled)
        if order is not None:
            self.algos.on_order(order, has_traded=has_traded, now_ns=now_ns)
        if isinstance(event, e.OrderFilled):
            if order is not None:
                self._helm.on_fill(order, event.fill.lots, now_ns)
            runner = self.runners.get(order.bot_id) if order is not None else None
            if runner is not None:
                runner.on_fill(event, now_ns)
        self.incidents.look(now_ns)
        if event is not None and self.state.flattening:
            self.flattener.step(now_ns)

    def _on_timers(self, now_ns: int) -> None:
        for instrument_id in self.markets:
            self._look(instrument_id, now_ns)
        self.algos.on_timer(now_ns)
        for runner in self.runners.values():
            if runner.next_timer_ns <= now_ns and not runner.is_held:
                runner.on_timer(now_ns)
        if self._next_housekeeping_ns <= now_ns:
            self._next_housekeeping_ns = _next_multiple(
                self._next_housekeeping_ns, now_ns, self._housekeeping_ns
            )
            self._housekeep(now_ns)
        if self._next_equity_mark_ns <= now_ns:
            self._next_equity_mark_ns = _next_multiple(
                self._next_equity_mark_ns, now_ns, self._equity_mark_ns
            )
            self._mark_equity(now_ns)

    # -- watching ------------------------------------------------------------------------------

    def _look(self, instrument_id: str, now_ns: int) -> None:
        words = self.price_guard.look(instrument_id, now_ns)
        if words:
            self._record(e.Noted(ts_ns=now_ns, bot_id="", text=f"{instrument_id}: {words}"))

    def _housekeep(self, now_ns: int) -> None:
        state = self.state
        if self.portfolio.is_priced:
            self._check_losses(now_ns)
        self.incidents.look_for_unknown(now_ns)
        self._helm.keep_killed(now_ns)
        self.algos.step_all(now_ns)
        if self._marker is not None:
            self._marker.step(now_ns)
        if state.flattening:
            self.flattener.step(now_ns)

    def _check_losses(self, now_ns: int) -> None:
        state, equity = self.state, self.portfolio.equity()
        if now_ns // DAY_NS != state.day_start_ns // DAY_NS:
            self._record(e.DayStarted(ts_ns=now_ns, equity=equity))
        if state.tripped is None:
            breach = check_losses(self.limits, state, equity, state.peak_equity)
            if breach is not None:
                self._trip(breach.limit, breach.limit_value, breach.value, now_ns)
        for position in check_positions(self.limits, state, self.portfolio):
            self._helm.close_breached(position, now_ns)

    def _trip(self, limit: str, limit_value: str, value: str, now_ns: int) -> None:
        """A loss limit of the account: entries stop, then everything is flattened."""
        self._record(e.RiskTripped(ts_ns=now_ns, limit=limit, limit_value=limit_value, value=value))
        self._helm.pause_all("risk", f"{limit} {value} of {limit_value}", now_ns)
        self.flattener.start("", "", "risk", f"{limit} limit of {limit_value} reached", now_ns)

    def _mark_equity(self, now_ns: int) -> None:
        if not self.portfolio.is_priced:
            return
        by_bot: dict[str, Decimal] = {}
        profit = ZERO
        for bot_id, instrument_id in self.state.positions:
            part = self.portfolio.valuation(bot_id, instrument_id).equity
            by_bot[bot_id] = MONEY.add(by_bot.get(bot_id, ZERO), part)
            profit = MONEY.add(profit, part)
        is_live = self.state.accounting is not None
        mids = dict(self.portfolio.good_mid_x2) if is_live else {}
        self._record(e.EquityMarked(ts_ns=now_ns, equity=profit, by_bot=by_bot, mids_x2=mids))

    # -- out -----------------------------------------------------------------------------------

    def _record(self, event: e.AnyEvent) -> None:
        self.state.apply(event)
        self._events.append(event)

    def _send(self, request: VenueRequest) -> None:
        self._requests.append(request)


def _next_multiple(base_ns: int, now_ns: int, period_ns: int) -> int:
    """The first base + k x period after `now_ns`."""
    return base_ns + ((now_ns - base_ns) // period_ns + 1) * period_ns
