"""Explain every key of patchctl.yml, for editors and for docs/settings.md.

Path -> (meaning, an example value or None). In a path `[]` is each item of a list, `*` any other
key.
"""

from typing import Any

MEANING: dict[str, tuple[str, Any]] = {
    "rings": (
        "The stages of a rollout, in their order. Without this key: staging, canary, production.",
        [{"name": "test"}, {"name": "live"}],
    ),
    "rings[].name": (
        "The ring's name: letters, digits, _ and -. `patch_ring` and groups name it so.",
        "staging",
    ),
    "rings[].budget": (
        "How many hosts of the ring may end other than succeeded before the run halts. Without "
        "this key: 5% for the last ring, 0 for the others.",
        "5%",
    ),
    "rings[].max_concurrent": (
        "How many hosts are patched side by side, the size of a wave; percentages are rounded up. "
        "Without this key: 10% for the last ring, 50% for the others.",
        20,
    ),
    "rings[].soak": (
        "Time waited after the ring's last host, before the next ring. Without this key: 24h for "
        "the ring before the last, 0 for the others.",
        "24h",
    ),
    "rings[].promote": (
        "How the ring is entered: by itself, or after `patchctl rollout approve`. Without this "
        "key: manual for the last ring, auto for the others.",
        "manual",
    ),
    "rings[].reboot": ("Whether hosts are rebooted where their updates need it.", "if-required"),
    "rings[].on_failure": (
        "What happens to a host that failed after it may have been changed: return it to its state "
        "before, or leave it as it is.",
        "stop",
    ),
    "assign": (
        "The ring of hosts that have neither `patch_ring` nor a group named as a ring.",
        {"rules": [{"ring": "staging", "names": ["test-*"]}]},
    ),
    "assign.rules": (
        "The first rule that fits a host gives its ring.",
        [{"ring": "staging", "groups": ["test"]}],
    ),
    "assign.rules[].ring": ("The ring that the rule gives.", "staging"),
    "assign.rules[].groups": ("Groups of the inventory; a host of any of them fits.", ["test"]),
    "assign.rules[].names": ("Shell patterns; a host whose name matches any fits.", ["*.test.lan"]),
    "assign.shares": (
        "Rings for all other hosts by a hash of their name, so that a host keeps its ring.",
        {"seed": "2026", "staging": 5, "canary": 15, "production": 80},
    ),
    "assign.shares.seed": ("Goes into the hash; another seed deals the hosts anew.", "2026"),
    "assign.shares.stratum": (
        "Variables; hosts that agree in all of them are dealt out among themselves, so that each "
        "ring gets some of every kind.",
        ["role"],
    ),
    "assign.shares.*": ("A ring's share of the hosts in percent. All shares sum to 100.", None),
    "inventory": (
        "Ansible inventory sources: files, folders, or lists of names with a comma.",
        ["inventory/", "cloud/aws_ec2.yml"],
    ),
    "policy": ("What holds in every ring.", {"unproven": "approve"}),
    "policy.rollback_ready": (
        "What happens to a host whose old package versions cannot be kept: no patching, or a "
        "warning.",
        "warn",
    ),
    "policy.updaters": (
        "What to do about unattended-upgrades and the like on a host: refuse the host, warn, or "
        "switch them off for the length of the run.",
        "hold-for-run",
    ),
    "policy.unproven": (
        "What to do with hosts whose updates no earlier ring makes: hold them back, wait for an "
        "approval, or go on.",
        "approve",
    ),
    "policy.allow_removals": ("Whether an update may remove other packages.", True),
    "policy.undo_safe": (
        "Packages that may be undone though patchctl would not: shell patterns of source or "
        "binary names.",
        ["postgresql-15"],
    ),
    "policy.stale_lists": (
        "What to do with a host some of whose repositories could not be looked into, or only by "
        "old package lists: hold it (it is left out, and the command exits 1), or warn (what is "
        "known of is planned, the rest is named).",
        "warn",
    ),
    "policy.lists_max_age": (
        "How old the package lists of a host may be before they tell nothing. A plan that looks at "
        "the hosts itself fetches them anew; this is for plans from a snapshot.",
        "7d",
    ),
    "policy.exclude": (
        "Packages that plans leave out for a while, with all that needs them. Their findings stay "
        "open: to live with those is for exceptions.yml.",
        [
            {
                "packages": ["postgresql-15"],
                "reason": "the application is certified up to 15.4",
                "owner": "dba@example.com",
                "until": "2026-12-31",
            }
        ],
    ),
    "policy.exclude[].packages": (
        "Source or binary names, or shell patterns of them; a source stands for all its binaries.",
        ["postgresql-15", "linux-image-*"],
    ),
    "policy.exclude[].reason": ("Why; stands in plans.", "the application is certified up to 15.4"),
    "policy.exclude[].owner": ("Who answers for it.", "dba@example.com"),
    "policy.exclude[].until": (
        "The last day on which it holds; afterwards it excludes nothing, and commands say so.",
        "2026-12-31",
    ),
    "policy.plan_expires": ("How long after its making a plan may be rolled out.", "7d"),
    "policy.transaction_timeout": ("Longest for installing on one host.", "2h"),
    "policy.verify_timeout": ("Longest for verifying one host.", "5m"),
    "policy.reboot_timeout": ("Longest until a host is back after a reboot.", "20m"),
    "policy.drain_timeout": ("Longest for the hook that drains a host.", "10m"),
    "policy.lock_wait": (
        "How long to wait for somebody else who works with a host's package manager, before the "
        "host is deferred until its ring's end.",
        "10m",
    ),
    "policy.discovery_timeout": ("Longest for looking at one host.", "2m"),
    "probes": (
        "Questions asked on every host before and after patching, besides services and ports.",
        [{"name": "web answers", "kind": "http", "target": "http://localhost/"}],
    ),
    "probes[].name": ("The probe's name in results; each stands once.", "web answers"),
    "probes[].kind": ("How it asks.", "http"),
    "probes[].target": (
        "What it asks: a URL (http), ADDRESS:PORT (tcp), a shell command (command), a systemd unit "
        "(unit).",
        "http://localhost/health",
    ),
    "probes[].expect": ("Text that the body of an HTTP answer must contain.", "ready"),
    "probes[].within": ("How long it is asked again until it is answered well.", "1m"),
    "probes[].groups": (
        "Only on hosts of these groups, or with one of `packages`; neither: on all hosts.",
        ["web"],
    ),
    "probes[].packages": ("Also on hosts that have one of these packages installed.", ["nginx"]),
    "hooks": (
        "The operator's own Ansible tasks around a host's patching.",
        {"drain": "hooks/drain.yml", "undrain": "hooks/undrain.yml"},
    ),
    "hooks.drain": (
        "Task file that takes a host out of service before it is changed; needs undrain beside it. "
        "It lies in a folder of the workspace, all of whose files get into plans by their digests. "
        "Alone, or as a mapping with what it sees.",
        {"file": "hooks/drain.yml", "sees": ["lbservers"]},
    ),
    "hooks.drain.file": ("The task file.", "hooks/drain.yml"),
    "hooks.drain.sees": (
        "Groups whose hosts the hook may reach and whose variables it may read, besides the hosts "
        "that it works on; `all` for every host.",
        ["lbservers"],
    ),
    "hooks.undrain": (
        "Task file that takes the host into service again. Alone, or as a mapping with what it "
        "sees.",
        "hooks/undrain.yml",
    ),
    "hooks.undrain.file": ("The task file.", "hooks/undrain.yml"),
    "hooks.undrain.sees": ("As that of `hooks.drain`.", "all"),
    "ansible": ("How hosts are reached.", {"user": "ops", "forks": 50}),
    "ansible.user": ("User to log in as, where the inventory names none.", "ops"),
    "ansible.private_key": ("SSH key to log in with.", "~/.ssh/fleet"),
    "ansible.forks": ("Hosts worked on at once by one Ansible run.", 50),
    "ansible.connect_timeout": ("Longest for an SSH connection to come up.", "30s"),
    "ansible.become_password_file": (
        "File with the sudo password; passwords stand only in files.",
        "~/.config/patchctl/become",
    ),
    "ansible.vault_password_file": ("File with the vault password.", "~/.config/patchctl/vault"),
    "ansible.vault_ids": (
        "Vault identities as Ansible's --vault-id takes them.",
        ["prod@~/.config/patchctl/vault-prod"],
    ),
    "feeds": (
        "Vulnerability data: where it comes from and how old it may be.",
        {"mirror": "https://mirror.example/feeds", "max_age": "3d"},
    ),
    "feeds.mirror": (
        "Base address in place of the public ones; `patchctl feeds update --help` shows the paths "
        "below it.",
        "https://mirror.example/feeds",
    ),
    "feeds.ecosystems": (
        "Ecosystems to fetch besides those of the fleet's hosts.",
        ["Rocky Linux:9"],
    ),
    "feeds.max_age": ("How old a feed may be before it is stale.", "3d"),
    "feeds.stale": (
        "What an assessment does with a stale feed: go on with a warning, or exit 2.",
        "refuse",
    ),
    "feeds.sources": (
        "What is different for single sources, and sources of your own.",
        [{"name": "epss", "enabled": False}],
    ),
    "feeds.sources[].name": (
        "A source that `patchctl feeds status` names, or a new name of lower case letters, "
        "digits, . and -.",
        "epss",
    ),
    "feeds.sources[].address": (
        "Where it is fetched from: http or https, a file of any kind that can be imported. "
        "Credentials belong into ~/.netrc.",
        "https://mirror.example/epss.csv.gz",
    ),
    "feeds.sources[].enabled": ("Whether `feeds update` fetches it.", False),
    "feeds.sources[].max_age": ("How old this feed may be, instead of feeds.max_age.", "30d"),
    "assessment": (
        "How urgent findings are and by when they must be fixed; see the page on priority.",
        {"profiles": ["ssvc-deployer", "pci-dss"]},
    ),
    "assessment.profiles": (
        "Rules to go by, together: the most urgent decision and the earliest date count.",
        ["bod-26-04", "cvss-sla"],
    ),
    "assessment.sla": (
        "For cvss-sla: days from the day a fix is out, by CVSS band; 0: no deadline.",
        {"critical": "3d", "high": "14d", "medium": "60d", "low": "180d"},
    ),
    "assessment.sla.critical": ("CVSS 9.0 to 10.0, or the vendor's word for it.", "3d"),
    "assessment.sla.high": ("CVSS 7.0 to 8.9.", "14d"),
    "assessment.sla.medium": ("CVSS 4.0 to 6.9.", "60d"),
    "assessment.sla.low": ("CVSS 0.1 to 3.9.", "180d"),
    "state": (
        "Folder of the state: database, package files, audit log. PATCHCTL_STATE wins over it.",
        "/var/lib/patchctl-state/fleet",
    ),
}
