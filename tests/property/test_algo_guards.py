"""Whatever people, bots and the venue do, in whatever order, with restarts in between: an open
position that was promised a stop has one, or the engine is closing it, or says so aloud."""

from __future__ import annotations

from typing import ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.domain import algo as a
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.commands import KillLevel
from engine.domain.order import Order, OrderStatus, OrderType, Pending, Side
from engine.ports.venue import SIMULATED, VenueAbilities
from engine.trading.algos.guard import guarded_lots
from engine.trading.algos.state import CLOSE, STOP, AlgoState
from engine.trading.state import MANUAL
from tests.property.test_trading_state import a_maker
from tests.support.desk import Desk

MID = 600_000
BOT = "maker-1"
BOOKS = (MANUAL, BOT)
sides = st.sampled_from(list(Side))
sizes = st.integers(1, 12)
picks = st.integers(0, 999)


class GuardMachine(RuleBasedStateMachine):
    """The venue cuts reduce-only orders to the position, as the simulated one does; apart from
    that it may answer anything at any time."""

    abilities: ClassVar[VenueAbilities] = SIMULATED

    @initialize()
    def open(self) -> None:
        self.desk = Desk(bots=[a_maker(BOT)], abilities=self.abilities)
        self.desk.book(MID - 1, MID + 1)
        self.desk.trade(MID)
        self.desk.do(c.TakeHelm, bot_id=BOT)
        self.desk.do(c.CancelAll)
        self.mid = MID
        self.triggered: set[str] = set()

    # -- market and time -------------------------------------------------------------------------

    @rule(change=st.integers(-300, 300))
    def market_moves(self, change: int) -> None:
        self.mid += change
        self.desk.book(self.mid - 1, self.mid + 1)
        self.desk.trade(self.mid)

    @rule(milliseconds=st.sampled_from([1, 50, 120, 400, 1500]))
    def time_passes(self, milliseconds: int) -> None:
        self.desk.pass_ms(milliseconds)

    @rule()
    def engine_restarts(self) -> None:
        """The state comes back from the journal, and waking up changes nothing."""
        old = self.desk.trader
        fresh = Desk(abilities=self.abilities).trader
        fresh.state.__init__()  # type: ignore[misc]
        fresh.markets = old.markets
        fresh.restore(self.desk.events)
        for name, value in vars(old.state).items():
            if name != "recent_intents":
                assert value == vars(fresh.state)[name], name
        self.desk.trader = self.desk.restarted()
        assert self.desk.trader.state.algos == old.state.algos

    # -- wishes ----------------------------------------------------------------------------------

    @rule(side=sides, lots=sizes, stop=st.integers(5, 250), aim=st.integers(0, 250),
          offset=st.integers(-60, 0), trail=st.sampled_from([0, 0, 40]))  # fmt: skip
    def bracket(self, side: Side, lots: int, stop: int, aim: int, offset: int, trail: int) -> None:
        sign = side.sign
        entry = self.mid + sign * offset if offset else 0
        base = entry or self.mid + sign
        self._start(
            a.Bracket(
                instrument_id=self.desk.id,
                side=side,
                qty_lots=lots,
                price_ticks=entry,
                stop_ticks=base - sign * stop,
                target_ticks=base + sign * aim if aim else 0,
                trail_ticks=trail,
            )
        )

    @rule(stop=st.integers(5, 200), aim=st.integers(5, 200), lots=sizes)
    def guard_what_is_held(self, stop: int, aim: int, lots: int) -> None:
        held = self.desk.trader.state.position(MANUAL, self.desk.id).lots
        if not held:
            return
        side = Side.SELL if held > 0 else Side.BUY
        if lots % 2:
            spec: a.AnyAlgo = a.TrailingStop(
                instrument_id=self.desk.id, side=side, qty_lots=lots, distance_ticks=stop
            )
        else:
            spec = a.Oco(
                instrument_id=self.desk.id,
                side=side,
                qty_lots=lots,
                price_ticks=self.mid - side.sign * aim,
                trigger_ticks=self.mid + side.sign * stop,
            )
        self._start(spec)

    def _start(self, spec: a.AnyAlgo) -> None:
        self.desk.do(c.PlaceAlgo, bot_id=BOOKS[spec.qty_lots % 2], spec=spec)

    @rule(side=sides, lots=sizes, reduce_only=st.booleans())
    def person_trades(self, side: Side, lots: int, reduce_only: bool) -> None:
        self.desk.place(side, lots, self.mid, reduce_only=reduce_only)

    @rule(
        command=st.sampled_from(
            [c.PauseBot, c.ResumeBot, c.TakeHelm, c.GiveHelm, c.StopBot, c.Flatten]
        )
    )
    def helm_changes(self, command: type[c.Command]) -> None:
        self.desk.do(command, bot_id=BOT)
        self.desk.do(c.CancelAll, bot_id=BOT) if command is c.GiveHelm else None

    @rule(command=st.sampled_from([c.CancelAll, c.Flatten, c.Kill, c.ResetKill, c.ResetKill]))
    def wide_command(self, command: type[c.Command]) -> None:
        self.desk.do(command)

    @rule(pick=picks, with_protective=st.booleans())
    def algo_is_cancelled(self, pick: int, with_protective: bool) -> None:
        algos = list(self.desk.trader.state.algos)
        if algos:
            key = algos[pick % len(algos)]
            self.desk.do(c.CancelAlgo, algo_id=key, with_protective=with_protective)

    @rule(pick=picks, change=st.integers(-100, 100))
    def leg_is_moved(self, pick: int, change: int) -> None:
        order = self._pick(pick)
        if order is not None:
            key, ticks = order.client_order_id, self.mid + change
            self.desk.do(c.MoveOrder, client_order_id=key, price_ticks=ticks)

    @rule(pick=picks)
    def order_is_cancelled(self, pick: int) -> None:
        order = self._pick(pick)
        if order is not None:
            self.desk.do(c.CancelOrder, client_order_id=order.client_order_id)

    # -- the venue -------------------------------------------------------------------------------

    @rule(pick=picks)
    def venue_accepts(self, pick: int) -> None:
        order = self._pick(pick)
        if order is not None:
            self.desk.accept(order)

    @rule(pick=picks, what=st.sampled_from(["canceled", "expired", "rejected"]))
    def venue_ends(self, pick: int, what: str) -> None:
        order = self._pick(pick)
        if order is not None and (what != "rejected" or order.status is OrderStatus.INTENT):
            getattr(self.desk, what)(order)

    @rule(pick=picks, share=st.integers(1, 100), is_late=st.booleans())
    def venue_fills(self, pick: int, share: int, is_late: bool) -> None:
        order = self._pick(pick, ended=is_late)
        if order is None or not order.leaves_lots:
            return
        spec = order.spec
        is_stop = spec.type in (OrderType.STOP, OrderType.STOP_LIMIT)
        if is_stop and order.client_order_id not in self.triggered:
            self.triggered.add(order.client_order_id)
            self.desk.triggered(order)
        lots = max(1, order.leaves_lots * share // 100)
        if spec.reduce_only:
            held = self.desk.trader.state.position(order.bot_id, self.desk.id).lots
            lots = min(lots, max(0, -held * spec.side.sign))
        if lots:
            self.desk.fill(order, lots, spec.price_ticks or self.mid)
        elif not order.status.is_final:
            self.desk.expired(order, "reduce-only: no position to reduce")

    @rule(count=st.integers(1, 20))
    def venue_is_quick(self, count: int) -> None:
        """It accepts what it is sent and confirms every cancel."""
        for order in self.desk.live[:count]:
            if order.pending is Pending.CANCELLING:
                self.desk.canceled(order)
            elif order.status is OrderStatus.INTENT:
                self.desk.accept(order)

    def _pick(self, number: int, *, ended: bool = False) -> Order | None:
        state = self.desk.trader.state
        found = self.desk.live
        if ended:
            found = [o for o in state.final_orders.values() if o.status is OrderStatus.CANCELED]
        return found[number % len(found)] if found else None

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def no_guard_is_lost(self) -> None:
        for algo in self.desk.trader.state.algos.values():
            missing = self._unguarded(algo)
            if missing:
                assert self._is_known(algo), (missing, algo)

    def _unguarded(self, algo: AlgoState) -> int:
        """Lots that a bracket, an OCO or a trailing stop owes a stop, and that have none."""
        spec, state = algo.spec, self.desk.trader.state
        held = state.position(algo.bot_id, self.desk.id).lots
        exit_side = spec.side.opposite if isinstance(spec, a.Bracket) else spec.side
        whole = algo.entered_lots if isinstance(spec, a.Bracket) else spec.qty_lots
        lots = guarded_lots(whole - algo.exited_lots, exit_side, held)
        there = [
            order
            for order in algo.orders.values()
            if order.leg in (STOP, CLOSE)
            and order.pending not in (Pending.CANCELLING, Pending.UNKNOWN)
        ]
        return max(0, lots - sum(order.leaves_lots for order in there))

    def _is_known(self, algo: AlgoState) -> bool:
        state = self.desk.trader.state
        return bool(
            algo.alarm
            or algo.ending
            or state.kill >= KillLevel.CANCEL_ALL
            or state.is_flattening(self.desk.id, algo.bot_id)
        )

    @invariant()
    def nothing_is_left_to_decide(self) -> None:
        """Every look comes to rest: looking again at the same instant changes nothing."""
        before = len(self.desk.events)
        self.desk.trader.algos.step_all(self.desk.now_ns)
        self.desk.collect()
        assert not self.desk.events[before:], self.desk.events[before:]
        notes = [x.text for x in self.desk.events if isinstance(x, e.Noted)]
        assert not [text for text in notes if "come to rest" in text]

    @invariant()
    def entries_stay_within_their_size(self) -> None:
        state = self.desk.trader.state
        for algo in [*state.algos.values(), *state.ended_algos.values()]:
            if isinstance(algo.spec, a.Bracket):
                assert algo.entered_lots <= algo.spec.qty_lots
            assert all(order.spec.qty_lots > 0 for order in algo.orders.values())


TestGuards = GuardMachine.TestCase
TestGuards.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
