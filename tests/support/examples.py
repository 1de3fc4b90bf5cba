"""Numbers of Hypothesis examples, relative to those of the profile in use (`tests/conftest.py`)."""

from hypothesis import settings

thorough = settings(max_examples=5 * settings().max_examples)
"""Decorates a test of the rule, of its order, or of a fast path beside the slow one: five times as many examples."""
