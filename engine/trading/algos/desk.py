"""Carries out what the algos decide, and nothing else: the one part that acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from engine.domain import algo as a
from engine.domain import events as e
from engine.domain.commands import KillLevel
from engine.domain.order import Order, OrderSpec, Side
from engine.market.view import MarketView
from engine.ports.venue import VenueAbilities
from engine.trading.algos import core, good_till, iceberg, oco
from engine.trading.algos.check import (
    Refusal,
    Touch,
    check_shape,
    refusal_words,
    worst_orders,
)
from engine.trading.algos.guard import guarded_lots
from engine.trading.algos.kinds import decide, wake_mask
from engine.trading.algos.state import ENTRY, STOP, TARGET, AlgoState
from engine.trading.order_manager import DENIAL_QUIET_NS, OrderManager
from engine.trading.risk.gate import Denial, RiskGate
from engine.trading.state import MANUAL, TradingState

NEVER_NS = 1 << 62
ROUNDS_MAX = 32
"""Looks at one algo in one instant. A step that still wants something then is at fault."""
ALGOS_MAX = 50
"""In one book, not counting those that only reduce."""

Record = Callable[[e.AnyEvent], None]


class AlgoDesk:
    """`step_*` are called by the trader after whatever may have changed something."""

    def __init__(
        self,
        state: TradingState,
        orders: OrderManager,
        gate: RiskGate,
        markets: Mapping[str, MarketView],
        abilities: VenueAbilities,
        record: Record,
    ) -> None:
        self._state = state
        self._orders = orders
        self._gate = gate
        self._markets = markets
        self.abilities = abilities
        self._record = record
        self._repeats: dict[tuple[str, str, str], int] = {}
        """Refusals since the one last journalled, by bot, limit and side."""
        self._timed_ns = 0
        """Up to when timers have been served."""
        self.next_timer_ns = NEVER_NS
        self.wake_mask = 0
        """Of all working algos, by what they must see at once (`WAKE_` codes)."""

    # -- wishes ----------------------------------------------------------------------------------

    def start(
        self, spec: a.AnyAlgo, bot_id: str, owner: str, now_ns: int, command_id: str = ""
    ) -> str | Refusal:
        """The id of the algo that works from here on, or what forbids it."""
        refusal = self._refusal(spec, bot_id, now_ns)
        if refusal is not None:
            denied = e.AlgoDenied(
                ts_ns=now_ns,
                bot_id=bot_id,
                owner=owner,
                spec=spec,
                limit=refusal.limit,
                limit_value=refusal.limit_value,
                order_value=refusal.order_value,
                command_id=command_id,
            )
            self._record_denied(denied)
            return refusal
        algo_id = f"a{self._state.algos_started + 1}"
        self._record(
            e.AlgoStarted(
                ts_ns=now_ns,
                algo_id=algo_id,
                bot_id=bot_id,
                owner=owner,
                spec=spec,
                command_id=command_id,
            )
        )
        self.step(algo_id, now_ns)
        return algo_id

    def _record_denied(self, denied: e.AlgoDenied) -> None:
        """Journal a refusal, but equal ones of a bot only once a second, with their count."""
        key = (denied.bot_id, denied.limit, denied.spec.side)
        last_ns = self._state.denied_ns.get(key, denied.ts_ns - DENIAL_QUIET_NS)
        if denied.owner == "bot" and denied.ts_ns - last_ns < DENIAL_QUIET_NS:
            self._repeats[key] = self._repeats.get(key, 0) + 1
            return
        repeats = self._repeats.pop(key, 0)
        self._record(msgspec.structs.replace(denied, repeats=repeats))

    def amend(self, algo_id: str, spec: a.AnyAlgo, by: str, now_ns: int) -> str:
        """Work on with `spec`; returns why not, "" when done."""
        algo = self._state.algos.get(algo_id)
        if algo is None or algo.ending:
            return f"algo {algo_id} is not working"
        old = algo.spec
        if (type(old), old.instrument_id, old.side) != (type(spec), spec.instrument_id, spec.side):
            words = f"{a.kind_words(old)}, {old.side}, on {old.instrument_id}"
            return f"{algo_id} is a {words}: only its figures can be changed"
        for name in _FIXED.get(type(spec), ()):
            if getattr(spec, name) != getattr(old, name):
                field = name.removesuffix("_ticks")
                return f"{field}: cannot be changed under way; cancel {algo_id} and start anew"
        if spec.qty_lots < algo.entered_lots:
            return f"qty: {algo_id} has traded more than that"
        refusal = self._refusal(spec, algo.bot_id, now_ns, but=algo)
        if refusal is not None:
            return refusal_words(refusal.limit, refusal.limit_value, refusal.order_value)
        self._record(e.AlgoAmended(ts_ns=now_ns, algo_id=algo_id, spec=spec, by=by))
        self._withdraw_outdated(algo, by, now_ns)
        self.step(algo_id, now_ns)
        return ""

    def cancel(self, algo_id: str, by: str, now_ns: int, *, with_protective: bool = False) -> str:
        """End an algo; of a bracket only the entry, which may yet fill on its way out, unless told
        otherwise."""
        algo = self._state.algos.get(algo_id)
        if algo is None or algo.ending:
            return f"algo {algo_id} is not working"
        if isinstance(algo.spec, a.Bracket) and not with_protective:
            if algo.memory.entry_over:
                return (
                    f"{algo_id} guards a position: cancel it with its protective legs, or flatten"
                )
            self._stop_entry(algo, by, now_ns)
        else:
            self._end(algo, by, f"cancelled by {by}", now_ns)
        self.step(algo_id, now_ns)
        return ""

    def cancel_order(self, order: Order, by: str, now_ns: int) -> str:
        """A person cancels an order of an algo: that is a wish about the algo."""
        algo = self._state.algos[order.algo_id]
        if isinstance(algo.spec, a.Bracket) and not algo.is_entry(order.leg):
            return (
                f"it is the {order.leg} of bracket {algo.algo_id}: cancel {algo.algo_id} with its "
                "protective legs, or flatten"
            )
        return self.cancel(algo.algo_id, by, now_ns)

    def move_order(self, order: Order, price_ticks: int, by: str, now_ns: int) -> str:
        """A person moves an order of an algo: the leg's price in the spec, where it has one."""
        spec = self._state.algos[order.algo_id].spec
        field = _LEG_PRICES.get((type(spec), order.leg))
        if field is None:
            return f"{order.algo_id}: a {a.kind_words(spec)} decides this price by itself"
        changed = msgspec.structs.replace(spec, **{field: price_ticks})
        return self.amend(order.algo_id, changed, by, now_ns)

    def cancel_scope(
        self, instrument_id: str, bot_id: str, by: str, now_ns: int, *, with_protective: bool
    ) -> None:
        """What a cancel-all means for algos; "" stands for every one. Guards stay unless told."""
        for algo in list(self._state.algos.values()):
            in_scope = instrument_id in ("", algo.spec.instrument_id)
            if not in_scope or bot_id not in ("", algo.bot_id) or algo.ending:
                continue
            if with_protective:
                self._end(algo, by, f"cancelled by {by}", now_ns)
            elif isinstance(algo.spec, a.Bracket):
                if not algo.memory.entry_over:
                    self._stop_entry(algo, by, now_ns)
            elif not a.is_guard(algo.spec):
                self._end(algo, by, f"cancelled by {by}", now_ns)
            self.step(algo.algo_id, now_ns)

    def _open_lots(self, algo: AlgoState) -> int:
        spec = algo.spec
        held = self._state.position(algo.bot_id, spec.instrument_id).lots
        net = algo.leg(ENTRY).filled_lots - algo.exited_lots
        return guarded_lots(net, spec.side.opposite, held)

    def _stop_entry(self, algo: AlgoState, by: str, now_ns: int) -> None:
        decided = core.remember(algo, f"entry cancelled by {by}", entry_over=f"cancelled by {by}")
        self._act(algo, decided, now_ns)

    def _end(self, algo: AlgoState, by: str, reason: str, now_ns: int) -> None:
        self._record(e.AlgoEnding(ts_ns=now_ns, algo_id=algo.algo_id, by=by, reason=reason))

    def _withdraw_outdated(self, algo: AlgoState, by: str, now_ns: int) -> None:
        """Entry orders at a price that was amended go; the step places them anew when they are
        gone. Guards look after their own orders."""
        for order in list(algo.orders.values()):
            field = _LEG_PRICES.get((type(algo.spec), order.leg), "")
            if field != "price_ticks" or a.is_guard(algo.spec):
                continue
            if order.spec.price_ticks != getattr(algo.spec, field):
                self._orders.cancel(order, by, now_ns)

    # -- may it ----------------------------------------------------------------------------------

    def _refusal(
        self, spec: a.AnyAlgo, bot_id: str, now_ns: int, but: AlgoState | None = None
    ) -> Refusal | None:
        """`but`: the algo that `spec` takes the place of."""
        instrument = self._state.instruments.get(spec.instrument_id)
        if instrument is None:
            return Refusal("instrument", "one of this session", spec.instrument_id)
        working = sum(algo.bot_id == bot_id for algo in self._state.algos.values())
        if but is None and working >= ALGOS_MAX and not a.is_reducing(spec):
            return Refusal("algos", f"at most {ALGOS_MAX} working in a book", str(working + 1))
        view = self._markets[spec.instrument_id]
        if not view.is_ready and not a.is_reducing(spec):
            return Refusal("book", "complete and not crossed", "is not")
        touch = Touch(view.best_bid, view.best_ask, now_ns)
        refusal = check_shape(spec, instrument, touch, is_amended=but is not None)
        if refusal is not None:
            return refusal
        orders, count = worst_orders(spec)
        for order in orders:
            denial = self._denial(order, count, bot_id, now_ns, but)
            if denial is not None:
                return Refusal(denial.limit, denial.limit_value, denial.order_value)
        return None

    def _denial(
        self, order: OrderSpec, count: int, bot_id: str, now_ns: int, but: AlgoState | None
    ) -> Denial | None:
        if but is None:
            return self._gate.check_whole(order, bot_id, now_ns, count)
        if order.qty_lots > but.spec.qty_lots:
            return self._gate.check_whole(order, bot_id, now_ns, count, but.algo_id)
        is_entering = not order.reduce_only and not but.memory.entry_over
        return self._gate.check_price(order) if is_entering else None

    # -- what may have changed something ---------------------------------------------------------

    def on_market(self, instrument_id: str, reasons: int, now_ns: int) -> None:
        if reasons & self.wake_mask:
            self._step_those(
                now_ns,
                lambda algo: (
                    algo.spec.instrument_id == instrument_id
                    and bool(reasons & wake_mask(algo.spec))
                ),
            )

    def on_order(self, order: Order, *, has_traded: bool, now_ns: int) -> None:
        """An order has changed: its algo looks; after a fill so do all of the same book."""
        if order.algo_id:
            self._reopen(order, has_traded=has_traded, now_ns=now_ns)
            self.step(order.algo_id, now_ns)
        if has_traded and self._state.algos:
            book = (order.bot_id, order.spec.instrument_id)
            self._step_those(now_ns, lambda algo: (algo.bot_id, algo.spec.instrument_id) == book)

    def on_timer(self, now_ns: int) -> None:
        """The last word of every instant: what has become due since the one before."""
        before_ns, self._timed_ns = self._timed_ns, now_ns
        if self.next_timer_ns > now_ns:
            return
        self._step_those(now_ns, lambda algo: any(before_ns < due <= now_ns for due in algo.due_ns))

    def resume(self, now_ns: int) -> None:
        """After a restart at `now_ns`, whose instant had been worked through."""
        self._timed_ns = now_ns
        self.step_all(now_ns)

    def step_bot(self, bot_id: str, now_ns: int) -> None:
        self._step_those(now_ns, lambda algo: algo.bot_id == bot_id)

    def step_all(self, now_ns: int) -> None:
        if self._state.algos:
            self._step_those(now_ns, lambda algo: True)

    def _step_those(self, now_ns: int, wanted: Callable[[AlgoState], bool]) -> None:
        for algo in list(self._state.algos.values()):
            if wanted(algo):
                self._step(algo.algo_id, now_ns)
        self._note_timers()

    def _reopen(self, order: Order, *, has_traded: bool, now_ns: int) -> None:
        """A late fill of an ended bracket: somebody has to guard what it bought."""
        algo = self._state.ended_algos.get(order.algo_id)
        if algo is None or not has_traded or not isinstance(algo.spec, a.Bracket):
            return
        if self._open_lots(algo) > 0 and not self._why_end(algo):
            reason = f"{order.client_order_id} traded after its end was reported"
            self._record(e.AlgoReopened(ts_ns=now_ns, algo_id=algo.algo_id, reason=reason))

    # -- the step --------------------------------------------------------------------------------

    def step(self, algo_id: str, now_ns: int) -> None:
        self._step(algo_id, now_ns)
        self._note_timers()

    def _step(self, algo_id: str, now_ns: int) -> None:
        """Look at one algo until it has nothing more to say about this instant."""
        for _ in range(ROUNDS_MAX):
            algo = self._state.algos.get(algo_id)
            decisions = self._decide(algo, now_ns) if algo is not None else []
            if algo is None or not decisions:
                break
            for decision in decisions:
                self._act(algo, decision, now_ns)
        else:
            text = "its step did not come to rest; the engine looks again at the next instant"
            self._record(e.Noted(ts_ns=now_ns, bot_id="", text=f"algo {algo_id}: {text}"))

    def _decide(self, algo: AlgoState, now_ns: int) -> list[core.Decision]:
        why = self._why_end(algo)
        if why and not algo.ending:
            self._end(algo, "engine", why, now_ns)
        if algo.ending:
            if algo.orders:
                return core.withdraw(algo, now_ns)
            return [core.End(a.AlgoOutcome.CANCELED, algo.ending)]
        return decide(algo, self._facts(algo, now_ns))

    def _why_end(self, algo: AlgoState) -> str:
        """What ends every algo, guards included: the book is being closed anyway, or a person
        wants no order at all."""
        if self._state.kill >= KillLevel.CANCEL_ALL:
            return "kill switch"
        if self._state.is_flattening(algo.spec.instrument_id, algo.bot_id):
            return "the position is being closed"
        return ""

    def _act(self, algo: AlgoState, decision: core.Decision, now_ns: int) -> None:
        algo_id = algo.algo_id
        match decision:
            case core.Place(leg=leg, spec=spec):
                self._orders.place(spec, algo.bot_id, "algo", now_ns, algo_id=algo_id, leg=leg)
            case core.Withdraw(client_order_id=client_order_id):
                order = algo.orders.get(client_order_id)
                if order is not None:
                    self._orders.cancel(order, "algo", now_ns)
            case core.Remember(memory=memory, note=note):
                self._record(e.AlgoStepped(ts_ns=now_ns, algo_id=algo_id, memory=memory, note=note))
            case core.Alarm(text=text):
                self._record(e.AlgoAlarmed(ts_ns=now_ns, algo_id=algo_id, text=text))
            case core.End(outcome=outcome, reason=reason):
                self._record(
                    e.AlgoEnded(ts_ns=now_ns, algo_id=algo_id, outcome=outcome, reason=reason)
                )

    def _facts(self, algo: AlgoState, now_ns: int) -> core.Facts:
        instrument_id = algo.spec.instrument_id
        view = self._markets[instrument_id]
        return core.Facts(
            now_ns=now_ns,
            instrument=view.instrument,
            abilities=self.abilities,
            is_ready=view.is_ready,
            best_bid=view.best_bid,
            best_ask=view.best_ask,
            bid_lots=_lots_at_touch(view, Side.BUY) if self.abilities.shows_own_orders else 0,
            ask_lots=_lots_at_touch(view, Side.SELL) if self.abilities.shows_own_orders else 0,
            last_ticks=view.last_ticks,
            volume_lots=view.volume_lots,
            position_lots=self._state.position(algo.bot_id, instrument_id).lots,
            no_entry=self._no_entry(algo),
        )

    def _no_entry(self, algo: AlgoState) -> str:
        """Why this algo may not add risk any more: an end to its entries, not a refusal to wait
        out. Whether an order fits the limits the gate says when it is placed."""
        state = self._state
        if state.kill is not KillLevel.NONE:
            return "kill switch"
        if state.tripped is not None:
            return f"{state.tripped.limit} was reached"
        if algo.owner == "bot" and algo.bot_id != MANUAL:
            bot = state.bots.get(algo.bot_id)
            if bot is None:
                return f"{algo.bot_id} was removed"
            if bot.helm is not e.Helm.AUTO:
                return f"{bot.bot_id} is {bot.helm}"
        return ""

    def _note_timers(self) -> None:
        """Instants up to the last `on_timer` have had their look."""
        soonest, mask = NEVER_NS, 0
        for algo in self._state.algos.values():
            mask |= wake_mask(algo.spec)
            for due in algo.due_ns:
                if self._timed_ns < due < soonest:
                    soonest = due
        self.next_timer_ns, self.wake_mask = soonest, mask


_FIXED: dict[type[a.AnyAlgo], tuple[str, ...]] = {
    a.Bracket: ("price_ticks", "post_only", "qty_lots"),
    a.Twap: ("slices", "every_ms", "qty_lots"),
    a.Vwap: ("weights", "every_ms", "qty_lots"),
    a.ScaledLadder: ("first_ticks", "last_ticks", "rungs", "weighting", "qty_lots"),
}
"""What orders or times already depend on."""
_LEG_PRICES: dict[tuple[type[a.AnyAlgo], str], str] = {
    (a.Bracket, STOP): "stop_ticks",
    (a.Bracket, TARGET): "target_ticks",
    (a.Oco, STOP): "trigger_ticks",
    (a.Oco, TARGET): "price_ticks",
    (a.Oco, oco.LIMIT): "price_ticks",
    (a.GoodTill, good_till.LIMIT): "price_ticks",
    (a.Iceberg, iceberg.CLIP): "price_ticks",
}


def _lots_at_touch(view: MarketView, side: Side) -> int:
    levels = view.depth(side, 1)
    return levels[0][1] if levels else 0
