"""The text that a host's resolve script is given: one host's request as lines."""

from ..models import grammar
from ..models.requests import HostRequest, PackageRequest


def payload(request: HostRequest, *, allow_removals: bool, allow_downgrades: bool) -> str:
    """`patchctl-resolve 1` and a line a package.

    Raises ValueError on a word outside of the grammar: select lets none through.
    """
    lines = [
        "patchctl-resolve 1",
        f"removals {_yes(allow_removals)}",
        f"downgrades {_yes(allow_downgrades)}",
    ]
    lines += [_line("want", wanted) for wanted in request.wanted]
    lines += [_line("hold", held) for held in request.held]
    lines += [f"exclude {_pattern(one)}" for rule in request.exclusions for one in rule.packages]
    for one in request.kept:
        if not (
            grammar.is_name(one.package)
            and (grammar.is_arch(one.arch) or (not one.arch and not one.version))
            and (grammar.is_version(one.version) or not one.version)
        ):
            raise ValueError(f"outside of the grammar: {one}")
        lines.append(f"keep {one.package} {one.arch or '-'} {one.version or '-'}")
    return "\n".join(lines) + "\n"


def _line(kind: str, one: PackageRequest) -> str:
    if not (
        grammar.is_name(one.package)
        and grammar.is_arch(one.arch)
        and grammar.is_version(one.version)
    ):
        raise ValueError(f"outside of the grammar: {one}")
    return f"{kind} {one.package} {one.arch} {one.version}"


def _pattern(text: str) -> str:
    if not grammar.fits("package pattern", text):
        raise ValueError(f"outside of the grammar: {text!r}")
    return text


def _yes(value: bool) -> str:
    return "yes" if value else "no"
