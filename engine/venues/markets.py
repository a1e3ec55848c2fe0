"""The venue's markets, remembered on disk: what may be traded, by which rules, and how old that is.

    markets = Markets(folder, "binance_spot", fetch_rules, clock)
    rules = await markets.get(["BTCUSDT"])      # by symbol; unknown ones are left out
    markets.doubt()                             # an order broke a filter: the next `get` asks

A start with a fresh file asks the venue nothing. With an old one, and a venue that does not answer,
the old rules are used and `age_ns` says how old: filters change seldom, and an order that breaks a
new one is refused by the venue.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from engine.core.clock import NS_PER_SECOND, Clock
from engine.domain.errors import BadInput
from engine.ports.live import VenueFault
from engine.venues.rules import MarketRules

log = logging.getLogger(__name__)

Fetch = Callable[[Sequence[str]], Awaitable[Mapping[str, MarketRules]]]
"""Asks the venue for the rules of some symbols."""

RELOAD_NS = 3600 * NS_PER_SECOND
USABLE_NS = 7 * 24 * 3600 * NS_PER_SECOND
"""Older rules are not used, not even when the venue does not answer."""
DOUBT_NS_MIN = 60 * NS_PER_SECOND
"""A filter error asks for a reload, but no more often."""
FILE_BYTES_MAX = 64 << 20
FORMAT = 1


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    loaded_ns: int
    """Wall time."""
    rules: MarketRules


class _File(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    venue: str
    markets: dict[str, _Entry]


class Markets:
    """Belongs to one event loop."""

    def __init__(self, folder: Path | None, venue: str, fetch: Fetch, clock: Clock) -> None:
        """`folder` may not exist yet; None: nothing is kept on disk."""
        self.venue = venue
        self._path = None if folder is None else folder / f"markets-{venue}.json"
        self._fetch = fetch
        self._clock = clock
        self._known: dict[str, _Entry] | None = None
        self._is_doubted = False
        self._tried_mono_ns: int | None = None

    # -- what is known -------------------------------------------------------------------------

    async def get(self, symbols: Sequence[str]) -> Mapping[str, MarketRules]:
        """From memory or disk while that is fresh, else from the venue. VenueFault when it does
        not answer and what is known is missing or too old."""
        known = self._entries()
        old = [symbol for symbol in symbols if not self._is_fresh(known.get(symbol))]
        if old:
            try:
                await self._load(old)
            except VenueFault as fault:
                if not all(self._is_usable(known.get(symbol)) for symbol in old):
                    raise
                log.warning(
                    "%s: markets are %d s old and the venue does not tell: %s",
                    self.venue,
                    self.age_ns(symbols) // NS_PER_SECOND,
                    fault.words,
                )
        return {symbol: known[symbol].rules for symbol in symbols if symbol in known}

    def age_ns(self, symbols: Iterable[str]) -> int:
        """Of the oldest of them; 0 for none."""
        known, now_ns = self._entries(), self._clock.now_ns()
        return max(
            (abs(now_ns - known[one].loaded_ns) for one in symbols if one in known), default=0
        )

    # -- keeping it fresh ----------------------------------------------------------------------

    def doubt(self) -> None:
        """The venue has refused an order by a rule that ours do not have. What is known is asked
        for anew, but not twice within a minute."""
        now_ns = self._clock.monotonic_ns()
        if self._tried_mono_ns is None or now_ns - self._tried_mono_ns >= DOUBT_NS_MIN:
            self._is_doubted = True

    async def _load(self, symbols: Sequence[str]) -> None:
        self._tried_mono_ns = self._clock.monotonic_ns()
        found = await self._fetch(symbols)
        known, now_ns = self._entries(), self._clock.now_ns()
        for symbol in symbols:
            rules = found.get(symbol)
            if rules is not None:
                known[symbol] = _Entry(loaded_ns=now_ns, rules=rules)
            elif symbol in known:  # Delisted: it must not look as if it traded.
                gone = msgspec.structs.replace(
                    known[symbol].rules, is_trading=False, status="not listed any more"
                )
                known[symbol] = _Entry(loaded_ns=now_ns, rules=gone)
        self._is_doubted = False
        self._write()

    def _is_fresh(self, entry: _Entry | None) -> bool:
        return entry is not None and self._age_ns(entry) < RELOAD_NS and not self._is_doubted

    def _is_usable(self, entry: _Entry | None) -> bool:
        return entry is not None and self._age_ns(entry) < USABLE_NS

    def _age_ns(self, entry: _Entry) -> int:
        # A file from the future is as good as one that is as old: the clock was stepped.
        return abs(self._clock.now_ns() - entry.loaded_ns)

    # -- the file ------------------------------------------------------------------------------

    def _entries(self) -> dict[str, _Entry]:
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> dict[str, _Entry]:
        """A file that cannot be read is as good as none: the venue is asked."""
        if self._path is None:
            return {}
        try:
            if self._path.stat().st_size > FILE_BYTES_MAX:
                raise ValueError(f"more than {FILE_BYTES_MAX} bytes")
            found = msgspec.json.decode(self._path.read_bytes(), type=_File)
            if found.format != FORMAT or found.venue != self.venue:
                raise ValueError(f"is for {found.venue}, format {found.format}")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, msgspec.DecodeError, BadInput) as error:
            log.warning("%s: %s: loading anew", self._path, error)
            return {}
        return found.markets

    def _write(self) -> None:
        """Whole or not at all. A cache that cannot be kept costs the next start a question."""
        if self._path is None:
            return
        content = msgspec.json.encode(
            _File(format=FORMAT, venue=self.venue, markets=self._entries())
        )
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.write_bytes(content)
            os.replace(part, self._path)
        except OSError as error:
            log.warning("%s: %s: markets are not remembered", self._path, error)
