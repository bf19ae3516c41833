"""Requests to hosts and their answers, as text. Pure: no file, no network, no clock."""
