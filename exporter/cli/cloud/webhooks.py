"""`butlr-exporter webhooks`: the deliveries of an account; changes are shown first, and a person is asked."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.butlr.difference import (
    ACTIVE,
    Ambiguous,
    Difference,
    also_receiving,
    differences,
    filters_text,
    find,
    is_hidden,
    shown_url,
)
from exporter.butlr.errors import CloudError
from exporter.butlr.graphql import Graphql
from exporter.butlr.webhooks import DEFAULT_TIMEOUT_SECONDS, Login, Wanted, Webhook, Webhooks
from exporter.cli.arguments import print_error
from exporter.cli.cloud.connection import connected
from exporter.cli.cloud.display import Cell, plain, print_json, print_table
from exporter.files import discard_output
from exporter.settings.declared import Settings


class Job(NamedTuple):
    """One `webhooks apply`."""

    wanted: Wanted
    send_key: bool
    is_dry: bool
    """Whether nothing may be changed."""
    yes: bool
    """Whether nobody is asked."""
    as_json: bool


def wanted(settings: Settings, **options: Any) -> Wanted:
    """Return the webhook that an exporter with these settings needs."""
    key = settings.webhook_api_keys[0] if settings.webhook_api_keys else None
    api_key = Login(settings.webhook_api_key_header, key) if key else None
    name, password = settings.webhook_username, settings.webhook_password
    basic_auth = Login(name, password) if name and password and not api_key else None
    return Wanted(api_key=api_key, basic_auth=basic_auth, **options)


def show(settings: Settings, *, as_json: bool) -> int:
    """Show all webhooks; return the exit status."""

    def work(graphql: Graphql) -> int:
        webhooks = Webhooks(graphql).all()
        if as_json:
            print_json({"webhooks": [_json(webhook) for webhook in webhooks]})
        elif not webhooks:
            print("The account has no webhooks.")  # noqa: T201
        else:
            print_table(
                ("id", "name", "active", "address", "event types", "key", "values", "filters", "organisation"),
                map(_row, webhooks),
            )
        return 0

    return connected(settings, _unless_closed(work))


def apply(settings: Settings, job: Job) -> int:
    """Create or change the exporter's webhook; return the exit status."""
    return connected(settings, _unless_closed(lambda graphql: _apply(Webhooks(graphql), job)))


def delete(settings: Settings, webhook_id: str, *, yes: bool) -> int:
    """Delete a webhook; return the exit status."""

    def work(graphql: Graphql) -> int:
        webhooks = Webhooks(graphql)
        found = next((webhook for webhook in webhooks.all() if webhook.id == webhook_id), None)
        if found is None:
            print_error(f"the account has no webhook {plain(webhook_id)!r}; butlr-exporter webhooks list shows all")
            return 1
        print(f"{_named(found)} delivers {', '.join(sorted(found.types))} to {plain(shown_url(found.url))}")  # noqa: T201
        if not yes and not _confirmed("Delete it for good?"):
            return 1
        webhooks.delete(webhook_id)
        print(f"deleted {plain(webhook_id)}")  # noqa: T201
        return 0

    return connected(settings, _unless_closed(work))


def _apply(webhooks: Webhooks, job: Job) -> int:
    existing = webhooks.all()
    try:
        own = find(existing, job.wanted)
    except Ambiguous as error:
        print_error(plain(str(error)))
        return 1
    found = _of_new(job.wanted) if own is None else differences(own, job.wanted, send_key=job.send_key)
    _print_notes(existing, own, job)
    if not job.as_json:
        _print_plan(own, found)
    if not found or job.is_dry:
        return _done(job, own, found, changed=False)
    if own and {each.subject for each in found} == {ACTIVE} and not webhooks.can_switch_on():
        print_error(f"{_named(own)} is switched off, which Butlr's API cannot change: {_SWITCH_ON}")
        return 1
    if not job.yes and not _confirmed("Create it?" if own is None else "Change it?"):
        return 1
    try:
        webhook_id = _change(webhooks, own, job.wanted)
    except CloudError as error:
        print_error(str(error))
        if error.is_temporary and error.was_sent:
            print_error("Butlr may have done it all the same; butlr-exporter webhooks list shows it")
        return 1
    return _verify(webhooks, webhook_id, own, found, job)


_SWITCH_ON = "switch it on in app.butlr.io, or delete it and apply again"


def _change(webhooks: Webhooks, own: Webhook | None, wanted: Wanted) -> str:
    """Create or update the webhook; return its id. Raises CloudError."""
    if own is None:
        return webhooks.create(wanted)
    webhooks.update(own, wanted)
    return own.id


def _verify(webhooks: Webhooks, webhook_id: str, own: Webhook | None, found: list[Difference], job: Job) -> int:
    """List the webhooks again, as an accepted change may not have been made; return the exit status."""
    now = next((webhook for webhook in webhooks.all() if webhook.id == webhook_id), None)
    left = None if now is None else differences(now, job.wanted)
    if left is None:
        print_error(f"Butlr accepted the change, and does not list {plain(webhook_id)}")
        return 1
    for each in left:
        hint = f"; {_SWITCH_ON}" if each.subject == ACTIVE else ""
        print_error(f"Butlr accepted the change, and {each.subject} is still {plain(each.now)}{hint}")
    _done(job, now, found, changed=True, verb="created" if own is None else "changed")
    return 1 if left else 0


def _done(job: Job, own: Webhook | None, found: Sequence[Difference], *, changed: bool, verb: str = "") -> int:
    if job.as_json:
        differing = [each._asdict() for each in found]
        print_json({"changed": changed, "differences": differing, "webhook": None if own is None else _json(own)})
    elif changed and own:
        print(f"{verb} {_named(own)}")  # noqa: T201
    elif found:
        print("nothing was changed, as --dry-run asks")  # noqa: T201
    return 0


def _print_notes(existing: Sequence[Webhook], own: Webhook | None, job: Job) -> None:
    """Print warnings that no difference tells."""
    for other in also_receiving(existing, own, job.wanted):
        types = ", ".join(sorted(other.types & job.wanted.types))
        print_error(
            f"warning: {_named(other)} of {plain(other.org_id or 'unknown organisation')} receives {types} too; "
            "Butlr documents one subscription for each event type"
        )
    if not (job.wanted.api_key or job.wanted.basic_auth):
        print_error("warning: without webhook_api_keys or webhook_username everyone may send events to the exporter")
    login = own and (own.api_key or own.basic_auth)
    if login and is_hidden(login) and not job.send_key:
        print_error("warning: Butlr does not show the key, so it was not compared; --send-key sends it in any case")
    if job.wanted.only_changes:
        print_error("warning: with --send-on-value-change set stale_after and forget_after of the exporter to 0")


def _print_plan(own: Webhook | None, found: Sequence[Difference]) -> None:
    if own is None:
        print("Butlr has no webhook with this address or name; a new one would have:")  # noqa: T201
        print_table(("", "value"), [(each.subject, _lines(each.wanted)) for each in found])
    elif found:
        of = f" of {plain(own.org_id)}" if own.org_id else ""
        print(f"{_named(own)}{of} differs:")  # noqa: T201
        rows = [(each.subject, _lines(each.now), _lines(each.wanted)) for each in found]
        print_table(("", "now", "wanted"), rows)
    else:
        print(f"{_named(own)} is as it should be")  # noqa: T201


def _of_new(wanted: Wanted) -> list[Difference]:
    """Return the properties of a webhook that is not there yet."""
    login = wanted.api_key or wanted.basic_auth
    values = {
        "name": wanted.name,
        "address": wanted.url,
        "event types": ", ".join(sorted(wanted.types)),
        "key" if wanted.api_key else "password": f"that of this exporter in {login.name}" if login else "none",
        "filters": filters_text(wanted.filters),
        "values": "only when they change" if wanted.only_changes else "every one",
        "timeout": f"{wanted.timeout_seconds or DEFAULT_TIMEOUT_SECONDS} s",
    }
    return [Difference(subject, "", value) for subject, value in values.items()]


def _confirmed(question: str) -> bool:
    """Ask on standard error; tell whether the answer is yes. Without a person to ask it is no."""
    if not sys.stdin or not sys.stdin.isatty():
        print_error("nothing was changed: nobody can be asked here; --yes changes without asking")
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    print_error("nothing was changed")
    return False


def _named(webhook: Webhook) -> str:
    return f"webhook {plain(webhook.id)} ({plain(webhook.name or 'no name')})"


def _lines(text: str) -> list[str]:
    """Return a list in a text with an entry on each line."""
    return text.replace(", ", ",\n").split("\n")


def _row(webhook: Webhook) -> tuple[Cell, ...]:
    return (
        webhook.id,
        webhook.name,
        {True: "yes", False: "no", None: ""}[webhook.is_active],
        shown_url(webhook.url),
        sorted(webhook.types),
        ", ".join(_logins(webhook)) or "none",
        "only when they change" if webhook.only_changes else "every one",
        filters_text(webhook.filters).split("; "),
        webhook.org_id,
    )


def _logins(webhook: Webhook) -> list[str]:
    """Return the header or the username of each secret, never the secret."""
    return [login.name for login in (webhook.api_key, webhook.basic_auth) if login]


def _json(webhook: Webhook) -> Mapping[str, Any]:
    return webhook._asdict() | {
        "url": shown_url(webhook.url),
        "types": sorted(webhook.types),
        "api_key": webhook.api_key and {"header": webhook.api_key.name},
        "basic_auth": webhook.basic_auth and {"username": webhook.basic_auth.name},
    }


def _unless_closed(work: Callable[[Graphql], int]) -> Callable[[Graphql], int]:
    """Return a function that ends quietly when the reader of the output has closed its end."""

    def run(graphql: Graphql) -> int:
        try:
            return work(graphql)
        except BrokenPipeError:
            discard_output()
            return 1

    return run
