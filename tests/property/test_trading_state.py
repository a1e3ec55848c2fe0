"""Whatever people, bots and the venue do: reservations add up, limits hold, and the journal tells
the whole story."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.money import MONEY
from engine.domain.order import Order, Pending, Side
from engine.runtime.trader import BotSpec
from engine.strategy.catalogue import STRATEGIES, params_to_json, parse_params
from tests.support.desk import Desk

sides = st.sampled_from(list(Side))
PARAMS = {"levels": "3", "qty": "0.02", "interval_ticks": "20", "half_spread_ticks": "10"}


def a_maker(bot_id: str) -> BotSpec:
    params = parse_params(STRATEGIES["grid"], {**PARAMS, "max_position": "0.2"})
    return BotSpec(
        bot_id=bot_id,
        strategy="grid",
        instrument_id="test.BTCUSDT",
        params_json=params_to_json(params),
    )


class TradingMachine(RuleBasedStateMachine):
    """Two quoting bots, a person and a moody venue, in any order."""

    @initialize()
    def open(self) -> None:
        self.desk = Desk(bots=[a_maker("maker-1"), a_maker("maker-2")])
        self.mid = 600_000
        self.desk.book(self.mid, self.mid + 1)

    # -- what can happen -------------------------------------------------------------------------

    @rule(change=st.integers(-400, 400))
    def market_moves(self, change: int) -> None:
        self.mid += change
        self.desk.book(self.mid, self.mid + 1)

    @rule(milliseconds=st.integers(1, 600))
    def time_passes(self, milliseconds: int) -> None:
        self.desk.pass_ms(milliseconds)

    @rule(side=sides, lots=st.integers(1, 300), offset=st.integers(-500, 500))
    def person_places(self, side: Side, lots: int, offset: int) -> None:
        self.desk.place(side, lots, self.mid + offset)

    @rule(
        command=st.sampled_from([c.PauseBot, c.ResumeBot, c.TakeHelm, c.GiveHelm, c.StopBot]),
        bot_id=st.sampled_from(["maker-1", "maker-2"]),
    )
    def helm_changes(self, command: type[c.Command], bot_id: str) -> None:
        self.desk.do(command, bot_id=bot_id)

    @rule(command=st.sampled_from([c.AddBot, c.RemoveBot]), number=st.integers(1, 5))
    def roster_changes(self, command: type[c.Command], number: int) -> None:
        more = {"strategy": "grid", "instrument_id": self.desk.id} if command is c.AddBot else {}
        self.desk.do(command, bot_id=f"maker-{number}", **more)
        assert list(self.desk.trader.runners) == list(self.desk.trader.state.bots)

    @rule(command=st.sampled_from([c.CancelAll, c.Flatten, c.Kill, c.ResetKill, c.ResetKill]))
    def wide_command(self, command: type[c.Command]) -> None:
        self.desk.do(command)

    @rule(level=st.sampled_from(list(c.KillLevel)[1:]))
    def person_kills(self, level: c.KillLevel) -> None:
        before = self.desk.trader.state.kill
        assert self.desk.do(c.Kill, level=level) == ""
        assert self.desk.trader.state.kill is max(before, level)

    @rule(levels=st.integers(0, 4), qty=st.sampled_from(["0.01", "0.02", "0"]))
    def person_edits(self, levels: int, qty: str) -> None:
        words = f'{{"levels": "{levels}", "qty": "{qty}"}}'
        refused = self.desk.do(c.EditParams, bot_id="maker-1", params_json=words)
        assert bool(levels and qty != "0") or refused

    @rule(bot_id=st.sampled_from(["manual", "maker-1"]))
    def person_reverses(self, bot_id: str) -> None:
        lots = self.desk.trader.state.position(bot_id, self.desk.id).lots
        cap = self.mid + (200 if lots < 0 else -200)
        self.desk.do(c.Reverse, bot_id=bot_id, instrument_id=self.desk.id, lots=lots, cap_ticks=cap)

    @rule(bot_id=st.sampled_from(["manual", "maker-1"]), more=st.integers(-3, 3))
    def venue_states_a_position(self, bot_id: str, more: int) -> None:
        lots = self.desk.trader.state.position(bot_id, self.desk.id).lots
        self.desk.holds(bot_id, lots + more)

    @rule(
        command=st.sampled_from([c.AdoptIncident, c.IgnoreIncident, c.FlattenIncident]),
        pick=st.integers(0, 99),
    )
    def person_decides(self, command: type[c.Command], pick: int) -> None:
        known = list(self.desk.trader.state.incidents)
        if known:
            self.desk.do(command, incident_id=known[pick % len(known)])

    @rule(pick=st.integers(0, 999), price=st.integers(-300, 300))
    def person_moves(self, pick: int, price: int) -> None:
        order = self._pick(pick)
        if order is not None:
            self.desk.do(
                c.MoveOrder, client_order_id=order.client_order_id, price_ticks=self.mid + price
            )

    @rule(pick=st.integers(0, 999), what=st.sampled_from(["accept", "canceled", "expired"]))
    def venue_answers(self, pick: int, what: str) -> None:
        order = self._pick(pick)
        if order is not None:
            getattr(self.desk, what)(order)

    @rule(pick=st.integers(0, 999), share=st.integers(1, 100))
    def venue_fills(self, pick: int, share: int) -> None:
        order = self._pick(pick)
        if order is not None and order.leaves_lots:
            lots = max(1, order.leaves_lots * share // 100)
            self.desk.fill(order, lots, order.spec.price_ticks or self.mid)

    def _pick(self, number: int) -> Order | None:
        live = self.desk.live
        return live[number % len(live)] if live else None

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def reservations_are_what_live_orders_could_add(self) -> None:
        state = self.desk.trader.state
        exposure = state.exposure[self.desk.id]
        open_lots = dict.fromkeys(Side, 0)
        for order in state.orders.values():
            assert order.is_live
            if not order.spec.reduce_only:
                open_lots[order.spec.side] += order.leaves_lots
        reserved = (exposure.buy_lots, exposure.sell_lots)
        assert reserved == (open_lots[Side.BUY], open_lots[Side.SELL])
        by_bot = {key for orders in state.orders_by_bot.values() for key in orders}
        assert by_bot == set(state.orders)

    @invariant()
    def positions_are_the_sum_of_their_fills(self) -> None:
        state = self.desk.trader.state
        lots: dict[str, int] = {}
        sides = {
            event.order.client_order_id: event.order
            for event in self.desk.events
            if isinstance(event, e.OrderIntended)
        }
        for event in self.desk.events:
            if isinstance(event, e.OrderFilled):
                order = sides[event.client_order_id]
                signed = order.spec.side.sign * event.fill.lots
                lots[order.bot_id] = lots.get(order.bot_id, 0) + signed
            elif isinstance(event, e.PositionAdopted):
                lots[event.bot_id] = lots.get(event.bot_id, 0) + event.lots
        for bot_id, held in lots.items():
            assert state.position(bot_id, self.desk.id).lots == held
        assert state.net_lots.get(self.desk.id, 0) == sum(lots.values())

    @invariant()
    def no_intent_was_taken_beyond_the_position_limit(self) -> None:
        """Checked when it was made: the gate counts every reserved order as filled."""
        state = self.desk.trader.state
        if not self.desk.events or not isinstance(self.desk.events[-1], e.CommandDone):
            return
        done = self.desk.events[-1]
        if done.name != "PlaceOrder" or done.refused:
            return
        order = self.desk.live[-1] if self.desk.live else None
        if order is None or order.spec.reduce_only:
            return
        exposure = state.exposure[self.desk.id]
        net = state.net_lots.get(self.desk.id, 0)
        reserved = exposure.buy_lots if order.spec.side is Side.BUY else exposure.sell_lots
        worst = order.spec.side.sign * net + reserved
        notional = self.desk.instrument.notional(max(0, worst), order.spec.price_ticks)
        equity = self.desk.trader.portfolio.equity()
        assert notional <= MONEY.multiply(equity, Decimal("0.25"))

    @invariant()
    def no_risk_passes_a_kill_level_or_an_open_incident(self) -> None:
        """Seen in the journal: between a kill and its reset nothing but reducing orders leaves."""
        is_killed, open_ones = False, set[str]()
        for event in self.desk.events:
            match event:
                case e.KillChanged(level=level):
                    is_killed = level is not c.KillLevel.NONE
                case e.IncidentOpened(incident=one):
                    open_ones.add(one.incident_id)
                case e.IncidentResolved(incident_id=incident_id):
                    open_ones.remove(incident_id)
                case e.OrderIntended(order=order):
                    assert order.spec.reduce_only or not (is_killed or open_ones), order
        assert open_ones == set(self.desk.trader.state.incidents)

    @invariant()
    def no_order_rests_against_its_kill_level(self) -> None:
        state = self.desk.trader.state
        for order in state.orders.values():
            is_leaving = order.pending is Pending.CANCELLING
            if state.kill >= c.KillLevel.REDUCE_ONLY and not order.spec.reduce_only:
                assert is_leaving, order

    @invariant()
    def the_journal_tells_the_whole_story(self) -> None:
        rebuilt = Desk().trader
        rebuilt.state.__init__()  # type: ignore[misc]
        rebuilt.restore(self.desk.events)
        live, again = vars(self.desk.trader.state), vars(rebuilt.state)
        for name in live:
            if name != "recent_intents":  # Trimmed when asked, which is no fact.
                assert live[name] == again[name], name


TestTrading = TradingMachine.TestCase
TestTrading.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
