"""The page docs/dashboards.md: each panel with its description and query."""

from collections.abc import Mapping
from typing import Any

from grafana.promql import FLOORS, ROOMS, ZONES

LONGEST = 250
"""Characters of the longest query on the page; a longer one, or one that joins names, is better read in Grafana."""

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
`capacity.yml` says how many people each zone, room and floor is meant for.

In a Grafana of your own, import `grafana/dashboards/*.json` (Grafana 11 or later) and choose your Prometheus as the
data source. The panels of now use the recording rules of [`alerts.yml`](../alerts.yml), and all panels the labels that
are the default. In queries, `...` stands for the choices at the top of the dashboard; queries of more than 250
characters, or that join names, are in the panels only. Panels about rooms, floors, motion, entryways and detections
need the event types of Butlr that they are made from; panels about Butlr's API, offline sensors and tags need a
[client id](butlr.md).

A floor's number is Butlr's own count of it, or the sum of its zones if there is none; a sum counts a person twice who
is in two overlapping zones. A share needs a [capacity](settings.md#capacity).

Choose once, and save the dashboard with it:

- **Exporter's pages** (*Zones now*): the address of the exporter as your browser reaches it. A click on a place offers
  its page and its history.
- **Time zone**, **Opens at**, **Closes at** and **Working days** (*Zone history*): hours and weekdays are those of the
  building, whatever the clock of the viewer shows. For a place that is not listed, take one with the same clocks. Where
  clocks differ from UTC by half an hour, an hour of a table begins half an hour early.

*Zone history* shows [final counts](history.md) only: they come six minutes later, and are right. Capacities are those
at the end of the chosen time. A final count is taken for a minute, so there are gaps with `send_on_value_change`. Two
weeks of 100 zones, 38 rooms and 13 floors cost Prometheus at most two seconds of processor time in a panel, and twelve
for all of them; Grafana draws only the panels that are in view. [analysis.md](analysis.md) has its questions as queries
for a notebook or a spreadsheet.
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
            parts.append(f"- **{panel.title}**: {panel.description}\n")
            for query in queries:
                for choice in (ZONES, ROOMS, FLOORS):  # the longest first, as each begins with the next
                    query = query.replace(choice, "...")
                if len(query) <= LONGEST and "label_join" not in query:
                    parts.append(f"  `{query}`\n")
    return "".join(parts)
