"""Numbers of Hypothesis examples, relative to those of the profile in use (`tests/conftest.py`)."""

from hypothesis import settings

thorough = settings(max_examples=5 * settings().max_examples)
"""Decorates a test of the rule or of its order: five times as many examples as a test that two ways agree."""
