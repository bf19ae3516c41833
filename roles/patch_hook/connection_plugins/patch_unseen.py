"""The connection to a host that a hook does not see: it reaches nothing and says why."""

from __future__ import annotations

from typing import Any, NoReturn

from ansible.errors import AnsibleError
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: patch_unseen
short_description: refuse to reach a host
description:
  - Fails at once with what the host's variable C(patch_unseen) says. Nothing else is asked of it.
author: patchctl
options:
  patch_unseen:
    description: Why the host is not reached.
    type: str
    default: the hook does not see this host
    vars:
      - name: patch_unseen
"""


class Connection(ConnectionBase):
    """See the plugin's text."""

    transport = "patch_unseen"
    has_pipelining = True

    @property
    def transport_test(self) -> NoReturn:
        # `wait_for_connection` looks whether there is one, and would try all else for ten minutes.
        self._refuse()

    def _connect(self) -> NoReturn:
        self._refuse()

    def exec_command(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse()

    def put_file(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse()

    def fetch_file(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse()

    def reset(self) -> NoReturn:
        self._refuse()

    def close(self) -> None:
        self._connected = False

    def _refuse(self) -> NoReturn:
        # No failure of a connection, which would be waited out: the host may be well.
        raise AnsibleError(self.get_option("patch_unseen"))
