"""Pages for people, and the same as JSON.

- `views`: what each address shows, and the style and script.
- `status`: rows and totals, without Flask.
- `display`: numbers, ages and charts written for people.
"""
