"""A secret that sings: made for a run, typed in like a real one, and searched for afterwards.

    canary = Canary()
    pilothouse("keys", "add", "binance", "--password-stdin", input=canary.lines)
    ...                                       # whatever handles keys, and fails in many ways
    canary.assert_silent(home, tmp_path)      # files, processes; a core file would lie in them
    canary.assert_not_in(stdout, stderr)

It has the shape of a Binance key, so every check takes it. Looked for as text and as what text
becomes on its way: UTF-16, hexadecimal, base64, percent signs.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import string
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path

_LETTERS = string.ascii_letters + string.digits


class Canary:
    def __init__(self, passphrase: str = "") -> None:
        """`passphrase` of the venue; Binance has none."""
        self.key = _song("CANARYk")
        self.secret = _song("CANARYs")
        self.passphrase = passphrase
        self.sealing = f"CANARY sealing {secrets.token_hex(12)}"
        """A passphrase for a sealed file."""

    @property
    def lines(self) -> str:
        """As `keys add --password-stdin` reads it."""
        return "".join(f"{part}\n" for part in (self.key, self.secret, self.passphrase) if part)

    @property
    def songs(self) -> tuple[str, ...]:
        return tuple(
            part for part in (self.key, self.secret, self.passphrase, self.sealing) if part
        )

    def is_in(self, content: bytes) -> bool:
        return self._pattern.search(content) is not None

    def assert_not_in(self, *contents: str | bytes) -> None:
        for content in contents:
            raw = content if isinstance(content, bytes) else content.encode()
            assert not self.is_in(raw), f"the canary sings in: {self._around(raw)!r}"

    def assert_silent(self, *folders: Path, spared: Sequence[Path] = ()) -> None:
        """In no file below the folders but those `spared`, and in no process's arguments or
        environment."""
        found = [path for folder in folders for path in self._singing_files(folder)]
        singing = [str(path) for path in found if path not in spared]
        singing += self._singing_processes()
        assert not singing, f"the canary sings in {', '.join(singing)}"

    def _singing_files(self, folder: Path) -> Iterator[Path]:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and self._sings(path):
                yield path
            if self.is_in(os.fsencode(path.name)):
                yield path

    def _sings(self, path: Path) -> bool:
        try:
            return self.is_in(path.read_bytes())
        except FileNotFoundError:  # Of a process that lives, and has just taken it away.
            return False

    def _singing_processes(self) -> Iterator[str]:
        for process in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                try:
                    content = (process / name).read_bytes()
                except OSError:  # Gone, or somebody else's.
                    continue
                if self.is_in(content):
                    yield str(process / name)

    @property
    def _pattern(self) -> re.Pattern[bytes]:
        forms = {form for song in self.songs for form in _forms(song)}
        return re.compile(b"|".join(re.escape(form) for form in sorted(forms)))

    def _around(self, raw: bytes) -> bytes:
        found = self._pattern.search(raw)
        assert found is not None
        return raw[max(0, found.start() - 80) : found.end() + 20]


def _song(start: str) -> str:
    return start + "".join(secrets.choice(_LETTERS) for _ in range(64 - len(start)))


def _forms(song: str) -> Iterator[bytes]:
    raw = song.encode()
    yield raw
    yield song.encode("utf-16-le")
    yield raw.hex().encode()
    yield urllib.parse.quote(song, safe="").encode()
    for shift in range(3):
        # The inner part is the same wherever the song stands in what is encoded.
        whole = base64.b64encode(b"\0" * shift + raw)
        yield whole[4 : len(whole) - 4]
