"""Pages for people, and the same as JSON.

- `views`: the content of each address, and the style and script. `queries`: PromQL to copy.
- `status`: the answer to each query, without Flask.
- `listing`: the places of one page. `floors`: the spaces and people of each floor. `content`: one space as JSON and as
  a line of a page. `rows`: all spaces, filtered and sorted. `order`: the natural order of names.
- `cloud`: the spaces that Butlr lists and that never came, devices that are offline, polls.
- `display`: numbers, ages, times and places as text. `chart`: readings as drawings. `day`: a day of an entryway.
"""
