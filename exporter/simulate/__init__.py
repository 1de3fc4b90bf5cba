"""A simulated Butlr: deliveries as rough as Butlr's, and an oracle that judges an exporter by them.

It knows only the exporter's event format, webhook and metrics.

- `run`: one run, from the plan to the verdict.
- `client`: HTTP requests over one connection.
- `world`: a building, its people, and the readings of its sensors.
- `cloud`: a server of Butlr's API.
- `verdict`: the verdict on an exporter, printed for people.
- `load`: sends each delivery when it is due.
- `verify`: compares an exporter with the oracle.
"""
