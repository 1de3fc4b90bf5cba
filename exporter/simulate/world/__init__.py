"""A building, its people, and what Butlr delivers of them.

- `building`: sites, floors, rooms and zones with names.
- `people`: how many are in a zone, minute by minute.
- `sensing`: readings that are computed again and again.
- `delivery`: delays, repetition, reordering and loss.
"""
