"""The service's share of Butlr's cloud: when it is asked, and what becomes of the answers. Serving never waits for it.

It is loaded only where a client id is set. It knows neither Flask nor the server.

- `service`: the threads, started and stopped together.
- `assets`: reads the inventory: capacities, spaces that should report, sensors and hives.
- `minutes`: polling and recovery in one thread, at one pace.
- `poll`: the last minutes, again and again.
- `recover`: the minutes that were missed before the start, or while no events came.
- `silence`: notices when events come again.
- `readings`: minutes applied as readings, through the rule and into the journal; the parts of polling and recovery.
- `names`: the names of a space for such a reading.
- `worker`: one thread that works in rounds until it is stopped.
- `connection`: a client of Butlr's API for each thread, with one token; its requests are counted.
- `outages`: one warning for each failure, however often it comes again.
"""
