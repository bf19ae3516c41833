"""One host's discovery -> its checks. Pure: nothing is asked here."""

from collections.abc import Iterator

from ...models.doctor import Area, Check, CheckStatus
from ...models.facts import CompetingUpdater, FileSystem, HostFacts
from ...models.host_rules import KERNEL_KIB
from ...models.plan import UpdaterPolicy
from ...models.reach import TOO_LITTLE, ReasonCode, Stage, stage_of
from ...models.snapshot import HostStatus
from ...models.words import count
from ...protocol.managers import SUPPORTED
from ..discovery.discover import Look

OK, WARN, FAIL, SKIPPED = CheckStatus.OK, CheckStatus.WARN, CheckStatus.FAIL, CheckStatus.SKIPPED

# The way to a host's answer, then what the answer says. Names are stable, for scripts.
_WAY = (
    (Stage.INVENTORY, "inventory"),
    (Stage.RESOLVE, "resolve"),
    (Stage.CONNECT, "connect"),
    (Stage.HOST_KEY, "host-key"),
    (Stage.LOGIN, "login"),
    (Stage.PRIVILEGE, "privilege"),
    (Stage.ANSWER, "answer"),
)
_SAID = ("package-manager", "disk", "clock", "updaters")

_HINTS = {
    Stage.INVENTORY: "give --vault-id, or set ansible.vault_password_file in patchctl.yml",
    Stage.RESOLVE: "mend ansible_host, DNS, or ssh's configuration",
    Stage.CONNECT: "is it up, is ansible_port right, does a firewall or a jump host stand between?",
    Stage.HOST_KEY: "`patchctl doctor --learn-host-keys`, after comparing the fingerprint",
    Stage.LOGIN: "check ansible_user, the key (ssh-add -l, --private-key), authorized_keys there",
    Stage.PRIVILEGE: "set ansible_become, give -K or ansible.become_password_file, mend sudoers",
    Stage.ANSWER: "log in and run `sh -c id` as patchctl would; a login shell that is slow or"
    " prints without end does this",
}
# Reasons that need a hint of their own.
_BETTER = {
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
# Their inodes are made as they are needed and count as 0.
_UNCOUNTED = frozenset({"btrfs", "vfat", "zfs", "bcachefs", "exfat"})
_SKEW_WARN_S, _SKEW_FAIL_S = 30, 300  # Kerberos refuses at 300 s


def checks(look: Look, updaters: UpdaterPolicy) -> tuple[Check, ...]:
    """All checks of a host, in the order of its way. `updaters`: the policy of the host's ring."""
    result = look.result
    if result.facts is not None:
        return tuple(_fit(result.name, result.facts, result.elapsed_ms, updaters))
    return tuple(_unfit(look))


def _check(host: str, name: str, status: CheckStatus, text: str = "", hint: str = "") -> Check:
    return Check(area=Area.HOST, subject=host, name=name, status=status, text=text, hint=hint)


# --- no facts -----------------------------------------------------------------------------------


def ended(look: Look) -> Stage | None:
    """Where the way to the host ended; None where it answered."""
    if look.code is None or look.code in TOO_LITTLE:
        return None
    found = stage_of(look.code)
    if found is Stage.ANSWER and look.result.status is HostStatus.UNREACHABLE:
        return Stage.CONNECT  # ssh said something that has no code
    return found


def _unfit(look: Look) -> Iterator[Check]:
    host, status, reason = look.result.name, look.result.status, look.result.reason
    found = ended(look)
    if found is None:
        yield from (_check(host, name, OK) for place, name in _WAY if place is not Stage.INVENTORY)
        hint = (
            "take it out of the inventory, or see why its package manager is missing there"
            if look.code is ReasonCode.NO_MANAGER
            else "run `dpkg-query -W` or `rpm -qa` there and mend the package database"
        )
        yield _check(host, _SAID[0], FAIL, reason, hint)
        yield from (_check(host, name, SKIPPED, "not told") for name in _SAID[1:])
        return
    # A task that timed out may have waited for the connection as well as for the host.
    sure = found is not Stage.ANSWER or status is HostStatus.UNREACHABLE
    passed = True
    for place, name in _WAY:
        if place is found:
            passed = False
            yield _check(host, name, FAIL, reason, _hint(look.code, found))
        elif place is not Stage.INVENTORY:
            yield _check(
                host, name, OK if passed and sure else SKIPPED, "" if passed else "not reached"
            )
    yield from (_check(host, name, SKIPPED, "not reached") for name in _SAID)


def _hint(code: ReasonCode | None, place: Stage) -> str:
    return _BETTER[code] if code in _BETTER else _HINTS[place]


# --- facts --------------------------------------------------------------------------------------


def _fit(host: str, facts: HostFacts, elapsed_ms: int, updaters: UpdaterPolicy) -> Iterator[Check]:
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
    name, what = (
        "package-manager",
        f"{facts.manager.value}, {count(len(facts.packages), 'package')}",
    )
    if facts.manager not in SUPPORTED:
        hint = "it is discovered, and left out of plans"
        return _check(host, name, WARN, f"{what}; patchctl does not update with it yet", hint)
    if facts.package_lock_held:
        who = facts.locks[0].words if facts.locks else "a package operation is running there"
        text = f"{what}; {who}"
        return _check(host, name, WARN, text, "let it end; where it hangs, see who holds the lock")
    return _check(host, name, OK, what)


def _disk(host: str, facts: HostFacts) -> Check:
    found = [bad for one in facts.file_systems for bad in _short(one)]
    if not facts.file_systems:
        return _check(host, "disk", SKIPPED, "df told nothing")
    if not found:
        least = min(facts.file_systems, key=lambda one: one.free_kib)
        return _check(host, "disk", OK, f"{least.free_kib // _MIB} MiB free on {least.mount}")
    status = FAIL if any(bad is FAIL for bad, _ in found) else WARN
    text = ", ".join(text for _, text in found)
    hint = "make room: old kernels, /var/cache, journals, or a larger disk"
    return _check(host, "disk", status, text, hint)


def _short(one: FileSystem) -> Iterator[tuple[CheckStatus, str]]:
    if one.mount == "/boot/efi":
        return
    limits = _BOOT if one.mount == "/boot" else _SPACE
    for limit, status in limits:
        if one.free_kib < limit:
            yield status, f"{one.free_kib // _MIB} MiB free on {one.mount}"
            break
    if one.kind in _UNCOUNTED:
        return
    for limit, status in _INODES if one.mount != "/boot" else ():
        if one.free_inodes < limit:
            yield status, f"{one.free_inodes} inodes free on {one.mount}"
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


def _updaters(host: str, found: tuple[CompetingUpdater, ...], policy: UpdaterPolicy) -> Check:
    active = [one for one in found if one.state in ("enabled", "running")]
    if not active:
        return _check(host, "updaters", OK, ", ".join(f"{it.name} is off" for it in found))
    text = ", ".join(f"{it.name} is {it.state}" for it in active)
    refuse = policy is UpdaterPolicy.REFUSE
    hint = (
        "switch it off there, or set policy.updaters to hold-for-run: a rollout refuses the host"
        if refuse
        else "switch it off there: two patchers on one host race"
    )
    return _check(host, "updaters", FAIL if refuse else WARN, text, hint)
