"""Assess the fleet, keep exceptions, and tell how far hosts are on their way to a fix."""
