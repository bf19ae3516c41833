"""Store frozen plans by digest."""

from __future__ import annotations

import zlib

import msgspec
from sqlalchemy import func, insert, select

from ...errors import IntegrityError, InvalidInputError
from ...models import canonical
from ...models.plan import Plan
from ...models.state import PlanSummary
from .schema import plan as table
from .transactions import Transactions

_PREFIX = "sha256:"
_SHOWN = 12


class Plans:
    """Plans never change: each digest is stored once."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def save(self, plan: Plan) -> None:
        """Store the plan. The same digest again changes nothing, `about` included."""
        _check(plan, canonical.digest(plan.body))
        row = {
            "digest": plan.digest,
            "created": plan.about.created,
            "author": plan.about.author,
            "comment": plan.about.comment,
            "hosts": len(plan.body.hosts),
            "transitions": _transitions(plan),
            "data": zlib.compress(canonical.encode(plan)),
        }
        with self._transactions.write() as connection:
            stored = connection.scalar(select(table.c.digest).where(table.c.digest == plan.digest))
            if stored is None:
                connection.execute(insert(table).values(row))

    def load(self, digest: str) -> Plan | None:
        """The plan with this digest, or None.

        A prefix of the digest that only one plan has will do, and `sha256:` may be left out.
        Raises InvalidInputError where several plans have it, IntegrityError where the stored plan
        does not have the digest that it is stored by.
        """
        prefix = digest if digest.startswith(_PREFIX) else _PREFIX + digest
        with self._transactions.read() as connection:
            rows = connection.execute(
                select(table.c.digest, table.c.data)
                .where(func.substr(table.c.digest, 1, len(prefix)) == prefix)
                .order_by(table.c.number)
                .limit(5)
            ).all()
        if len(rows) > 1:
            names = ", ".join(row.digest[len(_PREFIX) :][:_SHOWN] for row in rows)
            raise InvalidInputError(
                f"plan {digest!r} may be one of {names}", hint="give more of its digest"
            )
        return _decode(rows[0].data) if rows else None

    def latest(self) -> Plan | None:
        """The plan that was stored last, or None."""
        with self._transactions.read() as connection:
            data = connection.scalar(select(table.c.data).order_by(table.c.number.desc()).limit(1))
        return None if data is None else _decode(data)

    def list(self) -> list[PlanSummary]:
        """All plans, newest first."""
        with self._transactions.read() as connection:
            rows = connection.execute(
                select(
                    table.c.digest,
                    table.c.created,
                    table.c.author,
                    table.c.comment,
                    table.c.hosts,
                    table.c.transitions,
                ).order_by(table.c.number.desc())
            ).all()
        return [PlanSummary(**row._mapping) for row in rows]


def _transitions(plan: Plan) -> int:
    per_cohort = {cohort.id: len(cohort.transitions) for cohort in plan.body.cohorts}
    return sum(per_cohort.get(host.cohort, 0) for host in plan.body.hosts)


class _Stored(msgspec.Struct):
    digest: str
    body: msgspec.Raw


def _decode(data: bytes) -> Plan:
    """The plan. What is stored is canonical, so its bytes tell the digest without being made again,
    which takes longer than all else for thousands of hosts."""
    try:
        content = zlib.decompress(data)
        stored = msgspec.json.decode(content, type=_Stored)
        plan = msgspec.json.decode(content, type=Plan)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise IntegrityError(
            f"a stored plan is not readable ({error})", hint="create the plan again"
        ) from error
    _check(plan, canonical.digest_bytes(bytes(stored.body)))
    return plan


def _check(plan: Plan, digest: str) -> None:
    if digest != plan.digest:
        raise IntegrityError(
            f"plan {plan.digest} does not have the content of its digest",
            hint="create the plan again",
        )
