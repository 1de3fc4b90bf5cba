"""The number of people that each space is meant for, by the first matching rule of a YAML file.

    capacity:
      - {zone_id: zone_2oUJLGKGlqPjwnUCwXNXpX3HB28, max: 4}
      - {floor_name: "1st Floor", zone_name: "Desk *", max: 1}
      - {kind: room, room_name: "Birch", max: 8}
      - {max: 20}

A rule matches a space of its kind, a zone unless it says another, if each of its fields does, with shell-style
wildcards (`*`, `?`, `[ab]`). `max: null` says that the spaces that it matches have no capacity. This package knows the
names of a space, but not its counts.

- `file`: the file, read again on demand. `parse`: its text, and the mistakes in it. `document`: its YAML.
- `rules`: the first rule that matches a space. `index`: the few rules that may match it. `pattern`: one wildcard text.
"""
