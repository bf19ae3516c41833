"""Decide from the state of dnf's lists which repositories could be read.

Where the settings allow it, dnf goes on without a repository, prints nothing about it with the
updates, and exits with 0. Lists therefore count as current only with positive evidence: the time
at which dnf fetched the repository's index, or found that it is still the newest.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from ...models.facts import PackageLists
from ...protocol.sections import Section, Unparsed, clip, fields, number
from . import rpm

NO_REPOSITORY = "no repository is enabled"
UNREGISTERED = (
    f"{NO_REPOSITORY}: the system is not registered; `subscription-manager register` there gives it"
    " repositories"
)
NEVER = "its package lists were never fetched"
SOURCES_UNREAD = "which repositories it has could not be read"
UNEXPLAINED = "its package lists were not fetched, and dnf did not say why"

_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")
# The forms of dnf 4, yum and dnf 5, in this order.
_ABOUT = re.compile(r"Errors during downloading metadata for repository '([^']+)':")
_FAILED = (
    re.compile(r"Error: Failed to download metadata for repo '([^']+)': (.*)"),
    re.compile(r" *failure: .* from ([^ :]+): (.*)"),
    re.compile(r".*[Ff]ailed to download metadata .*for repository \"([^\"]+)\"(.*)"),
)
_IGNORED = re.compile(r"Ignoring repositories: (.*)")
# curl's messages with each TLS library: OpenSSL, NSS, GnuTLS.
_CERTIFICATE = re.compile(
    r"Curl error \(58\)|client cert|unable to load client key|X\.509 key or certificate file"
)
CERTIFICATE = (
    "its client certificate (sslclientcert) is missing or broken, `subscription-manager refresh`"
    " there brings that of a subscription"
)
_UNREGISTERED = re.compile(r"system is not registered")
_ERROR = re.compile(r"Errors?: (.*)")


def lists(
    sources: Section,
    times: Iterable[str],
    settings: Iterable[str],
    silent: Iterable[str],
    fetching: Section | None,
    now: int,
    ahead: int,
    unparsed: Unparsed,
) -> tuple[PackageLists, ...]:
    """Return a record for each enabled repository, in dnf's order.

    Where the host could not list its repositories there is one record without a name. `sources` has
    lines `ID`. `times` are lines `SECONDS ID` by the host's clock, which is `ahead` seconds ahead
    of ours. `settings` are lines of [main] and the `.repo` files, with `skip_if_unavailable`.
    `silent` are lines `ID` of repositories whose index has no advisories. `fetching` has dnf's
    errors, and is None where the host did not fetch its lists now. `now` is epoch seconds by our
    clock.
    """
    if sources.code != 0:
        return (PackageLists(fault=SOURCES_UNREAD),)
    faults = _faults(fetching.lines) if fetching else {}
    moments = _times(times, unparsed)
    optional = rpm.switches(settings, "skip_if_unavailable")
    without = frozenset(silent)
    well = fetching is not None and fetching.code == 0
    rows = []
    for name in sources.lines:
        if not _ID.fullmatch(name):
            unparsed.add("sources", name)
            continue
        fault = faults.get(name, "")
        moment = moments.get(name, 0)
        if fetching and not well and not faults:
            fault = next(_errors(fetching.lines), UNEXPLAINED)
        if not fault and not moment:
            fault = UNEXPLAINED if fetching else NEVER
        fetched = max(moment - ahead, 0) if moment else 0
        if well and not fault:
            fetched = now
        rows.append(
            PackageLists(
                repository=name,
                fetched=fetched,
                fault=_with_remedy(clip(fault)),
                optional=optional.get(name, optional.get("main", False)),
                advisories=name not in without,
            )
        )
    if rows:
        return tuple(rows)
    unregistered = any(map(_UNREGISTERED.search, fetching.lines if fetching else ()))
    return (PackageLists(fault=UNREGISTERED if unregistered else NO_REPOSITORY),)


def _with_remedy(fault: str) -> str:
    return f"{fault}; {CERTIFICATE}" if _CERTIFICATE.search(fault) else fault


def is_detail(line: str) -> bool:
    """Return whether a line of dnf's errors is about a single repository."""
    return line.startswith(("  - ", "Ignoring ")) or any(
        pattern.fullmatch(line) for pattern in (_ABOUT, *_FAILED)
    )


def _faults(lines: Sequence[str]) -> dict[str, str]:
    """Return repository -> why it was not fetched: the connection's error, else dnf's message."""
    faults: dict[str, str] = {}
    about = ""
    for line in lines:
        if about and line.startswith("  - "):
            faults.setdefault(about, line.removeprefix("  - "))
            continue
        header = _ABOUT.match(line)
        about = header[1] if header else ""
        for pattern in _FAILED:
            if failed := pattern.fullmatch(line):
                # yum: `base/7/x86_64`
                faults.setdefault(failed[1].partition("/")[0], failed[2].strip() or UNEXPLAINED)
        if ignored := _IGNORED.fullmatch(line):
            for name in ignored[1].split(","):
                faults.setdefault(name.strip(), UNEXPLAINED)
    return faults


def _errors(lines: Iterable[str]) -> Iterator[str]:
    return (error[1] for line in lines if (error := _ERROR.fullmatch(line)))


def _times(lines: Iterable[str], unparsed: Unparsed) -> dict[str, int]:
    moments: dict[str, int] = {}
    for line in lines:
        parts = fields(line, 2)
        moment = number(parts[0]) if parts else None
        if parts is None or moment is None:
            unparsed.add("lists", line)
        else:
            moments[parts[1]] = max(moment, moments.get(parts[1], 0))
    return moments
