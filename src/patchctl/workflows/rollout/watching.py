"""What a screen needs to follow a run: a view of its own that it folds the journal into, and what
the view means as a status."""

from ...rollout.status import status
from ...rollout.view import RunView

__all__ = ["RunView", "status"]
