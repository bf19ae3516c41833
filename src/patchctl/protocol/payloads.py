"""What a host is told: the payload of a stage, pure text.

Lines `KEY VALUE...`, read by `read_input` in roles/patch_transaction/files/lib.sh. Every value is
checked by grammar here, so the shell never meets a space, a quote or a glob that it did not expect.
Text that an operator wrote (probes) is written as octal escapes, which `printf %b` reads.
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
# An attach call answers `running` after this long, so one slow host holds no fork. A host that is
# asked together with others holds none, and may be asked with more patience.
ATTACH_S = 12
SETTLE_S = 15
# A call ends by itself on the host after so long beside what it attaches and asks for: no script
# may outlive the call and meet the next one.
CALL_S = 50
PREPARE_CALL_S = 840
# As in roles/patch_transaction/files/probes.sh: how long one may take, with its end by force, and
# how many are asked side by side.
PROBE_S = 12
PROBES_AT_ONCE = 20

# Files beside the transactions in /var/lib/patchctl.
_TAKEN = frozenset(
    {"claim", "claim.lock", "start.lock", "lock", "running", "updaters", "updaters.idle", "reserve"}
)


class StoredFile(Record):
    """An old version that the controller's content store has."""

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
    """The text for one host. `now` is epoch seconds; `over` are runs whose claims may be taken;
    `attach_s`: how long it waits for work that goes on by itself.

    Raises InvalidInputError where a value of the plan could not stand safely in a shell script.
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
    """Seconds after which a call of the stage, with so many probes, ends by itself on the host."""
    base = PREPARE_CALL_S if stage is Stage.PREPARE else CALL_S
    return base + ATTACH_S + -(-probes // PROBES_AT_ONCE) * PROBE_S


def transaction(name: str) -> str:
    """The id, checked: it names a folder on the host."""
    if name in _TAKEN:
        raise InvalidInputError(f"{name!r} cannot be the id of a transaction")
    return _checked("transaction", name)


def folder(name: str) -> str:
    """Where pushed files go on the host."""
    return f"/var/lib/patchctl/{transaction(name)}/pushed"


def push_list(name: str, files: Sequence[tuple[Artifact, str]]) -> str:
    """The list for `patch_push`: (file, its path on the controller)."""
    lines = [f"directory {folder(name)}"]
    for file, path in files:
        digest, plain = _checked("sha256", file.sha256), _checked("file", file.name)
        lines.append(f"file {digest} {int(file.size)} {plain} {path}")
    return "\n".join([*lines, ""])


def applies(probe: Probe, groups: Sequence[str]) -> Probe | None:
    """The probe as this host gets it, or None where it is not asked there.

    Whether one of `packages` is installed is known on the host alone, so that stays in.
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
    """One word of letters, digits, dots and octal escapes; `-` for nothing."""
    if not text:
        return "-"
    plain = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./:_=")
    return "".join(chr(byte) if byte in plain else f"\\0{byte:03o}" for byte in text.encode())
