"""Find a host's exposure, criticality and environment, from inventory variables, else discovery.

Variables: `patch_exposure`, `patch_criticality`, `patch_environment`. They are plain text;
inventories are read without templating, so Jinja in them is an error and not a guess.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address

from ...errors import InvalidInputError
from ...models.facts import HostFacts, Listener
from ...models.priority import Context, Criticality, Exposure
from ...models.unsafe import Unsafe

EXPOSURES = {
    "open": Exposure.OPEN,
    "internet": Exposure.OPEN,
    "public": Exposure.OPEN,
    "controlled": Exposure.CONTROLLED,
    "internal": Exposure.CONTROLLED,
    "small": Exposure.SMALL,
    "isolated": Exposure.SMALL,
}
CRITICALITIES = {level.name.lower(): level for level in Criticality}
# Group names that are an environment, where nothing declares one.
_ENVIRONMENTS = ("production", "prod", "staging", "stage", "canary", "test", "dev", "development")


def context_of(
    name: str, variables: Mapping[str, object] | None, groups: tuple[str, ...], facts: HostFacts
) -> Context:
    """The context of a host. `variables` is None where the host is in no inventory.

    Raises InvalidInputError for a variable with an invalid value.
    """
    declared = _text(name, variables or {}, "patch_exposure")
    if declared:
        exposure = EXPOSURES.get(declared.lower())
        if exposure is None:
            raise _wrong(name, "patch_exposure", declared, EXPOSURES)
        why = "declared by patch_exposure"
    else:
        exposure, why = _observed(name, variables or {}, facts.listeners)
    return Context(
        exposure=exposure,
        exposure_why=why,
        criticality=_criticality(name, variables or {}),
        environment=_environment(name, variables or {}, groups),
    )


def _criticality(name: str, variables: Mapping[str, object]) -> Criticality:
    declared = _text(name, variables, "patch_criticality")
    if not declared:
        return Criticality.MEDIUM
    criticality = CRITICALITIES.get(declared.lower().replace("-", "_").replace(" ", "_"))
    if criticality is None:
        raise _wrong(name, "patch_criticality", declared, CRITICALITIES)
    return criticality


def _environment(name: str, variables: Mapping[str, object], groups: tuple[str, ...]) -> str:
    declared = _text(name, variables, "patch_environment")
    if declared:
        return declared
    return next((group for group in sorted(groups) if group.lower() in _ENVIRONMENTS), "")


def _text(name: str, variables: Mapping[str, object], key: str) -> str:
    """A variable's text, empty where it is not set."""
    value = variables.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        kind = "vaulted" if isinstance(value, dict) and "__ansible_vault" in value else "no text"
        raise InvalidInputError(
            f"{key} is {kind}", where=name, hint="write plain text, in quotes if need be"
        )
    if not isinstance(value, Unsafe) and ("{{" in value or "{%" in value):
        raise InvalidInputError(
            f"{key} is a template: {value[:60]!r}",
            where=name,
            hint="write the value itself; patchctl reads inventories without templating",
        )
    return str(value).strip()


def _wrong(name: str, key: str, value: str, known: Iterable[str]) -> InvalidInputError:
    return InvalidInputError(
        f"{key} is {value[:60]!r}", where=name, hint=f"it takes {', '.join(known)}"
    )


# --- exposure by discovery ----------------------------------------------------------------------

_Address = IPv4Address | IPv6Address


def _observed(
    name: str, variables: Mapping[str, object], listeners: tuple[Listener, ...]
) -> tuple[Exposure, str]:
    """(exposure, reason). Reasons name no address and only well-known ports, because hosts with
    equal contexts share their findings."""
    if not listeners:
        return Exposure.CONTROLLED, "assumed: discovery saw no listening sockets"
    addresses = [(_address(listener.address), listener) for listener in listeners]
    public = any(_is_public(address) for address, _ in addresses) or any(
        _is_public(_address(str(text))) for text in (name, variables.get("ansible_host") or "")
    )
    open_to_all = [
        listener
        for address, listener in addresses
        if _is_public(address) or (public and address is not None and address.is_unspecified)
    ]
    if open_to_all:
        return Exposure.OPEN, f"listens on a public address{_port(open_to_all)}"
    if all(address is not None and address.is_loopback for address, _ in addresses):
        return Exposure.SMALL, "listens on loopback addresses only"
    return Exposure.CONTROLLED, "listens on addresses that are not public"


def _is_public(address: _Address | None) -> bool:
    # Multicast is_global too, but is no address of a host.
    return address is not None and address.is_global and not address.is_multicast


def _port(listeners: list[Listener]) -> str:
    known = [
        (listener.port, listener.protocol) for listener in listeners if 0 < listener.port < 1024
    ]
    if not known:
        return ""
    port, protocol = min(known)
    return f", {protocol} {port} for one"


def _address(text: str) -> _Address | None:
    """The address in a text, None for a name or an unknown format."""
    text = text.strip("[]")
    if text == "*":  # ss writes it for a socket of both families
        return IPv6Address("::")
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
