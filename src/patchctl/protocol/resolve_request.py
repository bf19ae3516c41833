"""Write the request to one host as the lines that its resolve script reads."""

from ..models import grammar
from ..models.requests import HostRequest, PackageRequest


def payload(request: HostRequest, *, allow_removals: bool, allow_downgrades: bool) -> str:
    """Return `patchctl-resolve 1` and a line for each package.

    Raises ValueError on a word outside of the grammar, which `plan.select` never lets through.
    """
    lines = [
        "patchctl-resolve 1",
        f"removals {_yes(allow_removals)}",
        f"downgrades {_yes(allow_downgrades)}",
    ]
    lines += [_line("want", wanted) for wanted in request.wanted]
    lines += [_line("hold", held) for held in request.held]
    lines += [
        f"exclude {_pattern(package)}" for rule in request.exclusions for package in rule.packages
    ]
    for package in request.kept:
        if not (
            grammar.is_name(package.package)
            and (grammar.is_arch(package.arch) or (not package.arch and not package.version))
            and (grammar.is_version(package.version) or not package.version)
        ):
            raise ValueError(f"outside of the grammar: {package}")
        lines.append(f"keep {package.package} {package.arch or '-'} {package.version or '-'}")
    return "\n".join(lines) + "\n"


def _line(kind: str, request: PackageRequest) -> str:
    if not (
        grammar.is_name(request.package)
        and grammar.is_arch(request.arch)
        and grammar.is_version(request.version)
    ):
        raise ValueError(f"outside of the grammar: {request}")
    return f"{kind} {request.package} {request.arch} {request.version}"


def _pattern(text: str) -> str:
    if not grammar.fits("package pattern", text):
        raise ValueError(f"outside of the grammar: {text!r}")
    return text


def _yes(value: bool) -> str:
    return "yes" if value else "no"
