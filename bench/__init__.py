"""What the exporter costs, measured beside what a user would pick instead: `python -m bench`."""
