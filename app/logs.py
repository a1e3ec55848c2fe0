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
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from app import paths
from engine.domain.errors import ConfigError

FILE_BYTES = 5_000_000
FILES_KEPT = 5

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

_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact(text: str) -> str:
    """`text` with the values of anything that looks like a credential hidden."""
    return _SECRET_PAIR.sub(rf"\1{HIDDEN}", _PRIVATE_KEY_BLOCK.sub(HIDDEN, text))


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


def start(name: str, level: str = "info") -> Path:
    """Send this process's log to `NAME.log` in the state folder and return that file's path.

    Each kind of process has a file of its own, since rotation does not work across processes.
    """
    path = paths.make_private(paths.locate().logs) / f"{name}.log"
    try:
        handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8"
        )
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
    # At DEBUG ccxt writes request headers, keys among them.
    logging.getLogger("ccxt").setLevel(logging.WARNING)
    return path


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
