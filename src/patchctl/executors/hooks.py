"""The operator's hooks: looked at before they run, and run as they were looked at.

A run brings a copy of the hooks' files along, of the very bytes that had the plan's digests: what
somebody changes in the workspace meanwhile is not what Ansible includes.
"""

import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..adapters import hook_files
from ..adapters.ansible import task_file
from ..errors import IntegrityError
from ..models import grammar
from ..models.hooks import RingHook
from ..models.plan import HookMode, PlanBody
from ..models.policy import RingPolicy
from ..plan import hooks
from ..protocol.jobs import CarriedFile

_VARIABLE = "patch_hook_file"


@dataclass(frozen=True, kw_only=True)
class Hook:
    """A hook that may run: `path` is its own file among the `files` that come along, or, without
    any, where it lies."""

    path: str
    files: dict[str, CarriedFile] = field(default_factory=dict, repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """What the role is told of a hook that runs where it lies."""
        return {} if self.files else {_VARIABLE: self.path}

    @property
    def places(self) -> dict[str, str]:
        """What the role is told of a hook that comes along."""
        return {_VARIABLE: self.path} if self.files else {}


@dataclass(frozen=True, kw_only=True)
class PlannedHooks:
    """The hooks of one plan in the workspace `root`.

    `judge` raises InvalidInputError where others could have written one of these paths. `known` are
    the inventory's groups; `beside` generates what the inventory says of all hosts other than
    those that the hook works on, of which it may see some.
    """

    root: Path
    body: PlanBody
    judge: Callable[[Iterable[str]], None] = lambda _: None
    known: Callable[[], Collection[str]] = lambda: ()
    beside: Callable[[Sequence[str], RingHook], Mapping[str, Any]] = lambda *_: {}

    def check(self) -> None:
        """Raise InvalidInputError where one of them is missing, lies outside of the workspace,
        could have been written by others or is no task file, or sees a group that is not there,
        IntegrityError where a file of theirs is not the plan's."""
        self._check_groups()
        for name in self.body.hook_names:
            task_file.check(self._in_place(name), name)
        if self.body.hooks:
            self._read()

    def take(self, name: str) -> Hook:
        """The hook, to be run now. Raises as `check` does.

        A plan from before digests has none to compare with: a run that began with it goes on with
        the file as it is. No new run begins with such a plan.
        """
        if not self.body.hooks:
            return Hook(path=str(self._in_place(name)))
        found = self._read()
        inside = hook_files.locate(self.root, name).relative_to(self.root.resolve())
        return Hook(path=str(inside), files=dict(_carried(found)))

    def around(self, ring: RingPolicy, stage: str, hosts: Sequence[str]) -> Mapping[str, Any]:
        """What that ring's hook of the stage gets of the inventory besides these hosts, as it is in
        this run: a load balancer that came since the plan was made is drained too.

        Raises InvalidInputError where a group that it sees is not there any more.
        """
        self._check_groups()
        found = (self.beside(hosts, hook) for hook in ring.hooks if hook.stage == stage)
        return next(found, {})

    def _check_groups(self) -> None:
        if any(hook.sees for ring in self.body.rings for hook in ring.hooks):
            hooks.refuse_unknown_groups(self.body.rings, self.known())

    def _in_place(self, name: str) -> Path:
        path = hook_files.locate(self.root, name)
        self.judge([name])
        return path

    def _read(self) -> hook_files.HookFiles:
        names = self.body.hook_names
        found = hook_files.read(self.root, names)
        # Also where the links in there lead to, which the judge follows.
        self.judge(sorted({grammar.path_parts(name)[0] for name in names}))
        if changes := hooks.changed(self.body.hooks, found.files):
            raise IntegrityError(
                f"{hooks.said(changes)} since the plan was made",
                hint="undo that, or make a new plan with `patchctl plan create`",
            )
        return found


def _carried(found: hook_files.HookFiles) -> Iterable[tuple[str, CarriedFile]]:
    for file in found.files:
        if file.mode is not HookMode.LINK:
            executable = file.mode is HookMode.EXECUTABLE
            yield file.path, CarriedFile(content=found.content[file.path], executable=executable)
        elif real := found.real[file.path]:
            yield file.path, CarriedFile(link=posixpath.relpath(real, posixpath.dirname(file.path)))
