"""The two lines that never scroll away: which world, which market, how old, how much.

What does not fit is left out by rank, so that mode, staleness and arming are always readable.
"""

from __future__ import annotations

from typing import NamedTuple

from app.service.session import RECONNECTING, SILENT, Standing
from app.views import format as fmt
from app.views.cells import Cell, Line, fit, line_width, spread
from app.views.glyphs import Glyphs
from app.views.linkview import dead_man_words, stage_words
from app.views.viewstate import ViewState, find_market, open_alerts
from engine.domain.commands import KillLevel
from engine.domain.snapshots import EngineSnapshot, LinkStage, Mode


class _Part(NamedTuple):
    rank: int
    """0: always; the highest rank goes first."""
    line: Line


def band_tone(snapshot: EngineSnapshot | None, is_armed: bool) -> str:
    """The tone of the first line: the mode's, so that paper and live cannot be confused."""
    mode = snapshot.mode if snapshot is not None else Mode.PAPER
    return f"band_{mode.value}"


def header_lines(
    view: ViewState, armed_s: int, width: int, glyphs: Glyphs, lag_ms: int | None = None
) -> list[Line]:
    """Mode, market and clock; below it the money, or what is badly wrong."""
    snapshot = view.snapshot
    band = band_tone(snapshot, view.is_armed)
    guard = Cell("!", "armed") if view.is_armed else Cell(" ", band)
    room = width - 2
    if snapshot is None:
        words = view.failure or "waiting for the engine"
        first = spread(
            (Cell(" PILOTHOUSE ", "mode_paper"), Cell(f"  {words}", band)), (), room, band
        )
        return [(guard, *first, guard), (Cell(" " * width, "text"),)]
    right = _right(view, snapshot, armed_s, width, band, lag_ms)
    left_room = room - line_width(right) - 1  # Or a change of price runs into `feed`.
    left = _fit_parts(_left_parts(view, snapshot, glyphs, band), left_room, band)
    first = (guard, *spread(left, right, room, band), guard)
    return [first, _second(view, snapshot, width, glyphs)]


def _fit_parts(parts: list[_Part], room: int, gap: str) -> Line:
    """The parts that fit, the highest ranks left out first, two spaces apart."""
    kept = list(parts)
    while kept and sum(line_width(p.line) + 2 for p in kept) - 2 > room:
        worst = max(kept, key=lambda part: part.rank)
        if worst.rank == 0:
            break
        kept.remove(worst)
    cells: list[Cell] = []
    for part in kept:
        if cells:
            cells.append(Cell("  ", gap))
        cells.extend(part.line)
    return tuple(cells)


def _left_parts(
    view: ViewState, snapshot: EngineSnapshot, glyphs: Glyphs, band: str
) -> list[_Part]:
    parts = [_Part(0, (Cell(f" {snapshot.mode.value.upper()} ", f"mode_{snapshot.mode.value}"),))]
    parts.append(_Part(4, (Cell(snapshot.profile, band),)))
    parts.append(_Part(5, (Cell(fit(snapshot.world, min(40, len(snapshot.world))), band),)))
    instrument = view.instrument
    market = find_market(snapshot, view.instrument_id)
    if instrument is not None and market is not None:
        parts.append(_Part(1, (Cell(instrument.symbol, f"{band}/bold"),)))
        if market.last_ticks:
            price = fmt.price(market.last_ticks, instrument)
            change = market.last_ticks - market.day_open_ticks if market.day_open_ticks else 0
            words = fmt.percent(change, market.day_open_ticks)
            arrow = fmt.arrow(market.last_side, glyphs)
            parts.append(_Part(0, (Cell(f"{price} {arrow}", f"{band}/bold"),)))
            parts.append(_Part(2, (Cell(words, band),)))
        if market.bids and market.asks:
            gap = fmt.price(market.asks[0][0] - market.bids[0][0], instrument)
            parts.append(_Part(6, (Cell(f"spread {gap}", band),)))
    return parts


def _right(
    view: ViewState,
    snapshot: EngineSnapshot,
    armed_s: int,
    width: int,
    band: str,
    lag_ms: int | None,
) -> Line:
    cells: list[Cell] = []
    if snapshot.has_ended:
        cells.append(Cell(" ENDED ", "warn_box"))
    elif view.is_stale:
        cells.append(Cell(f" STALE {fmt.age(view.feed_age_ms)} ", "alert"))
    else:
        cells.append(Cell(f"feed {fmt.age(view.feed_age_ms):>5}", band))
    if width >= 120 and snapshot.link is not None:
        cells.append(Cell(f"  {snapshot.link.stage.value}", band))
    elif width >= 120 and not snapshot.has_ended:
        pace = "max" if snapshot.speed == 0 else f"{snapshot.speed.normalize():f}x"
        cells.append(Cell(f"  speed {pace}", band))
    if width >= 120 and lag_ms is not None:
        cells.append(Cell(f"  tty {fmt.age(lag_ms):>5}", band))
    cells.append(Cell(f"  {fmt.clock(snapshot.ts_ns)}Z  ", band))
    if view.is_armed:
        cells.append(Cell(f"[ARMED {armed_s // 60}:{armed_s % 60:02d}]", "armed"))
    else:
        cells.append(Cell("[SAFE]", "safe"))
    return tuple(cells)


def failure_words(failure: str) -> str:
    """Why nothing here is live, without a claim of what becomes of the engine where nobody can
    know it."""
    if failure.startswith(SILENT):
        return f"NO ANSWER: {failure}"
    if failure.endswith(RECONNECTING):
        return f"NOT CONNECTED: {failure}"
    return f"ENGINE STOPPED: {failure}"


def _second(view: ViewState, snapshot: EngineSnapshot, width: int, glyphs: Glyphs) -> Line:
    if view.failure:
        return (Cell(fit(f" {failure_words(view.failure)}", width), "alert"),)
    alarms = (*_alarms(snapshot, width), *_company(view.standing))
    parts = _money_parts(snapshot, glyphs)
    if view.standing is not None and view.standing.others:
        also = ", ".join(face.rpartition(" ")[0] or face for face in view.standing.others)
        parts.append(_Part(7, (Cell("also here ", "dim"), Cell(also, "text"))))
    money = _fit_parts(parts, width - 2 - line_width(alarms), "text")
    return spread((Cell(" "), *money), alarms, width)


def _alarms(snapshot: EngineSnapshot, width: int) -> Line:
    """Kill switch, halt and the end of a recording, in words; the money beside them has room."""
    cells: list[Cell] = []
    if snapshot.kill is not KillLevel.NONE:
        level = snapshot.kill.name.replace("_", " ")
        cells.append(Cell(f" KILL: {level} ", "alert"))
    if snapshot.incidents:
        count = fmt.count(len(snapshot.incidents), "incident").upper()
        cells.append(Cell(f" {count} ", "alert"))
    waiting = len(open_alerts(snapshot))
    if waiting and snapshot.kill is KillLevel.NONE:
        cells.append(Cell(f" {fmt.count(waiting, 'alert')} ", "warn_box"))
    if snapshot.halted:
        cells.append(
            Cell(fit(f" HALTED: {snapshot.halted} ", min(44, len(snapshot.halted) + 10)), "alert")
        )
    elif snapshot.link is not None and snapshot.link.stage is not LinkStage.TRADING:
        words = f" NOT TRADING: {stage_words(snapshot.link)} "
        cells.append(Cell(fit(words, min(max(26, width // 3), len(words))), "warn_box"))
    if snapshot.has_ended:
        cells.append(Cell(" the recording has ended ", "warn_box"))
    return tuple(cells)


def _company(standing: Standing | None) -> Line:
    """Who may trade, where that is somebody else."""
    if standing is None or not standing.is_view_only:
        return ()
    return (Cell(f" VIEW ONLY: {standing.holder} trades ", "warn_box"),)


def _money_parts(snapshot: EngineSnapshot, glyphs: Glyphs) -> list[_Part]:
    settle = snapshot.settle
    parts = [
        _Part(
            0,
            (
                Cell("equity ", "dim"),
                Cell(fmt.money(snapshot.equity, settle), "strong"),
                Cell(f" {settle}", "dim"),
            ),
        )
    ]
    day = fmt.sign(snapshot.day_pnl, settle)
    share = fmt.percent(snapshot.day_pnl, snapshot.equity - snapshot.day_pnl)
    words = f"{fmt.arrow(day, glyphs)} {fmt.signed_money(snapshot.day_pnl, settle)}"
    parts.append(_Part(0, (Cell("day ", "dim"), Cell(words, fmt.tone_of(day)))))
    if share:
        parts.append(_Part(5, (Cell(share, fmt.tone_of(day)),)))
    for rank, name, amount in (
        (2, "uPnL", snapshot.unrealised),
        (3, "rPnL", snapshot.realised),
        (1, "fees", -snapshot.fees),
        (4, "funding", -snapshot.funding),
    ):
        tone = fmt.tone_of(fmt.sign(amount, settle)) if name.endswith("PnL") else "text"
        parts.append(
            _Part(rank, (Cell(f"{name} ", "dim"), Cell(fmt.signed_money(amount, settle), tone)))
        )
    parts.append(_Part(6, (Cell("orders ", "dim"), Cell(str(len(snapshot.orders))))))
    if snapshot.link is not None:
        words = dead_man_words(snapshot.link)
        is_safe = words == "venue timer"
        tone = "text" if is_safe else "warn"
        # Where nothing takes the orders off if this machine dies, that is worth more than a sum.
        parts.append(_Part(8 if is_safe else 2, (Cell("dead man ", "dim"), Cell(words, tone))))
    return parts


def title(snapshot: EngineSnapshot | None, profile: str) -> str:
    """For the terminal's title bar: the mode first."""
    if snapshot is None:
        return f"Pilothouse {profile}".strip()
    return f"{snapshot.mode.value.upper()} {snapshot.profile} - Pilothouse"
