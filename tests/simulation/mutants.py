"""The list of builds that are broken on purpose, one line each, and what should catch each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from engine.domain import events as e
from engine.domain import order_step
from engine.domain.order import OrderStatus
from engine.domain.order_step import Row
from engine.runtime import (
    live,
    live_claims,
    live_courier,
    live_keeper,
    live_reconcile,
    paper,
    trader,
)
from engine.runtime.helm import HelmDesk
from engine.store import database
from engine.trading.order_manager import OrderManager
from engine.trading.risk.gate import RiskGate
from engine.trading.state import TradingState
from tests.simulation.mutation import all_of, edited, replaced

Courier, Folder = live_courier.Courier, live_claims.ClaimFolder


@dataclass(frozen=True)
class Mutant:
    name: str
    breaks: tuple[str, ...]
    """Which invariants it may be caught by; I11 where the engine's own guard stops it first."""
    break_it: Callable[[], AbstractContextManager[None]]


MUTANTS = (
    Mutant(
        "intent after send",
        ("I1",),
        lambda: edited(
            live.LiveRuntime._commit,
            "await self._journal.commit(outbox.events)",
            "self._courier.send(outbox.requests)\n"
            "    outbox.requests.clear()\n"
            "    await self._journal.commit(outbox.events)",
        ),
    ),
    Mutant(
        "resend on time-out",
        ("I4",),
        lambda: edited(
            Courier._place,
            "if isinstance(outcome, Placed)",
            "if isinstance(outcome, Unanswered):\n"
            "        outcome = await self._account.place(submit)\n"
            "    if isinstance(outcome, Placed)",
        ),
    ),
    Mutant(
        "fill applied twice",
        ("I8",),
        lambda: all_of(
            edited(order_step._step_fill, "fill.trade_id in order.trade_ids", "False"),
            edited(Folder.fold_trade, "claim.fill.trade_id in order.trade_ids", "False"),
        ),
    ),
    Mutant(
        "NORMAL instead of FULL",
        ("I1",),
        lambda: edited(
            database.open_writer,
            'f"PRAGMA synchronous = {schema.synchronous}"',
            '"PRAGMA synchronous = NORMAL"',
        ),
    ),
    Mutant(
        "limit check without reservation",
        ("I6",),
        lambda: edited(
            RiskGate.worst_case_lots,
            "reserved = exposure.buy_lots if side is Side.BUY else exposure.sell_lots",
            "reserved = 0 * exposure.buy_lots",
        ),
    ),
    Mutant(
        "a lost answer counts as a refusal",
        ("I2",),
        lambda: edited(
            Courier._take_placed,
            "yield from self._unknown(key, reason)()",
            "yield r.RejectReport(**self._folder.stamp(), client_order_id=key, reason=reason)",
        ),
    ),
    Mutant(
        "absent after one miss",
        ("I2",),
        lambda: all_of(
            replaced(live_courier, "QUIET_NS", 0),
            replaced(live_courier, "MISSES_MIN", 1),
            edited(Courier._resolve, "now_ns < decided_ns or", ""),
        ),
    ),
    Mutant(
        "a late acknowledgement reopens an ended order",
        ("I2",),
        lambda: all_of(
            replaced(
                order_step.TABLE[e.OrderAccepted], OrderStatus.CANCELED, Row(OrderStatus.OPEN)
            ),
            edited(
                live_claims._proves_life,
                "return order.status in GONE and",
                "return order.status is OrderStatus.CANCELED or order.status in GONE and",
            ),
        ),
    ),
    Mutant(
        "a hole in the trades is ignored",
        ("I8",),
        lambda: edited(Folder.fold_order, "if self._has_hole(key, claim):", "if False:"),
    ),
    Mutant(
        "the kill switch is not remembered",
        ("I5", "I9", "I11"),
        lambda: edited(
            trader.Trader.restore,
            "self.state.apply(event)",
            "type(event).__name__ == 'KillChanged' or self.state.apply(event)",
        ),
    ),
    Mutant(
        "kill does not cancel",
        ("I5",),
        lambda: all_of(
            edited(HelmDesk._kill, "self._orders.cancel(order, command.by, now_ns)", "pass"),
            edited(
                HelmDesk.keep_killed, "self._orders.cancel(order, state.kill_by, now_ns)", "pass"
            ),
        ),
    ),
    Mutant(
        "entries under a hold",
        ("I10",),
        lambda: edited(RiskGate._check_permission, "if hold:", "if False:"),
    ),
    Mutant(
        "no comparison after a reconnect",
        (
            "I2",
            "I3",
        ),
        lambda: edited(
            live_keeper.Keeper._reconcile,
            "words = await",
            "words = '' if self.ties.reconciled_ns else await",
        ),
    ),
    Mutant(
        "a restart does not ask what became of its placements",
        ("I2",),
        lambda: edited(Courier.resume, "order.status is OrderStatus.INTENT", "False"),
    ),
    Mutant(
        "the gate forgets the placements without an answer",
        ("I6",),
        lambda: edited(
            TradingState._reserve,
            "exposure.buy_lots += sign * order.leaves_lots",
            "exposure.buy_lots += sign * order.leaves_lots * (order.pending != 'unknown')",
        ),
    ),
    Mutant(
        "fees are not booked",
        ("I8",),
        lambda: edited(
            OrderManager._event_of,
            "fill=fill,",
            "fill=msgspec.structs.replace(fill, fee=fill.fee * 0),",
        ),
    ),
    Mutant(
        "a connection is logged with its secret",
        ("I7",),
        lambda: edited(
            Courier._ask,
            "self._note_fault(fault)",
            "log.debug('asking of %s failed', vars(self._account))\n"
            "        self._note_fault(fault)",
        ),
    ),
    Mutant(
        "the secret gets into the ledger with the words of a fault",
        ("I7",),
        lambda: edited(
            Courier._take_placed,
            "yield from self._unknown(key, reason)()",
            "yield from self._unknown(key, str(vars(self._account)))()",
        ),
    ),
    Mutant(
        "every ledger draws its ids from one space",
        ("I12",),
        lambda: edited(OrderManager.place, "self._state.salt", "0"),
    ),
    Mutant(
        "a live engine takes over another key's ledger",
        ("I12",),
        lambda: edited(live.LiveRuntime.open, "if self.state.world != session.world:", "if False:"),
    ),
    Mutant(
        "paper goes on with a live ledger",
        ("I12",),
        lambda: edited(
            paper.PaperRuntime.open, "if self._trader.state.world != session.world:", "if False:"
        ),
    ),
    Mutant(
        "money that a stranger moved is not told",
        ("I3",),
        lambda: edited(
            live_reconcile.Reconciler._conclude, "if state.accounting is not None:", "if False:"
        ),
    ),
    Mutant(
        "a position that a stranger took is not told",
        ("I3",),
        lambda: edited(
            live_reconcile.Reconciler._conclude, "if found.positions is None:", "if True:"
        ),
    ),
)
