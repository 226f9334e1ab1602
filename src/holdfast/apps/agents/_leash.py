"""Becomes another program that dies with its parent. Run as a script, in a Python without anything: it is quick.

The kernel is asked to kill this process when its parent dies (Linux, ``prctl(2)``, PR_SET_PDEATHSIG), and keeps that
over ``exec``. Done here and not between fork and exec of the parent, where threads make every call a risk. Elsewhere
a process sees the end of its stdin and has to go by itself.
"""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1
CANNOT_START = 127


def main() -> None:
    """Run ``_leash.py PARENT COMMAND …``."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only where it is of use

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            sys.exit(CANNOT_START)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command is of the configuration
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", file=sys.stderr)  # noqa: T201 - its log
        sys.exit(CANNOT_START)


if __name__ == "__main__":
    main()
