"""`VenueControl` over a running server: what faults, tests and the admin route do to the venue."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from engine.domain.errors import BadInput
from engine.domain.order import Side
from engine.drill.control import Certificate
from engine.drill.exchange import Exchange
from engine.drill.listing import Listing
from engine.drill.units import amount, units
from engine.drill.values import (
    AccountSpec,
    InstrumentRules,
    Kind,
    Order,
    OrderAsked,
    Refusal,
    Status,
)

if TYPE_CHECKING:
    from engine.drill.ports import Dialect
    from engine.drill.server import DrillServer

DELISTED = "END_OF_DAY"


class Operator:
    """See `engine.drill.control.VenueControl`. Names that do not exist are BadInput."""

    def __init__(self, server: DrillServer) -> None:
        self._server = server
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0

    def _core(self, dialect: str) -> Exchange:
        desk = self._server.venues.get(dialect)
        if desk is None:
            known = ", ".join(self._server.venues)
            raise BadInput("venue", dialect, f"must be one of {known}")
        return desk.core

    def _dialect(self, dialect: str) -> Dialect:
        self._core(dialect)
        return self._server.venues[dialect].dialect

    def core(self, dialect: str) -> Exchange:
        """For tests, and for what is not among the verbs."""
        return self._core(dialect)

    # -- clock -----------------------------------------------------------------------------------

    def now_ns(self) -> int:
        return self._server.clock.now_ns()

    def set_clock_offset_ns(self, offset_ns: int) -> None:
        self._server.clock.offset_ns = offset_ns

    def call_at(self, when_ns: int, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._due, (when_ns, self._order, action))

    def run_due(self) -> None:
        now_ns = self._server.clock.true_ns()
        while self._due and self._due[0][0] <= now_ns:
            heapq.heappop(self._due)[2]()

    # -- instruments -----------------------------------------------------------------------------

    def set_symbol_status(self, dialect: str, symbol: str, status: str) -> None:
        core = self._core(dialect)
        self._set_rules(dialect, symbol, {"status": status or DELISTED})
        if not status:
            for order in list(core.listing(symbol).open_orders.values()):
                core.end_by_itself(order, Status.EXPIRED, "delisted")

    def set_filter(self, dialect: str, symbol: str, name: str, value: Decimal) -> None:
        if name not in InstrumentRules.__struct_fields__:
            known = ", ".join(InstrumentRules.__struct_fields__)
            raise BadInput("filter", name, f"must be one of {known}")
        is_count = name in ("max_orders", "max_stops")
        self._set_rules(dialect, symbol, {name: int(value) if is_count else value})

    def _set_rules(self, dialect: str, symbol: str, changes: dict[str, object]) -> None:
        listing = self._listing(dialect, symbol)
        listing.rules = msgspec.structs.replace(listing.rules, **changes)
        self.log(f"{dialect}.{symbol}: {changes}")

    def _listing(self, dialect: str, symbol: str) -> Listing:
        try:
            return self._core(dialect).listing(symbol)
        except Refusal:
            known = ", ".join(self._core(dialect).listings)
            raise BadInput("symbol", symbol, f"must be one of {known}") from None

    def filter_of(self, dialect: str, symbol: str, name: str) -> Decimal:
        value = getattr(self._listing(dialect, symbol).rules, name, None)
        if not isinstance(value, int | Decimal):
            raise BadInput("filter", name, "is not set, or no such filter")
        return Decimal(value)

    def price_of(self, dialect: str, symbol: str) -> Decimal | None:
        return amount(self._listing(dialect, symbol).reference) or None

    def markets(self) -> Sequence[tuple[str, str]]:
        return [
            (name, symbol)
            for name, desk in self._server.venues.items()
            for symbol in desk.core.listings
        ]

    def crash_market(self, dialect: str, symbol: str) -> None:
        self._listing(dialect, symbol)
        self._core(dialect).crash(symbol)
        self.log(f"{dialect}.{symbol}: the market crashes")

    def scale_market(self, dialect: str, symbol: str, factor: Decimal) -> None:
        self._listing(dialect, symbol)
        self._core(dialect).scale_market(symbol, factor)
        self.log(f"{dialect}.{symbol}: prices are {factor} times the market's")

    def set_market_running(self, dialect: str, symbol: str, is_running: bool) -> None:
        self._listing(dialect, symbol).is_running = is_running
        self.log(f"{dialect}.{symbol}: the market {'runs' if is_running else 'stands still'}")

    # -- accounts --------------------------------------------------------------------------------

    def _account(self, dialect: str, account: str) -> AccountSpec:
        accounts = self._core(dialect).accounts
        if account not in accounts:
            raise BadInput("account", account, f"must be one of {', '.join(accounts)}")
        return accounts[account]

    def accounts(self) -> Sequence[str]:
        names = [name for desk in self._server.venues.values() for name in desk.core.accounts]
        return list(dict.fromkeys(names))

    def fees_of(self, dialect: str, account: str) -> tuple[Decimal, Decimal]:
        spec = self._account(dialect, account)
        return spec.maker, spec.taker

    def set_fees(self, dialect: str, account: str, maker: Decimal, taker: Decimal) -> None:
        spec = self._account(dialect, account)
        core = self._core(dialect)
        core.accounts[account] = msgspec.structs.replace(spec, maker=maker, taker=taker)
        self.log(f"{dialect}: {account} pays {maker} as maker, {taker} as taker")

    def set_key_active(self, account: str, is_active: bool) -> None:
        for name, desk in self._server.venues.items():
            self._account(name, account)
            desk.dialect.set_key_active(account, is_active)
        self.log(f"the key of {account} is {'good again' if is_active else 'revoked'}")

    def deposit(self, dialect: str, account: str, asset: str, amount: Decimal) -> None:
        self._account(dialect, account)
        self._core(dialect).deposit(account, asset, amount)

    # -- orders ----------------------------------------------------------------------------------

    def place_foreign(
        self,
        dialect: str,
        account: str,
        symbol: str,
        side: Side,
        qty: Decimal,
        price: Decimal,
        client_order_id: str = "",
    ) -> str:
        self._account(dialect, account)
        self._listing(dialect, symbol)
        core = self._core(dialect)
        asked = OrderAsked(
            symbol=symbol,
            side=side,
            kind=Kind.LIMIT,
            qty=units("qty", qty),
            price=units("price", price),
            client_order_id=client_order_id or f"foreign_{core.ledger.next_seq}",
        )
        try:
            return str(core.place(account, asked).order_id)
        except Refusal as refusal:
            raise BadInput("order", refusal.kind.value, "the venue refuses it") from None

    def cancel_at_venue(
        self, dialect: str, account: str, client_order_id: str, status: str = "CANCELED"
    ) -> None:
        order = self._open_order(dialect, account, client_order_id)
        if order is None:
            raise BadInput("client_order_id", client_order_id, "no such open order")
        final = [each for each in Status if not each.is_open and each is not Status.FILLED]
        if status not in final:
            raise BadInput("status", status, f"must be one of {', '.join(final)}")
        self._core(dialect).end_by_itself(order, Status(status), "ended by the venue")
        self.log(f"{dialect}: the venue ends {client_order_id}: {status}")

    def fill_at_venue(
        self, dialect: str, account: str, client_order_id: str, share: Decimal
    ) -> None:
        order = self._open_order(dialect, account, client_order_id)
        if order is not None and not order.is_parked:
            listing = self._listing(dialect, order.symbol)
            qty = listing.whole_lots(int(order.leaves * share))
            lot = units("lot", listing.rules.lot)
            self._core(dialect).fill_by_market(order, min(order.leaves, max(lot, qty)))

    def open_orders(self, dialect: str, account: str) -> Sequence[tuple[str, str]]:
        orders = sorted(self._core(dialect).open_orders(account), key=lambda each: each.order_id)
        return [(order.symbol, order.client_order_id) for order in orders]

    def _open_order(self, dialect: str, account: str, client_order_id: str) -> Order | None:
        self._account(dialect, account)
        for order in self._core(dialect).open_orders(account):
            if order.client_order_id == client_order_id:
                return order
        return None

    # -- the venue as a whole --------------------------------------------------------------------

    def set_maintenance(self, dialect: str, is_on: bool) -> None:
        self._dialect(dialect).set_maintenance(is_on)
        self.log(f"{dialect}: maintenance {'begins' if is_on else 'is over'}")

    def ban(self, until_ns: int) -> None:
        for desk in self._server.venues.values():
            desk.dialect.ban(until_ns - self._server.clock.offset_ns)
        self.log(f"banned until {until_ns}")

    def close_sockets(self, dialect: str, *, abort: bool = False, code: int = 1001) -> None:
        self._core(dialect)
        for outlet in list(self._server.outlets.values()):
            if outlet.dialect == dialect:
                outlet.abort() if abort else outlet.close(code)
        self.log(f"{dialect}: websockets {'reset' if abort else f'closed, {code}'}")

    def close_user_streams(self, dialect: str, account: str = "") -> None:
        self._dialect(dialect).close_user_streams(account)
        self.log(f"{dialect}: user streams ended")

    def set_certificate(self, certificate: Certificate) -> None:
        self._server.certificate = certificate
        self.log(f"certificate: {certificate.value}")

    def refuse_connections(self, is_refusing: bool) -> None:
        if is_refusing:
            self._server.stop_listening()
        else:
            self._server.start("listen", self._server.listen())
        self.log(f"connections are {'refused' if is_refusing else 'taken again'}")

    def close_sockets_everywhere(self, *, abort: bool = False, code: int = 1001) -> None:
        for dialect in self._server.venues:
            self.close_sockets(dialect, abort=abort, code=code)

    def drop_connections(self) -> None:
        self._server.drop_connections()
        self.log("every connection is reset")

    def announce_shutdown(self, after_ns: int) -> None:
        event = b'{"e":"serverShutdown","E":%d}' % (self.now_ns() // 1_000_000)
        for outlet in list(self._server.outlets.values()):
            outlet.send("answer", "serverShutdown", event)
        self.call_at(self._server.clock.true_ns() + after_ns, self.close_sockets_everywhere)
        self.log("the server announces its shutdown")

    def set_names_known(self, is_known: bool) -> None:
        self._server.set_names_known(is_known)
        self.log(f"names {'resolve again' if is_known else 'no longer resolve'}")

    def log(self, words: str) -> None:
        for desk in self._server.venues.values():
            desk.core.ledger.note(self.now_ns(), words)
