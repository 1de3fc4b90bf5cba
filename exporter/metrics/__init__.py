"""Every family, and the exposition of a snapshot.

It knows nothing of HTTP, and of events only the measure and the metadata.

- `families`: names, help texts and labels, made from the declarations of the measures.
- `spaces`: the families of spaces, also those of settled readings; a space's lines are kept until something in it
  changes. `columns` keeps them. `traffic`: the families of entryways.
- `assets`: the families of Butlr's assets, written when these change.
- `settled`: a captured history at its own times.
- `counters`: events counted by outcome, and their delays. `cloud`: requests to Butlr's API, and their readings.
- `registry`: all of it together with the families of the process; what a scrape reads.
- `text`: the lines of an exposition.
"""
