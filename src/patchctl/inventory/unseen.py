"""What a hook gets of a host that it does not see: the name, and refusals in place of values."""

import re
from typing import Any

from ..models.fleet import Host
from ..models.hooks import EVERYTHING, RingHook
from ..models.words import some

CONNECTION = "patch_unseen"
"""The connection plugin of the role `patch_hook`, and the variable with what it says."""

# Not a plain undefined value, which `| default('')` would turn into nothing in silence. The words
# are in the host's own variable, once: a fleet has many values.
_REFUSAL = "{{ undef() | mandatory(patch_unseen) }}"
# In these they stand themselves: Ansible evaluates some with the variables of the other host.
_OWN = "ansible_"

# Options of Ansible's shell plugins. Ansible evaluates them before a task's own variables are
# there again: in a loop the refusal would be lost behind "'item' is undefined".
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
    """Variables of a host that the hook does not see: each name of the host's own, and no value."""
    if host.name in _LOCAL:
        # As where no inventory names it: this machine, which a hook may always use.
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        }
    said = refusal(host, hook)
    alone = f"{{{{ undef() | mandatory('{said}') }}}}"
    return {
        **{
            name: alone if name.startswith(_OWN) else _REFUSAL
            for name in host.variables
            if name not in _SHELL
        },
        # Also where a task or the command line names another connection.
        "ansible_host": alone,
        # Evaluated early too, and `become_user` with it where it is not false.
        "ansible_become": False,
        "ansible_connection": CONNECTION,
        CONNECTION: {"__ansible_unsafe": said},
    }


def refusal(host: Host, hook: RingHook) -> str:
    """Why the hook cannot have this host, and the setting that would change it.

    A word that a template could take for more than text is not in it: Ansible takes any text for a
    group's name, and reads no escapes in a template's strings.
    """
    plain = [group for group in host.groups if _PLAIN.fullmatch(group)]
    named = some(plain, _NAMED) if plain else EVERYTHING
    return (
        f"the {hook.stage} hook does not see {host.name}: add to {hook.key} in patchctl.yml"
        f" {'one of its groups: ' if len(plain) > 1 else ''}{named}; then make a new plan"
    )
