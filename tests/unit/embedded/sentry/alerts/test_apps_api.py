from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.embedded.sentry.alerts.support import HOOK, AlertingSentry

APPS = "/api/0/organizations/obs/sentry-apps/"
CREATE = "/api/0/sentry-apps/"
DOCUMENT = Path(__file__).parents[6] / "shared" / "contract" / "sentry-openapi.json"


def body(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Pager at Work",
        "organization": "obs",
        "isInternal": True,
        "isAlertable": True,
        "verifyInstall": False,
        "webhookUrl": HOOK,
        "scopes": ["event:read"],
        "events": [],
        **changes,
    }


def test_an_integration_gets_a_slug_of_its_own_and_a_secret_that_is_shown_once(
    sentry: AlertingSentry,
) -> None:
    made, again = sentry.post(CREATE, body()), sentry.post(CREATE, body())
    assert made["slug"].startswith("pager-at-work-")
    assert made["slug"] != again["slug"]
    assert len(made["clientSecret"]) == 64
    shown = sentry.get(f"{CREATE}{made['slug']}/")
    assert shown == {**made, "clientSecret": "**********"}
    assert [app["slug"] for app in sentry.get(APPS)] == [made["slug"], again["slug"]]
    assert sentry.get(APPS)[0] == shown


def test_the_answers_have_the_members_of_sentrys_document(sentry: AlertingSentry) -> None:
    if not DOCUMENT.exists():
        pytest.skip(f"Sentry's OpenAPI document is not at {DOCUMENT}")
    paths = json.loads(DOCUMENT.read_bytes())["paths"]

    def schema(path: str) -> Any:
        answer = paths[path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        return answer.get("items", answer)

    app = sentry.post(CREATE, body())
    documented = schema("/api/0/sentry-apps/{sentry_app_id_or_slug}/")
    assert set(documented["required"]) <= set(app) <= set(documented["properties"])
    kinds = {"string": str, "array": list, "boolean": bool, "integer": int, "object": dict}
    for name, value in app.items():
        kind = documented["properties"][name]
        assert (value is None and kind.get("nullable")) or isinstance(value, kinds[kind["type"]])
    [installation] = sentry.get("/api/0/organizations/obs/sentry-app-installations/")
    documented = schema("/api/0/organizations/{organization_id_or_slug}/sentry-app-installations/")
    assert set(documented["required"]) <= set(installation)
    assert set(documented["properties"]["app"]["required"]) <= set(installation["app"])


def test_a_deleted_integration_is_gone(sentry: AlertingSentry) -> None:
    slug = sentry.post(CREATE, body())["slug"]
    assert sentry.call("DELETE", f"{CREATE}{slug}/").status_code == 204
    assert sentry.call("GET", f"{CREATE}{slug}/").status_code == 404
    assert sentry.get(APPS) == []


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"name": ""}, {"name": ["This field is required."]}),
        ({"scopes": None}, {"scopes": ["This field is required."]}),
        ({"scopes": ["world:rule"]}, {"scopes": ["world:rule not a valid scope"]}),
        (
            {"webhookUrl": None},
            {"webhookUrl": ["webhookUrl required if webhook events are enabled"]},
        ),
        ({"webhookUrl": "ftp://a"}, {"webhookUrl": ["URL must start with http[s]://"]}),
        ({"webhookUrl": "http://[::1"}, {"webhookUrl": ["URL must start with http[s]://"]}),
        ({"webhookUrl": "http://a:99999/"}, {"webhookUrl": ["URL must start with http[s]://"]}),
    ],
)
def test_an_integration_that_sentry_would_not_take_is_refused(
    sentry: AlertingSentry, changes: dict[str, Any], answer: Any
) -> None:
    assert sentry.refused("POST", CREATE, body(**changes)) == answer


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"isInternal": False}, "integrations that are not internal"),
        ({"events": ["issue", "comment"]}, "the event 'comment' of integrations"),
        ({"schema": {"elements": []}}, "'schema' of integrations"),
        ({"webhookHeaders": ["A: b"]}, "'webhookHeaders' of integrations"),
    ],
)
def test_integrations_that_do_more_than_alerts_are_refused_by_name(
    sentry: AlertingSentry, changes: dict[str, Any], what: str
) -> None:
    assert sentry.refused("POST", CREATE, body(**changes)) == {
        "detail": f"not supported by the embedded Sentry: {what}; "
        "use --obs-stack=compose, or --obs-use sentry=URL"
    }


def test_an_unknown_organization_is_not_found(sentry: AlertingSentry) -> None:
    answer = sentry.call("POST", CREATE, body(organization="elsewhere"))
    assert answer.status_code == 404
    assert answer.json() == {
        "organization": "Please provide a valid value for the 'organization' field."
    }


def test_a_webhook_beyond_this_machine_needs_the_setting() -> None:
    refusal = (
        "not supported by the embedded Sentry: a webhook to 'hooks.example.com', which is not on "
        "this machine and not in the setting webhook_hosts; "
        "use --obs-stack=compose, or --obs-use sentry=URL"
    )
    elsewhere = body(webhookUrl="https://hooks.example.com/x")
    closed = AlertingSentry()
    assert closed.refused("POST", CREATE, elsewhere) == {"webhookUrl": [refusal]}
    closed.close()
    for allowed in ("*", "other, hooks.example.com"):
        open_one = AlertingSentry(webhook_hosts=allowed)
        assert open_one.post(CREATE, elsewhere)["webhookUrl"] == "https://hooks.example.com/x"
        open_one.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.0.1", "[::1]"])
def test_loopback_is_always_allowed(sentry: AlertingSentry, host: str) -> None:
    assert sentry.post(CREATE, body(webhookUrl=f"http://{host}:5000/hook"))
