"""The one exception that means: the user's input is wrong."""


class UserError(Exception):
    """A mistake in the input. The message is one line that names the value, the place and the remedy.

    Commands print it on stderr and exit with status 2; see `ama.console.run`.
    """
