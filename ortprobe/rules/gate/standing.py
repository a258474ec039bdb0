"""How each thing that was checked came out."""

from __future__ import annotations

from enum import StrEnum


class Standing(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    CANT_TELL = "can't tell"
    """Asked for, and the capture does not say: as bad as FAILED."""
    NOTED = "noted"
    """A finding that was not asked to fail."""
    IGNORED = "ignored"
    """A finding that was asked to be ignored."""
    SKIPPED = "skipped"
    """Nobody asked for it by name, and the capture does not say."""

    @property
    def fails(self) -> bool:
        """Whether the check can't pass with it."""
        return self in (Standing.FAILED, Standing.CANT_TELL)
