"""What is said to a host and back. Pure: no file, no network, no clock."""
