"""Print log records for `-v`: which playbooks run, on how many hosts, and how long they take."""

import logging

from ..models.words import clock
from . import output


class _Lines(logging.Handler):
    """Writes log records as lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            at = clock(record.created)
            output.note(f"{at} {record.getMessage()}")
        except Exception:
            self.handleError(record)


def show(verbosity: int) -> None:
    """Log to stderr. Verbosity 1 shows what patchctl starts, with times; 2 and more also each step
    and each host's answer.
    """
    logger = logging.getLogger("patchctl")
    for handler in [handler for handler in logger.handlers if isinstance(handler, _Lines)]:
        logger.removeHandler(handler)
    if not verbosity:
        logger.setLevel(logging.WARNING)
        return
    logger.setLevel(logging.INFO if verbosity == 1 else logging.DEBUG)
    logger.propagate = False
    logger.addHandler(_Lines())
