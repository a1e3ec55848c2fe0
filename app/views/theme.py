"""Palettes as data: `resources/themes/*.toml` turned into tones that a face can draw."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources
from typing import Any

import msgspec

from engine.domain.errors import BadInput, ConfigError

DEFAULT_PALETTE = "colour-blind"
PALETTES = ("colour-blind", "western", "east-asian", "mono")
_BASE = "base"


class Tone(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of text looks. Colours are `#rrggbb`; "" leaves the terminal's own."""

    fg: str = ""
    bg: str = ""
    bold: bool = False
    italic: bool = False
    reverse: bool = False
    underline: bool = False


class Theme(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    colours: dict[str, str]
    tones: dict[str, Tone]

    def tone(self, name: str) -> Tone:
        """The tone `name`; `a/b` is `a` with what `b` says laid over it."""
        first, *overlays = name.split("/")
        tone = self.tones[first]
        for overlay in overlays:
            tone = _overlay(tone, self.tones[overlay])
        return tone


@lru_cache
def load_theme(name: str) -> Theme:
    """The palette `name` over the base; BadInput when there is none of that name."""
    if name not in PALETTES:
        raise BadInput("palette", name, f"known are: {', '.join(PALETTES)}")
    base, own = _read(_BASE), _read(name)
    colours = {**base["colours"], **own.get("colours", {})}
    _refuse_unknown(name, own.get("colours", {}), base["colours"])
    specs = {
        key: {**spec, **own.get("tones", {}).get(key, {})} for key, spec in base["tones"].items()
    }
    _refuse_unknown(name, own.get("tones", {}), base["tones"])
    tones = {key: _tone(name, key, spec, colours) for key, spec in specs.items()}
    return Theme(name=name, colours=colours, tones=tones)


def _read(name: str) -> dict[str, Any]:
    text = (resources.files("resources") / "themes" / f"{name}.toml").read_text("utf-8")
    return tomllib.loads(text)


def _refuse_unknown(name: str, own: dict[str, Any], base: dict[str, Any]) -> None:
    unknown = sorted(set(own) - set(base))
    if unknown:
        raise ConfigError(f"theme {name}: unknown entry {unknown[0]}: base.toml lists the entries")


def _tone(theme: str, key: str, spec: dict[str, Any], colours: dict[str, str]) -> Tone:
    """A tone with its colour names replaced by colours."""
    known = dict(spec)
    for part in ("fg", "bg"):
        colour = known.get(part, "")
        if colour and colour not in colours:
            raise ConfigError(f"theme {theme}: tone {key}: no colour {colour} in [colours]")
        known[part] = colours[colour] if colour else ""
    return msgspec.convert(known, Tone)


def _overlay(base: Tone, over: Tone) -> Tone:
    return Tone(
        fg=over.fg or base.fg,
        bg=over.bg or base.bg,
        bold=base.bold or over.bold,
        italic=base.italic or over.italic,
        reverse=base.reverse or over.reverse,
        underline=base.underline or over.underline,
    )
