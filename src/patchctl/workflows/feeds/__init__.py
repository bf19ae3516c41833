"""Fetch, import and look after vulnerability data."""
