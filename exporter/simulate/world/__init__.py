"""A building, its people, and the deliveries that Butlr makes of them.

- `building`: sites, floors, rooms, zones and sensors with names.
- `people`: the number of people in a zone, minute by minute.
- `walking`: the people between the doors of a floor and its zones.
- `estate`: the people in all spaces, and their ways from one to another.
- `sensing`: readings that are computed again and again.
- `moments`: crossings, motion and detections, which are sent at once.
- `delivery`: delays, repetition, reordering and loss.
- `stream`: all deliveries of a simulation.
"""
