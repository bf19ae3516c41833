"""Withhold the variables of hosts that a hook may not see: refusals take the place of values."""

import re
from typing import Any

from ..models.fleet import Host
from ..models.hooks import EVERYTHING, RingHook
from ..models.words import some

CONNECTION = "patch_unseen"
"""The connection plugin of the role `patch_hook`, and the variable that holds its message."""

# Not a plain undefined value, which `| default('')` would silently turn into nothing. The message
# is once in a variable of the host, because a fleet has many values.
_REFUSAL = "{{ undef() | mandatory(patch_unseen) }}"
# These variables hold the message themselves: Ansible evaluates some of them with the variables of
# another host.
_OWN = "ansible_"

# Options of Ansible's shell plugins. Ansible evaluates them before it sets a task's own variables
# again: in a loop "'item' is undefined" would hide the refusal.
_SHELL = frozenset(
    {
        "ansible_admin_users",
        "ansible_async_dir",
        "ansible_common_remote_group",
        "ansible_remote_tmp",
        "ansible_shell_allow_world_readable_temp",
        "ansible_shell_type",
        "ansible_system_tmpdirs",
    }
)
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_NAMED = 8
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")


def withheld(host: Host, hook: RingHook) -> dict[str, Any]:
    """Return the variables of a host that the hook may not see: all names, but no value."""
    if host.name in _LOCAL:
        # This machine, which a hook may always use, as if no inventory named it.
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        }
    reason = refusal(host, hook)
    refusing_template = f"{{{{ undef() | mandatory('{reason}') }}}}"
    return {
        **{
            name: refusing_template if name.startswith(_OWN) else _REFUSAL
            for name in host.variables
            if name not in _SHELL
        },
        # Also where a task or the command line names another connection.
        "ansible_host": refusing_template,
        # Evaluated early too, and `become_user` with it where it is not false.
        "ansible_become": False,
        "ansible_connection": CONNECTION,
        CONNECTION: {"__ansible_unsafe": reason},
    }


def refusal(host: Host, hook: RingHook) -> str:
    """Return why the hook may not use this host, and the setting that would change it.

    Leaves out group names that a template could take for more than text: Ansible takes any text for
    a group's name, and reads no escapes in a template's strings.
    """
    plain = [group for group in host.groups if _PLAIN.fullmatch(group)]
    choice = some(plain, _NAMED) if plain else EVERYTHING
    return (
        f"the {hook.stage} hook does not see {host.name}: add to {hook.key} in patchctl.yml"
        f" {'one of its groups: ' if len(plain) > 1 else ''}{choice}; then make a new plan"
    )
