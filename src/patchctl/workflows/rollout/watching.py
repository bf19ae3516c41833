"""What a screen needs to follow a run: somebody who folds the journal into a view of his own, and
gives out pictures of it."""

from ...rollout.picture import Onlooker, Picture
from ...rollout.view import RunView

__all__ = ["Onlooker", "Picture", "RunView"]
