"""The costs of the exporter, measured beside those of programs that could replace it: `python -m bench`."""
