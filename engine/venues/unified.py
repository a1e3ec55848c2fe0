"""Every other exchange, by ccxt's unified methods.

Nobody has studied these venues: no answer proves a refusal, stops are watched here, orders are
polled, and only spot markets are taken. Orders are found by scanning lists for our client order
id, because what exchanges make of an id as a parameter differs (Kraken takes it for another one).
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from engine.domain.claims import (
    BalanceClaim,
    CashClaim,
    ClaimStatus,
    KeyPermissions,
    OrderClaim,
    PositionClaim,
    TradeClaim,
)
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import ZERO, plain, tidy
from engine.domain.order import OrderType, Side, TimeInForce
from engine.ports.live import FaultKind, Placed
from engine.ports.venue import Submit
from engine.venues.ccxt_client import SENT, CcxtClient
from engine.venues.classify import AskFailed
from engine.venues.dialect import Told
from engine.venues.fields import (
    NS_PER_MS,
    JsonObject,
    Unreadable,
    amount,
    as_object,
    asset,
    lots,
    name,
    need_name,
    ns,
    objects,
    optional_amount,
    optional_text,
    text,
    ticks,
    whole,
)
from engine.venues.fills import Worth, make_fill
from engine.venues.rules import MarketRules

TRADES_PAGES_MAX = 1_000
IDS_MAX = 10_000

_TYPES = {"limit": OrderType.LIMIT, "market": OrderType.MARKET}
_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_STATUSES = {
    "open": ClaimStatus.OPEN,
    "canceled": ClaimStatus.CANCELED,
    "expired": ClaimStatus.EXPIRED,
    "rejected": ClaimStatus.REJECTED,
}
_TICK_SIZE, _DECIMAL_PLACES = 4, 2
"""ccxt's `precisionMode`: steps as such, or as digits after the point."""


class Unified:
    """The `Dialect` of any ccxt exchange."""

    def __init__(self, client: CcxtClient, worth: Worth) -> None:
        self.instruments: dict[str, Instrument] = {}
        self._client = client
        self._worth = worth
        self._venue_ids: dict[str, str] = {}
        self._errors = importlib.import_module("ccxt.base.errors")

    # -- what the venue is ---------------------------------------------------------------------

    async def fetch_time_ns(self) -> int:
        if not self._client.exchange.has.get("fetchTime"):
            raise AskFailed(FaultKind.REFUSED, f"{self._venue} does not tell its time")
        stamp = await self._call(self._client.exchange.fetch_time())
        return whole({"time": stamp}, "time") * NS_PER_MS

    async def fetch_rules(self, symbols: Sequence[str]) -> Mapping[str, MarketRules]:
        exchange = self._client.exchange
        markets: dict[str, JsonObject] = await self._call(exchange.load_markets(True))
        spot = [market for market in markets.values() if market.get("spot")]
        by_name = {text(market, field): market for field in ("id", "symbol") for market in spot}
        return {
            symbol: read_market(by_name[symbol], self._venue, exchange.precisionMode)
            for symbol in symbols
            if symbol in by_name
        }

    async def fetch_key_permissions(self) -> KeyPermissions:
        return KeyPermissions(
            can_read=None,
            can_trade=None,
            can_withdraw=None,
            can_transfer=None,
            is_ip_restricted=None,
            words=f"what this key may do cannot be verified at {self._venue}",
        )

    async def fetch_price(self, symbol: str) -> Decimal:
        raise AssertionError("no third fee asset is known here")

    # -- the market ----------------------------------------------------------------------------

    async def fetch_book(self, symbol: str, levels: int) -> object:
        """ccxt's order book: `bids` and `asks`, decimals as text."""
        return await self._call(self._client.exchange.fetch_order_book(symbol, levels))

    async def fetch_tape(self, symbol: str, count: int) -> object:
        """ccxt's latest public trades."""
        return await self._call(self._client.exchange.fetch_trades(symbol, None, count))

    # -- orders --------------------------------------------------------------------------------

    async def place(self, submit: Submit, instrument: Instrument) -> Placed:
        spec = submit.spec
        if spec.type not in _TYPES.values() or spec.reduce_only:
            words = f"{self._venue}: stops and reduce-only orders are not sent to this venue"
            raise AskFailed(FaultKind.REFUSED, words, is_definite=True, may_have_arrived=False)
        params: dict[str, object] = {"clientOrderId": submit.client_order_id}
        if spec.tif is TimeInForce.POST_ONLY:
            params["postOnly"] = True
        elif spec.tif is not TimeInForce.GTC:
            params["timeInForce"] = spec.tif.value.upper()
        price = plain(instrument.price(spec.price_ticks)) if spec.price_ticks else None
        row = as_object(
            await self._call(
                self._client.exchange.create_order(
                    instrument.symbol,
                    spec.type.value,
                    spec.side.value,
                    plain(instrument.qty(spec.qty_lots)),
                    price,
                    params,
                )
            )
        )
        venue_order_id = need_name(row, "id")
        self._learn(submit.client_order_id, venue_order_id)
        # Many venues answer with the id alone.
        filled = lots(row, "filled", instrument) if row.get("filled") is not None else 0
        claim = OrderClaim(
            instrument_id=instrument.instrument_id,
            client_order_id=submit.client_order_id,
            venue_order_id=venue_order_id,
            side=spec.side,
            type=spec.type,
            status=ClaimStatus.PARTIAL if filled else ClaimStatus.OPEN,
            qty_lots=spec.qty_lots,
            filled_lots=filled,
            price_ticks=spec.price_ticks,
            venue_ns=ns(row, "lastUpdateTimestamp", "timestamp"),
        )
        return Placed(order=claim)

    async def cancel(self, instrument: Instrument, client_order_id: str) -> OrderClaim:
        venue_order_id = self._venue_ids.get(client_order_id)
        if venue_order_id is None:
            open_one = _pick(await self._open_orders(instrument), client_order_id)
            if open_one is None:
                raise self._unknown(client_order_id)
            venue_order_id = open_one.venue_order_id
        await self._call(self._client.exchange.cancel_order(venue_order_id, instrument.symbol))
        found = await self.find_order(instrument, client_order_id)
        if found is None:
            raise self._unknown(client_order_id)
        return found

    async def cancel_all(self, instrument: Instrument) -> None:
        exchange = self._client.exchange
        if exchange.has.get("cancelAllOrders"):
            await self._call(exchange.cancel_all_orders(instrument.symbol))
            return
        for claim in await self._open_orders(instrument):
            await self._call(exchange.cancel_order(claim.venue_order_id, instrument.symbol))

    async def find_order(self, instrument: Instrument, client_order_id: str) -> OrderClaim | None:
        found = _pick(await self._open_orders(instrument), client_order_id)
        exchange = self._client.exchange
        for has, method in (
            ("fetchOrders", "fetch_orders"),
            ("fetchClosedOrders", "fetch_closed_orders"),
            ("fetchCanceledOrders", "fetch_canceled_orders"),
        ):
            if found is None and exchange.has.get(has):
                rows = objects(await self._call(getattr(exchange, method)(instrument.symbol)))
                found = _pick([self._read_order(row, instrument) for row in rows], client_order_id)
        return found

    async def fetch_open_orders(self) -> Sequence[OrderClaim]:
        found: list[OrderClaim] = []
        for instrument in self.instruments.values():
            found += await self._open_orders(instrument)
        return found

    async def _open_orders(self, instrument: Instrument) -> Sequence[OrderClaim]:
        rows = await self._call(self._client.exchange.fetch_open_orders(instrument.symbol))
        return [self._read_order(row, instrument) for row in objects(rows)]

    # -- the account ---------------------------------------------------------------------------

    async def fetch_trades(
        self, instrument: Instrument, since_ns: int, venue_order_id: str
    ) -> Sequence[TradeClaim]:
        exchange = self._client.exchange
        found: dict[str, TradeClaim] = {}
        since_ms = since_ns // NS_PER_MS or None
        for _ in range(TRADES_PAGES_MAX):
            rows = objects(await self._call(exchange.fetch_my_trades(instrument.symbol, since_ms)))
            fresh = [row for row in rows if name(row, "id") not in found]
            for row in fresh:
                claim = read_trade(row, instrument, self._worth)
                found[claim.fill.trade_id] = claim
            if not fresh or since_ms is None:
                break
            since_ms = max(whole(row, "timestamp") for row in fresh)
        return [claim for claim in found.values() if venue_order_id in ("", claim.venue_order_id)]

    async def fetch_balances(self) -> Sequence[BalanceClaim]:
        answer = as_object(await self._call(self._client.exchange.fetch_balance()))
        totals, free = (
            as_object(answer.get("total"), "total"),
            as_object(answer.get("free"), "free"),
        )
        claims = [
            BalanceClaim(
                asset=asset({"asset": coin}, "asset"),
                total=tidy(optional_amount(totals, coin)),
                free=tidy(optional_amount(free, coin)),
                venue_ns=ns(answer, "timestamp"),
            )
            for coin in totals
        ]
        return [claim for claim in claims if claim.total != 0]

    async def fetch_positions(self) -> Sequence[PositionClaim]:
        return ()

    async def fetch_cash(self, since_ns: int) -> Sequence[CashClaim]:
        return ()

    async def renew_dead_man(self, timeout_s: int) -> None:
        raise AssertionError("no timer is known here")

    # -- no stream -----------------------------------------------------------------------------

    async def subscribe(self) -> None:
        raise AssertionError("no stream is read here")

    async def keep_alive(self) -> None: ...

    def read_event(self, message: object) -> Told:
        return ()

    # -- inside --------------------------------------------------------------------------------

    @property
    def _venue(self) -> str:
        return self._client.quirks.venue

    async def _call(self, asking: Awaitable[Any]) -> Any:
        """What ccxt gives; AskFailed for what it raises."""
        sent: list[str] = []
        token = SENT.set(sent)
        try:
            return await asking
        except AskFailed:
            raise
        except self._errors.BaseError as error:
            raise self._failed(error, bool(sent)) from None
        except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
            # Text where ccxt's code counts with floats, or a field that is not there.
            words = f"{self._venue}: ccxt failed ({type(error).__name__})"
            raise AskFailed(
                FaultKind.MALFORMED, words, is_definite=not sent, may_have_arrived=bool(sent)
            ) from None
        finally:
            SENT.reset(token)

    def _failed(self, error: Exception, may_have_arrived: bool) -> AskFailed:
        errors = self._errors
        kinds = (
            (errors.AuthenticationError, FaultKind.KEY),
            (errors.InvalidNonce, FaultKind.CLOCK),
            (errors.DDoSProtection, FaultKind.LIMITED),
            (errors.RateLimitExceeded, FaultKind.LIMITED),
            (errors.OnMaintenance, FaultKind.MAINTENANCE),
            (errors.NetworkError, FaultKind.OVERLOADED),
            (errors.OperationFailed, FaultKind.OVERLOADED),
        )
        kind = next((kind for base, kind in kinds if isinstance(error, base)), FaultKind.REFUSED)
        # The class, not the text: that may hold an address with a signature.
        return AskFailed(
            kind,
            f"{self._venue}: {type(error).__name__}",
            is_definite=not may_have_arrived,
            may_have_arrived=may_have_arrived,
            is_not_working=isinstance(error, errors.OrderNotFound),
        )

    def _unknown(self, client_order_id: str) -> AskFailed:
        words = f"{self._venue} lists no order {client_order_id}"
        return AskFailed(FaultKind.REFUSED, words, is_not_working=True)

    def _read_order(self, row: JsonObject, instrument: Instrument) -> OrderClaim:
        claim = read_order(row, instrument)
        self._learn(claim.client_order_id, claim.venue_order_id)
        return claim

    def _learn(self, client_order_id: str, venue_order_id: str) -> None:
        if client_order_id:
            self._venue_ids[client_order_id] = venue_order_id
        if len(self._venue_ids) > IDS_MAX:
            del self._venue_ids[next(iter(self._venue_ids))]


def _pick(claims: Sequence[OrderClaim], client_order_id: str) -> OrderClaim | None:
    return next((claim for claim in claims if claim.client_order_id == client_order_id), None)


# -- ccxt's objects, whose numbers are text (`number = str`) -----------------------------------


def read_market(market: JsonObject, venue: str, precision_mode: int) -> MarketRules:
    """A unified market. Unreadable where its steps are given in significant digits."""
    precision = as_object(market.get("precision"), "precision")
    limits = as_object(market.get("limits"), "limits")
    tick = _step(precision, "price", precision_mode)
    lot = _step(precision, "amount", precision_mode)
    sizes = as_object(limits.get("amount", {}), "limits.amount")
    values = as_object(limits.get("cost", {}), "limits.cost")
    symbol = text(market, "symbol")
    try:
        instrument = Instrument(
            instrument_id=f"{venue}.{symbol}",
            venue=venue,
            symbol=symbol,
            kind=InstrumentKind.SPOT,
            base=asset(market, "base"),
            quote=asset(market, "quote"),
            tick=tick,
            lot=lot,
            min_notional=tidy(optional_amount(values, "min")),
            min_lots=max(1, int(-(-optional_amount(sizes, "min") // lot))),
        )
    except BadInput as error:
        raise Unreadable(error.field, error.value, error.remedy) from None
    is_trading = market.get("active") is not False
    return MarketRules(
        instrument=instrument,
        is_trading=is_trading,
        status="active" if is_trading else "inactive",
        lots_max=int(optional_amount(sizes, "max") // lot),
        notional_max=optional_amount(values, "max") or None,
    )


def _step(precision: JsonObject, field: str, mode: int) -> Decimal:
    value = amount(precision, field)
    if mode == _DECIMAL_PLACES:
        value = Decimal(1).scaleb(-int(value))
    elif mode != _TICK_SIZE:
        raise Unreadable(field, str(value), "steps in significant digits are not supported")
    if value <= 0:
        raise Unreadable(field, str(value), "must be greater than zero")
    return tidy(value)


def read_order(row: JsonObject, instrument: Instrument) -> OrderClaim:
    """A unified order. `closed` is filled only if the numbers say so."""
    side, kind = optional_text(row, "side"), optional_text(row, "type")
    if side not in _SIDES or kind not in _TYPES:
        raise Unreadable("order", f"{side} {kind}", "expected a limit or market order with a side")
    qty_lots, filled_lots = lots(row, "amount", instrument), lots(row, "filled", instrument)
    word = optional_text(row, "status")
    status = _STATUSES.get(word, ClaimStatus.STRANGE)
    if word == "closed":
        status = ClaimStatus.FILLED if filled_lots >= qty_lots else ClaimStatus.EXPIRED
    elif status is ClaimStatus.OPEN and filled_lots:
        status = ClaimStatus.PARTIAL
    return OrderClaim(
        instrument_id=instrument.instrument_id,
        client_order_id=name(row, "clientOrderId"),
        venue_order_id=need_name(row, "id"),
        side=_SIDES[side],
        type=_TYPES[kind],
        status=status,
        qty_lots=qty_lots,
        filled_lots=filled_lots,
        price_ticks=ticks(row, "price", instrument),
        venue_ns=ns(row, "lastUpdateTimestamp", "lastTradeTimestamp", "timestamp"),
        words=word if status in (ClaimStatus.STRANGE, ClaimStatus.EXPIRED) else "",
    )


def read_trade(row: JsonObject, instrument: Instrument, worth: Worth) -> TradeClaim:
    """A unified trade. A venue that names no fee is taken to have charged none; what it did
    charge shows as a balance that nothing explains."""
    side = optional_text(row, "side")
    if side not in _SIDES:
        raise Unreadable("side", side, "expected buy or sell")
    fees = [fee for fee in objects(row.get("fees") or [], "fees") if fee.get("cost") is not None]
    single = row.get("fee")
    if not fees and isinstance(single, dict) and single.get("cost") is not None:
        fees = [single]
    if len(fees) > 1:
        raise Unreadable("fees", len(fees), "several fees of one trade are not supported")
    fee = amount(fees[0], "cost") if fees else ZERO
    fill = make_fill(
        instrument,
        trade_id=need_name(row, "id"),
        ticks=ticks(row, "price", instrument),
        lots=lots(row, "amount", instrument),
        fee=fee,
        fee_asset=asset(fees[0], "currency") if fees else instrument.settle,
        is_maker=optional_text(row, "takerOrMaker") == "maker",
        venue_ns=ns(row, "timestamp"),
        worth=worth,
    )
    return TradeClaim(
        instrument_id=instrument.instrument_id,
        client_order_id="",
        venue_order_id=name(row, "order"),
        side=_SIDES[side],
        fill=fill,
    )
