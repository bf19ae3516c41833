"""The formats for programs: a view's data as it is, whole and unshortened."""

import msgspec

from .renderer import Screen
from .view import Aside, StreamedView, View


class JsonRenderer:
    """One line of JSON. What is too large to be held is written part by part."""

    live = False

    def render(self, view: View, screen: Screen) -> None:
        """The data to stdout."""
        if isinstance(view, StreamedView):
            for chunk in view.chunks():
                screen.encoded(chunk)
            screen.encoded(b"\n")
        elif not isinstance(view, Aside):
            screen.encoded(msgspec.json.encode(view.data()) + b"\n")


class YamlRenderer:
    """The same as JSON, for people who read it."""

    live = False

    def render(self, view: View, screen: Screen) -> None:
        """The data to stdout."""
        if isinstance(view, Aside):
            return
        import yaml  # slow to load, and seldom wanted

        plain = msgspec.to_builtins(view.data())
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=False, width=100)
        screen.write(text)
