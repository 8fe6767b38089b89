"""The lines that pytest prints about the stack: at the start, and at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_obsstack.evidence.names import product_name
from pytest_obsstack.options import Options
from pytest_obsstack.options.kinds import CHOICES, GUIDE_PORTS, is_url
from pytest_obsstack.providers.state import ProductState, RunningApp, StackState, read_state

if TYPE_CHECKING:
    from pytest_obsstack.provision.run import Run


def header(options: Options) -> list[str]:
    """What was asked for; nothing runs yet."""
    if options.stack == "embedded":
        what = "embedded stand-ins for Sentry, OpenTelemetry Collector, Prometheus, Loki"
    elif options.stack == "compose":
        what = f"containers, {_tracker(options)}"
    else:
        what = "a stack that runs already" + ("" if options.allow_writes else ", read-only")
    others = {name: choice for name, choice in options.use.items() if is_url(choice)}
    use = "".join(f", {component} at {choice}" for component, choice in others.items())
    kept = ", kept at the end" if options.keep_stack else ""
    when = "" if options.stack == "attach" else ", started when a test asks for it"
    return [f"obsstack: {options.stack} ({what}{use}{kept}){when}"]


def _tracker(options: Options) -> str:
    choice = options.use.get("sentry", CHOICES["compose"]["sentry"][0])
    if is_url(choice):
        return "an error tracker of yours"
    return "our own Sentry server (lite)" if choice == "lite" else product_name("sentry", choice)


def write_summary(terminal: Any, run: Run) -> None:
    """What ran where, in which version, how long it took; for a kept stack, how to go on."""
    state = read_state(run.state_path)
    if state is None:
        return
    terminal.section("obsstack")
    for line in summary_lines(state):
        terminal.write_line(line)
    if state.kept:
        for line in kept_lines(state):
            terminal.write_line(line)
    else:
        terminal.write_line(f"what arrived: {run.folder}")


def summary_lines(state: StackState) -> list[str]:
    """One line a product."""
    lines = [f"{state.kind} stack, ready after {state.ready_after_s:.2f} s"]
    for name, product in state.products.items():
        real = product.stands_in_for and product_name(name, product.stands_in_for)
        stand_in = f", stands in for {real}" if real else ""
        lines.append(f"  {name:<10} {product.url}  {product.version}{stand_in}")
    return lines


def kept_lines(state: StackState) -> list[str]:
    """Where to log in, which ports are not the guide's, and how to remove the stack."""
    lines = []
    sentry = state.endpoints.sentry
    if sentry is not None and sentry.admin_password is not None:
        lines.append(f"log in at {sentry.url} as {sentry.admin_email}, {sentry.admin_password}")
    grafana = state.endpoints.grafana
    if grafana is not None and grafana.password is not None:
        lines.append(f"log in at {grafana.url} as {grafana.user}, {grafana.password}")
    parts: dict[str, ProductState | RunningApp] = {**state.products}
    if state.app is not None:
        parts["app"] = state.app
    lines += [
        f"{name} could not have its usual port {GUIDE_PORTS[name]}, which is in use"
        for name, part in parts.items()
        if not part.wish_met
    ]
    if state.app is not None:
        lines.append(f"the app answers at {state.app.url}")
    lines.append("the stack keeps running: `obsstack status` shows it, `obsstack down` removes it")
    return lines
