"""The journal: what survives the process.

It knows neither how a delivery is decided nor who sends one.

- `interface`: what every journal does, and its errors.
- `recorder`: keeps a journal in step with the store.
- `sqlite`: a journal in a SQLite file with a log beside it; `database` is the file, `log` the log.
- `codec`: spaces and deliveries as bytes; `records` frames and checks those.
- `repair`: opens a journal, and makes a truncated one whole.
"""
