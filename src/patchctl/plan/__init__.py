"""Make a frozen plan from an assessment and a snapshot. Pure: no file, no network, no clock."""
