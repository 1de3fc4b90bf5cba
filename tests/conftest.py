"""Hypothesis profiles: quick and random by default; thorough, and the same on every run, where CI=true."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("quick", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples each time, so that a red run is the change's own; local runs go on exploring.
settings.register_profile("ci", settings.get_profile("quick"), max_examples=2000, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "quick")
