"""An exporter judged by the deliveries that it answered.

- `arrivals`: the events that an exporter received, in order.
- `readings`: outcomes and final values of the readings of one space.
- `crossings`: outcomes and totals of the crossings of one sensor.
- `oracle`: the expected values and answers, worked out from the whole list of deliveries.
- `scrape`: the values that an exporter shows.
- `compare`: the differences between both.
"""
