"""Hide secrets in variables that are shown."""

import re
from typing import Any

from ..models.unsafe import Unsafe

_SECRET = re.compile(r"(?:pass|passwd|password|passphrase|secret|token|api_?key|private_key)$")


def hide(key: str, value: Any) -> Any:
    """Return the variable's value with `(vaulted)` or `(hidden)` in place of each secret."""
    if isinstance(value, dict):
        if "__ansible_vault" in value:
            return "(vaulted)"
        return {name: hide(name, item) for name, item in value.items()}
    if isinstance(value, list):
        return [hide(key, item) for item in value]
    # A wholly vaulted file arrives decrypted, so only the name can tell that a value is secret.
    if _SECRET.search(key.lower()) and value is not None:
        return "(hidden)"
    return str(value) if isinstance(value, Unsafe) else value
