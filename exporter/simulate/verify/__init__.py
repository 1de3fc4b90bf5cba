"""An exporter judged by the deliveries that it answered.

- `oracle`: the expected counts and answers, worked out from the whole list of deliveries.
- `scrape`: the counts that an exporter shows.
- `compare`: the differences between both.
"""
