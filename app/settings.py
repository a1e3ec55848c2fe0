"""Typed settings from one TOML file: all of it is right, or none of it is used.

Exact numbers stay exact: a TOML float is read as the decimal it was written as, never as binary.
A mistake is told with file, line, field, value and remedy, as `BadInput`.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from app import paths, tomlfile
from app.views.presets import DEFAULT_PRESET, PRESETS
from app.views.theme import DEFAULT_PALETTE, PALETTES
from engine.domain.errors import BadInput, ConfigError
from engine.trading.risk.limits import RiskLimits

DEFAULT = "default"
"""What stands as the source of a value that the file does not set."""

QUEUE_NAMES = (
    "risk-averse",
    "trades-only",
    "log-prob-1",
    "log-prob-2",
    *(f"power-prob-{power}" for power in range(1, 10)),
)
"""As `engine.sim.scenario` knows them; a test holds the two together. Not taken from there, since
every command reads settings and few can wait for numpy."""


class PaperSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The simulated venue of paper trading."""

    capital: Decimal = Decimal(100_000)
    scenario: str = "plain"
    """plain, optimistic, realistic, pessimistic, or a .toml file of models (manual: fills). What is
    set below, other than to its default, wins over it."""
    latency_ms: Decimal = Decimal(10)
    queue: str = "risk-averse"
    fills: str = "partial"
    maker: Decimal = Decimal("0.0002")
    """Fee rate of a resting fill; negative is a rebate."""
    taker: Decimal = Decimal("0.0005")


class LiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Trading at a venue."""

    armed: bool = False
    """Real money may be traded with: nobody gets there by a mistyped option."""
    venue: str = "binance_spot"
    symbols: str = "BTCUSDT"
    """Separated by commas."""
    capital: Decimal = Decimal(0)
    """What may be worked with, in the settle asset; 0: all that the account holds of it when the
    ledger begins."""
    on_stop: str = "leave"
    """What a clean stop does with working orders: leave them, or cancel all but protective."""


class UiSettings(msgspec.Struct, frozen=True, kw_only=True):
    palette: str = DEFAULT_PALETTE
    keys: str = DEFAULT_PRESET
    """The keys to begin with."""
    keymap: str = ""
    """A file with keys of one's own, seen from the settings folder; "" for the shipped ones."""
    ascii: bool = False
    """Draw with ASCII only, for terminals without line and block characters."""


LogLevel = Literal["debug", "info", "warning", "error"]


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    level: LogLevel = "info"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    risk: RiskLimits = RiskLimits()
    paper: PaperSettings = PaperSettings()
    live: LiveSettings = LiveSettings()
    ui: UiSettings = UiSettings()
    log: LogSettings = LogSettings()


class Loaded(NamedTuple):
    """Settings, and for each "section.key" where its value comes from."""

    settings: Settings
    sources: dict[str, str]


# --- what a value may be ---

_WRITTEN = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?")
"""A number in quotes."""

Parser = Callable[[object], object]
"""Takes the TOML value, returns ours, or raises ValueError with the remedy."""


def _number(low: str, high: str, *, above: bool = False) -> Parser:
    """A decimal from `low` to `high`; with `above`, `low` itself is too little."""
    least, most = Decimal(low), Decimal(high)
    bounds = f"a number {'above' if above else 'from'} {low} {'up ' if above else ''}to {high}"

    def parse(value: object) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise ValueError(f"must be {bounds}")
        if isinstance(value, str) and not _WRITTEN.fullmatch(value):
            raise ValueError(f"must be {bounds}")
        number = Decimal(value)
        if not number.is_finite() or not least <= number <= most or (above and number == least):
            raise ValueError(f"must be {bounds}")
        return number

    return parse


def _whole(low: int, high: int) -> Parser:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return parse


def _one_of(*choices: str) -> Parser:
    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            near = difflib.get_close_matches(str(value), choices, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"must be one of {', '.join(choices)}{meant}")
        return value

    return parse


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError('must be text in quotes, "like this"')
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false, without quotes")
    return value


SCHEMA: dict[str, tuple[type[msgspec.Struct], dict[str, Parser]]] = {
    "risk": (
        RiskLimits,
        {
            "order_notional_max_pct": _number("0", "1000", above=True),
            "position_max_pct": _number("0", "1000", above=True),
            "open_orders_max": _whole(1, 100_000),
            "orders_per_s_max": _whole(1, 100_000),
            "collar_pct": _number("0", "100", above=True),
            "jump_distrust_pct": _number("0", "100", above=True),
            "daily_loss_max_pct": _number("0", "100", above=True),
            "drawdown_max_pct": _number("0", "100", above=True),
            "stop_loss_pct": _number("0", "100", above=True),
            "take_profit_pct": _number("0", "10000", above=True),
        },
    ),
    "paper": (
        PaperSettings,
        {
            "capital": _number("0", "1000000000000", above=True),
            "scenario": _text,
            "latency_ms": _number("0", "60000"),
            "queue": _one_of(*QUEUE_NAMES),
            "fills": _one_of("partial", "whole"),
            "maker": _number("-0.05", "0.05"),
            "taker": _number("-0.05", "0.05"),
        },
    ),
    "live": (
        LiveSettings,
        {
            "armed": _flag,
            "venue": _text,
            "symbols": _text,
            "capital": _number("0", "1000000000000"),
            "on_stop": _one_of("leave", "cancel"),
        },
    ),
    "ui": (
        UiSettings,
        {
            "palette": _one_of(*PALETTES),
            "keys": _one_of(*PRESETS),
            "keymap": _text,
            "ascii": _flag,
        },
    ),
    "log": (LogSettings, {"level": _one_of("debug", "info", "warning", "error")}),
}


# --- reading ---


def load_settings(file: Path | None = None) -> Settings:
    """The settings in force: `file`, by default the one in the settings folder, over defaults."""
    return load(file).settings


def load(file: Path | None = None) -> Loaded:
    """Settings with their sources. A default file that does not exist is simply empty."""
    if file is None:
        file = paths.locate().settings_file
        try:
            is_there = tomlfile.is_there(file)
        except OSError as error:
            raise ConfigError(f"{file}: {error.strerror}: make the folder readable") from error
        if not is_there:
            return parse("", str(file))
    return parse(_read(file), str(file))


def parse(text: str, name: str) -> Loaded:
    """The settings that the TOML `text` asks for; `name` is the file's, for messages."""
    try:
        document = tomlfile.parse(text)
    except ValueError as error:
        raise BadInput(name, str(error), "mend the TOML there") from error
    lines = _find_lines(text)
    sections: dict[str, msgspec.Struct] = {}
    sources = {f"{section}.{key}": DEFAULT for section in SCHEMA for key in SCHEMA[section][1]}
    for section, values in document.items():
        where = _place(name, lines, section)
        if section not in SCHEMA:
            raise BadInput(f"{where}: {section}", values, _unknown("section", section, SCHEMA))
        if not isinstance(values, dict):
            raise BadInput(f"{where}: {section}", values, f"write it as a section: [{section}]")
        kind, parsers = SCHEMA[section]
        sections[section] = kind(**_convert(name, lines, section, values, parsers))
        for key in values:
            sources[f"{section}.{key}"] = _place(name, lines, f"{section}.{key}")
    return Loaded(Settings(**sections), sources)  # type: ignore[arg-type]  # SCHEMA pairs them


def _convert(
    name: str,
    lines: Mapping[str, int],
    section: str,
    values: Mapping[str, object],
    parsers: Mapping[str, Parser],
) -> dict[str, Any]:
    converted = {}
    for key, value in values.items():
        field = f"{section}.{key}"
        where = f"{_place(name, lines, field)}: {field}"
        if key not in parsers:
            raise BadInput(where, _shown(value), _unknown("key", key, parsers))
        try:
            converted[key] = parsers[key](value)
        except ValueError as error:
            raise BadInput(where, _shown(value), str(error)) from error
    return converted


def _unknown(what: str, word: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    if near:
        return f"no such {what}; did you mean {near[0]}?"
    return f"no such {what}; known are: {', '.join(known)}"


def _shown(value: object) -> object:
    return str(value) if isinstance(value, Decimal | dt.date | dt.time) else value


def _read(file: Path) -> str:
    try:
        return tomlfile.read_text(file)
    except ValueError as error:
        raise BadInput(str(file), str(error), "is no settings file (TOML)") from error
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise BadInput(str(file), error.strerror or "", "name a settings file (TOML)") from error
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}: make the file readable") from error


# --- line numbers, which tomllib does not keep ---

_HEADER = re.compile(r"""\s*\[{1,2}\s*(["']?)(?P<name>[\w.\- ]+?)\1\s*\]""")
_KEY = re.compile(r"""\s*(["']?)(?P<name>[\w\-]+(?:\s*\.\s*[\w\-]+)*)\1\s*=""")


def _find_lines(text: str) -> dict[str, int]:
    """ "section" and "section.key" -> the line it is first written on.

    A plain scan: keys inside inline tables are not found, and then the section's line, or none,
    is told.
    """
    lines: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            section = header["name"]
            lines.setdefault(section, number)
        elif key := _KEY.match(line):
            dotted = re.sub(r"\s", "", key["name"])
            full = f"{section}.{dotted}" if section else dotted
            lines.setdefault(full, number)
            lines.setdefault(full.partition(".")[0], number)
    return lines


def _place(name: str, lines: Mapping[str, int], field: str) -> str:
    line = lines.get(field) or lines.get(field.partition(".")[0])
    return f"{name}:{line}" if line else name
