"""The one exception that means: the user's input is wrong."""


class UserError(Exception):
    """A mistake in the input. The message is one line that names the value, the place and the remedy.

    Commands print it on stderr and exit with status 2; see `ama.console.run`.
    """


def os_error_text(error: OSError) -> str:
    """Return what the system refused and where, on one line: `Permission denied: /data/model`."""
    reason = error.strerror or str(error)
    return f"{reason}: {error.filename}" if error.filename else reason
