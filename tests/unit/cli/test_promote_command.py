"""`patchctl rollout promote` and `rollout list`, as they are called."""

import json
from pathlib import Path

import pytest
from msgspec import structs
from workflows.rollout.test_rollout_hooks import Site

from patchctl.cli.app import main
from patchctl.models.policy import Promote
from patchctl.models.rollout import RunState
from patchctl.plan.freeze import seal

# The site's clock stands far back, the command's does not.
CENTURY_S = 100 * 365 * 86_400


@pytest.fixture
def soaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Site, str]:
    """A workspace whose only run soaks, without a controller."""
    site = Site(tmp_path)
    (tmp_path / "patchctl.yml").touch(mode=0o600)
    monkeypatch.setenv("PATCHCTL_STATE", str(tmp_path))
    made = site.plan()
    staging, production = made.body.rings
    rings = (
        structs.replace(staging, soak_s=CENTURY_S),
        structs.replace(production, promote=Promote.AUTO),
    )
    run = site.rollouts.start(seal(structs.replace(made.body, rings=rings), made.about))
    assert site.rollouts.advance(run, wait=False).state is RunState.SOAKING
    return site, run


def call(capsys: pytest.CaptureFixture[str], site: Site, *words: str) -> tuple[int, str, list[str]]:
    code = main(["-C", str(site.root), "rollout", *words])
    said = capsys.readouterr()
    return code, said.out, said.err.splitlines()


def test_it_asks_first_and_needs_a_reason(
    soaking: tuple[Site, str], capsys: pytest.CaptureFixture[str]
) -> None:
    site, run = soaking
    code, _, said = call(capsys, site, "promote", run, "--reason", "exploited")
    assert (code, said) == (
        2,
        ["patchctl: nothing was changed: no terminal to ask on; add --yes"],
    )
    code, _, said = call(capsys, site, "promote", run, "--yes")
    assert code == 2 and "--reason" in said[0]
    assert site.rollouts.status(run).soak_until is not None


def test_with_a_reason_it_ends_the_soak_once(
    soaking: tuple[Site, str], capsys: pytest.CaptureFixture[str]
) -> None:
    site, run = soaking
    code, out, _ = call(
        capsys, site, "promote", run, "--yes", "--reason", "exploited", "-o", "json"
    )
    asked = json.loads(out)
    assert (code, asked) == (0, {"run": run, "command": "promote", "controller": False})
    assert site.rollouts.status(run).soak_until is None
    code, out, said = call(capsys, site, "promote", run, "--yes", "--reason", "again")
    assert (code, out, len(said)) == (2, "", 1)
    assert f"nothing soaks in run {run}" in said[0]


def test_it_stands_in_the_audit_log(
    soaking: tuple[Site, str], capsys: pytest.CaptureFixture[str]
) -> None:
    site, run = soaking
    call(capsys, site, "promote", run, "--yes", "--reason", "exploited")
    main(["-C", str(site.root), "audit", "show"])
    out = capsys.readouterr().out
    assert "asks to promote ring staging: exploited" in out


def test_list_says_where_it_stands(
    soaking: tuple[Site, str], capsys: pytest.CaptureFixture[str]
) -> None:
    site, run = soaking
    code, out, _ = call(capsys, site, "list")
    row = next(line.split() for line in out.splitlines() if line.startswith(run))
    assert (code, row[1:6]) == (0, ["soaking", "2", "1", "0", "0"])
