"""`harpoon probe`: what any OpenAI-compatible endpoint can do, found out from outside and within bounds."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.failure import NO, CommandFailed
from gateway.output import Working, complain, write, write_line

if TYPE_CHECKING:
    from gateway.probe.limits import Limits, Price
    from gateway.probe.run import Found, Plan

probe_cli = typer.Typer(add_completion=False)
#: What a probe ends with that was interrupted (128 + SIGINT).
INTERRUPTED = 130
USER_AGENT = "harpoon-probe"
#: Shorter than servers keep idle connections, so that no request meets one that was just closed.
KEEPALIVE_S = 3


class Form(StrEnum):
    """What a report can be written as."""

    md = "md"
    json = "json"
    html = "html"


class Preset(StrEnum):
    """Plans that have a name."""

    usual = "usual"
    pilot = "pilot"


@probe_cli.command(
    epilog="Examples: `harpoon probe http://127.0.0.1:8080/v1`, `HARPOON_PROBE_KEY=... harpoon probe"
    " https://gpu.example.com/v1 --model llama-3.1-8b --output probe.html`\n\n"
    "The pilot, 3 models, 100 requests, then 1,000: `harpoon probe URL --preset pilot --max-cost 5 --output pilot.md`"
    "\n\nExit status: 0 every required item of the API holds, 1 some don't, 2 it could not be probed, 130 interrupted."
)
def probe(
    base_url: Annotated[str, typer.Argument(metavar="BASE_URL", help="Where it serves, with or without /v1.")],
    key: Annotated[
        str,
        typer.Option(
            help="Its key; better by the variable, which no list of processes shows.",
            envvar="HARPOON_PROBE_KEY",
            show_default=False,
            show_envvar=True,
        ),
    ] = "",
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model to ask; repeatable. Else the first.", show_default=False),
    ] = None,
    preset: Annotated[Preset, typer.Option(help="pilot: 3 models, 100 requests, then 1,000.")] = Preset.usual,
    warm: Annotated[int, typer.Option(min=0, max=1_000, help="Requests one after the other.")] = 20,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Most requests at once: 1, 2, 4, ... this.")] = 8,
    rest: Annotated[int, typer.Option(min=0, max=3_600, help="Seconds to wait, then time a first request again.")] = 0,
    max_cost: Annotated[str, typer.Option(help="Dollars that it may take.")] = "0.25",
    requests: Annotated[int | None, typer.Option(min=1, help="Chat requests at most: 200, pilot 1,200.")] = None,
    tokens: Annotated[int | None, typer.Option(min=8, help="Tokens of a timed answer at most: 64, pilot 96.")] = None,
    total_tokens: Annotated[int | None, typer.Option(min=100, help="All tokens: 50,000, pilot 500,000.")] = None,
    seconds: Annotated[int | None, typer.Option(min=1, help="Seconds at most: 300, pilot 3,600.")] = None,
    timeout: Annotated[int | None, typer.Option(min=1, help="Seconds for one answer: 60.", show_default=False)] = None,
    price_in: Annotated[str, typer.Option(help="Dollars for a million tokens in.", show_default=False)] = "",
    price_out: Annotated[str, typer.Option(help="Dollars for a million tokens out.", show_default=False)] = "",
    baseline: Annotated[str, typer.Option(help="Whose list price the pilot's cost is held against.")] = "openai/gpt-4o",
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME:VALUE", help="Send this header too.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask, though --max-cost may end it early.")] = False,
    form: Annotated[Form | None, typer.Option("--format", help="md, unless --output ends otherwise.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write to this file: .md, .json or .html.")] = None,
) -> None:
    """Find out what an OpenAI-compatible endpoint can do: its API item by item, speed, streaming, limits, load."""
    from gateway.probe.limits import Limits
    from gateway.probe.pilot import LIMITS
    from gateway.probe.run import Plan, pilot_plan

    chosen = form or _form_of(output)
    route = _baseline(baseline)
    is_pilot = preset is Preset.pilot
    models = tuple(model or ())
    given = {"requests": requests, "answer_tokens": tokens, "tokens": total_tokens, "seconds": seconds}
    limits = replace(
        LIMITS if is_pilot else Limits(),
        cost_usd_micros=_dollars("--max-cost", max_cost),
        **{name: value for name, value in {**given, "timeout_s": timeout}.items() if value is not None},
    )
    if seconds is None and not is_pilot:
        limits = replace(limits, seconds=limits.seconds + rest)
    plan = pilot_plan(models, concurrency) if is_pilot else Plan(models, warm, concurrency, rest)
    found = _probed(_base(base_url), key, _headers(header or []), plan, limits, _price(price_in, price_out), yes)
    secret = found.endpoint.secret if found.endpoint else ""
    _deliver(_without(secret, _written(found, chosen, route)), output, chosen)
    _end(found)


def _probed(
    base: str,
    key: str,
    headers: tuple[tuple[str, str], ...],
    plan: Plan,
    limits: Limits,
    given: Price | None,
    yes: bool,
) -> Found:
    """Probe; what was known when it was interrupted, if it was. Raises: CommandFailed."""
    from gateway.adapters.host import SystemClock
    from gateway.probe.run import Found, NothingThere

    clock = SystemClock()
    found = Found(plan, limits, clock.monotonic_us())
    try:
        asyncio.run(_run(found, base, key, headers, given, yes))
    except NothingThere as problem:
        raise CommandFailed(str(problem)) from problem
    except KeyboardInterrupt:
        if found.surface is None or found.chat is None:
            raise
        found.is_interrupted = True
    return found


async def _run(
    found: Found, base: str, key: str, headers: tuple[tuple[str, str], ...], given: Price | None, yes: bool
) -> None:
    """Raises: NothingThere, CommandFailed."""
    from gateway.adapters.host import SystemClock
    from gateway.adapters.provider_transport import ProviderTransport, TransportSettings
    from gateway.probe.endpoint import Endpoint
    from gateway.probe.limits import assumed_price
    from gateway.probe.run import look, price_of, probe, worst_case_usd_micros

    clock = SystemClock()
    transport = ProviderTransport(
        settings=TransportSettings(keepalive_s=KEEPALIVE_S, connect_timeout_s=10, user_agent=USER_AGENT)
    )
    try:
        await look(Endpoint(base, key, transport, clock, found.limits.timeout_s * 1_000_000, headers), found)
        price = price_of(found, given, assumed_price())
        worst = worst_case_usd_micros(found.plan, found.limits, len(found.models), price)
        if worst > found.limits.cost_usd_micros and not yes:
            _ask(worst, price, found.limits)
        with Working("requests answered") as working:
            await probe(found, price, working.advance)
    finally:
        await transport.aclose()


def _ask(worst_usd_micros: int, price: Price, limits: Limits) -> None:
    """Have a person agree to a probe that --max-cost may end early. Raises: CommandFailed."""
    from worker.money import usd_text

    told = (
        f"the whole probe could cost ${usd_text(worst_usd_micros)} at ${usd_text(price.input)} in and"
        f" ${usd_text(price.output)} out for a million tokens ({price.source}), more than --max-cost"
        f" ${usd_text(limits.cost_usd_micros)}"
    )
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandFailed(f"{told}; raise it, say --price-in and --price-out, or --yes to stop at it")
    complain(told)
    if not typer.confirm("Begin, and stop before it would cost more?", err=True):
        raise CommandFailed("nothing was asked")


def _written(found: Found, form: Form, baseline: tuple[str, int, int]) -> str:
    if form is Form.html:
        from gateway.probe.page import to_html

        return to_html(found, baseline)
    from gateway.probe.written import to_json, to_markdown

    return to_json(found, baseline) if form is Form.json else to_markdown(found, baseline)


def _without(secret: str, text: str) -> str:
    """A report without the key, as itself or as JSON or HTML writes it: it is taken out where it is met, and here."""
    import html
    import json

    if secret:
        for written in (
            secret,
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            html.escape(secret),
        ):
            text = text.replace(written, "[key]")
    return text


def _deliver(text: str, output: Path | None, form: Form) -> None:
    """Raises: CommandFailed."""
    if output is None:
        write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise CommandFailed(f"{output} can't be written: {problem.strerror}") from problem
    write_line(f"wrote {output}: {form} report")


def _end(found: Found) -> None:
    """The exit status that the findings ask for."""
    from gateway.probe.items import broken_required

    if found.is_interrupted:
        raise typer.Exit(INTERRUPTED)
    if broken_required(found.items) or not any(one.is_ok for one in found.firsts):
        raise typer.Exit(NO)


def _form_of(output: Path | None) -> Form:
    """The form that a file's name asks for. Raises: CommandFailed for an ending that is none."""
    suffix = output.suffix.removeprefix(".") if output else ""
    if suffix not in ("", *Form):
        raise CommandFailed(f"{output}: a report ends in .md, .json or .html; or say --format")
    return Form(suffix) if suffix else Form.md


def _base(text: str) -> str:
    """The address to put paths behind. Raises: CommandFailed."""
    import httpx

    try:
        url = httpx.URL(text if "://" in text else f"http://{text}")
    except (httpx.InvalidURL, UnicodeError) as problem:
        raise CommandFailed(f"{text!r} is no address: {problem}") from problem
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment or url.userinfo:
        raise CommandFailed(
            f"{url.scheme}://{url.host} is no base address: write it like https://gpu.example.com/v1, with no key in it"
        )
    return str(url).rstrip("/").removesuffix("/chat/completions").removesuffix("/models")


def _headers(given: list[str]) -> tuple[tuple[str, str], ...]:
    """Raises: CommandFailed."""
    headers = []
    for one in given:
        name, colon, value = one.partition(":")
        if not colon or not name.strip() or not (one.isascii() and one.isprintable()):
            raise CommandFailed("--header: say it like x-harpoon-pool:shared-4x")
        headers.append((name.strip().lower(), value.strip()))
    return tuple(headers)


def _price(price_in: str, price_out: str) -> Price | None:
    """Raises: CommandFailed."""
    from gateway.probe.limits import Price

    if not price_in and not price_out:
        return None
    if not (price_in and price_out):
        raise CommandFailed("say both, --price-in and --price-out")
    return Price(_dollars("--price-in", price_in), _dollars("--price-out", price_out), "as given")


def _dollars(option: str, text: str) -> int:
    from worker.money import parse_usd

    try:
        return parse_usd(text.removeprefix("$"))
    except ValueError as problem:
        raise CommandFailed(f"{option} {text!r}: {problem}") from problem


def _baseline(name: str) -> tuple[str, int, int]:
    """The baseline's route and its list price. Raises: CommandFailed."""
    from gateway.report.source import baseline_route, default_prices

    route = baseline_route(default_prices(), name)
    return route.id, route.input_price, route.output_price
