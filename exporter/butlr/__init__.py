"""Butlr's cloud: its API, as a client uses it. It knows neither settings nor metrics, and no state of the exporter.

- `errors`: failed calls, with the reason and the remedy.
- `names`: paths, queries and fields of the API; those that were inferred stand together.
- `transport`: one HTTP request, with its limits.
- `calls`: requests that are repeated where that helps, each observed.
- `token`: the token, kept and renewed.
- `client`: calls with a token, which is replaced once where Butlr rejects it.
- `graphql`: queries and mutations.
- `assets`: sites, buildings, floors, rooms, zones, sensors, hives.
- `webhooks`: webhooks, listed, created, updated, deleted; `difference` compares them with the one that is wanted.
- `reporting`: minutes from the Reporting API; `batches` reads those of many spaces at a pace.
"""
