"""Faults that are states of the venue: begun, held for a while, ended."""

from __future__ import annotations

import fnmatch
from collections import OrderedDict
from collections.abc import Callable, Iterator
from decimal import Decimal

from engine.core.clock import NS_PER_SECOND
from engine.core.ids import client_order_id
from engine.domain.errors import BadInput
from engine.domain.order import Side
from engine.drill.control import Certificate, VenueControl
from engine.drill.faults.catalogue import FaultKind
from engine.drill.faults.plan import Strike

FOREIGN_SALT = 0x5EED
"""Of ids that look like ours, and belong to no ledger."""
IDS_REMEMBERED = 64
FOREIGN_QTY = Decimal("0.002")
FOREIGN_PRICE_SHARE = Decimal("0.9")
"""Foreign orders rest this far below the price."""

_CERTIFICATES = {
    FaultKind.CERTIFICATE_EXPIRED: Certificate.EXPIRED,
    FaultKind.CERTIFICATE_WRONG_NAME: Certificate.WRONG_NAME,
    FaultKind.CERTIFICATE_UNKNOWN_CA: Certificate.UNKNOWN_CA,
    FaultKind.CUT_IN_TLS: Certificate.CUT,
}
_STATUSES = {
    FaultKind.SYMBOL_BREAK: "BREAK",
    FaultKind.SYMBOL_HALT: "HALT",
    FaultKind.SYMBOL_DELISTED: "",
}


class VenueStates:
    """Begins states by way of a venue's control, and ends those whose time is over."""

    def __init__(self, control: VenueControl) -> None:
        self._control = control
        self._ends: dict[int, tuple[float, Callable[[], None]]] = {}
        self._next_end = 1
        self._foreign = 0
        self._sent_ids: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self.clock_offset_ns = 0

    def note_order(self, dialect: str, account: str, client_order_id: str) -> None:
        """An id that a client has used: a candidate for being used again by somebody else."""
        self._sent_ids[client_order_id] = (dialect, account)
        while len(self._sent_ids) > IDS_REMEMBERED:
            self._sent_ids.popitem(last=False)

    def begin(self, strike: Strike, now_s: float) -> None:
        end = self._begin(strike)
        self._control.log(f"fault {strike.rule.words()}")
        if end is not None:
            self._ends[self._next_end] = (now_s + strike.rule.duration_s, end)
            self._next_end += 1

    def end_due(self, now_s: float) -> None:
        due = [number for number, (at_s, _) in self._ends.items() if at_s <= now_s]
        for number in due:
            self._ends.pop(number)[1]()

    def end_all(self) -> None:
        """Everything is as it was; what was cancelled, filled or placed stays so."""
        for _, end in self._ends.values():
            end()
        self._ends.clear()

    def _begin(self, strike: Strike) -> Callable[[], None] | None:
        control, kind = self._control, strike.kind
        if kind in _CERTIFICATES:
            control.set_certificate(_CERTIFICATES[kind])
            control.drop_connections()
            return lambda: control.set_certificate(Certificate.GOOD)
        if kind in _STATUSES:
            return self._each_market(
                strike,
                lambda dialect, symbol: control.set_symbol_status(dialect, symbol, _STATUSES[kind]),
                lambda dialect, symbol: control.set_symbol_status(dialect, symbol, "TRADING"),
            )
        match kind:
            case FaultKind.CONNECTION_REFUSED:
                control.refuse_connections(True)
                control.drop_connections()
                return lambda: control.refuse_connections(False)
            case FaultKind.NAME_UNKNOWN:
                control.set_names_known(False)
                control.drop_connections()
                return lambda: control.set_names_known(True)
            case FaultKind.MAINTENANCE:
                return self._maintenance()
            case FaultKind.CLOCK_SKEW:
                return self._skew(strike.rule.size)
            case FaultKind.FROZEN:
                return self._each_market(
                    strike,
                    lambda dialect, symbol: control.set_market_running(dialect, symbol, False),
                    lambda dialect, symbol: control.set_market_running(dialect, symbol, True),
                )
            case FaultKind.FLASH:
                factor = Decimal(str(strike.rule.size))
                return self._each_market(
                    strike,
                    lambda dialect, symbol: control.scale_market(dialect, symbol, factor),
                    lambda dialect, symbol: control.scale_market(dialect, symbol, Decimal(1)),
                )
            case FaultKind.FILTER_CHANGE:
                return self._filters(strike)
            case FaultKind.FEE_CHANGE:
                return self._fees(strike)
            case FaultKind.KEY_REVOKED:
                return self._revoke()
            case _:
                self._once(strike)
                return None

    def _once(self, strike: Strike) -> None:
        """What happens and is over."""
        control, kind = self._control, strike.kind
        match kind:
            case FaultKind.CRASH:
                for dialect, symbol in self._markets(strike.subject):
                    control.crash_market(dialect, symbol)
            case FaultKind.STREAM_TERMINATED:
                for dialect in self._dialects():
                    control.close_user_streams(dialect)
            case FaultKind.FORCED_DISCONNECT:
                control.close_sockets_everywhere(code=1008)
            case FaultKind.SERVER_SHUTDOWN:
                control.announce_shutdown(int(strike.rule.size * NS_PER_SECOND))
            case FaultKind.CANCELED_BY_VENUE:
                self._end_orders(strike.subject, "CANCELED")
            case FaultKind.EXPIRED_IN_MATCH:
                self._end_orders(strike.subject, "EXPIRED_IN_MATCH")
            case FaultKind.FOREIGN_ORDER:
                self._foreign += 1
                self._place(strike.subject, client_order_id(1, self._foreign, FOREIGN_SALT))
            case FaultKind.ORDER_ID_REUSED:
                self._reuse(strike.subject)
            case _:
                raise AssertionError(kind)

    # -- states with an end ------------------------------------------------------------------------

    def _each_market(
        self,
        strike: Strike,
        begin: Callable[[str, str], None],
        end: Callable[[str, str], None],
    ) -> Callable[[], None]:
        markets = list(self._markets(strike.subject))
        for dialect, symbol in markets:
            begin(dialect, symbol)

        def undo() -> None:
            for dialect, symbol in markets:
                end(dialect, symbol)

        return undo

    def _maintenance(self) -> Callable[[], None]:
        dialects = self._dialects()
        for dialect in dialects:
            self._control.set_maintenance(dialect, True)

        def undo() -> None:
            for dialect in dialects:
                self._control.set_maintenance(dialect, False)

        return undo

    def _skew(self, seconds: float) -> Callable[[], None]:
        self._set_offset(int(seconds * NS_PER_SECOND))
        return lambda: self._set_offset(0)

    def _set_offset(self, offset_ns: int) -> None:
        self.clock_offset_ns = offset_ns
        self._control.set_clock_offset_ns(offset_ns)

    def _filters(self, strike: Strike) -> Callable[[], None]:
        factor = Decimal(str(strike.rule.size))
        before = [
            (dialect, symbol, name, self._control.filter_of(dialect, symbol, name))
            for dialect, symbol in self._markets(strike.subject)
            for name in ("tick", "lot")
        ]
        for dialect, symbol, name, value in before:
            self._control.set_filter(dialect, symbol, name, value * factor)

        def undo() -> None:
            for dialect, symbol, name, value in before:
                self._control.set_filter(dialect, symbol, name, value)

        return undo

    def _fees(self, strike: Strike) -> Callable[[], None]:
        factor = Decimal(str(strike.rule.size))
        before = [
            (dialect, account, *self._control.fees_of(dialect, account))
            for dialect, account in self._accounts()
        ]
        for dialect, account, maker, taker in before:
            self._control.set_fees(dialect, account, maker * factor, taker * factor)

        def undo() -> None:
            for dialect, account, maker, taker in before:
                self._control.set_fees(dialect, account, maker, taker)

        return undo

    def _revoke(self) -> Callable[[], None]:
        accounts = sorted({account for _, account in self._accounts()})
        for account in accounts:
            self._control.set_key_active(account, False)

        def undo() -> None:
            for account in accounts:
                self._control.set_key_active(account, True)

        return undo

    # -- things that happen ------------------------------------------------------------------------

    def _end_orders(self, subject: str, status: str) -> None:
        for dialect, account in self._accounts():
            for symbol, order_id in self._control.open_orders(dialect, account):
                if fnmatch.fnmatchcase(symbol, subject or "*"):
                    self._control.cancel_at_venue(dialect, account, order_id, status)

    def fill_half(self, dialect: str, account: str, client_order_id: str) -> None:
        self._control.fill_at_venue(dialect, account, client_order_id, Decimal("0.5"))

    def _place(self, subject: str, order_id: str) -> None:
        accounts = self._accounts()
        for dialect, symbol in self._markets(subject):
            account = next((name for where, name in accounts if where == dialect), "")
            price = self._control.price_of(dialect, symbol)
            if account and price is not None:
                tick = self._control.filter_of(dialect, symbol, "tick")
                price = price * FOREIGN_PRICE_SHARE // tick * tick
                try:
                    self._control.place_foreign(
                        dialect, account, symbol, Side.BUY, FOREIGN_QTY, price, order_id
                    )
                except BadInput as error:
                    self._control.log(f"no foreign order: {error}")
                return

    def _reuse(self, subject: str) -> None:
        """Under the oldest id that is remembered and no longer working."""
        for order_id, (dialect, account) in self._sent_ids.items():
            working = {open_id for _, open_id in self._control.open_orders(dialect, account)}
            if order_id not in working:
                self._place(subject, order_id)
                del self._sent_ids[order_id]
                return

    # -- who and where -----------------------------------------------------------------------------

    def _markets(self, subject: str) -> Iterator[tuple[str, str]]:
        for dialect, symbol in self._control.markets():
            if fnmatch.fnmatchcase(symbol, subject or "*"):
                yield dialect, symbol

    def _dialects(self) -> list[str]:
        return sorted({dialect for dialect, _ in self._control.markets()})

    def _accounts(self) -> list[tuple[str, str]]:
        """(dialect, account), of the accounts that a client trades with."""
        return [
            (dialect, account)
            for dialect in self._dialects()
            for account in self._control.accounts()
        ]
