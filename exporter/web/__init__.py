"""HTTP: what each request means.

It knows how requests are answered, and leaves what they ask for to the packages below.

- `webhook`: the view that accepts events; `fast` answers the common case without Flask.
- `scrape`: the views for Prometheus, and the reload.
- `probes`: health and readiness.
- `access`: views behind credentials, which `auth` compares.
- `problems`: errors as `application/problem+json`.
- `pages`: the pages for people.
"""
