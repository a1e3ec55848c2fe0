"""Processes that answer, refuse, die; and the file of what is done."""

from __future__ import annotations

import sys
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from engine.domain.errors import BadInput, WorkFailed
from engine.research.sweep import SetResult
from engine.research.sweep_file import Header, SweepFile
from engine.research.workers import run_jobs

WORKER = """
import os, sys
def say(words):
    print(words, flush=True)
if sys.stdin.readline() != "setup\\n":
    sys.exit(3)
say("ready")
for line in sys.stdin:
    if line == "die\\n":
        os._exit(9)
    if line == "abort\\n":
        os.abort()
    say(line.strip().upper())
"""
COMMAND = [sys.executable, "-c", WORKER]


def answers_of(jobs: list[bytes], workers: int) -> dict[int, tuple[bytes, str]]:
    found: dict[int, tuple[bytes, str]] = {}

    def on_done(index: int, answer: bytes, why: str) -> None:
        assert index not in found
        found[index] = (answer, why)

    run_jobs(COMMAND, b"setup", jobs, workers, on_done)
    return found


@pytest.mark.parametrize("workers", [1, 3])
def test_a_job_that_kills_its_worker_fails_alone(workers: int) -> None:
    jobs = [b"a", b"die", b"b", b"abort", b"c", b"d"]
    found = answers_of(jobs, workers)
    assert len(found) == len(jobs)
    good = {index: answer for index, (answer, why) in found.items() if not why}
    assert good == {0: b"A", 2: b"B", 4: b"C", 5: b"D"}
    assert found[1][1] == "worker ended with code 9"
    assert found[3][1] == "worker ended by signal 6"


def test_a_worker_that_cannot_start_is_said() -> None:
    with pytest.raises(WorkFailed, match="could not start: worker ended with code 3"):
        run_jobs(COMMAND, b"other", [b"a", b"b"], 2, lambda *_: None)


def test_an_interruption_ends_all_workers() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(COMMAND, b"setup", [b"a"] * 50, 2, interrupt)
    assert not [t for t in threading.enumerate() if t.name.startswith("worker-")]


# -- file ------------------------------------------------------------------------------------------

HEADER = Header(digest="d1", about="trend on bars")
RESULT = SetResult(params={"fast": "1"}, fills=3, equity=Decimal("-1.50"))


def kept(path: Path, header: Header = HEADER) -> dict[str, SetResult]:
    with SweepFile(path, header) as file:
        return file.done


def test_what_was_added_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    with SweepFile(path, HEADER) as file:
        assert file.done == {}
        file.add({"one": RESULT, "two": RESULT})
    assert kept(path) == {"one": RESULT, "two": RESULT}


def test_a_half_written_last_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    with SweepFile(path, HEADER) as file:
        file.add({"one": RESULT})
        file.add({"two": RESULT})
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        done = kept(path)
        complete = sum(len(b"".join(lines[: n + 1])) <= length for n in range(3))
        assert len(done) == max(0, complete - 1), length
        with SweepFile(path, HEADER) as file:
            file.add({"three": RESULT})
        assert "three" in kept(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"digest":"d2","about":"grid on ticks"}\n', "another sweep .grid on ticks."),
        (b"my diary", "line 1 is not a sweep's"),
        (b"my diary\nis long\n", "line 1 is not a sweep's"),
        (b'{"digest":"d1","about":""}\n\xff\n', "line 2 is not a sweep's"),
    ],
)
def test_a_file_of_something_else_is_refused_and_left_alone(
    tmp_path: Path, text: bytes, words: str
) -> None:
    path = tmp_path / "sweep.jsonl"
    path.write_bytes(text)
    with pytest.raises(BadInput, match=words):
        kept(path)
    assert path.read_bytes() == text


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--resume"):
        kept(tmp_path / "nowhere" / "sweep.jsonl")
