"""Writes the dashboards and alert rules: `python -m grafana.build`. With --check it only reports differences."""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import alerting, entrances, exporter_health, page, zone_history, zones_now

FOLDER = Path(__file__).parent / "dashboards"

ALERTING = Path(__file__).parent / "provisioning" / "alerting" / "butlr.yml"

PAGE = Path(__file__).parent.parent / "docs" / "dashboards.md"

DASHBOARDS = {
    "zones-now": zones_now,
    "zone-history": zone_history,
    "entrances": entrances,
    "exporter-health": exporter_health,
}


def rendered() -> dict[Path, str]:
    """Return the text of every generated file."""
    boards = {name: module.build().build() for name, module in DASHBOARDS.items()}
    encoder = JSONEncoder(sort_keys=True, indent=2)
    texts = {FOLDER / f"{name}.json": _annotated(encoder.encode(board)) for name, board in boards.items()}
    return texts | {ALERTING: alerting.rendered(), PAGE: page.rendered(boards)}


def _annotated(text: str) -> str:
    """Return a dashboard's JSON with titles and texts of its annotations, which the SDK has no fields for."""
    board = json.loads(text)
    for annotation in board["annotations"]["list"]:
        annotation |= {
            "titleFormat": "{{alertname}}",
            "textFormat": "{{building_name}} {{place}}",
            "tagKeys": "alertname",
        }
    return json.dumps(board, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the files, or with --check report those that differ; return the exit status."""
    files = rendered()
    differing = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if arguments == ["--check"]:
        for path in differing:
            print(f"{path.name} is not what grafana/ builds; run make dashboards", file=sys.stderr)
        return 1 if differing else 0
    for path in differing:
        path.write_text(files[path])
        print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
