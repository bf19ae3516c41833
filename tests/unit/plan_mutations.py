"""Change plans at random and seal them again, as an attacker may give them to patchctl."""

import copy
import random
from typing import Any

from plan_sealing import sealed

# What a reader may stumble over in any place.
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, -(2**63),
    -(10**30), 1.5, 0.0, 1e308, "", " ", "\0", "\n", "-", "--help", "..", "/", "../../etc/passwd",
    "/etc/passwd", "hooks/../x", "x" * 5000,
    "{{ lookup('pipe', 'touch pwned') }}", "$(touch pwned)",
    "`touch pwned`", "; touch pwned", "\x1b[2J\x1b]0;x\x07", "\u202eevil", "\ud800", "é" * 300,
    "🙂", "\u0663", "\uff21", "sha256:" + "0" * 64, "sha256:", "c-000000000000", "staging", "none",
    "remove", "new", "link", "command", "1" * 400, [], {}, [[]], [None], [{}], {"": ""},
    {"hosts": 1}, {"percent": 50}, {"hosts": -1}, {"hosts": None}, ["a", "a"], ["x", 1],
    [[[[[[[[]]]]]]]],
)  # fmt: skip


def mutate(content: dict[str, Any], seed: int) -> bytes:
    """Return the file of a plan that differs in one or more values, with a correct digest."""
    chance = random.Random(seed)
    changed = copy.deepcopy(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        _change(changed, chance)
    return sealed(changed)


def _change(content: dict[str, Any], chance: random.Random) -> None:
    places = list(_places(content))
    if not places:
        return
    holder, key = chance.choice(places)
    value = holder[key]
    match chance.randrange(9):
        case 0:
            del holder[key]
        case 1:
            holder[key] = copy.deepcopy(chance.choice(ODD))
        case 2:
            other, at = chance.choice(places)
            holder[key], other[at] = copy.deepcopy(other[at]), copy.deepcopy(value)
        case 3:
            holder[key] = copy.deepcopy(_from(chance.choice(places)))
        case 4 if isinstance(holder, list):
            holder.insert(chance.randrange(len(holder) + 1), copy.deepcopy(value))
        case 4:
            holder[f"{key}{chance.choice(('x', '_', ' '))}"] = value
        case 5 if isinstance(holder, list):
            chance.shuffle(holder)
        case 5 | 6 if isinstance(value, int):
            holder[key] = chance.choice((value + 1, -value, value * 10**9, value - 1, str(value)))
        case 6 | 7 if isinstance(value, str):
            holder[key] = _other_text(value, chance)
        case _:
            holder[key] = [value] if chance.random() < 0.5 else {"x": value}


def _other_text(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    odd = chance.choice([value for value in ODD if isinstance(value, str)])
    return chance.choice((text[:at], text[at:], text[:at] + odd + text[at:], text.upper(), odd))


def _from(position: tuple[Any, Any]) -> Any:
    holder, key = position
    return holder[key]


def _places(value: Any) -> Any:
    """Return (container, key) of each value below."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])
