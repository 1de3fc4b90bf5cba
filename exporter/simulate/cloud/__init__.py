"""The simulated Butlr cloud: an HTTP server with Butlr's API for the simulated building.

It knows nothing of the exporter but its event format. Nothing here was compared with a live account.

- `run`: serves the API, and delivers events, while the simulated time passes.
- `courier`: the way of each event to the webhooks that want it.
- `account`: all that the API knows of the building.
- `reports`: the Reporting API.
- `service`: the HTTP server, and the way of each request to its answer.
- `faults`: chance by which requests fail and deliveries are dropped.
- `tokens`: credentials, and tokens that soon expire.
- `graph`: the GraphQL engine over `schema.graphql`.
- `webhooks`: the webhooks of the account.
- `assets`: sites, buildings, floors, rooms, zones, sensors and hives, as GraphQL shows them.
- `answers`: the answer to a request, or its refusal.
- `names`: names and numbers that Butlr's public pages do not give.
"""
