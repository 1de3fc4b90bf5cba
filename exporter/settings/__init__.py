"""Every setting, declared once.

- `declared`: name, default, help and type of each.
- `load`: flags and environment variables turned into settings, or into a list of every mistake.
- `types`: the types of values, parsed from text and shown as text.
- `advice`: warnings about unlikely values, missing credentials and misspelt names.
- `certificate`: the certificate and key of a port.
"""
