"""Write the payload of a stage, the text that a host's script reads. Pure.

Lines `KEY VALUE...`, read by `read_input` in roles/patch_transaction/files/lib.sh. Every value is
checked by a grammar here, so the shell never reads an unexpected space, quote or glob. Text that an
operator wrote (probes) is written as octal escapes, which `printf %b` reads.
"""

from collections.abc import Sequence

from ..errors import InvalidInputError
from ..models import grammar
from ..models.base import Record
from ..models.facts import PackageManager
from ..models.plan import Action, Artifact, PlannedHost, Transition
from ..models.policy import Probe, RingPolicy
from ..models.rollout import HostWork, Stage
from .managers import repository

FORMAT = 1
# A call that waits for a job answers `running` after this many seconds, so that a slow host does
# not block a fork. A host that is asked together with others blocks none, and may wait longer.
ATTACH_S = 12
SETTLE_S = 15
# A call ends by itself on the host after this many seconds, and the time for its job and probes. So
# no script is still running when the next call comes.
CALL_S = 50
PREPARE_CALL_S = 840
# As in roles/patch_transaction/files/probes.sh: how long a probe may take until it is killed, and
# how many run at the same time.
PROBE_S = 12
PROBES_AT_ONCE = 20

# Other files in /var/lib/patchctl, where each transaction has a folder.
_TAKEN = frozenset(
    {"claim", "claim.lock", "start.lock", "lock", "running", "updaters", "updaters.idle", "reserve"}
)


class StoredFile(Record):
    """An old version of a package whose file is in the controller's content store."""

    package: str
    arch: str
    version: str
    file: Artifact


def payload(
    stage: Stage,
    *,
    run: str,
    work: HostWork,
    host: PlannedHost,
    manager: PackageManager,
    transitions: Sequence[Transition],
    policy: RingPolicy,
    now: int,
    probes: Sequence[Probe] = (),
    stored: Sequence[StoredFile] = (),
    pushed: bool = False,
    over: Sequence[str] = (),
    attach_s: int = ATTACH_S,
) -> str:
    """Return the text for one host. `now` is in epoch seconds; `over` are runs whose claims the
    host may replace; `attach_s` is how long the host waits for its job.

    Raises InvalidInputError where a value of the plan is not safe in a shell script.
    """
    lines = [
        f"patchctl {FORMAT}",
        f"stage {stage.value}",
        f"manager {manager.value}",
        f"run {_checked('run', run)}",
        f"transaction {transaction(work.transaction)}",
        f"fence {int(work.fence)}",
        f"now {int(now)}",
        f"attach {int(attach_s)}",
        f"call {call_s(stage, len(probes))}",
        f"lock-wait {int(policy.lock_wait_s)}",
        f"limit {int(policy.transaction_timeout_s)}",
        f"settle {SETTLE_S}",
        f"updaters {policy.updaters.value}",
        f"rollback-ready {policy.rollback_ready.value}",
        f"pushed {'yes' if pushed else 'no'}",
        f"attempt {int(work.attempt)}",
        f"look {'yes' if work.look else 'no'}",
        *(["only-check yes"] if work.check else []),
        *(f"over {_checked('run', run)}" for run in over),
    ]
    if host.machine_id:
        lines.append(f"machine-id {_checked('machine-id', host.machine_id)}")
    if work.boot is not None:
        boot = _checked("boot", work.boot.boot_id)
        lines.append(f"boot {boot} {int(work.boot.pid1_start)}")
    lines += [_package(transition) for transition in transitions]
    lines += [
        _repository(transition, name)
        for transition in transitions
        if (name := repository(manager, transition))
    ]
    lines += [_unsigned(transition) for transition in transitions if transition.unsigned]
    lines += [_stored(file) for file in stored]
    lines += [_probe(number, probe) for number, probe in enumerate(probes, start=1)]
    return "\n".join([*lines, "end", ""])


def call_s(stage: Stage, probes: int) -> int:
    """Return the seconds after which a call of the stage, with this many probes, ends by itself on
    the host.
    """
    base = PREPARE_CALL_S if stage is Stage.PREPARE else CALL_S
    return base + ATTACH_S + -(-probes // PROBES_AT_ONCE) * PROBE_S


def transaction(name: str) -> str:
    """Return the transaction's id, checked: it is the name of a folder on the host. Raises
    InvalidInputError.
    """
    if name in _TAKEN:
        raise InvalidInputError(f"{name!r} cannot be the id of a transaction")
    return _checked("transaction", name)


def folder(name: str) -> str:
    """Return the folder for pushed files on the host."""
    return f"/var/lib/patchctl/{transaction(name)}/pushed"


def push_list(name: str, files: Sequence[tuple[Artifact, str]]) -> str:
    """Return the list for `patch_push`. `files` are (file, its path on the controller)."""
    lines = [f"directory {folder(name)}"]
    for file, path in files:
        digest, plain = _checked("sha256", file.sha256), _checked("file", file.name)
        lines.append(f"file {digest} {int(file.size)} {plain} {path}")
    return "\n".join([*lines, ""])


def applies(probe: Probe, groups: Sequence[str]) -> Probe | None:
    """Return the probe in the form for this host, or None where it does not run there.

    Only the host knows whether one of `packages` is installed, so they stay in the probe.
    """
    if set(probe.groups) & set(groups) or not (probe.groups or probe.packages):
        return Probe(
            name=probe.name,
            kind=probe.kind,
            target=probe.target,
            expect=probe.expect,
            within_s=probe.within_s,
        )
    return probe if probe.packages else None


def _package(transition: Transition) -> str:
    fields = [
        _checked("package", transition.package),
        _checked("architecture", transition.arch),
        transition.action.value,
        _version(transition.from_, wanted=transition.action is not Action.NEW),
        _version(transition.to, wanted=transition.action is not Action.REMOVE),
        "yes" if transition.requested else "no",
    ]
    if transition.file is not None:
        fields += [
            _checked("file", transition.file.name),
            str(int(transition.file.size)),
            _checked("sha256", transition.file.sha256),
        ]
    elif transition.action is Action.REMOVE:
        fields += ["-", "-", "-"]
    else:
        raise InvalidInputError(f"the plan names no file for {transition.package} {transition.to}")
    return "package " + " ".join(fields)


def _repository(transition: Transition, name: str) -> str:
    package, arch = (
        _checked("package", transition.package),
        _checked("architecture", transition.arch),
    )
    return f"repository {package} {arch} {_checked('repository', name)}"


def _unsigned(transition: Transition) -> str:
    package = _checked("package", transition.package)
    return f"unsigned {package} {_checked('architecture', transition.arch)}"


def _stored(stored: StoredFile) -> str:
    fields = [
        _checked("package", stored.package),
        _checked("architecture", stored.arch),
        _checked("version", stored.version),
        _checked("file", stored.file.name),
        str(int(stored.file.size)),
        _checked("sha256", stored.file.sha256),
    ]
    return "stored " + " ".join(fields)


def _probe(number: int, probe: Probe) -> str:
    if problem := grammar.target_problem(probe.kind, probe.target):
        raise InvalidInputError(f"the target of probe {probe.name[:80]!r} {problem}")
    packages = ",".join(_checked("package", name) for name in probe.packages)
    fields = [
        str(number),
        probe.kind.value,
        str(int(probe.within_s)),
        escaped(probe.target),
        escaped(probe.expect),
        packages or "-",
    ]
    return "probe " + " ".join(fields)


def _version(text: str, *, wanted: bool) -> str:
    if not wanted:
        return "-"
    return _checked("version", text)


def _checked(kind: str, text: str) -> str:
    if not grammar.fits(kind, text):
        raise InvalidInputError(f"not a {kind} that may go to a host: {text[:80]!r}")
    return text


def escaped(text: str) -> str:
    """Return one word of letters, digits, punctuation and octal escapes; `-` for empty text."""
    if not text:
        return "-"
    plain = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./:_=")
    return "".join(chr(byte) if byte in plain else f"\\0{byte:03o}" for byte in text.encode())
