"""The difference we send puts the same picture on a terminal as all that Textual would send."""

from __future__ import annotations

from io import StringIO
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from app.views.cells import Cell, Line, text_width
from tests.support.vt import Vt
from ui_tui.canvas import Canvas, Piece
from ui_tui.inside import Difference, spans_of
from ui_tui.look import Look

WIDTH, HEIGHT = 24, 5

colours = st.sampled_from(["", "#102030", "#ff0000", "red", "bright_cyan", "color(123)"])
styles = st.builds(
    lambda fg, bg, *marks: Style(
        color=fg or None,
        bgcolor=bg or None,
        **{name: on or None for name, on in zip(MARKS, marks, strict=True)},
    ),
    colours,
    colours,
    *[st.booleans()] * 6,
)
MARKS = ("bold", "dim", "italic", "underline", "reverse", "strike")
texts = st.text(st.sampled_from("  ab0.│▄▲é漢ｗ"), max_size=9)
segments = st.builds(lambda text, style: Segment(text, style), texts, st.none() | styles)


@st.composite
def strips(draw: st.DrawFn, width: int) -> Strip:
    return Strip(draw(st.lists(segments, max_size=5))).adjust_cell_length(width)


@st.composite
def updates(draw: st.DrawFn) -> LayoutUpdate | ChopsUpdate:
    """The whole screen, or some chops of some rows."""
    cuts = sorted({0, WIDTH, *draw(st.sets(st.integers(1, WIDTH - 1), max_size=2))})
    widths = [end - start for start, end in pairwise(cuts)]
    if draw(st.booleans()):
        rows = [[draw(strips(width)) for width in widths] for _ in range(HEIGHT)]
        return LayoutUpdate(list(rows), Region(0, 0, WIDTH, HEIGHT))
    chops: list[dict[int, Strip | None]] = [dict.fromkeys(cuts[:-1]) for _ in range(HEIGHT)]
    spans = []
    for row in sorted(draw(st.sets(st.integers(0, HEIGHT - 1), min_size=1))):
        chosen = draw(st.integers(0, len(widths) - 1))
        chops[row][cuts[chosen]] = draw(strips(widths[chosen]))
        spans.append((row, cuts[chosen], cuts[chosen + 1]))
    return ChopsUpdate(chops, spans, [cuts[1:]] * HEIGHT)


def console_of(colours: str) -> Console:
    return Console(file=StringIO(), force_terminal=True, color_system=colours, legacy_windows=False)  # type: ignore[arg-type]


@given(st.lists(updates(), max_size=6), st.sampled_from(["truecolor", "256", "standard"]))
@settings(max_examples=60, deadline=None)
def test_the_difference_gives_the_picture_that_textual_gives(
    frames: list[LayoutUpdate | ChopsUpdate], colour_system: str
) -> None:
    console, canvas = console_of(colour_system), Canvas()
    theirs, ours = Vt(WIDTH, HEIGHT), Vt(WIDTH, HEIGHT)
    for frame in frames:
        theirs.feed(frame.render_segments(console).encode())
        ours.feed(Difference(frame, canvas, (WIDTH, HEIGHT)).render_segments(console).encode())
        assert ours.seen() == theirs.seen()
    assert ours.unknown == theirs.unknown == []


@given(updates())
@settings(max_examples=30, deadline=None)
def test_the_same_frame_again_sends_nothing(frame: LayoutUpdate | ChopsUpdate) -> None:
    canvas = Canvas()

    def spans() -> list[tuple[int, int, list[Piece]]]:
        found = spans_of(frame, ColorSystem.TRUECOLOR)
        return [(row, first, list(pieces)) for row, first, pieces in found]

    canvas.frame((WIDTH, HEIGHT), spans())
    assert canvas.frame((WIDTH, HEIGHT), spans()) == ""


def test_a_forgotten_frame_is_sent_whole() -> None:
    canvas = Canvas()
    row = [(0, 0, [Piece("abc", "1;31")])]
    first = canvas.frame((3, 1), row)
    assert canvas.frame((3, 1), row) == ""
    canvas.forget()
    assert canvas.frame((3, 1), row) == first == "\x1b[1;31m\x1b[1Habc\x1b[m"


def test_only_what_differs_is_sent() -> None:
    canvas = Canvas()
    canvas.frame((20, 1), [(0, 0, [Piece("price 60,112.6 x 0.5")])])
    assert canvas.frame((20, 1), [(0, 0, [Piece("price 60,113.7 x 0.5")])]) == "\x1b[1;12H3.7"
    assert canvas.frame((20, 1), [(0, 0, [Piece("Price 60,113.7 x 0.6")])]) == "\x1b[1HP\x1b[18C6"


def test_pieces_of_one_style_are_sent_together() -> None:
    canvas = Canvas()
    canvas.frame((6, 1), [(0, 0, [Piece("aaaaaa")])])
    frame = canvas.frame(
        (6, 1), [(0, 0, [Piece("b", "31"), Piece("c", "32"), Piece("aaa"), Piece("b", "31")])]
    )
    assert frame == "\x1b[31m\x1b[1Hb\x1b[4Cb\x1b[32m\x1b[2Gc\x1b[m"


def test_a_blank_takes_any_letter_colour() -> None:
    canvas = Canvas()
    canvas.frame((4, 1), [(0, 0, [Piece("a  b", "31;40")])])
    assert canvas.frame((4, 1), [(0, 0, [Piece("a", "31;40"), Piece("  b", "31;40")])]) == ""
    assert (
        canvas.frame(
            (4, 1), [(0, 0, [Piece("a", "31;40"), Piece("  ", "32;40"), Piece("b", "31;40")])]
        )
        == ""
    )


def test_the_way_to_the_next_piece_is_the_shortest() -> None:
    canvas = Canvas()
    blank = [(row, 0, [Piece(" " * 30)]) for row in range(9)]
    canvas.frame((30, 9), blank)

    def column(at: int, *rows: int) -> list[tuple[int, int, list[Piece]]]:
        return [(row, at, [Piece("xx")]) for row in rows]

    assert canvas.frame((30, 9), column(10, 2, 3)) == "\x1b[3;11Hxx\x0b\b\bxx"
    assert canvas.frame((30, 9), column(20, 2, 8)) == "\x1b[3;21Hxx\x1b[6B\b\bxx"
    # From the last column only ways that do not depend on where exactly the cursor hangs.
    assert canvas.frame((30, 9), column(28, 1, 2)) == "\x1b[2;29Hxx\x0b\x1b[29Gxx"


@given(
    st.lists(
        st.tuples(
            st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.text("ab▲漢 ", max_size=6)
        ),
        max_size=30,
    )
)
@settings(deadline=None)
def test_every_way_leads_there(writes: list[tuple[int, int, str]]) -> None:
    """Short ways end where absolute ones do, on a terminal that does not wrap."""
    canvas, short, plain = Canvas(), Vt(WIDTH, HEIGHT), Vt(WIDTH, HEIGHT)
    for vt in (short, plain):
        vt.feed(b"\x1b[?7l")
    whole = [(row, 0, [Piece(" " * WIDTH)]) for row in range(HEIGHT)]
    short.feed(canvas.frame((WIDTH, HEIGHT), whole).encode())
    for row, column, text in writes:
        if text_width(text) > WIDTH - column:
            continue
        short.feed(canvas.frame((WIDTH, HEIGHT), [(row, column, [Piece(text)])]).encode())
        plain.feed(f"\x1b[{row + 1};{column + 1}H{text}".encode())
    assert short.seen() == plain.seen()
    assert not short.unknown


def test_what_was_laid_out_for_a_larger_terminal_is_cut() -> None:
    """A resize overtakes an update that was rendered before it: it ended the app."""
    canvas = Canvas()
    spans = [(0, 2, [Piece("abcdef")]), (0, 8, [Piece("beyond")]), (3, 0, [Piece("below")])]
    assert canvas.frame((4, 2), spans) == "\x1b[1;3Hab"


cells = st.builds(
    Cell,
    st.text(st.sampled_from("  ab0.▲漢\x00\n"), max_size=6),
    st.sampled_from(["text", "dim", "up", "bid/bid_bar", "alert", "strong/select"]),
)
lines = st.lists(cells, max_size=6).map(tuple)


@st.composite
def line_pairs(draw: st.DrawFn) -> tuple[Line, Line]:
    """Two lines that mostly agree at both ends, as two pictures of a row do."""
    head, tail = draw(lines), draw(lines)
    return (*head, *draw(lines), *tail), (*head, *draw(lines), *tail)


@given(line_pairs(), st.integers(1, WIDTH), st.booleans())
@settings(deadline=None)
def test_what_changed_in_a_line_is_all_that_has_to_be_drawn(
    pair: tuple[Line, Line], width: int, ascii_only: bool
) -> None:
    old, new = pair
    look = Look("colour-blind", ascii_only=ascii_only)

    def pieces(drawn: list[tuple[str, Style]]) -> list[Piece]:
        return [Piece(text, style.render("x").partition("m")[0][2:]) for text, style in drawn]

    part, whole = Canvas(), Canvas()
    terminals = Vt(WIDTH, 1), Vt(WIDTH, 1)
    column, drawn = look.difference(old, new, width)
    for vt, canvas, first, shown in (
        (terminals[0], part, column, drawn),
        (terminals[1], whole, 0, look.pieces(new, width)),
    ):
        before = [(0, 0, [Piece(" " * WIDTH)]), (0, 0, pieces(look.pieces(old, width)))]
        for spans in ([before[0]], [before[1]], [(0, first, pieces(shown))]):
            vt.feed(canvas.frame((WIDTH, 1), spans).encode())
    assert terminals[0].seen() == terminals[1].seen()
    assert sum(text_width(text) for text, _ in drawn) <= width - column
