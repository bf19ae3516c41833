"""Match advisories with installed packages."""
