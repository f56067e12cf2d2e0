"""The seeded world: the same ``records``, ``seed`` and ``catalog`` always give the same bytes."""
