"""The shelf beside an engine on this machine: its ledger, the results file, settings, the manual.

Everything is imported where it is used: a face that never opens a backtest never loads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app import paths
from app.views.shelf import Page, Run, RunRow, SettingRow, Told
from engine.domain.errors import BadInput, ConfigError

if TYPE_CHECKING:
    from engine.store.results import Listed

_POINTS = 240
"""Of an equity curve: more than any terminal has columns."""
Afar = Callable[[str], Sequence[tuple[int, str]]]
"""Asks an engine on another machine for the story of an order: (ts_ns, sentence)."""


class FileShelf:
    """Implements `app.views.shelf.Shelf`. With `afar` the engine is on another machine, and its
    ledger with it."""

    def __init__(self, profile: str, afar: Afar | None = None) -> None:
        self._profile = profile
        self._afar = afar

    def story(self, ident: str) -> Sequence[Told]:
        if self._afar is not None:
            return [Told(ts_ns, text) for ts_ns, text in self._afar(ident)]
        from app.views.story import order_story
        from engine.store import history

        for ledger in paths.locate().ledgers(self._profile):
            events = [row.event for row in history.order_events(ledger, ident)]
            if events:
                sentences = order_story(events, history.instruments(ledger))
                return [Told(one.ts_ns, one.text) for one in sentences]
        raise BadInput("order", ident, f"no ledger of profile {self._profile} knows it yet")

    def runs(self, ident: str = "") -> Sequence[RunRow]:
        from engine.store import results

        return [_run_row(one) for one in results.listed(_results_file())]

    def run(self, ident: str) -> Run:
        from engine.store import results

        path = _results_file()
        listed = next((one for one in results.listed(path) if one.run_id == ident), None)
        if listed is None:
            raise BadInput("backtest", ident[: results.SHORT_ID], "it is gone: read the list again")
        stored = results.load(path, ident)
        step = -(-len(stored.equity) // _POINTS) or 1
        points = [(one.ts_ns, one.profit) for one in stored.equity[::-1][::step][::-1]]
        return Run(row=_run_row(listed), document=_document(listed.document), equity=points)

    def settings(self, ident: str = "") -> Sequence[SettingRow]:
        from app.settings import SCHEMA, load

        loaded = load()
        rows = []
        for section in SCHEMA:
            values = msgspec.structs.asdict(getattr(loaded.settings, section))
            for key, value in values.items():
                name = f"{section}.{key}"
                source = loaded.sources.get(name, "default")
                rows.append(SettingRow(name, _setting_words(value), source))
        return [*rows, *self._venue_keys()]

    def _venue_keys(self) -> list[SettingRow]:
        """Which venues have a key, and where it is kept: never the key."""
        from app.secrets import index

        if self._afar is not None:
            return [SettingRow("key", "on the other machine", "pilothouse keys list, there")]
        path = index.path_of(paths.locate(), self._profile)
        try:
            entries = index.read(path)
        except ConfigError as error:
            return [SettingRow("key", "unreadable", str(error))]
        return [
            SettingRow(f"key.{entry.venue}", entry.fingerprint, f"in the {entry.store} store")
            for entry in entries
        ]

    def pages(self, ident: str = "") -> Sequence[Page]:
        folder = resources.files("resources") / "docs"
        texts = {
            item.name.removesuffix(".md"): item.read_text("utf-8")
            for item in folder.iterdir()
            if item.name.endswith(".md")
        }
        named = [name for name in _linked(texts.get("index", "")) if name in texts]
        rest = sorted(set(texts) - set(named) - {"index"})
        return [Page(name, _title(texts[name], name), texts[name]) for name in (*named, *rest)]


def files_words(places: paths.Paths, keymap: Path | None) -> str:
    """Where a person changes settings and keys, as a sentence."""
    keys = keymap or places.config / "keymap.toml"
    named = "" if keymap else " (name it as keymap in [ui])"
    return f"settings: {places.settings_file}   keys: {keys}{named}   both are read at start"


def _results_file() -> Path:
    return paths.locate().data / "backtests.db"


def _document(data: bytes) -> dict[str, Any]:
    decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
    return decoder.decode(data)


def _run_row(listed: Listed) -> RunRow:
    document = _document(listed.document)
    metrics = document.get("metrics", {})
    return RunRow(
        run_id=listed.run_id,
        kept_ns=listed.saved_ns,
        strategy=document["strategy"],
        instrument_id=document["instrument"],
        settle=document["settle"],
        start_ns=document["start_ns"],
        end_ns=document["end_ns"],
        fills=document["fills"],
        profit=Decimal(document["equity"]),
        profit_pct=_figure(metrics, "profit_pct"),
        hold_pct=_figure(metrics, "market_return_pct"),
        drawdown_pct=_figure(metrics, "max_drawdown_pct"),
        sharpe=_figure(metrics, "sharpe"),
    )


def _figure(figures: dict[str, Any], name: str) -> Decimal | None:
    value = figures.get(name)
    return None if value is None else Decimal(value)


def _setting_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _linked(index: str) -> Iterator[str]:
    """Names of the pages that the index links to, in its order."""
    for piece in index.split("](")[1:]:
        target = piece.partition(")")[0]
        if target.endswith(".md"):
            yield target.removesuffix(".md")


def _title(text: str, name: str) -> str:
    first = text.lstrip().partition("\n")[0]
    return first.lstrip("# ").strip() or name
