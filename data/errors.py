"""
What can go wrong so badly that no sample can be made.

A measurement that failed is not an error: it is a sample with an outcome. Errors are for
what stops the work itself, and every one of them ends as one line on a terminal.

    PhusongError
      ConfigError       an option, a rule or a plan is wrong
      ProbeError        the probe could not run at all
      RecordError       a record is malformed; carries its source and line
      StoreError        not our database, newer than this code, full, or not writable
        DiskFullError   there is no room now; try again when there is
      BoundaryError     no CRS, repeated code, empty or invalid geometry
      MapError          nothing to draw, or nowhere to write it

A message is a template and its values, kept apart: the terminal looks the template up in the
reader's language (`words.py`) and fills it in afterwards. A template says what was being done,
to what, what was seen, and what to try.
"""

from .words import fill


class PhusongError(Exception):
    """Stop the work with a message that a person can act on."""

    def __init__(self, template: str, **values: object) -> None:
        # The template alone: what is kept as an attribute comes along to another process.
        super().__init__(template)
        self.template = template
        self.values = values

    def __str__(self) -> str:
        return fill(self.template, self.values)


class ConfigError(PhusongError):
    """An option, a rule file or a plan is wrong."""


class ProbeError(PhusongError):
    """The probe could not run at all: no attempt was made, so there is no sample."""


class RecordError(PhusongError):
    """
    A record is malformed.

    `reason` is a short stable name (``bad_coordinate``) under which rejected records are
    counted; the message is for the person who reads one of them.
    """

    def __init__(self, template: str, *, reason: str = "malformed", **values: object) -> None:
        super().__init__(template, **values)
        self.reason = reason


class StoreError(PhusongError):
    """The store cannot be used: not ours, newer than this code, full, or not writable."""


class DiskFullError(StoreError):
    """There is no room for what was to be kept: it may be tried again when there is."""


class BoundaryError(PhusongError):
    """Boundaries cannot be used as they are; the message names the feature."""


class MapError(PhusongError):
    """There is nothing to draw, or nowhere to write it."""
