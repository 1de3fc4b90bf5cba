"""The one true current count of every space, whatever the order, repetition or revision of deliveries.

Pure: no clock, no I/O, no pydantic, Flask or prometheus_client. State is a fold of `Store.apply`
over deliveries, keyed by (space id, measure); what a space is (a zone, later a room or a floor) it does
not know. All times are integers, milliseconds since the epoch; generations are Unix seconds.

A *reading* is a value of one measure of one space at one timestamp. The readings of one measure of one
space are kept for a `window` counted back from the newest of them, `n`; only row 4 asks for the space as a
whole. For an event with timestamp `t` and value `v` the first row that
holds decides (rows 1 and 2 are decided before an event comes here):

| #  | when                                                        | outcome     | effect                        |
|----|-------------------------------------------------------------|-------------|-------------------------------|
| 1  | not a valid event                                           | invalid     | none                          |
| 2  | type is not one we export                                   | unsupported | none                          |
| 3  | `t` > now + `future_tolerance`                              | future      | none                          |
| 4  | space unknown and `max_spaces` reached                      | overflow    | none                          |
| 5  | space known and `t` <= `n` - `window`                       | late        | none                          |
| 6  | the same id with the same `v` already received for this `t` | duplicate   | none                          |
| 7  | `t` known, both generations known, the event's is older     | superseded  | none                          |
| 8  | `t` known, same `v`                                         | repeated    | generation moves up           |
| 9  | `t` known, other `v`                                        | corrected   | the reading takes `v`         |
| 10 | space unknown, or `t` > `n`                                 | new         | becomes the current reading   |
| 11 | otherwise                                                   | backfilled  | an older reading is added     |

Memory is bounded for each measure of a space: it remembers `max_deliveries` distinct deliveries. One
more drops its oldest reading, as if the window were shorter, and what is dropped stays `late`. That
depends on what was delivered and not on the order, so order still does not matter. Only where a single
reading was delivered that often are its earliest ids forgotten instead.

A delivery is remembered as a 64-bit hash of id and value, the same in every process: a false duplicate among
the deliveries of one reading is about as likely as one in 10^18.

- `outcome`: what can become of an event. `limits`: the numbers of the rule.
- `reading`: one reading as bytes. `series`: the readings of one measure of one space, rows 5 to 11.
- `space`: one space. `store`: all of them, rows 3 and 4.
- `history`: what every reading of captured deliveries came to.
"""
