from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from app.settings import DEFAULT, QUEUE_NAMES, SCHEMA, Settings, load, parse
from engine.domain.errors import BadInput, ConfigError
from engine.sim.scenario import QUEUE_MODELS, parse_fills, parse_queue


def test_an_empty_file_means_the_defaults() -> None:
    loaded = parse("", "s.toml")
    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {DEFAULT}


def test_every_field_has_a_rule_and_every_default_obeys_it() -> None:
    assert tuple(SCHEMA) == Settings.__struct_fields__
    for section, (kind, parsers) in SCHEMA.items():
        assert tuple(parsers) == kind.__struct_fields__
        assert isinstance(getattr(Settings(), section), kind)
        for key, parser in parsers.items():
            default = getattr(kind(), key)
            assert parser(default) == default, (section, key)


def test_words_are_those_of_the_simulation() -> None:
    assert set(QUEUE_NAMES) == set(QUEUE_MODELS)
    for name in QUEUE_NAMES:
        queue = parse(f'[paper]\nqueue = "{name}"', "s").settings.paper.queue
        assert parse_queue(queue).words() == name
    assert parse_queue(Settings().paper.queue).words() == "risk-averse"
    for fills in ("partial", "whole"):
        assert parse_fills(parse(f'[paper]\nfills = "{fills}"', "s").settings.paper.fills) == fills


@pytest.mark.parametrize("written", ["2.5", '"2.5"', "2.50"])
def test_numbers_stay_exact(written: str) -> None:
    loaded = parse(f"[risk]\n# a comment\ncollar_pct = {written}\n", "s.toml")
    assert loaded.settings.risk.collar_pct == Decimal("2.5")
    assert loaded.sources["risk.collar_pct"] == "s.toml:3"
    assert loaded.sources["risk.stop_loss_pct"] == DEFAULT


def test_a_decimal_fraction_is_not_the_nearest_binary_one() -> None:
    assert parse("[paper]\nmaker = 0.0001", "s").settings.paper.maker == Decimal("0.0001")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[risk]\ncolar_pct = 5", ["s.toml:2: risk.colar_pct", "5", "did you mean collar_pct?"]),
        ("[risk]\nzzz = 5", ["s.toml:2: risk.zzz", "known are: order_notional_max_pct"]),
        ("\n[rsk]\n", ["s.toml:2: rsk", "did you mean risk?"]),
        ("risk = 5", ["s.toml:1: risk", "5", "write it as a section: [risk]"]),
        ("[risk]\ncollar_pct = true", ["s.toml:2: risk.collar_pct", "True", "number above 0"]),
        ("[risk]\ncollar_pct = 0", ["risk.collar_pct", "a number above 0 up to 100"]),
        ("[risk]\ncollar_pct = -5", ["risk.collar_pct", "-5", "above 0"]),
        ("[risk]\ncollar_pct = nan", ["risk.collar_pct", "NaN", "above 0"]),
        ("[risk]\ncollar_pct = inf", ["risk.collar_pct", "Infinity", "above 0"]),
        ('[risk]\ncollar_pct = "five"', ["risk.collar_pct", "five", "above 0"]),
        ("[risk]\ncollar_pct = [5]", ["risk.collar_pct", "above 0"]),
        ("[risk]\nopen_orders_max = 1.5", ["risk.open_orders_max", "1.5", "whole number from 1"]),
        ('[risk]\nopen_orders_max = "5"', ["risk.open_orders_max", "whole number"]),
        ("[paper]\nmaker = 0.3", ["s.toml:2: paper.maker", "0.3", "from -0.05 to 0.05"]),
        ('[paper]\nfills = "hole"', ["paper.fills", "hole", "did you mean whole?"]),
        ('[ui]\npalette = "neon"', ["ui.palette", "neon", "one of colour-blind, western"]),
        ('[ui]\nascii = "yes"', ["ui.ascii", "yes", "true or false, without quotes"]),
        ("[ui]\nkeymap = 1", ["ui.keymap", "1", "text in quotes"]),
        ("risk.collar_pct = 500", ["s.toml:1: risk.collar_pct", "500"]),
        ("risk = { collar_pct = 500 }", ["s.toml:1: risk.collar_pct", "500"]),
        ("[risk\n", ["s.toml", "line 1", "mend the TOML"]),
        ("[risk]\na = 1\na = 2\n", ["s.toml", "line 3", "mend the TOML"]),
        ('[log]\nlevel = "\x1b[2J"', ["s.toml", "line 2", "mend the TOML"]),
        ("[risk]\n\ncollar_pct = " + "9" * 5_000, ["5000 digits (at line 3)", "mend the TOML"]),
        ("[risk]\ncollar_pct = 1e99999999999999999999", ["(at line 2)", "mend the TOML"]),
        ("a = " + "[" * 5_000, ["brackets within brackets", "mend the TOML"]),
        ("[[risk]]\ncollar_pct = 1", ["s.toml:1: risk", "write it as a section: [risk]"]),
        ('[risk]\n"collar_pct" = 500', ["s.toml:2: risk.collar_pct: 500"]),
        ("[risk]\ncollar_pct = 1979-05-27", ["s.toml:2: risk.collar_pct: 1979-05-27"]),
        ('[risk]\ncollar_pct = "1_0"', ["risk.collar_pct: 1_0", "above 0"]),
        ('[risk]\ncollar_pct = "٣"', ["risk.collar_pct: ٣", "above 0"]),
    ],
)
def test_a_mistake_is_one_line_with_place_field_value_and_remedy(
    text: str, parts: list[str]
) -> None:
    with pytest.raises(BadInput) as told:
        parse(text, "s.toml")
    line = str(told.value)
    assert "\n" not in line
    for part in parts:
        assert part in line, line


def test_nothing_is_half_applied() -> None:
    with pytest.raises(BadInput):
        parse("[risk]\ncollar_pct = 1\n[paper]\ncapital = 0", "s.toml")


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(AttributeError):
        Settings().log.level = "debug"  # type: ignore[misc]
    assert msgspec.json.decode(msgspec.json.encode(Settings()), type=Settings) == Settings()


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b"\xff\xfe[risk]"), "not UTF-8"),
        (lambda path: path.write_bytes(b"#" * 2_000_000), "no settings file"),
        (lambda path: None, "No such file"),
        (os.mkfifo, "no plain file"),
        (lambda path: path.symlink_to("/dev/zero"), "no plain file"),
        (lambda path: path.symlink_to(path), "symbolic links"),
    ],
)
def test_what_is_not_a_settings_file(tmp_path: Path, make: object, part: str) -> None:
    path = tmp_path / "s.toml"
    make(path)  # type: ignore[operator]
    with pytest.raises((BadInput, ConfigError), match=part):
        load(path)


@pytest.mark.parametrize("to", ["/nowhere/at/all", "settings.toml"])
def test_a_link_that_leads_nowhere_is_not_the_defaults(own_home: Path, to: str) -> None:
    file = own_home / "config" / "settings.toml"
    file.parent.mkdir()
    file.symlink_to(to)
    with pytest.raises((BadInput, ConfigError), match=r"settings\.toml: "):
        load()


def test_a_byte_order_mark_and_foreign_line_ends_are_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(b"\xef\xbb\xbf[risk]\r\ncollar_pct = 3\r\n")
    assert load(path).sources["risk.collar_pct"] == f"{path}:2"
    assert load(path).settings.risk.collar_pct == 3


def test_the_file_in_force_is_read_from_home(own_home: Path) -> None:
    assert load().settings == Settings()
    file = own_home / "config" / "settings.toml"
    file.parent.mkdir()
    file.write_text('[log]\nlevel = "debug"\n')
    assert load().settings.log.level == "debug"
    assert load().sources["log.level"] == f"{file}:2"
