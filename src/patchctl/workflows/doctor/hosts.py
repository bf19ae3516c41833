"""Make the checks of a host from its discovery. Pure: asks nothing itself."""

from collections.abc import Iterator

from ...models.doctor import Area, Check, CheckStatus
from ...models.facts import CompetingUpdater, FileSystem, HostFacts
from ...models.host_rules import KERNEL_KIB
from ...models.policy import UpdaterPolicy
from ...models.reach import TOO_LITTLE, ReasonCode, Stage, stage_of
from ...models.snapshot import HostStatus
from ...models.words import count
from ...protocol.managers import SUPPORTED
from ..discovery.discover import Look

OK, WARN, FAIL, SKIPPED = CheckStatus.OK, CheckStatus.WARN, CheckStatus.FAIL, CheckStatus.SKIPPED

# The steps to a host's answer, then checks of the answer. Names are stable, for scripts.
_WAY = (
    (Stage.INVENTORY, "inventory"),
    (Stage.RESOLVE, "resolve"),
    (Stage.CONNECT, "connect"),
    (Stage.HOST_KEY, "host-key"),
    (Stage.LOGIN, "login"),
    (Stage.PRIVILEGE, "privilege"),
    (Stage.ANSWER, "answer"),
)
_ANSWER_CHECKS = ("package-manager", "disk", "clock", "updaters")

_HINTS = {
    Stage.INVENTORY: "give --vault-id, or set ansible.vault_password_file in patchctl.yml",
    Stage.RESOLVE: "fix ansible_host, DNS, or ssh's configuration",
    Stage.CONNECT: "is it up, is ansible_port right, does a firewall or a jump host stand between?",
    Stage.HOST_KEY: "`patchctl doctor --learn-host-keys`, after comparing the fingerprint",
    Stage.LOGIN: "check ansible_user, the key (ssh-add -l, --private-key), authorized_keys there",
    Stage.PRIVILEGE: "set ansible_become, give -K or ansible.become_password_file, fix sudoers",
    Stage.ANSWER: "log in and run `sh -c id` as patchctl would; a login shell that is slow or"
    " prints without end does this",
}
# Reasons that need a hint of their own.
_HINTS_BY_REASON = {
    ReasonCode.UNSUPPORTED: "take it out of the inventory, or set ansible_connection to ssh",
    ReasonCode.NO_PLUGIN: "install its collection beside patchctl, such as `pip install ansible`",
    ReasonCode.BAD_VARIABLE: "correct the variable; `patchctl inventory show HOST` shows all",
    ReasonCode.KEY_READABLE: "chmod 600 the key",
    ReasonCode.TOO_MANY_KEYS: "name one key by --private-key or"
    " ansible_ssh_private_key_file, with IdentitiesOnly=yes",
    ReasonCode.WRONG_PASSWORD: "correct ansible_password",
    ReasonCode.WRONG_SUDO_PASSWORD: "correct the password of -K or of become_password_file",
    ReasonCode.NO_SUDO: "install sudo there, or set ansible_become_method or log in as root",
    ReasonCode.ACCOUNT_EXPIRED: "renew the account or its password there",
    ReasonCode.NO_SPACE: "make room there",
    ReasonCode.REFUSED_CONNECTION: "start sshd there, or correct ansible_port",
    ReasonCode.NO_ALGORITHM: "update sshd there, or allow its algorithm in ssh's"
    " configuration for this host",
}

_MIB = 1024
_SPACE = ((200 * _MIB, FAIL), (1024 * _MIB, WARN))
_BOOT = ((KERNEL_KIB, WARN),)
_INODES = ((1_000, FAIL), (10_000, WARN))
# These make inodes when they are needed and report 0 free ones.
_UNCOUNTED = frozenset({"btrfs", "vfat", "zfs", "bcachefs", "exfat"})
_SKEW_WARN_S, _SKEW_FAIL_S = 30, 300  # Kerberos refuses at 300 s


def checks(look: Look, updaters: UpdaterPolicy) -> tuple[Check, ...]:
    """Return all checks of a host, in the order of the steps to its answer. `updaters`: the policy
    of the host's ring."""
    result = look.result
    if result.facts is not None:
        return tuple(_with_facts(result.name, result.facts, result.elapsed_ms, updaters))
    return tuple(_without_facts(look))


def _check(host: str, name: str, status: CheckStatus, text: str = "", hint: str = "") -> Check:
    return Check(area=Area.HOST, subject=host, name=name, status=status, text=text, hint=hint)


# --- no facts -----------------------------------------------------------------------------------


def ended(look: Look) -> Stage | None:
    """Return the step at which the connection to the host failed; None where it answered."""
    if look.code is None or look.code in TOO_LITTLE:
        return None
    stage = stage_of(look.code)
    if stage is Stage.ANSWER and look.result.status is HostStatus.UNREACHABLE:
        return Stage.CONNECT  # a message of ssh without a code
    return stage


def _without_facts(look: Look) -> Iterator[Check]:
    host, status, reason = look.result.name, look.result.status, look.result.reason
    end = ended(look)
    if end is None:
        yield from (_check(host, name, OK) for stage, name in _WAY if stage is not Stage.INVENTORY)
        hint = (
            "take it out of the inventory, or see why its package manager is missing there"
            if look.code is ReasonCode.NO_MANAGER
            else "run `dpkg-query -W` or `rpm -qa` there and fix the package database"
        )
        yield _check(host, _ANSWER_CHECKS[0], FAIL, reason, hint)
        yield from (_check(host, name, SKIPPED, "not told") for name in _ANSWER_CHECKS[1:])
        return
    # A task that timed out may have waited for the connection or for the host.
    connected = end is not Stage.ANSWER or status is HostStatus.UNREACHABLE
    passed = True
    for stage, name in _WAY:
        if stage is end:
            passed = False
            yield _check(host, name, FAIL, reason, _hint(look.code, end))
        elif stage is not Stage.INVENTORY:
            yield _check(
                host, name, OK if passed and connected else SKIPPED, "" if passed else "not reached"
            )
    yield from (_check(host, name, SKIPPED, "not reached") for name in _ANSWER_CHECKS)


def _hint(code: ReasonCode | None, stage: Stage) -> str:
    return _HINTS_BY_REASON[code] if code in _HINTS_BY_REASON else _HINTS[stage]


# --- facts --------------------------------------------------------------------------------------


def _with_facts(
    host: str, facts: HostFacts, elapsed_ms: int, updaters: UpdaterPolicy
) -> Iterator[Check]:
    for name in ("resolve", "connect", "host-key", "login"):
        yield _check(host, name, OK)
    yield (
        _check(host, "privilege", OK, "root")
        if facts.as_root
        else _check(host, "privilege", FAIL, "not root on the host", "set ansible_become: true")
    )
    yield _check(host, "answer", OK, f"in {elapsed_ms / 1000:.1f} s")
    yield _manager(host, facts)
    yield _disk(host, facts)
    yield _clock(host, facts.clock_skew_s)
    yield _updaters(host, facts.competing_updaters, updaters)


def _manager(host: str, facts: HostFacts) -> Check:
    name, summary = (
        "package-manager",
        f"{facts.manager.value}, {count(len(facts.packages), 'package')}",
    )
    if facts.manager not in SUPPORTED:
        hint = "it is discovered, and left out of plans"
        return _check(host, name, WARN, f"{summary}; patchctl does not update with it yet", hint)
    if facts.package_lock_held:
        holder = facts.locks[0].words if facts.locks else "a package operation is running there"
        text = f"{summary}; {holder}"
        return _check(host, name, WARN, text, "let it end; where it hangs, see who holds the lock")
    return _check(host, name, OK, summary)


def _disk(host: str, facts: HostFacts) -> Check:
    shortages = [
        shortage for file_system in facts.file_systems for shortage in _shortages(file_system)
    ]
    if not facts.file_systems:
        return _check(host, "disk", SKIPPED, "df told nothing")
    if not shortages:
        least = min(facts.file_systems, key=lambda file_system: file_system.free_kib)
        return _check(host, "disk", OK, f"{least.free_kib // _MIB} MiB free on {least.mount}")
    status = FAIL if any(level is FAIL for level, _ in shortages) else WARN
    text = ", ".join(text for _, text in shortages)
    hint = "make room: old kernels, /var/cache, journals, or a larger disk"
    return _check(host, "disk", status, text, hint)


def _shortages(file_system: FileSystem) -> Iterator[tuple[CheckStatus, str]]:
    if file_system.mount == "/boot/efi":
        return
    limits = _BOOT if file_system.mount == "/boot" else _SPACE
    for limit, status in limits:
        if file_system.free_kib < limit:
            yield status, f"{file_system.free_kib // _MIB} MiB free on {file_system.mount}"
            break
    if file_system.kind in _UNCOUNTED:
        return
    for limit, status in _INODES if file_system.mount != "/boot" else ():
        if file_system.free_inodes < limit:
            yield status, f"{file_system.free_inodes} inodes free on {file_system.mount}"
            break


def _clock(host: str, skew: int | None) -> Check:
    if skew is None:
        return _check(host, "clock", SKIPPED, "not told")
    off = abs(skew)
    status = FAIL if off > _SKEW_FAIL_S else WARN if off > _SKEW_WARN_S else OK
    if status is OK:
        return _check(host, "clock", OK)
    text = f"{off} s {'ahead of' if skew > 0 else 'behind'} this machine"
    hint = "start chrony or systemd-timesyncd there (or here): repositories' dates and TLS need it"
    return _check(host, "clock", status, text, hint)


def _updaters(host: str, updaters: tuple[CompetingUpdater, ...], policy: UpdaterPolicy) -> Check:
    active = [updater for updater in updaters if updater.state in ("enabled", "running")]
    if not active:
        return _check(
            host, "updaters", OK, ", ".join(f"{updater.name} is off" for updater in updaters)
        )
    text = ", ".join(f"{updater.name} is {updater.state}" for updater in active)
    refuse = policy is UpdaterPolicy.REFUSE
    hint = (
        "switch it off there, or set policy.updaters to hold-for-run: a rollout refuses the host"
        if refuse
        else "switch it off there: two patchers on one host race"
    )
    return _check(host, "updaters", FAIL if refuse else WARN, text, hint)
