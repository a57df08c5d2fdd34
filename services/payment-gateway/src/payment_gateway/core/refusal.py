"""A rule of this service says no. The code is stable and tells the caller what it was."""


class Refused(Exception):
    """A refusal with its code; the message says what would be right."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
