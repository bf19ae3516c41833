"""The formats for programs: a view's data unchanged and whole."""

import msgspec

from .renderer import Screen
from .view import Aside, StreamedView, View


class JsonRenderer:
    """Writes one line of JSON. Data that is too large for memory is written in parts."""

    live = False
    rows_only = False

    def render(self, view: View, screen: Screen) -> None:
        """Write the data to stdout."""
        if isinstance(view, StreamedView):
            for chunk in view.chunks():
                screen.encoded(chunk)
            screen.encoded(b"\n")
        elif not isinstance(view, Aside):
            screen.encoded(msgspec.json.encode(view.data()) + b"\n")


class YamlRenderer:
    """Writes the same data as YAML, for people who read it."""

    live = False
    rows_only = False

    def render(self, view: View, screen: Screen) -> None:
        """Write the data to stdout."""
        if isinstance(view, Aside):
            return
        import yaml  # slow to load, and rarely needed

        plain = msgspec.to_builtins(view.data())
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=False, width=100)
        screen.write(text)
