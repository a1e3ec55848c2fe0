"""What accounts hold: free and locked, moved by double entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from engine.drill.ledger import Ledger, Move


class Holding:
    __slots__ = ("free", "locked")

    def __init__(self) -> None:
        self.free = 0
        self.locked = 0


class Wallets:
    """All accounts of one venue. Holders that are no accounts (`market`, `fees`, `outside`) exist
    in the ledger only: they hold whatever is needed."""

    def __init__(self, ledger: Ledger, now_ns: Callable[[], int]) -> None:
        self._ledger = ledger
        self._now_ns = now_ns
        self._holdings: dict[str, defaultdict[str, Holding]] = {}
        self.touched: dict[str, dict[str, None]] = {}
        """Assets that changed, by account, in order; emptied by whoever tells the account."""

    def open(self, account: str) -> None:
        self._holdings[account] = defaultdict(Holding)
        self._ledger.opened(self._now_ns(), account)

    def assets(self, account: str) -> dict[str, Holding]:
        return self._holdings[account]

    def free(self, account: str, asset: str) -> int:
        return self._holdings[account][asset].free

    def held(self, account: str, asset: str) -> int:
        holding = self._holdings[account][asset]
        return holding.free + holding.locked

    def lock(self, account: str, asset: str, amount: int) -> None:
        """Negative unlocks."""
        if not amount:
            return
        holding = self._holdings[account][asset]
        holding.free -= amount
        holding.locked += amount
        assert holding.free >= 0, (account, asset, holding.free)
        assert holding.locked >= 0, (account, asset, holding.locked)
        self._touch(account, asset)

    def move(
        self, reason: str, asset: str, source: str, target: str, amount: int, ref: int = 0
    ) -> None:
        """From free to free."""
        if not amount:
            return
        for holder, change in ((source, -amount), (target, amount)):
            if holder in self._holdings:
                self._holdings[holder][asset].free += change
                self._touch(holder, asset)
        self._ledger.move(self._now_ns(), reason, Move(asset, source, target, amount), ref)

    def _touch(self, account: str, asset: str) -> None:
        self.touched.setdefault(account, {})[asset] = None
