"""What pip and the system say, in their own words, and the line a person gets for it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from app.setup import failures

LOG = Path(".venv/setup.log")

OFFLINE = """\
Collecting aiohappyeyeballs==2.7.1
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after \
connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object \
at 0x7f43>: Failed to establish a new connection: [Errno -2] Name or service not known')': /simple/
ERROR: Could not find a version that satisfies the requirement aiohappyeyeballs==2.7.1 (from \
versions: none)
ERROR: No matching distribution found for aiohappyeyeballs==2.7.1
"""
TAMPERED = """\
Processing ./tiny-1.0-py3-none-any.whl (from -r req.txt (line 1))
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the \
package versions, please update the hashes. Otherwise, examine the package contents carefully; \
someone may have tampered with them.
    tiny==1.0 from file:///wheels/tiny-1.0-py3-none-any.whl (from -r req.txt (line 1)):
        Expected sha256 0000000000000000000000000000000000000000000000000000000000000000
             Got        02f14db0b80fd7d46110ff7aff87a031b0344ee1239f82d1ca8852721e45d8a9
"""
FULL_DISK = """\
Installing collected packages: numpy, numba
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device
"""
NO_BUILD = """\
ERROR: Could not find a version that satisfies the requirement numba==0.68.1 (from versions: none)
ERROR: No matching distribution found for numba==0.68.1
"""
OLD_CLOCK = """\
WARNING: Retrying (Retry(total=0)) after connection broken by 'SSLError(SSLCertVerificationError(1,
'[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate is not yet valid'))'
ERROR: No matching distribution found for attrs==26.1.0
"""
FORBIDDEN = """\
ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/opt/x/numpy'
Check the permissions.
"""


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        (OFFLINE, ["network:", "go online"]),
        (TAMPERED, ["tiny:", "packaging/locks"]),
        (FULL_DISK, ["disk space:", "make room"]),
        (OLD_CLOCK, ["network:", "certificate", "clock"]),
        (FORBIDDEN, ["'/opt/x/numpy':", "writable"]),
        (NO_BUILD, ["network:", "numba==0.68.1"]),
        ("Boom\nERROR: something new\nbye\n", ["pip: ERROR: something new", str(LOG)]),
        ("", ["pip: it ended without a word", str(LOG)]),
    ],
)
def test_pip(output: str, parts: list[str]) -> None:
    line = failures.from_pip(output, LOG)
    assert "\n" not in line
    for part in parts:
        assert part in line


def test_pip_on_a_machine_the_locks_leave_out() -> None:
    line = failures.from_pip(NO_BUILD, LOG, "riscv64")
    assert line.startswith("numba==0.68.1: there is no build of it for riscv64: use Python 3.11")


def test_a_network_failure_wins_over_what_pip_concludes_from_it() -> None:
    assert failures.from_pip(OFFLINE, LOG, "riscv64").startswith("network:")


@pytest.mark.parametrize(
    ("number", "part"),
    [
        (errno.EROFS, "copy the checkout"),
        (errno.EACCES, "copy the checkout"),
        (errno.ENOSPC, "disk space"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_file_operations(number: int, part: str) -> None:
    error = OSError(number, os.strerror(number), "/x/.venv")
    line = failures.from_os_error(error, Path("/x"))
    assert part in line
    assert "/x/.venv" in line


def test_debian_names_its_package() -> None:
    said = (
        "The virtual environment was not created successfully because ensurepip is not\n"
        "available.  On Debian/Ubuntu systems, you need to install the python3-venv package."
    )
    assert "apt install python3.11-venv" in failures.from_venv(said, "3.11", debian=True)
    assert "apt" not in failures.from_venv(said, "3.11", debian=False)
