"""The tests: one file for each module of the exporter, and the whole of it end to end."""
