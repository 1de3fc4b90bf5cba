"""Grafana's dashboards and provisioning, and the Python that builds them."""
