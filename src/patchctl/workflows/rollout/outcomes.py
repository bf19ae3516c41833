"""Export what tells a screen how a run and its rings ended."""

from ...rollout.results import of_ring, of_run

__all__ = ["of_ring", "of_run"]
