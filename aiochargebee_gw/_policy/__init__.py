"""Decisions as pure functions of their arguments: no clock, no randomness, no waiting in here."""
