"""The time line of a replay: where it stands, how fast it runs, where own fills lie."""

from __future__ import annotations

from app.views import format as fmt
from app.views.cells import Cell, Line
from app.views.glyphs import Glyphs
from engine.domain import replay as w
from engine.domain.money import plain
from engine.domain.snapshots import EngineSnapshot, ReplaySnapshot

STEP_NS = 10_000_000_000


HEAD_WIDTH = len(" at the end 1000x ")
TAIL_WIDTH = len(" 00:00:00.0 of 00:00:00.0 ")


def replay_line(snapshot: EngineSnapshot, width: int, glyphs: Glyphs) -> Line:
    """One line: state and speed, the slider with own fills on it, and the times. The slider stays
    where it is, whatever the state."""
    replay = snapshot.replay
    assert replay is not None, snapshot.mode
    head = f" {_state(snapshot, replay):<10} {plain(snapshot.speed) + 'x':>5} "
    return (
        Cell(head, "mode_replay"),
        *_slider(snapshot.ts_ns, replay, _slider_width(width), glyphs),
        Cell(f" {_times(snapshot.ts_ns, replay):>{TAIL_WIDTH - 2}} ", "mode_replay"),
    )


def instant_at(snapshot: EngineSnapshot, column: int, width: int) -> int | None:
    """The instant at `column` of the line; None beside the slider."""
    replay, room, at = snapshot.replay, _slider_width(width), column - HEAD_WIDTH
    if replay is None or not 0 <= at < room:
        return None
    if at == room - 1:
        return replay.end_ns
    return replay.start_ns + (replay.end_ns - replay.start_ns) * at // room


def _slider_width(width: int) -> int:
    return max(1, width - HEAD_WIDTH - TAIL_WIDTH)


def _times(now_ns: int, replay: ReplaySnapshot) -> str:
    if replay.is_seeking:
        where = fmt.clock(replay.aim_ns, 1) if replay.aim_ns else "next fill"
        return f"to {where}, Esc stops"
    return f"{fmt.clock(now_ns, 1)} of {fmt.clock(replay.end_ns, 1)}"


def _state(snapshot: EngineSnapshot, replay: ReplaySnapshot) -> str:
    if replay.is_seeking:
        return "seeking"
    if snapshot.has_ended:
        return "at the end"
    if replay.is_late:
        return "behind"
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
    match action_id:
        case "replay_toggle":
            return w.TogglePlay()
        case "replay_step":
            return w.StepEvent()
        case "replay_back":
            return w.StepEvent(forward=False)
        case "replay_faster":
            return w.ChangeSpeed()
        case "replay_slower":
            return w.ChangeSpeed(faster=False)
        case "replay_left":
            return w.SeekBy(by_ns=-STEP_NS)
        case "replay_right":
            return w.SeekBy(by_ns=STEP_NS)
        case "replay_bar_back":
            return w.SeekBar(forward=False)
        case "replay_bar_next":
            return w.SeekBar()
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
