"""Writes `records/`, `params/`, `fields/` and `resources/` from the catalogue beside it.

`python -m aiochargebee_gw._codegen` writes, `--check` compares byte for byte. The catalogue (one JSON file a resource)
and `overrides.toml` are read into a small model (`catalogue`, `build`), which `records`, `params`, `fields` and
`resources` turn into text. It is no part of the installed package.
"""
