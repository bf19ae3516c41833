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
        missing = {
            needed.file.sha256: needed for needed in files if not self._store.holds(needed.file)
        }
        reasons: dict[str, str] = {}
        for attempt in range(max((len(needed.hosts) for needed in missing.values()), default=0)):
            waiting = [needed for needed in missing.values() if attempt < len(needed.hosts)]
            for manager in sorted({needed.manager for needed in waiting}):
                by_host: dict[str, list[Needed]] = {}
                for needed in waiting:
                    if needed.manager is manager:
                        by_host.setdefault(needed.hosts[attempt], []).append(needed)
                done, failed = self._round(manager, by_host)
                reasons.update(failed)
                missing = {key: needed for key, needed in missing.items() if key not in done}
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
                needed.file.sha256: stack.enter_context(self._store.receive())
                for files in by_host.values()
                for needed in files
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
                            (needed.file.sha256, f"{answer.host}: {reason}")
                            for needed in by_host[answer.host]
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
            for needed in files:
                if needed.file.sha256 in failed:
                    continue
                try:
                    self._store.keep(open_files[needed.file.sha256].path, needed.file)
                    done.add(needed.file.sha256)
                except IntegrityError as error:
                    failed[needed.file.sha256] = f"{host}: {error}"
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
                    host: fetching.payload(self._work, pieces, host=host, keep=host not in last)
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
        for piece in fetching.parse(answer.output, pieces):
            if isinstance(piece, fetching.Received):
                open_files[piece.sha256].write(piece.offset, piece.data)
            elif piece.sha256 in open_files:
                failed[piece.sha256] = f"{answer.host}: {piece.reason}"
    except ValueError as error:
        return str(error)
    return ""
