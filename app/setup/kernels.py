"""The named step "compiling kernels": numba's cache is filled before anybody waits for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from app.cli.output import print_error
from app.progress import Step
from app.setup.environment import Environment, run_watched
from app.setup.failures import SetupError


class KernelCache:
    """Knows whether the kernels of a checkout have been compiled as they stand now."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._stamp_file = environment.root / "pilothouse-kernels"

    def is_hot(self) -> bool:
        try:
            return self._stamp_file.read_text(encoding="utf-8") == self._digest()
        except OSError:
            return False

    def warm(self) -> None:
        """Compile, with progress. A failure is told but ends nothing: kernels compile when used."""
        with self._environment.locked():
            if self.is_hot():
                return
            digest = self._digest()
            try:
                self._compile()
            except SetupError as error:
                print_error(error)
                return
            self._stamp_file.write_text(digest, encoding="utf-8")

    def _compile(self) -> None:
        with Step("compiling kernels (once, for minutes)") as step:
            command = [str(self._environment.python), "-P", "-m", "app", "warm"]
            done, output = run_watched(command, step.tick)
            if not done:
                said = (output.strip() or "no word").splitlines()[-1]
                raise SetupError(f"compiling kernels: {said}: they are compiled when first used")

    def _sources(self) -> Path:
        return self._environment.checkout / "engine" / "kernels"

    def _digest(self) -> str:
        """Names, sizes and times of the sources, which is what numba's own cache goes by."""
        told = hashlib.sha256()
        for source in sorted(self._sources().glob("*.py")):
            about = source.stat()
            told.update(f"{source.name} {about.st_size} {about.st_mtime_ns}\n".encode())
        told.update(self._environment.lock_file("base").read_bytes())  # numba's version
        return told.hexdigest()
