"""Palettes: complete, and never red and green alone."""

import re

import pytest

from app.views.theme import PALETTES, load_theme
from engine.domain.errors import BadInput
from engine.domain.snapshots import Mode


@pytest.mark.parametrize("name", PALETTES)
def test_every_palette_has_every_tone(name: str) -> None:
    theme = load_theme(name)
    for tone in theme.tones.values():
        for colour in (tone.fg, tone.bg):
            assert colour == "" or re.fullmatch(r"#[0-9a-f]{6}", colour)
    for mode in Mode:
        assert f"band_{mode.value}" in theme.tones
        assert f"mode_{mode.value}" in theme.tones


@pytest.mark.parametrize("name", [name for name in PALETTES if name != "mono"])
def test_mode_colours_are_apart_from_profit_colours(name: str) -> None:
    colours = load_theme(name).colours
    profit = {colours["up"], colours["down"], colours["up_dim"], colours["down_dim"]}
    modes = {colours[f"{mode.value}{part}"] for mode in Mode for part in ("", "_band")}
    assert not profit & modes


@pytest.mark.parametrize("name", [name for name in PALETTES if name != "mono"])
def test_text_can_be_read_on_the_ground(name: str) -> None:
    theme = load_theme(name)
    for tone in ("text", "dim", "up", "down", "warn", "key"):
        assert contrast(theme.tones[tone].fg, theme.colours["ground"]) >= 4.5, tone


def contrast(one: str, other: str) -> float:
    """Contrast ratio of WCAG 2."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_an_unknown_palette_is_one_line() -> None:
    with pytest.raises(BadInput, match="colour-blind, western"):
        load_theme("neon")


def test_overlays_keep_what_they_do_not_say() -> None:
    theme = load_theme("colour-blind")
    laid = theme.tone("up/cursor")
    assert (laid.fg, laid.bg) == (theme.colours["up"], theme.colours["cursor"])
