"""The answers of `explain`: which versions were compared, and with which result."""

from .base import Model, Record


class Judgement(Record):
    """The result of one advisory for one installed version, on the hosts that have this version.

    `compared` is the version that was compared (the source's, where the advisory names sources).
    `range` is the affected range in words, for `ecosystem` and `channel`; `why` is the rule that
    decided. `decided_by` is the advisory that decided, of the feed `decided_in`: it is another one
    where that has the fix for the build's own line, or more authority. `weighed` are all advisories
    on the CVE in this package that were compared with each other. `offered` is the version with the
    fix that `repository` has. `stuck` says why a host does not get it, and `excluded` which
    exclusion prevents it. Only an affected version has a priority.
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
