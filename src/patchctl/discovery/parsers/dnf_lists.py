"""Which of dnf's repositories could be looked into, by the state of their lists.

dnf goes on without a repository that may be missing, says nothing of it when it is asked for
updates, and ends well. So that lists are good is told by evidence of its own: the time at which dnf
had the repository's index, or found it to be the newest.
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
UNTOLD = "which repositories it has could not be read"
UNEXPLAINED = "its package lists were not fetched, and dnf did not say why"

_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")
# dnf 4, then yum, then dnf 5.
_ABOUT = re.compile(r"Errors during downloading metadata for repository '([^']+)':")
_FAILED = (
    re.compile(r"Error: Failed to download metadata for repo '([^']+)': (.*)"),
    re.compile(r" *failure: .* from ([^ :]+): (.*)"),
    re.compile(r".*[Ff]ailed to download metadata .*for repository \"([^\"]+)\"(.*)"),
)
_IGNORED = re.compile(r"Ignoring repositories: (.*)")
# curl's words by its TLS library: OpenSSL, NSS, GnuTLS.
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
    """One record for each repository that is enabled, in dnf's order; one without a repository
    where the host could not tell which there are.

    `sources`: lines `ID`; `times`: lines `SECONDS ID` by the host's clock, which is `ahead` seconds
    before ours; `settings`: those of [main] and the `.repo` files that say what may be missing;
    `silent`: lines `ID` of those whose index has no advisories;
    `fetching`: what dnf complained of, None where the lists are as they lay there. `now` is by our
    clock.
    """
    if sources.code != 0:
        return (PackageLists(fault=UNTOLD),)
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
            fault = next(_said(fetching.lines), UNEXPLAINED)
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
    """Is a line of what dnf complained of about one repository only?"""
    return line.startswith(("  - ", "Ignoring ")) or any(
        pattern.fullmatch(line) for pattern in (_ABOUT, *_FAILED)
    )


def _faults(lines: Sequence[str]) -> dict[str, str]:
    """Repository -> why it was not fetched: the error of the connection, else dnf's own words."""
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


def _said(lines: Iterable[str]) -> Iterator[str]:
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
