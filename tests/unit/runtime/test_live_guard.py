"""The last look before events become durable."""

from __future__ import annotations

import pytest

from engine.domain import events as e
from engine.domain.commands import KillLevel
from engine.domain.errors import WorkFailed
from engine.runtime.live_guard import WriteGuard
from tests.support.builders import an_order


def kill(level: KillLevel) -> e.KillChanged:
    return e.KillChanged(ts_ns=1, level=level, by="test")


def intent(*, reduce_only: bool = False) -> e.OrderIntended:
    return e.OrderIntended(ts_ns=1, order=an_order(reduce_only=reduce_only))


def test_an_entry_under_the_switch_is_not_written_and_a_close_is() -> None:
    guard = WriteGuard()
    guard.check([intent()])
    guard.check([kill(KillLevel.NO_ENTRIES), intent(reduce_only=True)])
    with pytest.raises(WorkFailed, match="adds risk under the kill switch"):
        guard.check([intent()])
    guard.check([kill(KillLevel.NONE), intent()])


def test_a_switch_in_the_same_batch_counts_and_so_does_one_of_the_last_life() -> None:
    with pytest.raises(WorkFailed):
        WriteGuard().check([kill(KillLevel.CANCEL_ALL), intent()])
    guard = WriteGuard()
    guard.follow(kill(KillLevel.FLATTEN))
    with pytest.raises(WorkFailed):
        guard.check([intent()])
