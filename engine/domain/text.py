"""Foreign text is cleaned once, at the border: here."""

from __future__ import annotations

import re
import unicodedata

SYMBOL_PATTERN = re.compile(r"[A-Z0-9/:_.\-]{1,40}")
"""What a venue's symbol may look like."""

_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls (ESC among them), format characters (bidi, zero width), surrogates, private use."""


def clean(text: str, limit: int = 200) -> str:
    """`text` without controls, escapes, bidi or zero-width characters, at most `limit` long.

    Safe to print to a terminal and to show in a widget that does not interpret markup.
    """
    kept = "".join(
        " " if char in "\t\r\n" else char
        for char in text[: limit * 4]
        if char in "\t\r\n" or unicodedata.category(char) not in _FORBIDDEN_CATEGORIES
    )
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def is_symbol(text: str) -> bool:
    return SYMBOL_PATTERN.fullmatch(text) is not None
