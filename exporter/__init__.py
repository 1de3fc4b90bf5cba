"""Prometheus exporter for Butlr occupancy sensors."""

from importlib.metadata import version

__version__ = version("butlr-exporter")
