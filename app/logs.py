"""The log: one JSON object a line, in a rotating file that never holds a secret.

`start` is called once per process. Afterwards any module uses `logging.getLogger(__name__)`;
what is passed as `extra={...}` becomes fields of the line. Redaction is the formatter's job, so
it also covers what libraries log, and the text of tracebacks.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import re
import sys
import threading
import urllib.parse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from app import paths
from engine.domain.errors import ConfigError

FILE_BYTES = 5_000_000
FILES_KEPT = 5
CHATTERERS = (
    "ccxt", "ccxt.base.exchange", "aiohttp", "aiohttp.client", "aiohttp.access", "asyncio",
    "websockets", "urllib3", "keyring", "secretstorage", "jeepney",
)  # fmt: skip
"""Libraries whose DEBUG lines hold request headers, signed addresses or passwords."""

_SECRET_NAMES = (
    r"signature|sign|api[-_]?key|x-mbx-apikey|secret(?:[-_]?key)?|api[-_]?secret|pass(?:word|phrase|wd)"
    r"|token|listen[-_]?key|private[-_]?key|authorization|cookie"
)
_SECRET_NAME = re.compile(rf"(?i)(?:[\w-]*[-_])?(?:{_SECRET_NAMES})")
_SECRET_PAIR = re.compile(
    rf"""(?i)((?<![a-z])(?:{_SECRET_NAMES})["']?\s*[=:]\s*["']?)((?:bearer|basic)\s+)?[^"'&\s,;}}\])]+"""
)
_PRIVATE_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z ]*KEY-----.*?(?:-----END [A-Z ]*KEY-----|\Z)", re.S
)
HIDDEN = "[redacted]"
KNOWN_LENGTH_MIN = 7
"""Shorter secrets would blacken ordinary words; what names them is hidden all the same."""
_known: set[str] = set()

_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def hide(secret: str) -> None:
    """From now on no line of this process shows `secret`, under whatever name it comes."""
    # A private key is several lines, any of which may turn up alone.
    for part in secret.splitlines():
        if len(part) >= KNOWN_LENGTH_MIN and not part.startswith("-----"):
            _known.update((part, urllib.parse.quote(part, safe="")))


def hide_known(text: str) -> str:
    """`text` without the secrets that this process has been told of."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def redact(text: str) -> str:
    """`text` without known secrets, and without the values of what looks like a credential."""
    return hide_known(_SECRET_PAIR.sub(rf"\1{HIDDEN}", _PRIVATE_KEY_BLOCK.sub(HIDDEN, text)))


class JsonLines(logging.Formatter):
    """Formats a record as one redacted JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": redact(record.getMessage()),
        }
        extra = {key: value for key, value in vars(record).items() if key not in _RECORD_FIELDS}
        line.update(_redact_fields(extra))
        if record.exc_info:
            line["traceback"] = redact(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = redact(record.stack_info)
        return json.dumps(line, ensure_ascii=False)


def _redact_fields(fields: Mapping[str, object]) -> dict[str, object]:
    shown: dict[str, object] = {}
    for key, value in fields.items():
        if _SECRET_NAME.fullmatch(key):
            shown[key] = HIDDEN
        elif value is None or isinstance(value, bool | int | float):
            shown[key] = value
        elif isinstance(value, Mapping):
            shown[key] = _redact_fields({str(name): inner for name, inner in value.items()})
        else:
            shown[key] = redact(str(value))
    return shown


class LogFile(logging.handlers.RotatingFileHandler):
    """A log that cannot be written, on a full disk, must not spill tracebacks over a screen, and
    unredacted: it says how often that was once it can."""

    failures = 0

    def handleError(self, record: logging.LogRecord) -> None:
        self.failures += 1

    def emit(self, record: logging.LogRecord) -> None:
        before, self.failures = self.failures, 0
        if before:
            words = f"this log could not be written {before} times: look after the disk's space"
            level = logging.ERROR
            super().emit(logging.LogRecord(__name__, level, __file__, 0, words, None, None))
        if self.failures:
            self.failures = before
        super().emit(record)


def start(name: str, level: str = "info") -> Path:
    """Send this process's log to `NAME.log` in the state folder and return that file's path.

    Each kind of process has a file of its own, since rotation does not work across processes.
    """
    path = paths.make_private(paths.locate().logs) / f"{name}.log"
    try:
        handler = LogFile(path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}: make it writable, or choose another place with --home DIR"
        ) from error
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    for other in root.handlers[:]:
        root.removeHandler(other)
        if isinstance(other, logging.handlers.RotatingFileHandler):
            other.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in CHATTERERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    return path


def catch_strays() -> None:
    """What ends a thread, or a destructor, goes to the log, redacted, and not to stderr as it is.
    For the process of an engine, once its log has started."""
    threading.excepthook = _log_thread
    sys.unraisablehook = _log_unraisable


def _log_thread(ending: threading.ExceptHookArgs) -> None:
    if ending.exc_type is SystemExit:
        return
    name = ending.thread.name if ending.thread is not None else "a thread"
    error = (ending.exc_type, ending.exc_value or ending.exc_type(), ending.exc_traceback)
    logging.getLogger(__name__).critical("%s has died", name, exc_info=error)


def _log_unraisable(ignored: sys.UnraisableHookArgs) -> None:
    error = (ignored.exc_type, ignored.exc_value or ignored.exc_type(), ignored.exc_traceback)
    logging.getLogger(__name__).error("error that nobody could be told of", exc_info=error)


def record_crash(error: BaseException) -> Path:
    """Write an unforeseen error with its traceback to the log and return the log's path."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.handlers.RotatingFileHandler):
            path = Path(handler.baseFilename)
            break
    else:
        path = start("cli")
    logging.getLogger(__name__).critical("internal error", exc_info=error)
    return path
