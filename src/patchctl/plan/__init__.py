"""Assessment and snapshot to a frozen plan. Pure: no file, no network, no clock."""
