"""The command line: one module for each command.

- `main`: parses the arguments and runs a command.
- `service`: `serve` and `check`; `against` is `check --against`.
- `preflight`: mistakes in the settings that only the machine shows.
- `simulate`, `export`: the commands of these names; `captured` reads files of deliveries.
- `table`: a history as CSV.
- `cloud`: the commands that ask Butlr's cloud.
- `flags`, `arguments`: settings as flags, and arguments of several commands.
- `logs`: how log lines are written.
"""
