"""Butlr in a box: deliveries as rough as Butlr's, and an oracle that judges an exporter by them.

Of the exporter it knows the format of events, its webhook and its metrics, and nothing else.

- `run`: one run, from the plan to the verdict.
- `client`: HTTP requests over one connection.
- `world`: a building, its people, and what sensors make of them.
- `load`: deliveries sent, each when it is due.
- `verify`: an exporter compared with the oracle.
"""
