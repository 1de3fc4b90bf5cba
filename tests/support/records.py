"""Records of a journal, read up to the first damage."""

from io import BytesIO

from exporter.journal.records import contents


def read(blob: bytes) -> tuple[list[bytes], type[ValueError] | None]:
    """Return the contents of the records in a blob up to the first damage, and the error that the damage raises."""
    found: list[bytes] = []
    try:
        for content in contents(BytesIO(blob)):
            found.append(content)  # noqa: PERF402 - the contents before the damage count
    except ValueError as error:
        return found, type(error)
    return found, None
