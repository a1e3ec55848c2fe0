from __future__ import annotations

from pathlib import Path

import pytest

from engine.archive.catalogue import import_capture, list_recordings, load_recording, load_rows
from engine.domain.errors import BadInput
from tests.support.captures import CaptureWriter, small_capture


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_written_recordings_are_found_and_read_back(tmp_path: Path) -> None:
    source = small_capture().write(tmp_path / "a.gz")

    imported = import_capture([source], tmp_path / "catalogue")

    assert names(imported.path) == [
        "depth.parquet",
        "meta.json",
        "ticker.parquet",
        "trades.parquet",
    ]
    assert list_recordings(tmp_path / "catalogue") == [imported]
    for place in (imported.path, tmp_path / "catalogue", [imported.path]):
        instrument, rows = load_rows(place)
        assert instrument.instrument_id == "binance_usdm.BTCUSDT"
        assert rows.tobytes() == load_rows(source)[1].tobytes()


def test_a_failed_import_leaves_nothing_behind(tmp_path: Path) -> None:
    source = small_capture().trade("NaN", "1").write(tmp_path / "a.gz")

    with pytest.raises(BadInput):
        import_capture([source], tmp_path / "catalogue")

    assert names(tmp_path / "catalogue") == []


def test_a_failed_import_leaves_the_old_recording(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    imported = import_capture([small_capture().write(tmp_path / "a.gz")], catalogue)
    bad = small_capture().trade("NaN", "1").write(tmp_path / "b.gz")

    with pytest.raises(BadInput):
        import_capture([bad], catalogue, replace=True)

    assert names(catalogue) == ["binance_usdm.BTCUSDT"]
    assert load_recording(imported.path).meta == imported.meta


def test_another_recording_is_only_replaced_when_asked(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    first = small_capture().write(tmp_path / "a.gz")
    other = small_capture().trade("60000.00", "1").write(tmp_path / "b.gz")
    import_capture([first], catalogue)

    with pytest.raises(BadInput, match="--replace"):
        import_capture([other], catalogue)
    replaced = import_capture([other], catalogue, replace=True)

    assert replaced.meta.streams["trades"].rows == 3
    assert names(catalogue) == ["binance_usdm.BTCUSDT"]


def test_a_recording_may_grow_by_its_next_part(tmp_path: Path) -> None:
    first, second = small_capture(), small_capture()
    first.lines, second.lines = first.lines[:7], second.lines[7:]
    parts = [first.write(tmp_path / "1.gz"), second.write(tmp_path / "2.gz")]
    import_capture(parts[:1], tmp_path / "catalogue")

    grown = import_capture(parts, tmp_path / "catalogue")

    assert len(grown.meta.sources) == 2


def test_damage_is_noticed(tmp_path: Path) -> None:
    imported = import_capture([small_capture().write(tmp_path / "a.gz")], tmp_path / "c")
    depth = imported.path / "depth.parquet"
    good = depth.read_bytes()

    depth.write_bytes(good[: len(good) // 2])
    with pytest.raises(BadInput, match="import the recording again"):
        load_rows(imported.path)
    depth.write_bytes((imported.path / "trades.parquet").read_bytes())
    with pytest.raises(BadInput, match="import"):
        load_rows(imported.path)
    (imported.path / "meta.json").write_text("{")
    with pytest.raises(BadInput, match=r"meta\.json"):
        load_rows(imported.path)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no recording"):
        load_rows(tmp_path)
    with pytest.raises(BadInput, match="no such file"):
        load_rows(tmp_path / "nothing")


def test_a_catalogue_of_several_asks_which(tmp_path: Path) -> None:
    eth = CaptureWriter("ETHUSDT").diff(2, [("3000.00", "1.000")], after=1)
    for number, writer in enumerate([small_capture(), eth]):
        import_capture([writer.write(tmp_path / f"{number}.gz")], tmp_path / "catalogue")

    with pytest.raises(BadInput, match="name one"):
        load_rows(tmp_path / "catalogue")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    source = small_capture().write(tmp_path / "a.gz")

    with pytest.raises(BadInput, match="--out"):
        import_capture([source], source)
