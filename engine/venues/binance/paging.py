"""All pages of own trades, oldest first, whatever the range."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from engine.venues.fields import NS_PER_MS, JsonObject, objects, whole

AskTrades = Callable[[Mapping[str, str]], Awaitable[object]]
"""Asks for one page with these parameters on top of the symbol."""

PAGES_MAX = 2_000
"""Two million trades: whoever has more asks for a later time."""


async def all_trades(
    ask: AskTrades, *, since_ms: int, now_ms: int, window_ms: int, page_rows: int
) -> Sequence[JsonObject]:
    """Every trade from `since_ms` on.

    A time range may span `window_ms` at most, ids may not: so windows are looked through until
    one holds a trade, and from there on the pages go by id.
    """
    rows: list[JsonObject] = []
    if since_ms <= 0:
        return await _from_id(ask, 1, page_rows, rows)
    start_ms = since_ms
    while start_ms <= now_ms:
        end_ms = min(start_ms + window_ms - 1, now_ms + 60_000)
        page = objects(
            await ask({"startTime": str(start_ms), "endTime": str(end_ms), "limit": str(page_rows)})
        )
        if page:
            rows.extend(page)
            return await _from_id(ask, _last_id(page) + 1, page_rows, rows)
        start_ms = end_ms + 1
    return rows


async def trades_of_order(
    ask: AskTrades, venue_order_id: str, page_rows: int
) -> Sequence[JsonObject]:
    """Those of one order; an order of more than a page of trades goes on by id."""
    rows: list[JsonObject] = []
    params = {"orderId": venue_order_id, "limit": str(page_rows)}
    for _ in range(PAGES_MAX):
        page = objects(await ask(params))
        rows.extend(page)
        if len(page) < page_rows:
            break
        params["fromId"] = str(_last_id(page) + 1)
    return rows


async def _from_id(
    ask: AskTrades, first_id: int, page_rows: int, rows: list[JsonObject]
) -> Sequence[JsonObject]:
    for _ in range(PAGES_MAX):
        page = objects(await ask({"fromId": str(first_id), "limit": str(page_rows)}))
        rows.extend(page)
        if len(page) < page_rows:
            break
        first_id = _last_id(page) + 1
    return rows


def _last_id(page: Sequence[JsonObject]) -> int:
    return max(whole(row, "id") for row in page)


def ms(stamp_ns: int) -> int:
    return stamp_ns // NS_PER_MS
