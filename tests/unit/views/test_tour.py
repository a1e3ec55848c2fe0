"""The tour notices what the engine has done, in its order."""

from app.views.keymap import load_keymap
from app.views.tour import HINTS, ROWS, STEPS, Tour
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.domain.order import Side
from engine.domain.snapshots import ReceiptSnapshot
from tests.support.session import MID, FakeSession, a_bot, a_fill, a_snapshot, a_working_order


def a_receipt(command_id: str, name: str, refused: str = "") -> ReceiptSnapshot:
    return ReceiptSnapshot(command_id=command_id, name=name, refused=refused)


def test_five_steps_and_the_way_out() -> None:
    session = FakeSession(a_snapshot())
    tour = Tour()

    def see(**changes: object) -> bool:
        """Two pictures: the first of a step only says what was there before."""
        tour.watch(session.publish())
        return tour.watch(session.publish(**changes))

    mine = a_working_order("mine", Side.BUY, MID - 20, bot_id="manual", placed_by="human")
    assert not see()
    assert see(orders=[mine])
    assert not see(receipts=[a_receipt("a", "MoveOrder", "too late")]), "a refusal is no move"
    assert see(receipts=[a_receipt("a", "MoveOrder", "too late"), a_receipt("b", "MoveOrder")])
    assert not see(), "the move before this step does not count as its cancel"
    assert see(orders=[], receipts=[a_receipt("c", "CancelOrder")])
    assert see(bots=[a_bot("grid", helm=Helm.MANUAL)])
    assert see(kill=KillLevel.CANCEL_ALL)
    assert not tour.is_over
    assert see(kill=KillLevel.NONE)
    assert not see(bots=[a_bot("grid", helm=Helm.PAUSED)]), "given back, and still paused"
    assert see(bots=[a_bot("grid")])
    assert tour.is_over
    assert tour.lines(load_keymap(), 80) == []


def test_an_order_that_fills_at_once_is_told_and_asked_for_again() -> None:
    session = FakeSession(a_snapshot(fills=[]))
    tour = Tour()
    tour.watch(session.publish())
    assert not tour.watch(session.publish(fills=[a_fill(1, 1, MID, bot_id="grid")]))
    assert "filled at once" not in shown(tour), "a bot's fill is none of theirs"
    assert not tour.watch(session.publish(fills=[a_fill(2, 1, MID, bot_id="manual")]))
    assert "That one filled at once" in shown(tour)
    mine = a_working_order("mine", Side.BUY, MID - 20, bot_id="manual", placed_by="human")
    assert tour.watch(session.publish(orders=[mine]))
    assert "filled" not in shown(tour)
    tour.watch(session.publish())
    fills = [a_fill(2, 1, MID, bot_id="manual"), a_fill(3, 1, MID, bot_id="manual")]
    assert not tour.watch(session.publish(orders=[], fills=fills))
    assert "filled meanwhile" in shown(tour)


def test_an_order_that_was_cancelled_is_not_called_filled() -> None:
    mine = a_working_order("mine", Side.BUY, MID - 20, bot_id="manual", placed_by="human")
    session = FakeSession(a_snapshot(fills=[]))
    tour = Tour()
    tour.watch(session.publish())
    assert tour.watch(session.publish(orders=[mine]))
    tour.watch(session.publish())
    assert not tour.watch(session.publish(orders=[]))
    assert "filled" not in shown(tour)
    assert "Yours is gone" in shown(tour)


def test_a_kill_out_of_turn_is_told_the_way_out() -> None:
    session = FakeSession(a_snapshot())
    tour = Tour()
    tour.watch(session.publish())
    assert not tour.watch(session.publish(kill=KillLevel.CANCEL_ALL))
    assert "1 of 5" in shown(tour)
    assert "The kill switch is on: Ctrl+P, type reset" in shown(tour)
    assert not tour.watch(session.publish(kill=KillLevel.NONE))
    assert "kill switch" not in shown(tour)


def test_an_order_in_a_book_that_was_taken_counts_as_theirs() -> None:
    taken = [a_bot("grid", helm=Helm.MANUAL)]
    session = FakeSession(a_snapshot(fills=[], bots=taken))
    tour = Tour()
    tour.watch(session.publish())
    assert not tour.watch(session.publish(fills=[a_fill(1, 1, MID, bot_id="grid")]))
    assert "That one filled at once" in shown(tour)


def shown(tour: Tour) -> str:
    lines = tour.lines(load_keymap(), 80)
    return "\n".join("".join(cell.text for cell in line) for line in lines)


def test_orders_that_were_there_before_do_not_count() -> None:
    mine = a_working_order("old", Side.BUY, MID - 20, bot_id="manual", placed_by="human")
    session = FakeSession(a_snapshot(orders=[mine]))
    tour = Tour()
    assert not tour.watch(session.publish())
    assert not tour.watch(session.publish())


def test_every_step_fits_eighty_columns_and_names_keys_that_exist() -> None:
    keymap = load_keymap()
    tour = Tour()
    for step in range(len(STEPS)):
        tour.step = step
        for hint in ("", *HINTS):
            tour._hint = hint
            assert all(sum(len(cell.text) for cell in row) == 80 for row in tour.lines(keymap, 80))
        tour._hint = ""
        lines = tour.lines(keymap, 80)
        assert len(lines) == ROWS
        for line in lines:
            assert sum(len(cell.text) for cell in line) == 80, line
            assert all(cell.text.strip() for cell in line if cell.tone == "key"), line
