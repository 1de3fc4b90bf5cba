"""A building, its people, and the deliveries that Butlr makes of them.

- `building`: sites, floors, rooms and zones with names.
- `people`: the number of people in a zone, minute by minute.
- `sensing`: readings that are computed again and again.
- `delivery`: delays, repetition, reordering and loss.
"""
