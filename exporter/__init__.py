"""Prometheus exporter for Butlr webhooks."""

from importlib.metadata import version

__version__ = version("butlr-exporter")
