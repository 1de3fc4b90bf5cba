"""The command line: one room for each command.

- `main`: the parser, and which command runs.
- `service`: `serve` and `check`; `against` is `check --against`.
- `simulate`, `export`: the commands of these names; `captured` reads files of deliveries.
- `flags`, `arguments`: settings as flags, and arguments of several commands.
- `logs`: how log lines are written.
"""
