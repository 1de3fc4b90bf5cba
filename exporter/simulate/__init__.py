"""Butlr in a box: deliveries as rough as Butlr's, and an oracle that says what an exporter must show after them.

A stream flows `building` and `people` -> `sensing` -> `delivery` -> `sender`; what was answered flows on to
`oracle` and `verify`. Nothing here knows the service but by its webhook and its metrics, and of its modules
only `events`, which is the format that both sides speak.
"""
