"""The tool that breaks a build breaks it for the time of its block, and says when it cannot."""

from __future__ import annotations

import pytest

from engine.domain.instrument import Instrument
from engine.store import database
from tests.simulation.mutation import all_of, edited, replaced
from tests.support.builders import linear


def test_one_line_is_changed_and_comes_back() -> None:
    instrument = linear()
    with edited(Instrument.value_units, "return lots * ticks", "return lots * ticks + 1"):
        assert instrument.value_units(2, 3) == 7
    assert instrument.value_units(2, 3) == 6


def test_a_text_that_is_gone_is_an_error() -> None:
    with (
        pytest.raises(AssertionError, match="0 times: mend the list"),
        edited(Instrument.value_units, "return what was here once", "return 0"),
    ):
        pass


def test_values_come_back_after_an_error() -> None:
    careless = database.LEDGER._replace(synchronous="NORMAL")

    def fail() -> None:
        with all_of(replaced(database, "LEDGER", careless)):
            assert database.LEDGER.synchronous == "NORMAL"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert database.LEDGER.synchronous == "FULL"
