from __future__ import annotations

from contextlib import closing

from pytest_obsstack.wire.dsn import Dsn
from tests.unit.embedded.sentry.alerts.support import FIRST_SEEN, AlertingSentry
from tests.unit.embedded.sentry.pages.support import ISSUES, PASSWORD, Browser
from tests.unit.embedded.sentry.support import TRACE, error_event, transaction_event

TRACE_PAGE = f"/organizations/obs/traces/trace/{TRACE}/"
ALERTS_PAGE = "/organizations/obs/alerts/rules/"


def test_the_dsn_stands_in_the_projects_settings_to_be_copied(browser: Browser) -> None:
    projects = browser.get("/organizations/obs/projects/")
    link = next(a for a in projects.all("a") if a.text == "DSN")
    page = browser.get(link.attributes["href"])
    field = page.one("input", id="dsn-1")
    assert "readonly" in field.attributes
    assert page.one("label", for_="dsn-1").text == "DSN"
    dsn = Dsn.parse(field.attributes["value"])
    assert (dsn.public_key, dsn.project_id) == (browser.sentry.key, "1")
    assert page.one("h2").text == "Default"


def test_a_disabled_key_is_marked(browser: Browser) -> None:
    keys = "/api/0/projects/obs/simple-app/keys/"
    browser.sentry.put(f"{keys}{browser.sentry.key}/", {"isActive": False})
    page = browser.get("/settings/obs/projects/simple-app/keys/")
    assert "disabled" in page.one("section").text


def test_an_unknown_project_is_not_found(browser: Browser) -> None:
    page = browser.get("/settings/obs/projects/nothing/keys/", 404)
    assert page.one("h1").text == "Page Not Found"


def test_a_project_leads_to_its_issues(browser: Browser) -> None:
    row = browser.get("/organizations/obs/projects/").one("tbody").one("tr")
    assert [cell.text for cell in row.all("td")] == [
        "simple-app",
        "python-flask",
        "none yet",
        "DSN",
    ]
    assert row.all("a")[0].attributes["href"] == f"{ISSUES}?project=1"


def test_a_trace_is_a_waterfall(browser: Browser) -> None:
    browser.sentry.send_event(transaction_event("checkout"))
    browser.sentry.send_event(error_event())
    page = browser.get(TRACE_PAGE)
    rows = page.one("tbody").all("tr")
    assert [row.all("td")[0].text for row in rows] == [
        "http.server checkout simple-app",
        "error ValueError: Intentional error for testing simple-app",
        "db.query SELECT 1 simple-app",
    ]
    assert [row.all("td")[1].text for row in rows] == ["98.47 ms", "", "50.20 ms"]
    bars = [
        (float(bar["x"].rstrip("%")), float(bar["width"].rstrip("%")))
        for bar in (row.one("rect").attributes for row in rows)
    ]
    assert bars[0] == (0.0, 100.0)
    child_left, child_width = bars[2]
    # 7.273 ms after the start, 50.204 ms long, of 98.47 ms.
    assert abs(child_left - 7.386) < 0.01
    assert abs(child_width - 50.984) < 0.01
    assert page.one("main").all("p")[0].text == "2 spans, 1 error, 98.47 ms. Issues of this trace"
    [error] = rows[1].all("a")
    assert error.text in browser.get(error.attributes["href"]).one("h1").text


def test_a_trace_that_nothing_carries_says_so(browser: Browser) -> None:
    assert "Nothing of this trace has arrived." in browser.get(TRACE_PAGE).one("main").text


def test_what_is_no_trace_id_is_not_found(browser: Browser) -> None:
    page = browser.get("/organizations/obs/traces/trace/xyz/", 404)
    assert page.one("h1").text == "Page Not Found"


def test_alert_rules_show_what_they_did(browser: Browser) -> None:
    assert "There are no alert rules." in browser.get(ALERTS_PAGE).one("main").text
    with closing(AlertingSentry(admin_password=PASSWORD)) as sentry:
        look_at_alerts_of(sentry)


def look_at_alerts_of(sentry: AlertingSentry) -> None:
    sentry.start()
    sentry.make_rule(FIRST_SEEN, name="New issues")
    sentry.make_metric_rule(50, query="transaction:checkout")
    sentry.hook.fails(404)
    sentry.send_event(error_event())
    sentry.send_event(transaction_event("checkout"))
    looking = Browser(sentry)
    looking.log_in()
    page = looking.get(ALERTS_PAGE)
    rows = page.one("table", id="rules").one("tbody").all("tr")
    assert [[cell.text for cell in row.all("td")] for row in rows] == [
        [
            "New issues Issue",
            "simple-app",
            "A new issue is created",
            "just now",
            "failed http://127.0.0.1:9/hook answered 404",
        ],
        [
            "Slow Metric",
            "simple-app",
            "p95(transaction.duration) over 1 min above 50: critical",
            "just now",
            "delivered",
        ],
    ]
    # The link of the webhook leads to the incident.
    link = sentry.hook.bodies[-1]["data"]["web_url"].removeprefix("http://127.0.0.1:9000")
    incident = looking.get(link)
    assert incident.one("h1").text == "Slow"
    assert incident.one("span", class_="badge").text == "critical"
    assert incident.one("pre").text == (
        "98.47 p95(transaction.duration) in the last 1 minute Filter: transaction:checkout"
    )
    sentry.pass_time(61)
    assert looking.get(link).one("span", class_="badge").text == "resolved"


def test_an_unknown_incident_is_not_found(browser: Browser) -> None:
    for number in ("1", "x"):
        page = browser.get(f"/organizations/obs/alerts/{number}/", 404)
        assert page.one("h1").text == "Page Not Found"
