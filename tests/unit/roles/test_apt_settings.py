"""Which of a host's apt settings are used: the file that the scripts give to apt."""

import os
import subprocess
from pathlib import Path

from host_shells import ROLES, shells

pytestmark = shells

SETTINGS = ROLES / "patch_connection/files/manager_apt_settings.sh"
# As apt 2.6 prints them: name, value with what is special to apt as %XX, value.
OWN = [
    "APT\t\t",
    "APT::Architecture\tamd64\tamd64",
    "APT::Install-Recommends\t1\t1",
    "APT::Architectures\t\t",
    "APT::Architectures::\tamd64\tamd64",
    "Dir\t/\t/",
    "Dir::Log\tvar/log/apt\tvar/log/apt",
    "Dir::Etc::main\t/dev/null\t/dev/null",
    "Acquire::Languages\t\t",
    "Acquire::Languages::\ten\ten",
    "DPkg::Path\t/usr/bin\t/usr/bin",
    "CommandLine::AsString\tapt-config%20dump\tapt-config dump",
]
HOST = [
    "APT\t\t",
    "APT::Architecture\tarm64\tarm64",
    "APT::Architectures::\tarm64\tarm64",
    "APT::Default-Release\tbookworm\tbookworm",
    "APT::Get::AutomaticRemove\ttrue\ttrue",
    "apt::Get::Simulate\ttrue\ttrue",
    "APT::Solver\tdump\tdump",
    "Dir\t/\t/",
    "Dir::Bin::dpkg\t/bin/false\t/bin/false",
    "Dir::Log::Terminal\tsite.log\tsite.log",
    "Acquire::http::Proxy\thttp://proxy:3128\thttp://proxy:3128",
    "DPkg::Options::\t--force-confnew\t--force-confnew",
    "DPkg::Options::\t--no-force-confold\t--no-force-confold",
    "DPKG::options::\t--refuse-downgrade\t--refuse-downgrade",
    "DPkg::Options::\t--root%3d/else\t--root=/else",
    "DPkg::Options::\t--no-act\t--no-act",
    "DPkg::Options::\t-E\t-E",
    "DPkg::Options::\t--path-exclude%3d/usr/share/doc/*\t--path-exclude=/usr/share/doc/*",
    "DPKG::Post-Invoke\t\t",
    'DPKG::Post-Invoke::\techo%20%22a%22%20%25\techo "a" %',
    "DPkg::Pre-Invoke::snapshot\tsnap%20--now\tsnap --now",
    "DPkg::Pre-Install-Pkgs::\tcat%0aid\tcat",
    "id",
    "DPkg::Tools::Options::cat::Version\t2\t2",
    "DPkg::NoTriggers\ttrue\ttrue",
    "Debug::pkgDPkgPM\ttrue\ttrue",
    "RootDir\t/elsewhere\t/elsewhere",
    "CommandLine::AsString\tapt-config%20dump\tapt-config dump",
]
CLEARED = [f"#clear {name};" for name in ("APT", "Dir", "Acquire", "DPkg", "Debug", "RootDir")]


def settings(shell: list[str], folder: Path, scope: str, host: list[str]) -> tuple[int, list[str]]:
    """Return exit code and output of the function for a host with these settings."""
    (folder / "own.told").write_text("\n".join(OWN) + "\n")
    (folder / "host.told").write_text("\n".join(host) + "\n")
    program = folder / "apt-config"
    program.write_text(
        "#!/bin/sh\n"
        f'case ${{APT_CONFIG-}} in {folder}/stub) cat "$APT_CONFIG" >&2; cat {folder}/own.told ;;'
        f" *) cat {folder}/host.told ;; esac\n"
    )
    program.chmod(0o755)
    text = f"set -u\n{SETTINGS.read_text()}\napt_settings {scope} {folder}/stub\n"
    env = {"PATH": f"{folder}:{os.environ['PATH']}", "LC_ALL": "C"}
    done = subprocess.run(
        [*shell, "-s"], input=text, capture_output=True, text=True, timeout=60, check=False, env=env
    )
    # Its own defaults are those that it has without the files of the host.
    assert 'Dir::Etc::Parts "/dev/null";' in done.stderr
    return done.returncode, done.stdout.splitlines()


def test_in_a_transaction_only_hooks_harmless_options_logs_and_architectures_count(
    shell: list[str], tmp_path: Path
) -> None:
    code, lines = settings(shell, tmp_path, "transaction", HOST)
    assert code == 0
    assert lines == [
        *CLEARED,
        'APT "";',
        'APT::Install-Recommends "1";',
        'Dir "/";',
        'Dir::Etc::main "/dev/null";',
        'Acquire::Languages "";',
        'Acquire::Languages { "en"; };',
        'DPkg::Path "/usr/bin";',
        'APT::Architecture "arm64";',
        'APT::Architectures { "arm64"; };',
        'Dir::Log::Terminal "site.log";',
        'DPkg::Options { "--path-exclude%3d/usr/share/doc/*"; };',
        'DPKG::Post-Invoke "";',
        'DPKG::Post-Invoke { "echo%20%22a%22%20%25"; };',
        'DPkg::Pre-Invoke::snapshot "snap --now";',
        'DPkg::Pre-Install-Pkgs { "cat%0aid"; };',
        'DPkg::Tools::Options::cat::Version "2";',
    ]


def test_what_asks_repositories_keeps_the_way_to_them_and_preferences(
    shell: list[str], tmp_path: Path
) -> None:
    code, lines = settings(shell, tmp_path, "repositories", HOST)
    assert code == 0
    host = lines[lines.index('DPkg::Path "/usr/bin";') + 1 :]
    assert host == [
        'APT::Architecture "arm64";',
        'APT::Architectures { "arm64"; };',
        'APT::Default-Release "bookworm";',
        'Dir "/";',
        'Dir::Bin::dpkg "/bin/false";',
        'Dir::Log::Terminal "site.log";',
        'Acquire::http::Proxy "http://proxy:3128";',
    ]


def test_what_stays_on_the_host_has_no_proxy(shell: list[str], tmp_path: Path) -> None:
    for scope in ("transaction", "marks"):
        code, lines = settings(shell, tmp_path, scope, HOST)
        assert code == 0
        assert not [line for line in lines if "proxy" in line.lower()]


def test_settings_that_cannot_be_told_are_not_taken_for_none(
    shell: list[str], tmp_path: Path
) -> None:
    code, _ = settings(shell, tmp_path, "transaction", [""])
    assert code != 0
