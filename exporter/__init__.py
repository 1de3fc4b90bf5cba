"""Prometheus exporter for Butlr zone occupancy webhooks."""

from importlib.metadata import version

__version__ = version("butlr-exporter")
