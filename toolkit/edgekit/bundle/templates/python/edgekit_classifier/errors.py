"""The error that ends the program with one line and exit status 2."""


class Refused(Exception):
    """The message says what was expected, what was found and what to do."""
