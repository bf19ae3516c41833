"""Give plans that were written by hand a correct digest."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import structs
from plan_world import (
    facts,
    fleet,
    host,
    host_result,
    resolution,
    ring,
    settings,
    snapshot,
    transition,
)

from patchctl.models import canonical
from patchctl.models.plan import (
    HookFile,
    HookMode,
    LeftOut,
    LeftOutReason,
    Plan,
    PlanAbout,
    PlanFeed,
    Selection,
    SelectionMode,
    Urgent,
)
from patchctl.models.policy import Probe, ProbeKind
from patchctl.plan import lockfile
from patchctl.plan.freeze import freeze, seal

SSL = transition("openssl")
PLACES = {"s1": "staging", "s2": "staging", "s3": "staging", "c1": "canary", "p1": "production"}
PROBES = (
    Probe(name="site", kind=ProbeKind.HTTP, target="http://localhost/", groups=("web",)),
    Probe(name="login", kind=ProbeKind.COMMAND, target="id -u ops", packages=("login",)),
    Probe(name="port", kind=ProbeKind.TCP, target="localhost:22"),
    Probe(name="unit", kind=ProbeKind.UNIT, target="ssh.service"),
)
HOOKS = (
    HookFile(path="hooks/drain.yml", mode=HookMode.FILE, sha256="a" * 64),
    HookFile(path="hooks/lb", mode=HookMode.LINK, target="lb.sh"),
    HookFile(path="hooks/lb.sh", mode=HookMode.EXECUTABLE, sha256="b" * 64),
)


def whole_plan() -> Plan:
    """Return a plan of five hosts that has each kind of entry that a plan can have."""
    policy = settings(
        *(
            structs.replace(ring(name), probes=PROBES, drain="hooks/drain.yml")
            for name in ("staging", "canary", "production")
        )
    )
    changes = (SSL, transition("libnew1", before=""))
    body = freeze(
        fleet=fleet(*(host(name, ring_name) for name, ring_name in PLACES.items())),
        snapshot=snapshot(*(host_result(name, facts()) for name in PLACES)),
        selection=Selection(mode=SelectionMode.SECURITY, limit="all"),
        settings=policy,
        resolutions=[resolution(name, *(changes if name == "p1" else (SSL,))) for name in PLACES],
        left_out=[LeftOut(host="x", reason=LeftOutReason.UNREACHABLE, detail="timed out")],
        feeds=[PlanFeed(name="kev", dated="2026-01-01", entries=5)],
        urgent=[Urgent(cve="CVE-2024-6387", kev=True)],
        hooks=HOOKS,
    )
    return seal(body, PlanAbout(created=1, author="op", tool="patchctl", comment="x"))


def content(plan: Plan) -> dict[str, Any]:
    """Return the plan as its file has it: builtins that a test can change."""
    loaded: dict[str, Any] = json.loads(lockfile.encode(plan))
    return loaded


def sealed(content: Mapping[str, Any]) -> bytes:
    """Return the bytes of a plan file whose digest is correct for any body that can have one."""
    try:
        digest = canonical.digest(content.get("body"))
    except (TypeError, UnicodeError, OverflowError, msgspec.MsgspecError):
        digest = "sha256:" + "0" * 64
    text = json.dumps({**content, "digest": digest}, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")
