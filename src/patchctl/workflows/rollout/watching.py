"""Export what a screen needs to follow a run: pictures of it at one moment."""

from ...rollout.picture import Onlooker, Picture
from ...rollout.view import RunView

__all__ = ["Onlooker", "Picture", "RunView"]
