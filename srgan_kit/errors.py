"""The one exception a user is meant to read."""


class UserError(ValueError):
    """A mistake in what the user gave: the message names the input, what was expected and what came.

    The command line prints it on one line of stderr, without a traceback; library callers may catch it as a
    ``ValueError``.
    """

    exit_status = 2
    """2: the command line, a configuration or an input was wrong. Subclasses for what went wrong later have 1."""
