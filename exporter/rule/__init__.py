"""The rule: the one true current value of every measure, whatever the order, repetition or revision of deliveries.

Pure: no clock, no I/O, no pydantic, Flask or prometheus_client. State is a fold of `Store.apply` over deliveries. All
times are integers, milliseconds since the epoch; generations are Unix seconds.

A *space* has a kind and an id. A *reading* is a value of one measure of one space at one timestamp. Each measure of a
space keeps its readings for a `window`, counted back from the newest of them, `n`, which is unknown before the first.
For an event with timestamp `t` and value `v`, the first row that holds decides:

| #  | when                                                        | outcome     | effect                        |
|----|-------------------------------------------------------------|-------------|-------------------------------|
| 1  | not a valid event                                           | invalid     | none                          |
| 2  | type is not one we export                                   | unsupported | none                          |
| 3  | `t` > now + `future_tolerance`                              | future      | none                          |
| 4  | space unknown and `max_spaces` reached                      | overflow    | none                          |
| 5  | `n` known and `t` <= `n` - `window`                         | late        | none                          |
| 6  | the same id with the same `v` already received for this `t` | duplicate   | none                          |
| 7  | `t` known, both generations known, the event's is older     | superseded  | the delivery is remembered    |
| 8  | `t` known, same `v`                                         | repeated    | generation moves up           |
| 9  | `t` known, other `v`                                        | corrected   | the reading takes `v`         |
| 10 | `n` unknown, or `t` > `n`                                   | new         | becomes the current reading   |
| 11 | otherwise                                                   | backfilled  | an older reading is added     |

`exporter.events` decides rows 1 and 2.

The cadence of a measure changes no row. Readings of a measure that comes every minute settle, and are stale once they
are older than `stale_after`. Motion, which comes when it changes, is never stale. Of detections, a stream, only the
newest reading is kept, as in a window of a millisecond, so that no older one is `backfilled`; they are stale after
`detections_stale_after`, and no journal keeps their values. Crossings are events and no readings: `traffic` has rows of
their own in the place of rows 5 to 11. They name and keep their sensor as readings do, and are never stale.

A generation is unknown where its id holds none, and where it cannot be true: when it is later than the arrival plus
`future_tolerance`, or earlier than `t` minus `future_tolerance`. An entry of a journal is judged by the arrival that it
was written with, so a replay comes to the same result. Order does not matter among events whose generations differ and
are known at each of their arrivals; where one is unknown the later arrival wins, as nothing else tells which is right.

A space has the metadata of its newest reading of any measure: among the applied events for that timestamp the latest
generation decides, and where generations are equal or one is unknown, the later arrival does. Every event of rows 5 to
11 keeps its space from being forgotten, of a stream one in each minute; without one for longer than `forget_after` a
space is forgotten, and one with motion after `motion_forget_after` instead. A space that is held, as Butlr lists it,
stays to be seen; its next event then makes it anew, as if it had been forgotten. A space that somebody has forgotten is
unknown from then on, like one that was never there: its next event, also one that was delivered before, is `new`.

Memory is bounded: each measure of a space remembers `max_deliveries` distinct deliveries. One more drops the oldest
reading, as if the window were shorter, and its timestamp stays `late`. The dropped reading depends on the set of
deliveries and not on their order, so order still does not matter. If all these deliveries are of a single reading, its
earliest ids are forgotten instead.

A delivery is recognised by a 64-bit hash of its id and value, the same in every process. The odds of a false duplicate
among the deliveries of one reading are about one in 10^18.

- `outcome`: the outcomes of an event. `limits`: the numbers of the rule.
- `reading`: one reading packed into bytes, rows 7 to 9.
- `series`: the readings of one measure of one space, rows 5 to 11.
- `traffic`: the crossings of one sensor, a rule of its own.
- `space`: one space. `store`: all of them, rows 3 and 4.
- `settled`: the settled readings of all series that may have changed since they were read last.
- `history`: the final value of every reading among captured deliveries.
"""
