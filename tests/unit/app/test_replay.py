"""What can be played back, and what a fork leaves behind."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from app.bootstrap import gap_words
from app.demo import DemoRequest, ledger_path
from app.paths import Paths, locate
from app.replay import check_speed, find_recording, keep_fork
from engine.core.clock import LiveClock
from engine.domain.errors import BadInput, ConfigError
from engine.sim.scenario import Scenario
from engine.store.journal import open_ledger
from engine.trading.risk.limits import RiskLimits
from tests.support.worlds import generated, unpaced


@pytest.fixture
def paths(own_home: Path) -> Paths:
    return locate()


def request(capture: Path) -> DemoRequest:
    return DemoRequest(
        scenario=Scenario(), limits=RiskLimits(), capital=Decimal(1000), captures=[capture]
    )


def test_a_recording_is_found_by_the_name_that_the_list_shows(paths: Paths) -> None:
    folder = paths.data / "catalogue" / "binance_spot.BTCUSDT"
    folder.mkdir(parents=True)
    assert find_recording([Path("binance_spot.BTCUSDT")], paths) == [folder]
    assert find_recording([Path("nowhere")], paths) == [Path("nowhere")]
    assert find_recording([folder], paths) == [folder]
    with pytest.raises(BadInput, match=r"--capture: none: .*data list"):
        find_recording([], paths)


def test_a_speed_beyond_the_time_line_is_refused() -> None:
    check_speed(Decimal("0.1"))
    check_speed(Decimal(1000))
    for speed in ("0.09", "1001", "0", "-1"):
        with pytest.raises(BadInput, match=r"between 0\.1 and 1000"):
            check_speed(Decimal(speed))


def test_holes_are_put_in_words() -> None:
    assert gap_words(0) == ""
    assert "1 gap in" in gap_words(1)
    assert "2 gaps in" in gap_words(2)


def test_each_fork_is_a_ledger_of_its_own(paths: Paths, tmp_path: Path) -> None:
    events = unpaced(generated(5)).events
    asked = request(tmp_path / "a.gz")
    names = [keep_fork(asked, paths, iter(events)) for _ in range(2)]
    assert names == ["fork-1", "fork-2"]
    for name in names:
        path = ledger_path(paths, asked._replace(profile=name))
        ledger = open_ledger(path, clock=LiveClock(), on_failure=print)
        try:
            assert list(ledger.replay()) == events
        finally:
            ledger.close()


def test_a_fork_that_cannot_be_written_leaves_no_profile(paths: Paths, tmp_path: Path) -> None:
    """A fork without a ledger would begin the recording anew, as if nothing had been."""
    in_the_way = paths.profile("fork-1").parent
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("a file where a folder should be")
    with pytest.raises(ConfigError, match="fork-1: Not a directory"):
        keep_fork(request(tmp_path / "a.gz"), paths, [])
    in_the_way.unlink()
    assert keep_fork(request(tmp_path / "a.gz"), paths, unpaced(generated(2)).events) == "fork-1"
