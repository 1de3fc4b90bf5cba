"""Hypothesis profiles: quick by default, thorough where CI=true."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("quick", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("quick"), max_examples=2000, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "quick")
