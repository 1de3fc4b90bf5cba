"""Pages for people, and the same as JSON.

- `views`: the content of each address, and the style and script.
- `status`: the answer to each query, without Flask. `rows`: the spaces as they are listed.
- `display`: numbers, ages and charts for people. `day`: the last day of an entryway.
"""
