"""Writes the dashboards: `python -m grafana.build`. With --check it writes nothing and fails if one differs."""

import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import exporter_health, zone_history, zones_now

FOLDER = Path(__file__).parent / "dashboards"

DASHBOARDS = {"zones-now": zones_now, "zone-history": zone_history, "exporter-health": exporter_health}


def rendered() -> dict[Path, str]:
    """Return the text of every file."""
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {
        FOLDER / f"{name}.json": encoder.encode(module.build().build()) + "\n" for name, module in DASHBOARDS.items()
    }


def main(arguments: list[str]) -> int:
    """Write them, or tell which differ."""
    files = rendered()
    differ = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if arguments == ["--check"]:
        for path in differ:
            print(f"{path.name} is not what grafana/ builds; run make dashboards", file=sys.stderr)
        return 1 if differ else 0
    for path in differ:
        path.write_text(files[path])
        print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
