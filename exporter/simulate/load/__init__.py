"""Sends deliveries as Butlr does.

- `sender`: connections, pace and retries.
- `files`: deliveries read from a file.
- `progress`: a progress bar while a person is watching.
- `report`: counts and latencies of a run.
"""
