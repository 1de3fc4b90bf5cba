"""GraphQL: errors in a 200, fields that a schema does not have, answers that are none."""

import json

import msgspec
import pytest
from pydantic import SecretStr

from exporter.butlr.errors import BadAnswer, CloudError, Forbidden, Refused, SchemaRefused, Unauthorized
from exporter.butlr.transport import Reply
from tests.support.butlr import SECRET, ScriptedCloud, data, json_reply, refused


class Named(msgspec.Struct):
    """The data of an answer."""

    name: str


QUERY = "{ name ?Site.timezone ?Room.tags { name } ?Zone.tags { name } }"


def query(cloud: ScriptedCloud) -> str:
    """Send a query; return the name in its answer."""
    return cloud.graphql().query(QUERY, Named, "read the sites").name


def sent(cloud: ScriptedCloud) -> list[str]:
    """Return the queries that were sent."""
    return [request.document["query"] for request in cloud.requests]


def test_data() -> None:
    """An answer without errors gives its data; optional fields are asked for without their mark."""
    cloud = ScriptedCloud(json_reply({"data": {"name": "HQ", "more": 1}, "errors": []}))
    assert query(cloud) == "HQ"
    assert sent(cloud) == ["{ name timezone tags { name } tags { name } }"]


def test_errors_beside_data() -> None:
    """Data that comes with errors is not used: a part that is missing is not a part that is gone."""
    cloud = ScriptedCloud(refused("rooms: internal error", data={"name": "HQ"}))
    with pytest.raises(Refused, match="answered the request to read the sites with errors: rooms: internal error"):
        query(cloud)
    assert len(cloud.requests) == 1


def test_a_token_that_is_rejected_with_200() -> None:
    """`UNAUTHENTICATED` in a 200 has the token replaced, once."""
    rejected = refused("token is expired", code="UNAUTHENTICATED")
    cloud = ScriptedCloud(rejected, data({"name": "HQ"}))
    assert query(cloud) == "HQ"
    assert [request.bearer for request in cloud.requests] == ["t1", "t2"]
    with pytest.raises(Unauthorized):
        query(ScriptedCloud(rejected, rejected))


@pytest.mark.parametrize(
    "answer",
    [
        refused("no", code="FORBIDDEN"),
        refused("You do not have permission to read sites"),
        refused("user is not authorized"),
    ],
)
def test_no_right(answer: Reply) -> None:
    """A missing right is told from a wrong token, in the code or in words."""
    with pytest.raises(Forbidden, match=r"has no right to read the sites; .* \(Butlr answered .*\)"):
        query(ScriptedCloud(answer, answer))


@pytest.mark.parametrize(("code", "seconds"), [("RATE_LIMITED", 60), ("INTERNAL_SERVER_ERROR", 1)])
def test_failures_that_pass_are_asked_again(code: str, seconds: int) -> None:
    """Throttling and failures inside Butlr's cloud that come as 200 are asked for again after a wait."""
    cloud = ScriptedCloud(refused("later", code=code), data({"name": "HQ"}))
    assert query(cloud) == "HQ"
    assert [int(each) for each in cloud.pauses] == [seconds]


@pytest.mark.parametrize("status", [200, 400, 422])
@pytest.mark.parametrize(
    "message",
    [
        'Cannot query field "tags" on type "Zone".',
        "Cannot query field 'tags' on type 'Zone'. Did you mean 'tag'?",
    ],
)
def test_an_optional_field_that_the_schema_lacks(status: int, message: str) -> None:
    """An optional field is left out where the schema has none, of its own type only, and is not asked for again."""
    cloud = ScriptedCloud(
        json_reply({"errors": [{"message": message}]}, status), data({"name": "HQ"}), data({"name": "HQ"})
    )
    graphql = cloud.graphql()
    graphql.query(QUERY, Named, "read the sites")
    graphql.query(QUERY, Named, "read the sites")
    assert sent(cloud)[1:] == ["{ name timezone tags { name }  }"] * 2


def test_a_field_without_which_nothing_works() -> None:
    """A needed field that the schema refuses is named, with its type."""
    cloud = ScriptedCloud(refused('Cannot query field "name" on type "Site".'))
    with pytest.raises(SchemaRefused, match=r"Butlr's schema has no name in Site; .*please report it"):
        query(cloud)
    assert len(cloud.requests) == 1


def test_a_schema_that_refuses_the_same_field_again() -> None:
    """A server that refuses a field which is no longer asked for ends the query."""
    message = 'Cannot query field "tags" on type "Zone".'
    with pytest.raises(SchemaRefused):
        query(ScriptedCloud(refused(message), refused(message)))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html><title>Bad gateway</title>", "is HTML; check butlr_api_url"),
        (b'{"data": {"name": "H', "is not JSON, or half of it"),
        (b"", "is not JSON"),
        (b"[]", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"{}", "has the wrong form: Expected `object`, got `null`"),
        (b'{"data": null}', "wrong form"),
        (b'{"data": {"name": 7}}', r"wrong form: Expected `str`, got `int` - at `\$.name`"),
        (b'{"data": {}}', "wrong form: Object missing required field `name`"),
        (b'{"errors": "broken"}', "with errors: without a message"),
        (b'{"errors": [null, {"message": 7}, {}]}', "with errors: without a message"),
        (b'{"errors": {"message": "x"}}', "with errors: without a message"),
    ],
)
def test_an_answer_that_is_none(body: bytes, words: str) -> None:
    """HTML, half an answer and wrong types are each an error that says so, on one line."""
    with pytest.raises(CloudError, match=words) as caught:
        query(ScriptedCloud(*[Reply(200, body)] * 4))
    assert "\n" not in str(caught.value)


def test_half_an_answer_is_asked_for_again() -> None:
    """Half an answer is asked for again, HTML is not; a change is never made again."""
    half = Reply(200, b'{"data": {"name": "H')
    cloud = ScriptedCloud(half, data({"name": "HQ"}))
    assert query(cloud) == "HQ"
    for answer, ask in (
        (Reply(200, b"<html>"), query),
        (half, lambda cloud: cloud.graphql().mutate("mutation", {"x": 1}, Named, "create a webhook")),
    ):
        cloud = ScriptedCloud(answer)
        with pytest.raises(BadAnswer):
            ask(cloud)
        assert len(cloud.requests) == 1


def test_half_of_a_character() -> None:
    """Half of a surrogate pair in a name is read as U+FFFD."""
    assert query(ScriptedCloud(Reply(200, rb'{"data": {"name": "HQ\ud83d"}}'))) == "HQ\N{REPLACEMENT CHARACTER}"


def test_400_without_errors() -> None:
    """400 without GraphQL errors is no answer."""
    with pytest.raises(BadAnswer, match="answered 400"):
        query(ScriptedCloud(json_reply({"data": {"name": "HQ"}}, 400)))


@pytest.mark.parametrize("form", [SECRET, 'a"b\\c', "it's"])
def test_secrets_are_not_shown(form: str) -> None:
    """A message that repeats the variables, as GraphQL servers do, is shown without their secrets."""
    for repeated in (form, json.dumps(form), repr(form)):
        cloud = ScriptedCloud(refused(f"Variable '$input' got invalid value {{'value': {repeated}}}\n" + "x" * 1000))
        with pytest.raises(Refused) as caught:
            cloud.graphql().mutate("m", {"input": form}, Named, "create a webhook", [SecretStr(form)])
        assert form not in str(caught.value)
        assert "<secret>" in str(caught.value)
        assert len(str(caught.value)) < 400
