"""How venues differ, as data. The defaults are what is safe with a venue nobody has studied."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from engine.ports.live import DeadMan, FaultKind
from engine.ports.venue import VenueAbilities


class Road(enum.StrEnum):
    """Which code speaks to the venue."""

    BINANCE_SPOT = "binance_spot"
    BINANCE_USDM = "binance_usdm"
    UNIFIED = "unified"
    """ccxt's unified methods: every exchange that has no road of its own."""


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """One venue. What is not given is assumed to its disadvantage: no answer is a definite
    refusal, nothing rests or is cancelled by the venue itself, and orders are polled."""

    venue: str
    """Our name, the first part of its instrument ids."""
    ccxt_id: str
    road: Road = Road.UNIFIED
    ccxt_options: Mapping[str, object] = {}
    """Over ccxt's own `options`."""

    receive_window_ms: int = 60_000
    """How long after its timestamp the venue may still accept a request. Without a window of its
    own: how long a request may linger on the way."""
    sends_receive_window: bool = False

    # -- what an error code means ----------------------------------------------------------
    rejects: Mapping[str, FaultKind] = {}
    """Codes that prove that nothing was done. A code that is not here proves nothing."""
    faults: Mapping[str, FaultKind] = {}
    """Other codes we know: they say what is wrong, not whether the order lives."""
    already_there: Mapping[str, str] = {}
    """Codes, and a word of the message ("" for any), that mean: this client order id exists. Such
    an answer is no refusal, whatever `rejects` says: the order that exists may be this one."""
    not_working: frozenset[str] = frozenset()
    """Codes by which the venue says that it knows no such working order."""

    filter_codes: frozenset[str] = frozenset()
    """Codes by which an order broke one of the instrument's rules: they may have changed."""
    order_limits: frozenset[str] = frozenset()
    """Codes of a 429 that refuses an account's order, and says nothing of this address."""
    proves_limits: bool = False
    """Its 429 and 418 are answers of its own door, and prove that nothing came in."""

    # -- abilities -------------------------------------------------------------------------
    abilities: VenueAbilities = VenueAbilities(
        has_stop=False, has_reduce_only=False, shows_own_orders=True
    )
    dead_man: DeadMan = DeadMan.NOTHING
    has_positions: bool = False

    fee_assets: tuple[str, ...] = ()
    """Assets of the venue's own in which fees may be paid."""

    # -- streams ---------------------------------------------------------------------------
    has_user_stream: bool = False
    ws_ping_s: float = 12.0
    """How often the socket is pinged: a half-open link is noticed after two and a half of it."""

    # -- sizes of pages --------------------------------------------------------------------
    trades_page: int = 500
    trades_window_s: int = 0
    """The longest time range that one question for trades may span; 0: any."""

    def __post_init__(self) -> None:
        both = set(self.rejects) & set(self.faults)
        assert not both, f"{self.venue}: codes that are definite and not: {sorted(both)}"
