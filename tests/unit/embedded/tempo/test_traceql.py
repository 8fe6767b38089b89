"""TraceQL: what parses, what is refused and how, which spans are found."""

from __future__ import annotations

import pytest

from pytest_obsstack.embedded.tempo.spans import view
from pytest_obsstack.embedded.tempo.traceql.errors import ParseError, QueryError, Unsupported
from pytest_obsstack.embedded.tempo.traceql.evaluate import matching
from pytest_obsstack.embedded.tempo.traceql.lexer import parse_duration
from pytest_obsstack.embedded.tempo.traceql.parse import parse, parse_attribute
from pytest_obsstack.embedded.tempo.traceql.syntax import go_duration
from pytest_obsstack.wire import otlp
from tests.unit.embedded.tempo.support import (
    CHILD,
    INVENTORY,
    ROOT,
    TRACE,
    body,
    resource_spans,
)

ALL = ["GET /error", "GET", "GET /stock"]


def names(query: str) -> list[str]:
    """The names of the spans that the query finds in a trace of three."""
    request = otlp.decode_traces(
        body(resource_spans(ROOT, CHILD), resource_spans(INVENTORY, service="inventory")), "json"
    )
    trace = view(TRACE, otlp.spans(request))
    found = matching(parse(query).spanset, trace.spans)
    return [str(each.span.value_of(parse_attribute("name"))) for each in found]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{}", ALL),
        ("{ true }", ALL),
        ("{ false }", []),
        ("{ !false }", ALL),
        ('{ resource.service.name = "inventory" }', ["GET /stock"]),
        ("{ resource.service.name = `inventory` }", ["GET /stock"]),
        ('{ .service.name = "inventory" }', ["GET /stock"]),
        ('{ span.service.name = "inventory" }', []),
        ('{ .http.route = "/error" }', ["GET /error"]),
        ('{ span."http.route" = "/error" }', ["GET /error"]),
        ('{ span.http.route != "/error" }', ["GET /stock"]),  # an absent one does not fit !=
        ('{ span.http.route =~ "/s.*" }', ["GET /stock"]),
        ('{ span.http.route =~ "/s" }', []),  # the whole value has to fit
        ('{ span.http.route !~ "/s.*" }', ["GET /error"]),
        ('{ span.http.route > "/f" }', ["GET /stock"]),
        ("{ span.http.route }", []),  # text is no truth
        ("{ span.http.route != nil }", ["GET /error", "GET /stock"]),
        ("{ nil != span.http.route }", ["GET /error", "GET /stock"]),
        ("{ span.http.route = nil }", ["GET"]),
        ("{ nil = nil }", []),
        ("{ span.http.status_code = 500 }", ["GET /error"]),
        ("{ 499 < span.http.status_code }", ["GET /error"]),
        ("{ span.http.status_code >= 500.0 && span.http.status_code <= 500 }", ["GET /error"]),
        ('{ span.http.status_code = "500" }', []),
        ("{ span.ratio = 0.5 }", ["GET /error"]),
        ("{ span.ratio > -1 }", ["GET /error"]),
        ("{ span.ok = false }", ["GET /error"]),
        ("{ !span.ok }", ["GET /error"]),
        ('{ span.items = "b" }', ["GET /stock"]),
        ('{ span.items != "b" }', []),
        ('{ span.items != "c" }', ["GET /stock"]),
        ('{ "a" = span.items }', ["GET /stock"]),
        ("{ status = error }", ["GET /error"]),
        ("{ status != error }", ["GET", "GET /stock"]),
        ("{ span:status = unset }", ["GET", "GET /stock"]),
        ('{ statusMessage =~ "ValueError.*" }', ["GET /error"]),
        ("{ kind = client }", ["GET"]),
        ("{ duration > 1s }", ["GET /error"]),
        ("{ span:duration <= 15ms }", ["GET /stock"]),
        ("{ duration < 1500ms && duration >= 0.02s }", ["GET"]),
        ("{ traceDuration = 1.5s }", ALL),
        ("{ trace:duration > 2s }", []),
        ('{ rootName = "GET /error" && trace:rootService = "simple-app" }', ALL),
        ('{ span:id = "aaaaaaaaaaaaaaa2" }', ["GET"]),
        ('{ span:parentID = "aaaaaaaaaaaaaaa2" }', ["GET /stock"]),
        ("{ span:childCount = 0 }", ["GET /stock"]),
        ('{ event:name = "exception" }', ["GET /error"]),
        ('{ event.exception.type = "ValueError" }', ["GET /error"]),
        ("{ event.n > 1 }", ["GET /error"]),
        ("{ event.n != nil }", ["GET /error"]),
        ('{ instrumentation:name = "flask" && instrumentation.lib = "x" }', ALL),
        ('{ name = "GET" || status = error }', ["GET /error", "GET"]),
        ('{ (name = "GET" || status = error) && kind = client }', ["GET"]),
        # Both operators bind alike, from left to right: not as in other languages.
        ('{ status = error || name = "GET" && kind = client }', ["GET"]),
        ('{ name = "GET" } || { name = "GET /stock" }', ["GET", "GET /stock"]),
        ('{ name = "GET" } && { status = error }', ["GET /error", "GET"]),
        ('{ name = "GET" } && { name = "nothing" }', []),
        ('({ name = "GET" } || { status = error })', ["GET /error", "GET"]),
        ("{ name =~ `get.*` }", []),
        ("{ name =~ `(?i)get /.*` }", ["GET /error", "GET /stock"]),
        ("{ // a comment\n status = error /* and\n another */ }", ["GET /error"]),
        ('{ name = "G\\u0045T" }', ["GET"]),
        ('{ name = "\\x47ET" }', ["GET"]),
    ],
)
def test_spans_that_a_query_finds(query: str, expected: list[str]) -> None:
    assert names(query) == expected


@pytest.mark.parametrize(
    ("query", "line", "column", "message"),
    [
        ("", 1, 1, "syntax error: unexpected $end"),
        ("wharblgarbl", 1, 1, "syntax error: unexpected IDENTIFIER"),
        ("true", 1, 1, "syntax error: unexpected true"),
        ("{ 2 <> 3}", 1, 6, "syntax error: unexpected >"),
        ("{ 2 = .b ", 1, 10, "syntax error: unexpected $end"),
        ("{ .a | .b }", 1, 6, "syntax error: unexpected |"),
        ("{ .foo .bar }", 1, 8, "syntax error: unexpected ."),
        ("{ . foo }", 1, 3, "syntax error: unexpected END_ATTRIBUTE, expecting IDENTIFIER"),
        ("{ span. }", 1, 3, "syntax error: unexpected END_ATTRIBUTE, expecting IDENTIFIER"),
        ('{ ."foo }', 1, 3, 'unexpected EOF, expecting "'),
        ('{ ."a\\n" }', 1, 3, "invalid escape sequence"),
        ("{ true } &&", 1, 12, "syntax error: unexpected $end, expecting { or ("),
        ("{ true } + { true }", 1, 10, "syntax error: unexpected +"),
        ("{ attribute = 4 }", 1, 3, "unknown identifier: attribute"),
        ("{ .a == 4 }", 1, 7, "syntax error: unexpected ="),
        ("{ (.a < 3 }", 1, 11, "syntax error: unexpected }"),
        ("{\n .a <\n}", 3, 1, "syntax error: unexpected }"),
        ("{ name < nil }", 1, 10, "syntax error: unexpected nil"),
        ('{ name = "x }', 1, 10, "literal not terminated"),
        ("{ name = `x }", 1, 10, "literal not terminated"),
        ("{ name = 'x' }", 1, 10, "invalid char literal"),
        ('{ name = "\\q" }', 1, 10, "invalid char escape"),
        ("{ childCount = 1 }", 1, 3, "syntax error: unexpected childCount"),
        ("{ span:foo = 1 }", 1, 8, "syntax error: unexpected IDENTIFIER"),
        ("{} {}", 1, 4, "syntax error: unexpected {"),
    ],
)
def test_what_is_no_traceql_is_refused_where_tempo_does(
    query: str, line: int, column: int, message: str
) -> None:
    with pytest.raises(ParseError) as refusal:
        parse(query)
    assert str(refusal.value) == f"parse error at line {line}, col {column}: {message}"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ 1 = true }", "binary operations must operate on the same type: 1 = true"),
        ("{ name = 1 }", "binary operations must operate on the same type: name = 1"),
        ("{ status = client }", "binary operations must operate on the same type: status = client"),
        ("{ status > error }", "illegal operation for the given types: status > error"),
        ("{ name && true }", "binary operations must operate on the same type: name && true"),
        ("{ duration =~ 1s }", "illegal operation for the given types: duration =~ 1s"),
        ("{ name }", "span filter field expressions must resolve to a boolean: { name }"),
        ("{ 1500ms }", "span filter field expressions must resolve to a boolean: { 1.5s }"),
        ("{ !name }", "illegal operation for the given type: !name"),
        ("{ .a =~ .b }", "invalid type for =~ or !~: .b"),
        ('{ .a =~ "(" }', "invalid regex: `(`"),
        ('{ .a =~ "(?=b)" }', "invalid regex: `(?=b)`"),
        ("{ name = nil }", "name=nil is not valid because intrinsics cannot be nil"),
        (
            "{ resource.service.name = nil }",
            "resource.service.name=nil is not valid because resource.service.name cannot be nil",
        ),
        (
            '{ (.a = 1 && .b = "x") > 2 }',
            "binary operations must operate on the same type: ((.a = 1) && (.b = `x`)) > 2",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_tempos_words(query: str, message: str) -> None:
    with pytest.raises(QueryError) as refusal:
        parse(query)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("{} | count() > 1", "TraceQL pipelines (count())"),
        ("{} | { true }", "TraceQL pipelines (| {)"),
        ("({} | select(.a))", "TraceQL pipelines (select())"),
        ("by(.a)", "TraceQL pipelines (by())"),
        ("{} >> {}", "structural operators of TraceQL (>>)"),
        ("{} !< {}", "structural operators of TraceQL (!<)"),
        ("{} &>> {}", "structural operators of TraceQL (&>>)"),
        ("{ .a + 1 = 2 }", "arithmetic of TraceQL (+)"),
        ("{ -.a = 2 }", "arithmetic of TraceQL (-.a)"),
        ("{ parent.a = 2 }", "parent attributes of TraceQL"),
        ("{ link.a = 2 }", "link attributes of TraceQL"),
        ("{ nestedSetLeft > 1 }", "the TraceQL intrinsic nestedSetLeft"),
        ("{ event:timeSinceStart > 1s }", "the TraceQL intrinsic event:timeSinceStart"),
        ('{ link:spanID = "a" }', "the TraceQL intrinsic link:spanID"),
        ('{ event.a != "x" }', "the TraceQL operator != on events"),
        ('{ event:name !~ "x" }', "the TraceQL operator !~ on events"),
        ("{ event.a = nil }", "the TraceQL operator = nil on event.a"),
        ("{} with (sample=0.1)", "the TraceQL hint sample"),
        ('{ .a =~ "[[:alpha:]]+" }', "the regular expression `[[:alpha:]]+`"),
    ],
)
def test_what_only_the_embedded_one_leaves_out_is_named(query: str, what: str) -> None:
    with pytest.raises(Unsupported) as refusal:
        parse(query)
    assert refusal.value.what == what


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [
        ("1s", 10**9),
        ("1.5s", 1_500_000_000),
        ("1h30m", 5400 * 10**9),
        ("2d", 2 * 86400 * 10**9),
        ("10us", 10_000),
        ("7ns", 7),
        ("", None),
        ("1", None),
        ("s", None),
    ],
)
def test_durations(text: str, duration_ns: int | None) -> None:
    assert parse_duration(text) == duration_ns


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0s"),
        (999, "999ns"),
        (1500, "1.5µs"),
        (2_000_000, "2ms"),
        (1_500_000_000, "1.5s"),
        (120 * 10**9, "2m0s"),
        (3_601_250_000_000, "1h0m1.25s"),
        (-(10**9), "-1s"),
    ],
)
def test_durations_are_printed_as_go_does(duration_ns: int, text: str) -> None:
    assert go_duration(duration_ns) == text
