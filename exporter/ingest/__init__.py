"""Deliveries in: parsed, applied, journalled, counted.

It knows nothing of HTTP; it returns outcomes, and receipts for the sender.

- `intake`: deliveries applied, whether a request brought them or not.
- `observer`: the results, reported to counters, log and activity.
- `receipt`: the outcomes of the events of one request, and the reasons.
- `activity`: the last minute and the last refusals, for people.
- `transitions`: spaces that appear, fall silent, return or are forgotten, for the log.
"""
