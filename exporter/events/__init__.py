"""Butlr's formats: bytes in, frozen values or errors that name the field out.

It knows nothing of HTTP, of metrics, or of the use that is made of an event.

- `measures`: the measures that are exported, each declared once.
- `model`: the frozen values.
- `payloads`: the shapes of an event's `data`.
- `parse`: a request body parsed strictly, with an error for each mistake.
- `fast`: the same for the common case, in a third of the time.
- `text`: byte order marks, halves of characters, NFC.
- `ids`: KSUIDs, and the generation that an event id holds.
- `times`: timestamps, and how people read them.
"""
