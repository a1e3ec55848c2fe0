"""Work in processes of their own, one job at a time each. A job that kills its process fails alone.

A worker is a program that reads lines on stdin and answers each with a line on stdout: first the
setup, answered by READY, then jobs. It ends when stdin does, so none outlives its parent.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence

from engine.domain.errors import WorkFailed

READY = b"ready"

OnDone = Callable[[int, bytes, str], None]
"""Index of the job, its answer, or b"" and why there is none."""
_Item = tuple[int, bytes, str] | BaseException | None


def run_jobs(
    command: Sequence[str], setup: bytes, jobs: Sequence[bytes], workers: int, on_done: OnDone
) -> None:
    """Run every job on one of `workers` processes; `on_done` is called here, in any order.

    WorkFailed when a worker cannot start. On any exception, Ctrl+C among them, all are ended.
    """
    pool = _Pool(command, setup, jobs)
    threads = [
        threading.Thread(target=pool.serve, name=f"worker-{number}")
        for number in range(min(workers, len(jobs)))
    ]
    running = len(threads)
    for thread in threads:
        thread.start()
    try:
        while running:
            item = pool.answers.get()
            if item is None:
                running -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                on_done(*item)
    finally:
        pool.stop()
        for thread in threads:
            thread.join()


class _Pool:
    def __init__(self, command: Sequence[str], setup: bytes, jobs: Sequence[bytes]) -> None:
        self.answers: queue.Queue[_Item] = queue.Queue()
        self._command = command
        self._setup = setup
        self._jobs: Iterator[tuple[int, bytes]] = iter(enumerate(jobs))
        self._lock = threading.Lock()
        self._alive: set[subprocess.Popen[bytes]] = set()
        self._stopped = threading.Event()

    def stop(self) -> None:
        with self._lock:
            self._stopped.set()
            for process in self._alive:
                process.kill()

    def serve(self) -> None:
        """One worker after the other until no job is left; runs in a thread."""
        try:
            while self._serve_one():
                pass
            self.answers.put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which raises it
            self.answers.put(error)

    def _serve_one(self) -> bool:
        """Jobs on one process; True when it died and another has to go on."""
        job = self._next_job()
        if job is None:
            return False
        process = self._start()
        if process is None:
            return False
        try:
            while job is not None:
                index, text = job
                answer = _ask(process, text)
                if not answer:
                    if not self._stopped.is_set():
                        self.answers.put((index, b"", _how_it_ended(process)))
                    return not self._stopped.is_set()
                self.answers.put((index, answer, ""))
                job = self._next_job()
            return False
        finally:
            self._end(process)

    def _next_job(self) -> tuple[int, bytes] | None:
        with self._lock:
            return None if self._stopped.is_set() else next(self._jobs, None)

    def _start(self) -> subprocess.Popen[bytes] | None:
        """A worker that is ready; None when all is being stopped."""
        with self._lock:
            if self._stopped.is_set():
                return None
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=os.name != "nt",  # Ctrl+C is for the parent to judge.
            )
            self._alive.add(process)
        answer = _ask(process, self._setup)
        if answer == READY:
            return process
        words = _how_it_ended(process)
        self._end(process)
        if self._stopped.is_set():
            return None
        raise WorkFailed(f"a sweep worker could not start: {words}")

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._alive.discard(process)
        process.kill()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        process.wait()


def _ask(process: subprocess.Popen[bytes], line: bytes) -> bytes:
    """The answer to `line`; b"" when the process has ended instead."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(line + b"\n")
        process.stdin.flush()
    except OSError:
        return b""
    answer = process.stdout.readline()
    return answer[:-1] if answer.endswith(b"\n") else b""


def _how_it_ended(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    return f"worker ended by signal {-code}" if code < 0 else f"worker ended with code {code}"
