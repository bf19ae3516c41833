"""The answers of `explain`: which versions were compared, and what follows."""

from .base import Model, Record


class Judgement(Record):
    """What one advisory means for one installed version, over the hosts that have it.

    `compared` is the version that decides (the source's, where the advisory names sources); `range`
    is the affected range in words, for `ecosystem` and `channel`; `why` the rule that decided.
    `decided_by` is the advisory that decided, of the feed `decided_in`: another one where that has
    the fix of the build's own line or more authority. `weighed` are all advisories on the CVE in
    this package that were compared with each other. `repository` and `offered` say who delivers the
    fix. `stuck` says what keeps a host from it, `excluded` which exclusion does. Only what is
    affected has a priority.
    """

    hosts: tuple[str, ...]
    cve: str
    package: str
    installed: str
    source: str
    compared: str
    ecosystem: str
    advisory: str
    feed: str
    affected: bool
    why: str
    range: str
    channel: str = ""
    decided_by: str = ""
    decided_in: str = ""
    weighed: tuple[str, ...] = ()
    fixed: str = ""
    state: str = ""
    offered: str = ""
    repository: str = ""
    decision: str = ""
    due: str = ""
    rule: str = ""
    reasons: tuple[str, ...] = ()
    waiver: str = ""
    stuck: str = ""
    excluded: str = ""


class ExplainedGroup(Record):
    """All judgements on one version of a source package in one state, counted over the fleet.

    `packages` are its binaries, `cves` those that were judged, `state` is the finding's (empty
    where it is not affected), `fixed` the newest fix, `why` the rules that decided. Where it is
    affected, `decision` is the most urgent one and `due` the first date. A host whose version is
    affected by one advisory does not count as not affected by another.
    """

    source: str
    packages: tuple[str, ...]
    installed: str
    affected: bool
    hosts: tuple[str, ...]
    cves: tuple[str, ...]
    state: str = ""
    fixed: str = ""
    decision: str = ""
    due: str = ""
    why: tuple[str, ...] = ()


class Explanation(Model):
    """`kind` is `cve`, `host` or `package`; `facts` are lines about the subject itself. `groups`
    are of all judgements, also where `judgements` are too many to be listed."""

    kind: str
    subject: str
    as_of: str
    facts: tuple[str, ...]
    judgements: tuple[Judgement, ...]
    warnings: tuple[str, ...] = ()
    groups: tuple[ExplainedGroup, ...] = ()
