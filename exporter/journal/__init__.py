"""The journal: deliveries and spaces on disk, read back at the next start.

State is a fold of deliveries, so a journal is a log of deliveries, and each space as it was saved at some entry of the
log. It knows neither how an event is decided nor how one arrives.

- `interface`: the methods of a journal, and its error.
- `recorder`: applies events to the store and appends them to the journal.
- `file`: a journal in a file: compaction, outages, a file that is gone.
- `repair`: opens the file, and first replaces a truncated one by its undamaged rows.
- `sqlite`: the SQLite file and the logs beside it; `database` is the file, `log` the logs, `entries` their content.
- `failures`: errors of the system and of SQLite in words for people.
- `codec`: entries and saved spaces as bytes; `records` frames and checks those.
"""
