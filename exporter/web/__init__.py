"""HTTP: answers requests; the packages below do the work that the requests ask for.

- `webhook`: the view that accepts events; `fast` answers single events without Flask. `answers`: the answers of both.
- `scrape`: the views for Prometheus, and the reload. `forget`: the views that forget a space.
- `probes`: health and readiness.
- `access`: views behind credentials, which `auth` compares.
- `links`: relative links from one view to another.
- `problems`: errors as `application/problem+json`.
- `pages`: the pages for people.
"""
