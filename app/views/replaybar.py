"""The time line of a replay: where it stands, how fast it runs, where own fills lie."""

from __future__ import annotations

from decimal import Decimal

from app.views import format as fmt
from app.views.cells import Cell, Line
from app.views.glyphs import Glyphs
from engine.domain import replay as w
from engine.domain.money import plain
from engine.domain.snapshots import EngineSnapshot, ReplaySnapshot

SPEEDS = tuple(
    Decimal(text)
    for text in ["0.1", "0.5", "1", "2", "5", "10", "20", "50", "100", "200", "500", "1000"]
)
STEP_NS = 10_000_000_000
BAR_NS = 60_000_000_000


def replay_line(snapshot: EngineSnapshot, width: int, glyphs: Glyphs) -> Line:
    """One line: state and speed, the slider with own fills on it, and the times."""
    replay = snapshot.replay
    assert replay is not None, snapshot.mode
    head = f" {_state(snapshot, replay, glyphs)} {plain(snapshot.speed)}x "
    tail = f" {fmt.clock(snapshot.ts_ns, 1)} of {fmt.clock(replay.end_ns)} "
    room = max(1, width - len(head) - len(tail))
    return (
        Cell(head, "mode_replay"),
        *_slider(snapshot.ts_ns, replay, room, glyphs),
        Cell(tail, "mode_replay"),
    )


def _state(snapshot: EngineSnapshot, replay: ReplaySnapshot, glyphs: Glyphs) -> str:
    if replay.is_seeking:
        return "seeking"
    if snapshot.has_ended:
        return "at the end"
    return "playing" if replay.is_playing else "standing"


def _slider(now_ns: int, replay: ReplaySnapshot, width: int, glyphs: Glyphs) -> list[Cell]:
    at = _column(now_ns, replay, width)
    marks = {_column(ts_ns, replay, width) for ts_ns in replay.fills_ns}
    cells = []
    for column in range(width):
        if column == at:
            cells.append(Cell(glyphs.thumb, "mode_replay"))
        elif column in marks:
            cells.append(Cell(glyphs.mark, "band_replay/bold"))
        else:
            cells.append(Cell(glyphs.rule, "band_replay"))
    return _joined(cells)


def _column(ts_ns: int, replay: ReplaySnapshot, width: int) -> int:
    span_ns = max(1, replay.end_ns - replay.start_ns)
    return min(width - 1, max(0, (ts_ns - replay.start_ns) * width // span_ns))


def _joined(cells: list[Cell]) -> list[Cell]:
    """Neighbours of one tone as one cell."""
    found: list[Cell] = []
    for cell in cells:
        if found and found[-1].tone == cell.tone:
            found[-1] = Cell(found[-1].text + cell.text, cell.tone)
        else:
            found.append(cell)
    return found


def wish_of(action_id: str, snapshot: EngineSnapshot) -> w.AnyReplayWish | None:
    """What an action asks of the replay."""
    replay = snapshot.replay
    assert replay is not None, snapshot.mode
    now_ns = snapshot.ts_ns
    match action_id:
        case "replay_toggle":
            return w.TogglePlay()
        case "replay_step":
            return w.StepEvent()
        case "replay_back":
            return w.StepEvent(forward=False)
        case "replay_faster":
            return w.SetSpeed(speed=next((s for s in SPEEDS if s > snapshot.speed), SPEEDS[-1]))
        case "replay_slower":
            slower = [speed for speed in SPEEDS if speed < snapshot.speed]
            return w.SetSpeed(speed=slower[-1] if slower else SPEEDS[0])
        case "replay_left":
            return w.Seek(ts_ns=now_ns - STEP_NS)
        case "replay_right":
            return w.Seek(ts_ns=now_ns + STEP_NS)
        case "replay_bar_back":
            return w.Seek(ts_ns=(now_ns - 1) // BAR_NS * BAR_NS)
        case "replay_bar_next":
            return w.Seek(ts_ns=(now_ns // BAR_NS + 1) * BAR_NS)
        case "replay_start":
            return w.Seek(ts_ns=replay.start_ns)
        case "replay_end":
            return w.Seek(ts_ns=replay.end_ns)
        case "replay_fill_next":
            return w.SeekFill()
        case "replay_fill_prev":
            return w.SeekFill(forward=False)
        case "replay_fork":
            return w.Fork()
    return None
