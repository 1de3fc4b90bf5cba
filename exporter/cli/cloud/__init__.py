"""The commands that ask Butlr's cloud.

- `options`: the arguments of these commands; the other modules are loaded when a command runs.
- `connection`: settings, a connection to the API, and its errors for people.
- `display`: tables and texts for people.
- `assets`, `webhooks`, `backfill`: the commands of these names; `capacity` writes a capacity file.
"""
