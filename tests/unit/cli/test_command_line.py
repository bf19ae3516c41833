"""The command line before any work: imports, completion, help and exit codes."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer
import yaml

from patchctl.cli import app as command_line
from patchctl.errors import (
    AdapterError,
    ConflictError,
    HaltedError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    PatchctlError,
    UsageError,
)
from patchctl.models.rollout import HostState, RunState
from patchctl.rollout.status import exit_code
from patchctl.rollout.view import RunView

ROOT = Path(__file__).parents[3]
HEAVY = {"ansible", "ansible_runner", "sqlalchemy", "alembic", "requests", "rich"}
IMPORTED = """
import contextlib, io, sys
from patchctl.cli.app import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(sys.argv[1:])
print(*(name for name, module in sys.modules.items() if module is not None))
"""


def python(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, timeout=30,
        stdin=subprocess.DEVNULL, env={**os.environ, **environment},
    )  # fmt: skip
    return done.stdout


def imported(*arguments: str, **environment: str) -> set[str]:
    return set(python("-c", IMPORTED, *arguments, **environment).split())


class TestHelpIsLight:
    def test_the_first_help_imports_no_verb(self) -> None:
        modules = imported("--help")
        assert {name for name in modules if name.startswith("patchctl.")} <= {
            "patchctl.cli",
            "patchctl.cli.app",
            "patchctl.cli.groups",
            "patchctl.cli.output",
            "patchctl.cli.pager",
            "patchctl.cli.quick_values",
            "patchctl.cli.state",
            "patchctl.errors",
            "patchctl.protocol",
            "patchctl.protocol.cleaning",
        }
        assert not modules & HEAVY

    def test_help_of_every_verb_imports_nothing_heavy(self) -> None:
        every = "; ".join(f"main(['{verb}', '--help'])" for verb in command_line.VERBS)
        modules = set(python("-c", IMPORTED.replace("main(sys.argv[1:])", every)).split())
        assert {f"patchctl.cli.{module}" for module, _ in command_line.VERBS.values()} <= modules
        assert not modules & HEAVY


def commands() -> Iterator[tuple[str, Any, str]]:
    """Every command that does something: its path, itself, and the help above it."""

    def below(command: Any, context: Any, path: str, above: str) -> Iterator[tuple[str, Any, str]]:
        if not hasattr(command, "list_commands"):
            yield path, command, above
            return
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            inner = typer.Context(child, info_name=name, parent=context)
            yield from below(child, inner, f"{path} {name}", f"{above}\n{command.help or ''}")

    root = typer.main.get_command(command_line.app)
    return below(root, typer.Context(root, info_name="patchctl"), "patchctl", "")


# Its output is Ansible's protocol, which is JSON.
WITHOUT_FORM = {"patchctl inventory export"}


class TestEveryCommand:
    @pytest.mark.parametrize(
        ("path", "command", "above"), [pytest.param(*it, id=it[0]) for it in commands()]
    )
    def test_it_has_help_an_example_and_a_form(self, path: str, command: Any, above: str) -> None:
        own = command.help or ""
        assert own.strip()
        words = path.removesuffix(" start").removesuffix(" list")
        example = re.compile(rf"^ *{re.escape(words)}\b|: {re.escape(words)}\b", re.MULTILINE)
        verb = re.compile(rf"^ *{' '.join(path.split()[:2])}\b", re.MULTILINE)
        assert example.search(own) or verb.search(above), f"{path} has no example"
        names = {name for option in command.params for name in option.opts}
        assert ({"-o", "--output"} <= names) is (path not in WITHOUT_FORM)

    def test_there_are_many(self) -> None:
        assert len(list(commands())) > 25


class TestVerbose:
    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ([], ""),
            (["-v"], "inventory inventory/: 4 hosts, "),
            (["-vv"], "inventory inventory/: 4 hosts, "),
            (["--debug"], "inventory inventory/: 4 hosts, "),
        ],
    )
    def test_it_tells_what_is_done_and_how_long_it_takes(
        self,
        options: list[str],
        told: str,
        tmp_path: Path,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        assert command_line.main(["-q", "-C", str(tmp_path), "init"]) == 0
        capfd.readouterr()
        assert command_line.main([*options, "-C", str(tmp_path), "inventory"]) == 0
        out, err = capfd.readouterr()
        assert "db1.example" in out
        assert len(err.splitlines()) == 1 + bool(told)
        assert told in err

    def test_quiet_says_nothing_beside_the_result(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert command_line.main(["-q", "-C", str(tmp_path), "init"]) == 0
        assert command_line.main(["-q", "-C", str(tmp_path), "inventory", "-o", "json"]) == 0
        assert capfd.readouterr().err == ""


class TestGlobalOptions:
    """They stand before a verb or behind it, and below it."""

    @pytest.mark.parametrize(
        "words",
        [
            ["-q", "-C", "{}", "inventory", "list"],
            ["inventory", "-q", "-C", "{}", "list"],
            ["inventory", "-qC{}"],
            ["inventory", "--directory={}", "list", "--quiet"],
            ["inventory", "list", "-C", "{}", "-q"],
        ],
        ids=" ".join,
    )
    def test_wherever_they_stand(
        self, words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert command_line.main(["init", "-q", "-C", str(tmp_path)]) == 0
        capfd.readouterr()
        assert command_line.main([word.format(tmp_path) for word in words]) == 0
        out, err = capfd.readouterr()
        assert "db1.example" in out
        assert err == ""

    def test_verbose_behind_a_verb_tells_what_is_done(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert command_line.main(["init", "-q", "-C", str(tmp_path)]) == 0
        capfd.readouterr()
        assert command_line.main(["inventory", "-C", str(tmp_path), "-v"]) == 0
        assert "inventory inventory/: 4 hosts, " in capfd.readouterr().err

    def test_the_workspace_behind_a_verb_is_the_one_that_completion_asks(
        self, tmp_path: Path
    ) -> None:
        assert command_line.main(["init", "-q", "-C", str(tmp_path)]) == 0
        assert command_line.main(["inventory", "list", "-q", "-C", str(tmp_path)]) == 0
        line = f"patchctl rollout approve -C {tmp_path} --ring st"
        assert completed(line) == ["staging"]


class TestMistypedWords:
    @pytest.mark.parametrize(
        ("words", "meant"),
        [
            (["rolout"], "'rollout'"),
            (["rollout", "statsu"], "'status'"),
            (["rollout", "-q", "abrot"], "'abort'"),
            (["discover", "lst"], "'list'"),
            (["inventory", "grap"], "'graph'"),
            (["feeds", "updat"], "'update'"),
            (["plan", "shwo"], "'show'"),
        ],
        ids=" ".join,
    )
    def test_a_close_one_is_offered(
        self, words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert command_line.main(words) == 2
        err = capsys.readouterr().err
        assert f"Did you mean {meant}" in err
        assert len(err.splitlines()) == 1

    def test_a_word_that_is_close_to_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert command_line.main(["xyzzy"]) == 2
        assert "Did you mean" not in capsys.readouterr().err

    def test_a_plan_file_with_the_name_of_a_mistyped_command_is_a_plan(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert command_line.main(["init", "-q"]) == 0
        (tmp_path / "statsu").write_text("no plan")
        assert command_line.main(["rollout", "statsu"]) == 2
        assert "No such command" not in capsys.readouterr().err


class TestHelp:
    @pytest.mark.parametrize(
        ("verb", "options"),
        [
            ("rollout", ["--no-wait", "--trust-plan DIGEST", "--exclude PATTERN", "status "]),
            ("discover", ["--refresh", "--import FILE", "--limit PATTERN", "show "]),
            ("inventory", ["--limit PATTERN", "lint "]),
        ],
    )
    def test_a_verb_that_runs_alone_shows_its_options(
        self, verb: str, options: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert command_line.main([verb, "--help"]) == 0
        out = capsys.readouterr().out
        assert f"Usage: patchctl {verb} [OPTIONS]" in out
        assert f"patchctl {verb} COMMAND [ARGS]..." in out
        for option in options:
            assert f"\n  {option}" in out or f", {option}" in out

    @pytest.mark.parametrize("words", [[], ["rollout"], ["plan", "create"]], ids=" ".join)
    def test_help_is_a_word_too(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert command_line.main([*words, "--help"]) == 0
        expected = capsys.readouterr().out
        assert command_line.main(["help", *words]) == 0
        assert capsys.readouterr().out == expected

    def test_versions_for_a_report(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert command_line.main(["version", "-o", "json"]) == 0
        versions = json.loads(capsys.readouterr().out)
        assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
        assert versions["ansible_core"].startswith("2.")
        assert command_line.main(["version"]) == 0
        assert f"ansible-core {versions['ansible_core']}\n" in capsys.readouterr().out


def completed(line: str) -> list[str]:
    """Return what bash offers for the last word of the line."""
    last = str(len(line.split(" ")) - 1)
    out = python(
        "-m", "patchctl", COMP_WORDS=line, COMP_CWORD=last, _PATCHCTL_COMPLETE="complete_bash"
    )
    return out.split()


class TestCompletion:
    @pytest.mark.parametrize(
        ("line", "offered"),
        [
            ("patchctl ro", ["rollout", "rollback"]),
            ("patchctl rollout sta", ["start", "status"]),  # below a verb that also runs alone
            ("patchctl rollout --no", ["--no-wait"]),  # an option of the verb that runs alone
            ("patchctl discover -o j", ["json"]),
        ],
    )
    def test_bash_is_offered(self, line: str, offered: list[str]) -> None:
        assert completed(line) == offered

    @pytest.mark.parametrize(
        ("shell", "extra", "answer"),
        [("zsh", "", '"rollback":'), ("fish", "get-args", "rollback\tReturn the hosts")],
    )
    def test_other_shells_are_offered(self, shell: str, extra: str, answer: str) -> None:
        out = python(
            "-m", "patchctl", _PATCHCTL_COMPLETE=f"complete_{shell}",
            _TYPER_COMPLETE_ARGS="patchctl rollb", _TYPER_COMPLETE_FISH_ACTION=extra,
        )  # fmt: skip
        assert answer in out

    def test_bash_can_load_its_script(self) -> None:
        script = python("-m", "patchctl", _PATCHCTL_COMPLETE="source_bash")
        ask = "COMP_WORDS=(patchctl inven); COMP_CWORD=1; _patchctl_completion run; echo $COMPREPLY"
        run = (
            f'run() {{ :; }}; env() {{ command env "${{@:1:$#-1}}" {sys.executable} -m patchctl; }}'
        )
        done = subprocess.run(
            ["bash", "-c", f"{script}\n{run}\n{ask}"], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["inventory"], done.stderr

    @pytest.mark.parametrize("shell", ["zsh", "fish"])
    def test_scripts_of_other_shells_ask_patchctl(self, shell: str) -> None:
        script = python("-m", "patchctl", _PATCHCTL_COMPLETE=f"source_{shell}")
        assert f"_PATCHCTL_COMPLETE=complete_{shell}" in script

    def test_completing_a_verb_imports_nothing_heavy(self) -> None:
        modules = imported(
            COMP_WORDS="patchctl rollout st", COMP_CWORD="2", _PATCHCTL_COMPLETE="complete_bash"
        )
        assert "patchctl.cli.rollout" in modules
        assert not modules & HEAVY


class TestManual:
    def test_it_is_made_from_the_help_and_always_the_same(self) -> None:
        script = str(ROOT / "scripts/man")
        first, second = (python(script, "-", PYTHONHASHSEED=seed) for seed in ("1", "2"))
        assert first == second
        for verb in command_line.VERBS:
            assert f'.SS "patchctl {verb}"' in first
        assert '.SS "patchctl rollout approve"' in first
        assert str(ROOT) not in first


class TestExitCodes:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (PatchctlError("x"), 2),
            (UsageError("x"), 2),
            (InvalidInputError("x", where="f:1"), 2),
            (NotFoundError("x"), 2),
            (ConflictError("x"), 2),
            (AdapterError("x"), 2),
            (HaltedError("x"), 3),
            (IntegrityError("x"), 6),
            (KeyboardInterrupt(), 130),
            (OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), 2),
            (OSError(errno.EIO, "Input/output error"), 70),
            (RuntimeError("x"), 70),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
    )
    def test_what_ends_a_command_decides(
        self,
        error: BaseException,
        code: int,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(command_line, "app", fail)
        assert command_line.main([]) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("patchctl: ")
        assert err.count("\n") == 1

    def test_a_program_that_asked_for_data_gets_the_error_as_data(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "patchctl.yml").write_text("ansible: {forks: many}\nrings: 7\n")
        (tmp_path / "patchctl.yml").chmod(0o600)
        for form, read in (("-ojson", json.loads), ("--output=yaml", yaml.safe_load)):
            assert command_line.main(["-C", str(tmp_path), "inventory", form]) == 2
            out, err = capsys.readouterr()
            problem = read(out)["error"]
            assert problem["exit_code"] == 2
            assert [part["line"] for part in problem["problems"]] == [1, 2]
            assert problem["message"] in err.replace("patchctl: ", "")

    def test_a_full_disk_under_the_data_leaves_the_line_and_the_code(self, tmp_path: Path) -> None:
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [sys.executable, "-m", "patchctl", "-C", str(tmp_path), "status", "-o", "json"],
                stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True,
                check=False,
            )  # fmt: skip
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert "no patchctl.yml" in done.stderr

    def test_a_wrong_option_is_data_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert command_line.main(["assess", "--limt", "x", "-o", "json"]) == 2
        assert json.loads(capsys.readouterr().out)["error"]["kind"] == "NoSuchOption"

    def test_an_interrupted_command_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "patchctl.yml").touch(mode=0o600)
        (tmp_path / "inventory").mkdir(mode=0o700)
        source = tmp_path / "inventory/dynamic"
        source.write_text("#!/bin/sh\ntouch begun\nexec sleep 60\n")
        source.chmod(0o700)
        # What a shell starts in the background ignores Ctrl-C and hands that down.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with subprocess.Popen(
            [sys.executable, "-m", "patchctl", "-C", str(tmp_path), "inventory", "list"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=tmp_path, process_group=0,
        ) as running:  # fmt: skip
            try:
                deadline = time.monotonic() + 30
                while not list(tmp_path.rglob("begun")) and time.monotonic() < deadline:
                    time.sleep(0.05)
                os.killpg(running.pid, signal.SIGINT)
                out, err = running.communicate(timeout=30)
            finally:
                running.kill()
        assert (running.returncode, out, err) == (130, "", "patchctl: interrupted\n")

    @pytest.mark.parametrize("with_errors", [False, True], ids=["stdout", "both"])
    def test_a_reader_that_went_away_is_no_unmet_policy(
        self, with_errors: bool, tmp_path: Path
    ) -> None:
        (tmp_path / "patchctl.yml").touch(mode=0o600)
        (tmp_path / "inventory").mkdir(mode=0o700)
        (tmp_path / "inventory/hosts.yml").write_text("staging: {hosts: {web1: }}\n")
        reader, writer = os.pipe()
        os.close(reader)
        with (tmp_path / "said").open("wb") as said:
            done = subprocess.run(
                [sys.executable, "-m", "patchctl", "-C", str(tmp_path), "inventory", "list"],
                stdin=subprocess.DEVNULL, stdout=writer, stderr=writer if with_errors else said,
                check=False,
            )  # fmt: skip
        os.close(writer)
        assert done.returncode == 141
        assert (tmp_path / "said").read_text() == ""

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (["--version"], 0),
            (["--help"], 0),
            (["rollout", "status", "--help"], 0),
            ([], 2),
            (["nonsense"], 2),
            (["plan", "nonsense"], 2),
            (["plan", "show", "--nonsense"], 2),
            (["plan", "show", "-o", "nonsense"], 2),
            (["lab", "up", "--hosts", "none"], 2),
            (["-C", "/nowhere", "plan", "show"], 2),
            (["-C", "/", "inventory"], 2),
        ],
    )
    def test_the_arguments_decide(self, arguments: list[str], code: int) -> None:
        assert command_line.main(arguments) == code

    @pytest.mark.parametrize(
        ("state", "hosts", "code"),
        [
            (RunState.DONE, {HostState.SUCCEEDED: 2}, 0),
            (RunState.DONE, {HostState.SUCCEEDED: 1, HostState.SKIPPED: 1}, 1),
            (RunState.DONE, {HostState.SUCCEEDED: 1, HostState.FAILED: 1}, 4),
            (RunState.DONE, {HostState.SKIPPED: 1, HostState.UNKNOWN: 1}, 4),
            (RunState.ROLLED_BACK, {HostState.ROLLED_BACK: 2}, 0),
            (RunState.HALTED, {HostState.FAILED: 1}, 3),
            (RunState.ABORTED, {}, 3),
            (RunState.NEEDS_HUMAN, {HostState.ROLLBACK_FAILED: 1}, 4),
            (RunState.WAITING, {}, 5),
            (RunState.SOAKING, {HostState.SUCCEEDED: 1}, 5),
            (RunState.PAUSED, {}, 5),
        ],
    )
    def test_where_a_run_stands_decides(
        self, state: RunState, hosts: dict[HostState, int], code: int
    ) -> None:
        ring = SimpleNamespace(counters=hosts)
        plan = SimpleNamespace(body=SimpleNamespace(holds_back=False))
        world = SimpleNamespace(state=state, rings={"staging": ring}, plan=plan)
        view = cast(RunView, world)
        assert exit_code(view) == code
        # Hosts that the plan itself holds back matter where all else is well.
        plan.body.holds_back = True
        assert exit_code(view) == (code or int(state is RunState.DONE))
