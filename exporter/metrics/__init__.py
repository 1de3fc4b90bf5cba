"""Every family, and the exposition of a snapshot.

It knows nothing of HTTP, and of events only the measure and the metadata.

- `families`: names, help texts and labels.
- `zones`: the families of zones; a zone's lines are kept until something in it changes.
- `settled`: settled readings at their own times.
- `counters`: events counted by outcome, and their delays.
- `registry`: all of it together with the families of the process; what a scrape reads.
- `text`: the lines of an exposition.
"""
