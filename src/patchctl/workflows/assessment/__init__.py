"""Assess the fleet, keep exceptions, say where hosts stand."""
