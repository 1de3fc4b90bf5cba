"""Pages for people, and the same as JSON.

- `views`: the content of each address, and the style and script.
- `status`: rows and totals, without Flask.
- `display`: numbers, ages and charts for people.
"""
