"""Errors a person can act on. Each says what to mend; `exit_code` is what a shell sees.

    PilothouseError
    ├── UsageError          2  the command line or an argument is wrong
    │   └── BadInput        2  a file, message or value given to us is wrong
    ├── WorkFailed          1  asked properly, tried, and it did not work
    ├── EngineNotRunning    3
    ├── ConfigError         4  settings, keys or installation
    │   └── LedgerError     4  the ledger cannot be opened or trusted
    └── TimedOut            5

`IllegalTransition` is not among them: an impossible order event is a fact to reconcile, not a
user's mistake (see `order_step`).
"""

from __future__ import annotations


class PilothouseError(Exception):
    """One clear line for a person: what, which value, and the remedy."""

    exit_code: int = 1


class UsageError(PilothouseError):
    exit_code = 2


class BadInput(UsageError):
    """Names the field, the value and the remedy in one line."""

    def __init__(self, field: str, value: object, remedy: str) -> None:
        shown = shorten(value) or '""'
        super().__init__(f"{field}: {shown}: {remedy}")
        self.field = field
        self.value = value
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[BadInput], tuple[str, object, str]]:
        return (type(self), (self.field, self.value, self.remedy))


class WorkFailed(PilothouseError):
    exit_code = 1


class EngineNotRunning(PilothouseError):
    exit_code = 3


class ConfigError(PilothouseError):
    exit_code = 4


class LedgerError(ConfigError):
    """The ledger is locked, damaged, or was written by a newer version."""


class TimedOut(PilothouseError):
    exit_code = 5


def shorten(value: object, limit: int = 80) -> str:
    """`value` as text of at most `limit` characters, without line breaks. What is too long loses
    its middle: the end of a path says more than its beginning."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    tail = limit * 2 // 3
    return f"{text[: limit - 1 - tail]}…{text[-tail:]}"
