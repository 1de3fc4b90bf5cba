"""`butlr-exporter webhooks`: against the simulated cloud, which has a webhook of somebody else, and odd accounts."""

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from exporter.butlr.errors import TimedOut
from exporter.cli.main import main
from tests.support.butlr import ScriptedCloud, data, json_reply, refused, sample
from tests.support.clouds import SimulatedCloud

TOKEN = ("--butlr-client-id=simulated", "--butlr-client-secret=simulated")
URL = "https://butlr.example.com/webhook"
KEY = "--webhook-api-keys=hush-0123456789abcdef,hush-old"
APPLY = ("webhooks", "apply", *TOKEN, f"--url={URL}", KEY)
CLOSED = refused("introspection is disabled")

Reach = Callable[..., ScriptedCloud]


class Terminal(io.StringIO):
    """Standard input of a person."""

    def isatty(self) -> bool:
        """Tell that a person is there."""
        return True


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the webhooks that `list` prints."""
    capsys.readouterr()
    assert main(["webhooks", "list", *TOKEN, "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["webhooks"]
    return found


@pytest.mark.usefixtures("simulated")
class TestApply:
    """`webhooks apply` on an account that has a webhook of somebody else."""

    def test_twice(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The first run creates the webhook, the second does nothing; no output has a key."""
        theirs = listed(capsys)
        assert main([*APPLY, "--yes"]) == 0
        out, err = capsys.readouterr()
        assert "Butlr has no webhook with this address or name; a new one would have:" in out
        assert re.search("\nkey +that of this exporter in X-API-Key\n", out)
        assert "created webhook webhook_" in out
        assert "hush" not in out + err
        after = listed(capsys)
        assert after[:-1] == theirs
        assert after[-1]["types"] == ["FLOOR_OCCUPANCY", "ROOM_OCCUPANCY", "ZONE_OCCUPANCY"]
        assert main([*APPLY]) == 0  # without --yes: nobody is asked
        assert "is as it should be" in capsys.readouterr().out
        assert listed(capsys) == after

    def test_each_change_is_applied_once(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Another key, other types, filters and values are each told, changed, and no difference afterwards."""
        main([*APPLY, "--yes"])
        theirs = listed(capsys)[:-1]
        changed = ["--types=all", "--filter=zone_ids=zone_b,zone_a", "--filter=zone_ids=zone_c", "--timeout=5"]
        for arguments, subjects in (
            (["--types=zone_occupancy_1m,traffic"], {"event types"}),
            ([*changed, "--send-on-value-change"], {"event types", "filters", "timeout", "values"}),
            ([], {"event types", "filters", "values"}),
            (["--webhook-api-keys=another-hush"], {"key"}),
            (["--webhook-api-key-header=X-Key"], {"key"}),
        ):
            base = [
                each for each in APPLY if not (each == KEY and arguments[:1] == ["--webhook-api-keys=another-hush"])
            ]
            assert main([*base, *arguments, "--yes", "--json"]) == 0
            done = json.loads(capsys.readouterr().out)
            assert done["changed"] is True
            assert {each["subject"] for each in done["differences"]} == subjects
            assert main([*base, *arguments, "--json"]) == 0
            again = json.loads(capsys.readouterr().out)
            assert (again["changed"], again["differences"]) == (False, [])
            assert listed(capsys)[:-1] == theirs

    def test_a_password_in_place_of_a_key(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without keys the username and password are sent, and replace the key."""
        main([*APPLY, "--yes"])
        login = ["--webhook-username=butlr", "--webhook-password=hush"]
        assert main([*APPLY[:-1], *login, "--yes"]) == 0
        out = capsys.readouterr().out
        assert "hush" not in out
        assert listed(capsys)[-1]["basic_auth"] == {"username": "butlr"}
        assert listed(capsys)[-1]["api_key"] is None

    def test_a_dry_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        """`--dry-run` tells the difference and changes nothing."""
        before = listed(capsys)
        assert main([*APPLY, "--dry-run", "--yes"]) == 0
        assert "nothing was changed, as --dry-run asks" in capsys.readouterr().out
        assert listed(capsys) == before

    @pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
    def test_a_person_is_asked(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answer: str, status: int
    ) -> None:
        """A change is made only after a yes."""
        before = listed(capsys)
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        assert main([*APPLY]) == status
        assert "Create it? [y/N]" in capsys.readouterr().err
        assert (len(listed(capsys)) > len(before)) is (status == 0)

    @pytest.mark.parametrize("stdin", [io.StringIO("y\n"), None])
    def test_nobody_to_ask(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None
    ) -> None:
        """Without a terminal nothing is changed unless `--yes` is given."""
        before = listed(capsys)
        monkeypatch.setattr("sys.stdin", stdin)
        assert main([*APPLY]) == 1
        assert "nobody can be asked here; --yes changes without asking" in capsys.readouterr().err
        assert listed(capsys) == before

    def test_by_its_name(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A webhook of the same name gets the new address; one of another name with another address is left alone."""
        main([*APPLY, "--yes"])
        assert main([*APPLY[:-2], KEY, "--url=https://new.example.com/webhook", "--yes"]) == 0
        assert [each["url"] for each in listed(capsys)][-1] == "https://new.example.com/webhook"
        assert main([*APPLY, "--name=second", "--yes"]) == 0
        assert len(listed(capsys)) == 3

    def test_types_that_somebody_else_receives(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Another active webhook that receives a wanted type is named in a warning."""
        main([*APPLY, "--yes"])
        capsys.readouterr()
        assert main([*APPLY[:-2], KEY, "--url=https://b.example.com/webhook", "--name=b", "--dry-run"]) == 0
        err = capsys.readouterr().err
        assert "receives FLOOR_OCCUPANCY, ROOM_OCCUPANCY, ZONE_OCCUPANCY too" in err
        assert "lobby" not in err  # that one is switched off

    def test_without_a_key(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A webhook without a key brings a warning."""
        assert main([*APPLY[:-1], "--dry-run"]) == 0
        assert "everyone may send events to the exporter" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        (["--url=http://butlr.example.com/webhook"], "must begin with https://, as Butlr delivers to no other address"),
        (["--url=https://butlr.example.com"], "must have the path of the webhook, such as /webhook"),
        (["--url=https://user:hush@butlr.example.com/webhook"], "must not have a password in it"),
        (["--url=butlr.example.com/webhook"], "must be a URL such as"),
        (["--url=https://[hush/webhook"], "must be a URL such as"),
        (["--url=https://user:hush@:x/webhook"], "must not have a password in it"),
        (["--url=https://a b/webhook?token=hush"], "must be a URL such as"),
        (["--url=http://butlr.example.com/webhook?token=hush"], "must begin with https://"),
        (["--types=zone_ocupancy"], "did you mean ZONE_OCCUPANCY?"),
        (["--types=,"], "must name at least one event type"),
        (["--filter=zones=zone_1"], "must be NAME=ID,... with a NAME of org_ids"),
        (["--filter=zone_ids="], "must have at least one id behind the ="),
        (["--name= "], "must be a printable text"),
        (["--timeout=16"], "must be a number of seconds from 1 to 15"),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], arguments: list[str], mistake: str) -> None:
    """A mistake in an argument ends the command before anything is sent, without a password in it."""
    with pytest.raises(SystemExit) as ended:
        main([*APPLY, *arguments])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert mistake in err
    assert "hush" not in err


@pytest.mark.usefixtures("simulated")
class TestListAndDelete:
    """`webhooks list` and `webhooks delete`."""

    def test_the_list(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The list has every webhook, and never a secret."""
        main([*APPLY, "--yes"])
        capsys.readouterr()
        assert main(["webhooks", "list", *TOKEN]) == 0
        out = capsys.readouterr().out
        assert URL in out
        assert "Dashboard in the lobby" in out
        assert "x-api-key" in out
        assert "of-somebody-else" not in out
        assert "hush" not in out
        assert "of-somebody-else" not in str(listed(capsys))

    def test_a_deletion(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """A webhook is shown before it is deleted, and a person is asked."""
        main([*APPLY, "--yes"])
        theirs, ours = listed(capsys)
        monkeypatch.setattr("sys.stdin", Terminal("n\n"))
        assert main(["webhooks", "delete", ours["id"], *TOKEN]) == 1
        assert f"to {URL}" in capsys.readouterr().out
        assert main(["webhooks", "delete", ours["id"], *TOKEN, "--yes"]) == 0
        assert listed(capsys) == [theirs]

    def test_an_unknown_id(self, capsys: pytest.CaptureFixture[str]) -> None:
        """An id that the account does not have is an error, and nothing is sent."""
        assert main(["webhooks", "delete", "webhook_9", *TOKEN, "--yes"]) == 1
        assert "the account has no webhook 'webhook_9'" in capsys.readouterr().err


def webhook(**changes: Any) -> dict[str, Any]:
    """Return the exporter's webhook as Butlr lists it."""
    endpoint = {"url": URL, "http_timeout": 10, "api_key": {"key": "X-API-Key", "value": "hush-0123456789abcdef"}}
    types = ["ZONE_OCCUPANCY", "ROOM_OCCUPANCY", "FLOOR_OCCUPANCY"]
    return {"id": "webhook_1", "name": "x", "event_types": types, "endpoint_config": endpoint, **changes}


def account(*webhooks: dict[str, Any]) -> Any:
    """Return an account's list of webhooks."""
    return data({"webhooks": list(webhooks)})


class TestOddAccounts:
    """Answers that the simulated cloud does not give."""

    def test_no_webhooks(self, scripted: Reach, capsys: pytest.CaptureFixture[str]) -> None:
        """An account without webhooks is said to be one."""
        scripted(account())
        assert main(["webhooks", "list", *TOKEN]) == 0
        assert capsys.readouterr().out == "The account has no webhooks.\n"

    def test_the_documented_answer(self, scripted: Reach, capsys: pytest.CaptureFixture[str]) -> None:
        """The documented answer is shown with its filter that suppresses zeros, and without its secrets."""
        scripted(sample("webhooks"))
        assert main(["webhooks", "list", *TOKEN]) == 0
        out = capsys.readouterr().out
        assert "(suppresses zeros)" in out
        assert "0123456789abcdef" not in out
        assert "theirs" not in out

    def test_no_right(self, scripted: Reach, capsys: pytest.CaptureFixture[str]) -> None:
        """A token without a right to webhooks is told so, with the place of a better one."""
        scripted(*[refused("permission denied")] * 2)
        assert main(["webhooks", "list", *TOKEN]) == 1
        assert "the API token has no right to read the webhooks; create one that has in app.butlr.io" in (
            capsys.readouterr().err
        )

    @pytest.mark.parametrize("left", [{"filters": {"occupancy": {"comparison": "gt", "value": 0}}}, {"status": False}])
    def test_a_change_that_was_not_made(
        self, scripted: Reach, capsys: pytest.CaptureFixture[str], left: dict[str, Any]
    ) -> None:
        """A change that Butlr accepts and does not make is an error that names it."""
        same = account(webhook(event_types=["ZONE_OCCUPANCY"], **left))
        half = account(webhook(**left))
        scripted(same, CLOSED, data({"updateWebhooks": [{"id": "webhook_1"}]}), half)
        assert main([*APPLY, "--yes"]) == 1
        err = capsys.readouterr().err
        assert "Butlr accepted the change, and " in err
        assert ("filters is still" in err) or ("active is still no; switch it on in app.butlr.io" in err)

    def test_two_that_may_be_ours(self, scripted: Reach, capsys: pytest.CaptureFixture[str]) -> None:
        """Two webhooks with the exporter's address are left to a person."""
        cloud = scripted(account(webhook(), webhook(id="webhook_2")))
        assert main([*APPLY, "--yes"]) == 1
        assert "webhook_1, webhook_2; delete all but one" in capsys.readouterr().err
        assert len(cloud.requests) == 1

    def test_only_switched_off(self, scripted: Reach, capsys: pytest.CaptureFixture[str]) -> None:
        """A webhook that is only switched off is not changed in vain where the schema has no way to switch it on."""
        cloud = scripted(account(webhook(status=False)), CLOSED)
        assert main([*APPLY, "--yes"]) == 1
        assert "is switched off, which Butlr's API cannot change: switch it on" in capsys.readouterr().err
        assert not any("updateWebhooks" in request.document["query"] for request in cloud.requests)

    def test_a_key_that_butlr_hides(self, scripted: Reach, capsys: pytest.CaptureFixture[str]) -> None:
        """A masked key is no difference, and a warning says that it was not compared."""
        hidden = webhook()
        hidden["endpoint_config"]["api_key"]["value"] = "****"
        scripted(account(hidden))
        assert main([*APPLY, "--yes"]) == 0
        out, err = capsys.readouterr()
        assert "is as it should be" in out
        assert "--send-key sends it in any case" in err

    def test_no_answer_to_a_creation(self, scripted: Reach, capsys: pytest.CaptureFixture[str]) -> None:
        """A creation that got no answer may have been made; the error says how to see that."""
        scripted(account(), CLOSED, TimedOut("no complete answer"))
        assert main([*APPLY, "--yes"]) == 1
        assert "Butlr may have done it all the same; butlr-exporter webhooks list shows it" in capsys.readouterr().err

    def test_a_webhook_that_is_not_listed_afterwards(self, scripted: Reach, capsys: pytest.CaptureFixture[str]) -> None:
        """A created webhook that the list lacks is an error."""
        scripted(account(), CLOSED, data({"createWebhooks": [{"id": "webhook_1"}]}), account())
        assert main([*APPLY, "--yes"]) == 1
        assert "does not list webhook_1" in capsys.readouterr().err

    def test_a_refused_key_is_not_shown(self, scripted: Reach, capsys: pytest.CaptureFixture[str]) -> None:
        """A server that repeats the variables of a mutation does not put the key on the screen."""
        message = "Variable '$input' got invalid value {'value': 'hush-0123456789abcdef'}"
        scripted(account(), CLOSED, json_reply({"errors": [{"message": message}]}, 400))
        assert main([*APPLY, "--yes"]) == 1
        err = capsys.readouterr().err
        assert "got invalid value {'value': '<secret>'}" in err
        assert "hush" not in err


def test_the_simulated_cloud_delivers_with_the_key(simulated: SimulatedCloud) -> None:
    """The webhook that the simulated cloud has after `apply` carries the first key in the header of the setting."""
    main([*APPLY, "--webhook-api-key-header=X-Key", "--yes"])
    reply = simulated.query("{ webhooks { endpoint_config { url http_timeout api_key { key value } } } }")
    assert reply.json["data"]["webhooks"][-1]["endpoint_config"] == {
        "url": URL,
        "http_timeout": 10,
        "api_key": {"key": "X-Key", "value": "hush-0123456789abcdef"},
    }
