"""Fetch the files of a plan once, through a host of their cohort, into the content store.

Through a host and not from the addresses that hosts name: a controller that fetched those would
be steered by its hosts, and private mirrors want the host's credentials.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from ...errors import IntegrityError
from ...models.facts import PackageManager
from ...models.words import size
from ...protocol import fetching
from ...protocol.cleaning import sentence
from ...protocol.fetching import Needed, Piece
from ...protocol.jobs import Answer, AnswerStatus, HostRunner, Job
from ..interfaces import ContentStore, Incoming

TIMEOUT_S = 900


class FileFetcher:
    """Fetches files for one plan. `work` names it on the hosts: hex digits."""

    def __init__(
        self,
        *,
        store: ContentStore,
        runner: HostRunner,
        inventory: Callable[[Sequence[str]], Mapping[str, Any]],
        work: str,
        say: Callable[[str], None],
    ) -> None:
        self._store = store
        self._runner = runner
        self._inventory = inventory
        self._work = work
        self._say = say
        self._jobs = 0

    def fetch(self, files: Iterable[Needed]) -> dict[str, str]:
        """Bring what the store lacks. The answer: hash of each file that no host gave, and why."""
        missing = {one.file.sha256: one for one in files if not self._store.holds(one.file)}
        reasons: dict[str, str] = {}
        for attempt in range(max((len(one.hosts) for one in missing.values()), default=0)):
            waiting = [one for one in missing.values() if attempt < len(one.hosts)]
            for manager in sorted({one.manager for one in waiting}):
                by_host: dict[str, list[Needed]] = {}
                for one in waiting:
                    if one.manager is manager:
                        by_host.setdefault(one.hosts[attempt], []).append(one)
                done, failed = self._round(manager, by_host)
                reasons.update(failed)
                missing = {key: one for key, one in missing.items() if key not in done}
            if not missing:
                break
        return {key: reasons.get(key, "no host could fetch it") for key in missing}

    def _round(
        self, manager: PackageManager, by_host: Mapping[str, Sequence[Needed]]
    ) -> tuple[set[str], dict[str, str]]:
        """Ask each host for its files; the files that came, and why others did not."""
        plan = {host: fetching.messages(files) for host, files in by_host.items()}
        failed: dict[str, str] = {}
        with ExitStack() as stack:
            open_files = {
                one.file.sha256: stack.enter_context(self._store.receive())
                for files in by_host.values()
                for one in files
            }
            for number in range(max(map(len, plan.values()), default=0)):
                last = {host for host, rows in plan.items() if number + 1 == len(rows)}
                batch = {
                    host: pieces
                    for host, rows in plan.items()
                    if number < len(rows)
                    # The last request cleans up, though nothing of its pieces be left to ask for.
                    and ((pieces := _hopeful(rows[number], failed)) or host in last)
                }
                for answer in self._ask(manager, batch, last):
                    reason = _take(answer, batch[answer.host], open_files, failed)
                    if reason:
                        del plan[answer.host]  # its other messages would end likewise
                        failed.update(
                            (one.file.sha256, f"{answer.host}: {reason}")
                            for one in by_host[answer.host]
                        )
            done = self._keep(by_host, open_files, failed)
        return done, failed

    def _keep(
        self,
        by_host: Mapping[str, Sequence[Needed]],
        open_files: Mapping[str, Incoming],
        failed: dict[str, str],
    ) -> set[str]:
        done = set()
        for host, files in by_host.items():
            for one in files:
                if one.file.sha256 in failed:
                    continue
                try:
                    self._store.keep(open_files[one.file.sha256].path, one.file)
                    done.add(one.file.sha256)
                except IntegrityError as error:
                    failed[one.file.sha256] = f"{host}: {error}"
        return done

    def _ask(
        self, manager: PackageManager, batch: Mapping[str, Sequence[Piece]], last: Collection[str]
    ) -> Iterable[Answer]:
        if not batch:
            return ()
        self._jobs += 1
        if amount := sum(piece.length for pieces in batch.values() for piece in pieces):
            self._say(f"fetching {size(amount)} of packages through {', '.join(sorted(batch))}")
        return self._runner.run(
            Job(
                id=f"fetch-{self._work}-{self._jobs}",
                stage="fetch",
                inventory=self._inventory(sorted(batch)),
                variables={"patch_fetch_manager": manager.value},
                manager=manager,
                payloads={
                    host: fetching.payload(self._work, pieces, keep=host not in last)
                    for host, pieces in batch.items()
                },
                timeout_s=TIMEOUT_S,
            )
        )


def _hopeful(pieces: Iterable[Piece], failed: Mapping[str, str]) -> tuple[Piece, ...]:
    return tuple(piece for piece in pieces if piece.needed.file.sha256 not in failed)


def _take(
    answer: Answer,
    pieces: Sequence[Piece],
    open_files: Mapping[str, Incoming],
    failed: dict[str, str],
) -> str:
    """Write what came into its files. The answer says why nothing of this host can be used."""
    if answer.status is not AnswerStatus.OK:
        return sentence(answer.reason) or "the host gave no answer"
    try:
        for one in fetching.parse(answer.output, pieces):
            if isinstance(one, fetching.Received):
                open_files[one.sha256].write(one.offset, one.data)
            elif one.sha256 in open_files:
                failed[one.sha256] = f"{answer.host}: {one.reason}"
    except ValueError as error:
        return str(error)
    return ""
