"""Check the operator's hooks before they run, and run exactly what was checked.

A run carries a copy of the hooks' files with the very bytes that had the plan's digests: Ansible
does not include what somebody changes in the workspace meanwhile.
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
    """A hook that may run. `path` is its own file: among the `files` that are carried along, or in
    the workspace where there are none."""

    path: str
    files: dict[str, CarriedFile] = field(default_factory=dict, repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """The role's variables for a hook that runs in the workspace."""
        return {} if self.files else {_VARIABLE: self.path}

    @property
    def path_variables(self) -> dict[str, str]:
        """The role's variables that are paths in `files`, for a hook that is carried along."""
        return {_VARIABLE: self.path} if self.files else {}


@dataclass(frozen=True, kw_only=True)
class PlannedHooks:
    """The hooks of one plan in the workspace `root`.

    `judge` raises InvalidInputError where others could have written one of these paths. `known`
    returns the inventory's groups; `beside` generates the inventory of the hosts that the hook may
    see, other than those that it works on.
    """

    root: Path
    body: PlanBody
    judge: Callable[[Iterable[str]], None] = lambda _: None
    known: Callable[[], Collection[str]] = lambda: ()
    beside: Callable[[Sequence[str], RingHook], Mapping[str, Any]] = lambda *_: {}

    def check(self) -> None:
        """Raise where a hook cannot run.

        InvalidInputError: a hook is missing, lies outside the workspace, could have been written by
        others, is no task file, or sees a group that does not exist. IntegrityError: a file of the
        hooks is not the plan's.
        """
        self._check_groups()
        for name in self.body.hook_names:
            task_file.check(self._judged_path(name), name)
        if self.body.hooks:
            self._read()

    def take(self, name: str) -> Hook:
        """The hook, to be run now. Raises as `check` does.

        A plan from before digests has none to compare with: a run that began with it goes on with
        the file as it is. No new run begins with such a plan.
        """
        if not self.body.hooks:
            return Hook(path=str(self._judged_path(name)))
        hooks_read = self._read()
        inside = hook_files.locate(self.root, name).relative_to(self.root.resolve())
        return Hook(path=str(inside), files=dict(_carried(hooks_read)))

    def around(self, ring: RingPolicy, stage: str, hosts: Sequence[str]) -> Mapping[str, Any]:
        """The inventory that the ring's hook of the stage gets besides these hosts.

        It is that of now: a load balancer that came since the plan was made is drained too. Raises
        InvalidInputError where a group that the hook sees does not exist any more.
        """
        self._check_groups()
        inventories = (self.beside(hosts, hook) for hook in ring.hooks if hook.stage == stage)
        return next(inventories, {})

    def _check_groups(self) -> None:
        if any(hook.sees for ring in self.body.rings for hook in ring.hooks):
            hooks.refuse_unknown_groups(self.body.rings, self.known())

    def _judged_path(self, name: str) -> Path:
        path = hook_files.locate(self.root, name)
        self.judge([name])
        return path

    def _read(self) -> hook_files.HookFiles:
        names = self.body.hook_names
        hooks_read = hook_files.read(self.root, names)
        # The judge also follows the links in there.
        self.judge(sorted({grammar.path_parts(name)[0] for name in names}))
        if changes := hooks.changed(self.body.hooks, hooks_read.files):
            raise IntegrityError(
                f"{hooks.in_words(changes)} since the plan was made",
                hint="undo that, or make a new plan with `patchctl plan create`",
            )
        return hooks_read


def _carried(hooks_read: hook_files.HookFiles) -> Iterable[tuple[str, CarriedFile]]:
    for file in hooks_read.files:
        if file.mode is not HookMode.LINK:
            executable = file.mode is HookMode.EXECUTABLE
            yield (
                file.path,
                CarriedFile(content=hooks_read.content[file.path], executable=executable),
            )
        elif real := hooks_read.real[file.path]:
            yield file.path, CarriedFile(link=posixpath.relpath(real, posixpath.dirname(file.path)))
