"""`python3 -m app ...` and `pilothouse ...`: the one way in.

From a bare checkout it makes `.venv`, installs what the command needs and hands over; in an
environment that has everything it is the command line itself. This file must parse on any
Python, or a person with an old one sees a SyntaxError and not the remedy.
"""

import sys


def main(installed=True):
    # type: (bool) -> int
    """The installed command `pilothouse`."""
    if sys.version_info < (3, 11):  # noqa: UP036  The version check itself.
        sys.stderr.write(
            "python: {}.{}: Pilothouse needs Python 3.11 or newer: start it with one, "
            "for example python3.12 -m app\n".format(*sys.version_info[:2])
        )
        return 4

    from app.setup.launcher import launch

    return launch(sys.argv[1:], installed=installed)


if __name__ == "__main__":
    sys.exit(main(installed=False))
