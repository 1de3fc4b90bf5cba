"""Serves WSGI apps safely to the open internet; knows no exporter.

- `process`: ports, signals and periodic tasks around one event loop.
- `service`: everything that one port serves, as one value.
- `connection`: uvicorn's connection with limits; `connections` limits their number; `head` has HTTP's rules for the
  head of a request, and `flow` its pace.
- `fast`: a connection that answers known requests without parsing them; `batch` answers those of one event-loop
  iteration together.
- `wsgi`: calls a WSGI app with whole bodies.
- `tls`: handshakes, limited in time.
- `memory`: tunes malloc.
"""
