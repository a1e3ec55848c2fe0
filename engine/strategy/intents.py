"""What a bot wants while a person holds its helm: noted and told, never done."""

from __future__ import annotations

from engine.domain.instrument import Instrument
from engine.domain.order import Side


class Intents:
    """Of one wake-up."""

    def __init__(self, at_ns: int) -> None:
        self.at_ns = at_ns
        self._orders: dict[Side, list[tuple[int, int]]] = {Side.BUY: [], Side.SELL: []}
        """Price in ticks (0: at market) and lots."""
        self._cancels = 0
        self._algos: list[str] = []

    def place(self, side: Side, lots: int, price_ticks: int) -> None:
        self._orders[side].append((price_ticks, lots))

    def cancel(self) -> None:
        self._cancels += 1

    def work(self, name: str) -> None:
        self._algos.append(name)

    def words(self, instrument: Instrument) -> str:
        """`buy 5 x 0.008 @ 59988.0 to 59992.0, cancel 2 orders`."""
        parts = [_orders(side, rows, instrument) for side, rows in self._orders.items() if rows]
        parts += [f"start {name}" for name in self._algos]
        if self._cancels:
            parts.append(f"cancel {self._cancels} {'order' if self._cancels == 1 else 'orders'}")
        return ", ".join(parts)


def _orders(side: Side, rows: list[tuple[int, int]], instrument: Instrument) -> str:
    sizes = {lots for _, lots in rows}
    if len(sizes) > 1:
        many = f"{len(rows)} orders"
    else:
        size = f"{instrument.qty(rows[0][1])}"
        many = f"{len(rows)} x {size}" if len(rows) > 1 else size
    prices = [ticks for ticks, _ in rows]
    if not min(prices):
        return f"{side} {many} at market"
    first, last = instrument.price(min(prices)), instrument.price(max(prices))
    return f"{side} {many} @ {first}" + (f" to {last}" if last != first else "")
