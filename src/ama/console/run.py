"""Run a command's main function and turn a user's mistake into one line and an exit status."""

import os
import sys
from collections.abc import Callable

from ama.errors import UserError, os_error_text

USER_ERROR = 2
INTERRUPTED = 130


def run(main: Callable[[], int | None]) -> None:
    """Call `main` and exit with its status; 2 and one line on stderr for a wrong input, 130 for Ctrl-C.

    Args:
        main: reads its own arguments; returns an exit status, None for success.
    """
    try:
        status = main()
    except UserError as error:
        sys.exit(_one_line(str(error)))
    except OSError as error:
        sys.exit(_one_line(os_error_text(error)))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
    sys.exit(status or 0)


def _one_line(message: str) -> int:
    sys.stderr.write(f"error: {' '.join(message.split())}{os.linesep}")
    return USER_ERROR
