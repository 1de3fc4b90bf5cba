"""An exporter judged by the deliveries that it answered.

- `oracle`: what must be shown and answered, worked out from the whole list of deliveries.
- `scrape`: what an exporter shows.
- `compare`: the differences.
"""
