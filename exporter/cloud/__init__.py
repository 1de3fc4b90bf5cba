"""The service's share of Butlr's cloud: when it is asked, and what becomes of the answers. Serving never waits for it.

It is loaded only where a client id is set. It knows neither Flask nor the server.

- `service`: the threads, started and stopped together.
- `assets`: reads the inventory: capacities, spaces that should report, sensors and hives.
- `worker`: one thread that works in rounds until it is stopped.
- `connection`: a client of Butlr's API for each thread, with one token; its requests are counted.
- `outages`: one warning for each failure, however often it comes again.
"""
