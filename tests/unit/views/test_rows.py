"""Snapshots as rows and tables."""

from decimal import Decimal

import pytest

from app.views import columns as tables
from app.views.cells import line_width
from app.views.glyphs import ASCII, UNICODE
from app.views.lists import first_row, log_line, risk_line, table_lines
from app.views.rows import (
    bot_rows,
    fill_rows,
    limit_rows,
    log_rows,
    order_rows,
    position_rows,
    tape_rows,
)
from engine.domain.events import Helm
from engine.domain.order import OrderStatus, Pending, Side
from engine.domain.snapshots import TapeRow
from tests.support.builders import linear
from tests.support.session import (
    MID,
    START_NS,
    a_bot,
    a_limit,
    a_log,
    a_market,
    a_position,
    a_snapshot,
    a_working_order,
)

SNAPSHOT = a_snapshot()
TABLES = {
    "bots": (tables.BOTS, bot_rows(SNAPSHOT, "grid")),
    "orders": (tables.ORDERS, order_rows(SNAPSHOT, "b1")),
    "fills": (tables.FILLS, fill_rows(SNAPSHOT)),
    "positions": (tables.POSITIONS, position_rows(SNAPSHOT)),
    "limits": (tables.LIMITS, limit_rows(SNAPSHOT.limits)),
    "tape": (tables.TAPE, tape_rows(a_market(), linear(), 10)),
}


def shown(name: str, width: int) -> list[str]:
    table, rows = TABLES[name]
    lines = table_lines(table, rows, width, 12, UNICODE)  # type: ignore[arg-type]
    return ["".join(cell.text for cell in line) for line in lines]


@pytest.mark.parametrize("name", list(TABLES))
@pytest.mark.parametrize("width", [30, 45, 78, 110, 158])
def test_all_lines_of_a_table_are_equally_wide(name: str, width: int) -> None:
    table, rows = TABLES[name]
    for glyphs in (UNICODE, ASCII):
        lines = table_lines(table, rows, width, 12, glyphs)  # type: ignore[arg-type]
        assert len({line_width(line) for line in lines}) == 1
        assert line_width(lines[0]) <= max(width, 31)


def test_narrow_tables_keep_what_matters() -> None:
    assert "+77.90" in shown("bots", 32)[1]
    assert "AUTO" in shown("bots", 32)[1]
    assert "last action" not in shown("bots", 32)[0]


def test_orders_read_like_the_ladder() -> None:
    prices = [row.spec.price_ticks for row in order_rows(SNAPSHOT, "")]
    assert prices == sorted(prices, reverse=True)


def test_what_is_under_way_is_said() -> None:
    orders = [
        a_working_order("p", Side.BUY, MID, pending=Pending.PLACING, status=OrderStatus.INTENT),
        a_working_order("u", Side.BUY, MID - 1, pending=Pending.UNKNOWN),
        a_working_order("c", Side.BUY, MID - 2, pending=Pending.CANCELLING),
        a_working_order("f", Side.BUY, MID - 3, 10, status=OrderStatus.PARTIAL, filled_lots=4),
    ]
    lines = table_lines(tables.ORDERS, order_rows(a_snapshot(orders=orders), ""), 110, 9, UNICODE)
    text = ["".join(cell.text for cell in line) for line in lines[1:]]
    for line, word in zip(text, ("placing", "unknown", "cancelling", "part 40%"), strict=True):
        assert word in line


def test_a_persons_things_stand_out() -> None:
    snapshot = a_snapshot(
        bots=[a_bot("grid", helm=Helm.MANUAL)],
        positions=[a_position("grid", 3), a_position("manual", -2)],
    )
    owners = {row.owner for row in position_rows(snapshot)}
    assert owners == {("grid", "helm_manual"), ("MANUAL", "helm_manual")}


def test_open_positions_come_first() -> None:
    snapshot = a_snapshot(positions=[a_position("flat", 0), a_position("grid", 3)])
    assert [row.lots for row in position_rows(snapshot)] == [3, 0]


def test_the_error_of_a_bot_comes_before_its_last_action() -> None:
    (row,) = bot_rows(a_snapshot(bots=[a_bot(error="ZeroDivisionError", last_action="x")]), "")
    assert row.action == ("ZeroDivisionError", "alert_text")


def test_prints_of_one_price_and_second_are_added_up() -> None:
    tape = [TapeRow(START_NS + at, MID, 2, 1) for at in range(4)] + [TapeRow(START_NS, MID, 5, -1)]
    rows = tape_rows(a_market(tape=tape), linear(), 10)
    assert [(row.side, row.lots, row.count) for row in rows] == [(-1, 5, 1), (1, 8, 4)]


def test_limits_warn_before_they_are_reached() -> None:
    limits = [
        a_limit("daily_loss", used, "100", "USDT", is_tripped=tripped)
        for used, tripped in (("10", False), ("70", False), ("100", False), ("30", True))
    ]
    rows = limit_rows(limits)
    assert [row.tone for row in rows] == ["gauge", "warn", "alert_text", "alert_text"]
    assert "REACHED" in rows[3].words
    assert line_width(risk_line(rows, 78, UNICODE)) <= 81


def test_own_lines_are_put_in_their_place() -> None:
    own = a_log(10, "REFUSED", "alert", "you")
    seqs = [row.seq for row in log_rows(SNAPSHOT, [own])]
    assert seqs == [14, 10, 9, 3, 2, 1]


def test_a_log_line_fits() -> None:
    assert line_width(log_line(a_log(1, "x" * 300), 78)) == 78
    assert line_width(log_line(a_log(1, "x"), 78)) <= 78


@pytest.mark.parametrize(
    ("count", "selected", "first"), [(5, 4, 0), (30, 0, 0), (30, 15, 10), (30, 29, 20)]
)
def test_the_selected_row_stays_in_sight(count: int, selected: int, first: int) -> None:
    assert first_row(count, selected, 10) == first
    assert Decimal(first) <= selected
