"""What a face reads beside the running engine: stories, stored backtests, settings, the manual.

`app.bookshelf` reads them from files, in a thread; these are the shapes, and what a face keeps of
the answers. Nothing here touches a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from engine.domain.errors import PilothouseError


class Told(msgspec.Struct, frozen=True):
    """One sentence of a story and when it happened."""

    ts_ns: int
    text: str


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stored backtest in one row. Figures are percent; None where the run was too short."""

    run_id: str
    kept_ns: int
    strategy: str
    instrument_id: str
    settle: str
    start_ns: int
    end_ns: int
    fills: int
    profit: Decimal
    profit_pct: Decimal | None
    hold_pct: Decimal | None
    drawdown_pct: Decimal | None
    sharpe: Decimal | None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A stored backtest, opened."""

    row: RunRow
    document: dict[str, Any]
    """As `backtest run --json` prints it."""
    equity: list[tuple[int, Decimal]]
    """(ts_ns, profit or loss), thinned to a few hundred points."""


class SettingRow(msgspec.Struct, frozen=True):
    name: str
    """`section.key`."""
    value: str
    source: str
    """`default`, or file and line."""


class Page(msgspec.Struct, frozen=True):
    """A page of the manual: Markdown."""

    name: str
    title: str
    text: str


class Shelf(Protocol):
    """May take a while and may be called in any thread. Raises PilothouseError."""

    def story(self, ident: str) -> Sequence[Told]:
        """Everything that happened to an order."""

    def runs(self, ident: str = "") -> Sequence[RunRow]:
        """Stored backtests, the newest first."""

    def run(self, ident: str) -> Run:
        """One of them, by its whole id."""

    def settings(self, ident: str = "") -> Sequence[SettingRow]:
        """What is in force, and where each value comes from."""

    def pages(self, ident: str = "") -> Sequence[Page]:
        """The manual, its index first."""


TOPICS = ("story", "runs", "run", "settings", "pages")


class Answer(msgspec.Struct, frozen=True):
    value: Any = None
    error: str = ""
    """Why there is none, in one line."""
    is_pending: bool = False


def answer_of(shelf: Shelf, topic: str, ident: str) -> Answer:
    """Ask the shelf. A face shows whatever goes wrong; it must not die of a damaged file."""
    try:
        return Answer(value=getattr(shelf, topic)(ident))
    except PilothouseError as error:
        return Answer(error=str(error))
    except Exception as error:  # noqa: BLE001
        return Answer(error=f"{topic} {ident}: {type(error).__name__}: {error}")


class Answers:
    """The answers a face has had, by topic and ident."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Answer] = {}

    def get(self, topic: str, ident: str = "") -> Answer:
        """Pending while nobody has asked, too: whoever shows it has asked or will."""
        return self._known.get((topic, ident), Answer(is_pending=True))

    def rows(self, topic: str, ident: str = "") -> Sequence[Any]:
        value = self.get(topic, ident).value
        return value if value is not None else ()

    def is_known(self, topic: str, ident: str = "") -> bool:
        return (topic, ident) in self._known

    def put(self, topic: str, ident: str, answer: Answer) -> None:
        """Keep an answer. Only the latest story and run stay: each may be long."""
        if ident:
            for key in [key for key in self._known if key[0] == topic and key[1] != ident]:
                del self._known[key]
        self._known[topic, ident] = answer
