from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import logs

KEY = "AKIAIOSFODNN7EXAMPLE"


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize(
    "text",
    [
        f"GET /order?symbol=BTC&signature={KEY}",
        f"GET /order?apiKey={KEY}&x=1",
        f"headers {{'X-MBX-APIKEY': '{KEY}', 'a': 1}}",
        f'{{"api_key": "{KEY}"}}',
        f'{{"secret": "{KEY}"}}',
        f"apiSecret={KEY}",
        f"secret_key: {KEY}",
        f"listenKey={KEY}",
        f"password = {KEY}",
        f"Authorization: Bearer {KEY}",
        f"passphrase={KEY};",
        f"token={KEY}",
        f"-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----",
        f"-----BEGIN EC PRIVATE KEY-----\n{KEY}",
    ],
)
def test_credentials_are_hidden(text: str) -> None:
    assert KEY not in logs.redact(text)
    assert logs.HIDDEN in logs.redact(text)


@pytest.mark.parametrize(
    "text", ["order 12 filled", "price=100.5&symbol=BTC/USDT", "design: fine", "3 tokens left"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert logs.redact(text) == text


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_lines_are_json_with_fields_and_without_secrets() -> None:
    path = logs.start("engine", "debug")
    log = logging.getLogger("test")
    log.info(
        "order sent", extra={"order_id": "q1", "qty": 2, "api_key": KEY, "why": {"token": KEY}}
    )
    (line,) = _lines(path)
    assert line["message"] == "order sent"
    assert (line["level"], line["order_id"], line["qty"]) == ("info", "q1", 2)
    assert KEY not in path.read_text()


def test_the_level_is_kept_and_ccxt_never_chatters() -> None:
    path = logs.start("engine", "warning")
    logging.getLogger("test").info("quiet")
    assert _lines(path) == []
    logs.start("engine", "debug")
    logging.getLogger("ccxt.base.exchange").debug("headers with keys")
    assert _lines(path) == []


def test_a_crash_leaves_its_traceback_in_the_log_only() -> None:
    try:
        raise RuntimeError(f"no luck with signature={KEY}")
    except RuntimeError as error:
        path = logs.record_crash(error)
    (line,) = _lines(path)
    assert "test_a_crash_leaves" in line["traceback"]
    assert KEY not in path.read_text()
    assert path.name == "cli.log"


def test_a_running_log_takes_the_crash() -> None:
    path = logs.start("engine")
    assert logs.record_crash(RuntimeError("x")) == path


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_log_that_cannot_be_written_spills_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Neither tracebacks over a screen nor what would have been redacted; it says so later."""
    path = logs.start("engine")
    handler = logging.getLogger().handlers[-1]
    assert isinstance(handler, logs.LogFile)
    kept = handler.stream
    handler.stream = full = io.TextIOWrapper(io.FileIO(os.open("/dev/full", os.O_WRONLY), "w"))
    for _ in range(3):
        logging.getLogger("test").error("signature=%s", KEY)
    assert handler.failures == 3
    handler.stream = kept
    full.close()
    logging.getLogger("test").error("there is room again")
    assert [line["message"] for line in _lines(path)] == [
        "this log could not be written 3 times: look after the disk's space",
        "there is room again",
    ]
    assert capfd.readouterr() == ("", "")
