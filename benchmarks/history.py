"""A year of the history of findings: what it takes on the disk, and what a day of it costs.

A made-up fleet lives a year: every day new CVEs come, each in a package that a part of the hosts
has; fixes come days later; some decisions change; every week a run patches the rings, a wave a
night, and fails on some hosts; kernels wait for a monthly reboot; hosts do not answer, go, and
come. Every day the whole fleet is discovered and assessed, and the history is written as `assess`
writes it. Findings are made as sets of hosts here: what `assess` spends on collecting them is
measured by `assessment.py`, which counts the whole command.
"""

import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import aim, arguments, how_many, machine, show

from patchctl.adapters.database import Database
from patchctl.assessment.history.ledger import Judged, Ledger
from patchctl.assessment.history.sightings import bits
from patchctl.models.assessment import FindingState
from patchctl.models.history import (
    Brought,
    Changes,
    HistoryHost,
    HostSet,
    Key,
    Known,
    Sighting,
    Standing,
    Subject,
)
from patchctl.models.priority import Decision
from patchctl.models.words import day

DAY_S = 86_400
START = 1_767_225_600  # 2026-01-01
CVES_A_DAY = 25
PACKAGES = 300
WAVES = ["staging", "canary", *(f"production {number}" for number in range(1, 6))]
SILENT, FAILS, REPLACED = 0.01, 0.03, 0.002
REBOOT_DAYS = 28


@dataclass
class Vulnerability:
    """A CVE in a package; `hosts` have it now, `rebooting` have its fix and run the old code."""

    key: Key
    fix_day: int
    decision: Decision
    hosts: HostSet
    rebooting: HostSet = 0


@dataclass
class Fleet:
    """The hosts with the packages that they have, and what is open on them."""

    size: int
    dice: random.Random
    there: list[int] = field(default_factory=list)
    has: dict[str, HostSet] = field(default_factory=dict)
    open: list[Vulnerability] = field(default_factory=list)
    made: int = 0

    def __post_init__(self) -> None:
        self.share = {f"package{n}": self.dice.random() ** 2 for n in range(PACKAGES)}
        self.share |= {"linux": 1.0, "openssl": 0.95}
        self.has = dict.fromkeys(self.share, 0)
        self.come(self.size)

    def come(self, count: int) -> None:
        new = range(self.made, self.made + count)
        self.there += new
        self.made += count
        for package, share in self.share.items():
            self.has[package] |= bits(n for n in new if self.dice.random() < share)

    def go(self, count: int) -> HostSet:
        gone = self.dice.sample(self.there, count)
        leaving = bits(gone)
        self.there = sorted(set(self.there) - set(gone))
        for package in self.has:
            self.has[package] &= ~leaving
        for own in self.open:
            own.hosts &= ~leaving
            own.rebooting &= ~leaving
        return leaving

    def disclose(self, today: int) -> None:
        """New CVEs; kernels have every third one of them."""
        for number in range(CVES_A_DAY):
            package = "linux" if number % 3 == 0 else self.dice.choice(list(self.share))
            self.open.append(
                Vulnerability(
                    key=(f"CVE-2026-{today:03}{number:02}", package),
                    fix_day=today + self.dice.choice([0, 0, 1, 3, 7, 14, 30]),
                    decision=self.dice.choice([Decision.SCHEDULED] * 4 + [Decision.DEFER]),
                    hosts=self.has[package],
                )
            )
        for own in self.open:
            if self.dice.random() < 0.001:  # it is exploited now
                own.decision = Decision.ACT

    def patch(self, today: int, run: str, now: int) -> Iterator[Brought]:
        """The wave of this night."""
        wave = WAVES[today % 7]
        reached = bits(n for n in self.there if wave_of(n) == wave and self.dice.random() > FAILS)
        cves: dict[str, frozenset[str]] = {}
        for own in self.open:
            if own.fix_day <= today and own.hosts & reached:
                cves[own.key[0]] = frozenset({own.key[1]})
                if own.key[1] == "linux":
                    own.rebooting |= own.hosts & reached
                own.hosts &= ~reached
        for number in numbers(reached):
            yield Brought(run=run, host=name_of(number), at=now, cves=cves)

    def reboot(self) -> None:
        for own in self.open:
            own.rebooting = 0

    def sightings(self, today: int) -> dict[Key, dict[Sighting, HostSet]]:
        seen: dict[Key, dict[Sighting, HostSet]] = defaultdict(dict)
        for own in self.open:
            state = FindingState.FIXABLE if own.fix_day <= today else FindingState.NO_FIX
            for on, hosts in ((state, own.hosts), (FindingState.NOT_EFFECTIVE, own.rebooting)):
                if hosts:
                    standing = Standing(state=on, decision=own.decision)
                    due = day(START + (own.fix_day + 30) * DAY_S)
                    seen[own.key][Sighting(key=own.key, standing=standing, due=due)] = hosts
        self.open = [own for own in self.open if own.hosts or own.rebooting]
        return seen


def wave_of(number: int) -> str:
    """A tenth of the hosts is in staging, as many are canaries."""
    return WAVES[number % 10] if number % 10 < 2 else WAVES[2 + number % 5]


def name_of(number: int) -> str:
    """The name of a host."""
    return f"host{number:05d}.example.com"


def numbers(hosts: HostSet) -> Iterator[int]:
    """The hosts of a set."""
    while hosts:
        lowest = hosts & -hosts
        yield lowest.bit_length() - 1
        hosts ^= lowest


def year(file: Path, hosts: int, days: int) -> dict[str, Any]:
    """Live that many days; what they cost, and what they left."""
    fleet = Fleet(hosts, random.Random(4))
    spent: list[float] = []
    with Database(file) as database:
        database.open()
        for today in range(days):
            spent.append(_live(database, fleet, today))
        again = _write(database, lambda known: _judge(known, fleet, days - 1, 0, 0, []))
        began = time.process_time()
        spells = database.history.spells()
        read = time.process_time() - began
        with database.transactions.read() as connection:
            sets = connection.exec_driver_sql("SELECT count(*) FROM host_set").scalar_one()
        findings = sum(spell.hosts.bit_count() for _, spell in spells if spell.until == 0)
        closed = sum(
            spell.hosts.bit_count()
            for _, spell in spells
            if spell.until and spell.ending is not None and spell.ending.value != "changed"
        )
    return {
        "hosts": hosts,
        "days": days,
        "hosts_in_all": fleet.made,
        "open": findings,
        "closed": closed,
        "rows": len(spells),
        "sets": sets,
        "state_mib": round(file.stat().st_size / (1 << 20), 1),
        "day_cpu_s": round(statistics.median(spent), 2),
        "worst_day_cpu_s": round(max(spent), 2),
        "no_change_cpu_s": round(again, 2),
        "read_all_cpu_s": round(read, 2),
    }


def _live(database: Database, fleet: Fleet, today: int) -> float:
    now = START + today * DAY_S
    replaced = round(REPLACED * fleet.size)
    gone = fleet.go(replaced)
    fleet.come(replaced)
    fleet.disclose(today)
    brought = list(fleet.patch(today, f"r-{today // 7:02}", now))
    if today % REBOOT_DAYS == 0:
        fleet.reboot()
    silent = bits(n for n in fleet.there if fleet.dice.random() < SILENT)
    return _write(database, lambda known: _judge(known, fleet, today, gone, silent, brought))


def _write(database: Database, decide: Any) -> float:
    began = time.process_time()
    database.history.record(day(START), decide)
    return time.process_time() - began


def _judge(
    known: Known,
    fleet: Fleet,
    today: int,
    gone: HostSet,
    silent: HostSet,
    brought: list[Brought],
) -> Changes:
    now = START + today * DAY_S + 4 * 3600
    ledger = Ledger(known, now)
    stored = {host.number: host for host in known.hosts}
    hosts = []
    for number in fleet.there:
        answers = not silent >> number & 1
        looked = today + 1 if answers or number not in stored else stored[number].looked
        ring = wave_of(number).split()[0]
        hosts.append(
            HistoryHost(
                number=number,
                name=name_of(number),
                ring=ring,
                looked=looked,
                there=True,
                silent=not answers,
            )
        )
    hosts += [HistoryHost(number=number, name=name_of(number)) for number in numbers(gone)]
    ledger.know(hosts)
    ledger.bring(brought)
    seen = fleet.sightings(today)
    ledger.judge(
        Judged(
            sightings=seen,
            subjects={key: Subject(number=0, cve=key[0], package=key[1]) for key in seen},
            fresh=bits(fleet.there) & ~silent,
            same=0,
            gone=gone,
            installed=lambda package: fleet.has[package],
        )
    )
    return ledger.changes(day(now))


def main() -> int:
    """Print the table."""
    parser = arguments(__doc__ or "", hosts=10_000, quick=1_000, rounds=1)
    parser.add_argument("--days", type=int, default=365)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        row = year(Path(folder) / "state.db", how_many(args), args.days)
    show(
        args,
        {
            "benchmark": "history",
            "machine": machine(),
            "tables": {"a year": [row]},
            "aims": [
                aim("the history of a year: MiB < 1,000", row["state_mib"], 1000),
                aim("a day without changes: CPU seconds < 1", row["no_change_cpu_s"], 1),
            ],
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
