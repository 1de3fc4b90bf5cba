"""The page docs/dashboards.md: each panel with its description and query."""

from collections.abc import Mapping
from typing import Any

from grafana.kit import FLOORS, ROOMS, ZONES

HEAD = """\
# Dashboards

Written by `make dashboards`, as the dashboards themselves are, from `grafana/*.py`.

## Starting

```sh
mkdir -p secrets
for name in webhook.key grafana.password; do [ -e secrets/$name ] || openssl rand -hex 16 > secrets/$name; done
chmod 644 secrets/*    # for the users in the containers
docker compose --profile demo up --build
```

Then <http://localhost:3000>, user `admin`, password in `secrets/grafana.password`: **Zones now** is the first page.
The profile `demo` adds a simulated building in fast motion; without it, the panels fill with the first event.
`capacity.yml` says how many people each zone is meant for.

In a Grafana of your own, import `grafana/dashboards/*.json` (Grafana 11 or later) and choose your Prometheus as the
data source. The panels use the recording rules of [`alerts.yml`](../alerts.yml), and the labels that are the default.
In queries, `...` stands for the choices at the top of the dashboard. A sum of zones counts a person twice who is in two
overlapping zones. Panels about rooms, floors, motion, entryways and detections need the event types of Butlr that they
are made from, and are empty without.
"""


def rendered(boards: Mapping[str, Any]) -> str:
    """Return the page about the dashboards, which are the SDK's models by name."""
    parts = [HEAD]
    for name, board in boards.items():
        parts.append(
            f"\n## {board.title.removeprefix('Butlr: ').capitalize()}\n\n{board.description} (`{name}.json`)\n"
        )
        for panel in board.panels:
            if panel.type_val == "row":
                parts.append(f"\n### {panel.title}\n\n")
                continue
            queries = dict.fromkeys(target.expr for target in panel.targets)
            # Many queries of one panel differ by a number only: one is enough for a reader.
            shown = list(queries)[:1] if len(queries) > 4 else list(queries)
            parts.append(f"- **{panel.title}**: {panel.description}\n")
            for query in shown:
                for choice in (ZONES, ROOMS, FLOORS):  # the longest first, as each begins with the next
                    query = query.replace(choice, "...")
                parts.append(f"  `{query}`\n")
    return "".join(parts)
