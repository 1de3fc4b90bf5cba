"""Grafana's dashboards and provisioning, and the Python they are built from."""
