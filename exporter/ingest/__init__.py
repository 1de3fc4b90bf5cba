"""Deliveries in: parsed, applied, journalled, counted.

It knows nothing of HTTP; it returns what the sender is to be answered.

- `intake`: deliveries applied, whether a request brought them or not.
- `observer`: the results, reported to counters, log and activity.
- `receipt`: what became of the events of one request.
- `activity`: the last minute and the last refusals, for people.
- `transitions`: zones that appear, fall silent, return or are forgotten, for the log.
"""
