"""Fetch, import, store and check vulnerability data."""
