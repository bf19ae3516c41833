"""Answers of `explain`: what was compared with what, and what follows from it."""

from .base import Model, Record


class Judgement(Record):
    """One advisory's word on one installed version, over the hosts that have it.

    `compared` is the version that decides (the source's, where the advisory names sources); `range`
    the affected range in words, `ecosystem` and `channel` what it is for; `why` what decided.
    `decided_by` is the advisory that did, of the feed `decided_in`; it is another one where that
    has the fix of the build's own line or more authority. `weighed` are all advisories on the CVE
    in this package that were weighed against each other. `repository` and `offered` say who
    delivers the fix. `stuck` says what keeps a host from it, `excluded` which exclusion does.
    Priority stands only on what is affected.
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


class Explanation(Model):
    """`kind` is `cve`, `host` or `package`; `facts` are lines on the subject itself."""

    kind: str
    subject: str
    as_of: str
    facts: tuple[str, ...]
    judgements: tuple[Judgement, ...]
    warnings: tuple[str, ...] = ()
