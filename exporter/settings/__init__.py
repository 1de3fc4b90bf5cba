"""Every setting, declared once.

It knows nothing of what the settings are for.

- `declared`: name, default, help and type of each.
- `load`: flags and environment variables turned into settings, or into all mistakes together.
- `types`: how a value is written and read.
- `advice`: warnings, and what a misspelt name may have meant.
- `certificate`: the certificate and key of a port.
"""
