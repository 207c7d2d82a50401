"""How far an answer is doubted: weights, good and faulty answers, any text."""

from __future__ import annotations

import ast
import gzip
import importlib
import inspect
import json
import time
from importlib.resources import files
from pathlib import Path

import pytest
from faulty_answers import FAULTY, REAL
from good_answers import GOOD
from hypothesis import given
from hypothesis import strategies as st
from short_answers import BAD, FINE

from mmai_nb import fitted
from mmai_nb.checks import Assessment, Finding, Question, agree, assess, blocks, find_faults
from mmai_nb.checks.doubt import FITTED, THRESHOLD, Weights, fitted_weights, weigh, with_fitted

NAMES = {"sales", "df", "xs", "text"}
KINDS = tuple(name for name in Weights.__slots__ if name not in ("bias", "length"))
SERIOUS = [kind for kind in KINDS if kind not in ("names", "hedging", "unused", "loose")]
DATA = Path(__file__).parent / "data" / "routing"


# -- good and faulty answers


@pytest.mark.parametrize("name", GOOD)
def test_a_good_answer_does_not_fail(name):
    prompt, answer = GOOD[name]
    found = assess(answer, Question(prompt, finish_reason="stop", namespace=NAMES))
    assert not found.fails, found


def test_hardly_any_good_answer_has_a_finding_at_all():
    found = [
        name
        for name, (prompt, answer) in GOOD.items()
        if find_faults(answer, Question(prompt, finish_reason="stop", namespace=NAMES))
    ]
    assert len(GOOD) >= 90
    assert len(found) <= 2, found


@pytest.mark.parametrize("ended", ["stop", None])
@pytest.mark.parametrize(("prompt", "answer"), FINE)
def test_a_short_good_answer_does_not_fail(prompt, answer, ended):
    found = assess(answer, Question(prompt, finish_reason=ended, namespace=NAMES))
    assert not found.fails, found


@pytest.mark.parametrize(("prompt", "answer", "kind"), BAD)
def test_what_is_wrong_with_a_short_answer_is_seen(prompt, answer, kind):
    found = assess(answer, Question(prompt, finish_reason="stop", namespace=NAMES))
    assert kind in {finding.kind for finding in found.findings}
    assert found.fails or kind not in SERIOUS


@pytest.mark.parametrize("name", FAULTY)
def test_what_is_wrong_with_a_faulty_answer_is_seen(name):
    prompt, answer, kind = FAULTY[name]
    found = assess(answer, Question(prompt, namespace=NAMES))
    assert kind in {finding.kind for finding in found.findings}
    assert found.fails or kind not in SERIOUS


@pytest.fixture(scope="module")
def rows():
    found = {}
    for name, key in (
        ("gsm8k_mixtral_gpt4", "weak_response"),
        ("mmlu_pro_29models", "weak_response_mixtral"),
    ):
        with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                found[row["id"]] = (row["prompt"], row[key])
    return found


@pytest.mark.parametrize("row", REAL)
def test_what_was_wrong_with_a_real_answer_is_seen(row, rows):
    prompt, answer = rows[row]
    found = assess(answer, Question(prompt))
    assert found.fails
    assert REAL[row] in {finding.kind for finding in found.findings}


# -- the weights


def findings(*kinds: str) -> tuple[Finding, ...]:
    return tuple(Finding(kind, f"about {kind}") for kind in kinds)


def test_each_kind_of_finding_has_a_weight_and_none_is_negative():
    for weights in (Weights(), fitted_weights()):
        assert all(getattr(weights, kind) >= 0 for kind in (*KINDS, "length"))
    seen = {kind for _, _, kind in FAULTY.values()}
    assert seen | {"schema", "names", "attribute"} == set(KINDS)


@pytest.mark.parametrize("kind", SERIOUS)
@pytest.mark.parametrize("weights", [Weights(), None], ids=["by hand", "fitted"])
def test_a_serious_finding_alone_fails_an_answer_to_a_question_of_usual_length(kind, weights):
    assert weigh(findings(kind), "How many of them? " * 15, weights).doubt >= THRESHOLD


@pytest.mark.parametrize("prompt", ["hi", "word " * 5_000], ids=["short", "long"])
@pytest.mark.parametrize("weights", [Weights(), None], ids=["by hand", "fitted"])
def test_an_answer_without_a_finding_never_fails(prompt, weights):
    assert weigh((), prompt, weights).doubt < THRESHOLD


@pytest.mark.parametrize("kind", ["names", "hedging", "unused", "loose"])
def test_a_mild_finding_alone_does_not_fail_an_answer_to_a_short_question(kind):
    assert weigh(findings(kind), "How many are there?").doubt < THRESHOLD


def test_names_that_are_nowhere_never_fail_an_answer_alone():
    for weights in (Weights(), None):
        assert weigh(findings("names"), "word " * 5_000, weights).doubt < THRESHOLD


def test_an_answer_that_fails_has_a_reason():
    assert weigh(findings("hedging", "truncated"), "").reason == "about truncated"
    assert Assessment(0.2).reason == ""


@given(st.sets(st.sampled_from(KINDS)), st.sampled_from(KINDS), st.text(max_size=2_000))
def test_a_further_finding_never_lowers_the_doubt(kinds, more, prompt):
    before = weigh(findings(*kinds), prompt).doubt
    assert 0 <= before <= weigh(findings(*kinds, more), prompt).doubt <= 1


@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
def test_each_kind_counts_once_in_any_order(kinds):
    assert weigh(findings(*kinds), "").doubt == weigh(findings(*set(kinds)), "").doubt


def test_the_strongest_finding_comes_first_whatever_its_place():
    ordered = weigh(findings("hedging", "final", "unused"), "").findings
    assert [finding.kind for finding in ordered] == ["final", "hedging", "unused"]


def test_the_fitted_weights_are_those_of_the_file():
    found = json.loads((files("mmai_nb") / "data" / "checks.json").read_bytes())
    assert tuple(found) == FITTED
    assert fitted_weights() == with_fitted(found)
    assert fitted_weights().code == Weights().code


def good_weights() -> dict[str, object]:
    return dict.fromkeys(FITTED, 1.0)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "should hold"),
        ({"bias": 1.0}, "should hold"),
        ({**good_weights(), "more": 1.0}, "should hold"),
        ({**good_weights(), "final": "1"}, "final is no number"),
        ({**good_weights(), "final": True}, "final is no number"),
        ({**good_weights(), "final": float("nan")}, "final is no number"),
        ({**good_weights(), "loose": -0.1}, "loose is negative"),
    ],
)
def test_weights_that_would_break_a_promise_are_refused(found, words):
    with pytest.raises(ValueError, match=words):
        with_fitted(found)


@pytest.mark.parametrize("text", [None, "", "{", "[1]", '{"bias": 1}', "[" * 5_000])
def test_without_a_sound_file_the_hand_set_weights_are_used_with_a_warning(
    text, tmp_path, monkeypatch
):
    (tmp_path / "data").mkdir()
    if text is not None:
        (tmp_path / "data" / "checks.json").write_text(text)
    monkeypatch.setattr(fitted, "files", lambda package: tmp_path)
    fitted_weights.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match="hand-set weights alone"):
            assert fitted_weights() == Weights()
    finally:
        fitted_weights.cache_clear()


# -- any text


@given(st.text(max_size=600), st.text(max_size=200))
def test_any_text_is_assessed_the_same_twice(text, prompt):
    one, two = (assess(text, Question(prompt, namespace=())) for _ in range(2))
    assert one == two
    assert 0 <= one.doubt <= 1
    assert one.reason or not one.fails


PIECES = ["```python\n", "```\n", "1 + 1 = 3", "(", "\\boxed{", "####", "=", "A. ", "\ud800", "\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.sampled_from(PIECES))
def test_marks_in_any_order_are_assessed(text, prompt):
    assert 0 <= assess(text, Question(prompt, namespace=())).doubt <= 1
    assert agree(text, text + "1", prompt) in (True, False, None)


MANY = 10_000_000
HOSTILE = {
    "10 MB of letters": "a" * MANY,
    "10 MB of lines": "\n" * MANY,
    "10 MB of sums": "1 + 2 = 4\n" * (MANY // 10),
    "backticks": "`" * 100_000,
    "pairs of backticks": "`a` " * 50_000,
    "brackets": "[" * 100_000,
    "equals signs": "=" * 100_000,
    "sums without an end": "1+1=" * 50_000,
    "fences in fences": "".join(f"{'`' * (n % 40 + 3)}python\n" for n in range(10_000)),
    "Markdown in Markdown": "```markdown\n" + "```x\n" * 10_000,
    "nested calls": "```python\n" + "f(" * 10_000 + ")" * 10_000 + "\n```",
    "nested lists": "```python\n" + "[" * 10_000 + "]" * 10_000 + "\n```",
    "a long chain": "```python\n" + "a." * 40_000 + "a\n```",
    "minus minus": "```python\n" + "-" * 90_000 + "1\n```",
    "magic after magic": "```python\n" + "%%time\n" * 12_000 + "```",
    "nested JSON": "```json\n" + '{"a":' * 15_000 + "\n```",
    "empty lines in JSON": "```json\n{" + "\n" * 95_000 + "\n```",
    "nested TOML": "```toml\n" + "a=[" * 20_000 + "\n```",
    "lone surrogates": "\ud800 1 + 1 = 3 \udfff" * 5_000,
    "a surrogate in code": "```python\nx = '\ud800'\n```",
    "comment signs in code": "```python\n(" + "#" * 90_000 + "\n```",
    "hundreds of broken blocks": "```python\n(\n# wrong\n```\n" * 8_000,
    "signs": "-" * 100_000 + "…" * 100_000,
    "a NUL in code": "```python\nx = 1\0\n```",
    "control characters": "".join(map(chr, range(32))) * 5_000,
    "huge powers": "9^9^9^9^9 = 1 and 99^64*99^64*99^64 = 1",
    "deep sums": "(" * 39 + "1+1" + ")" * 39 + " = 3",
    "answers": "answer is " * 20_000,
    "boxes": "\\boxed{" * 20_000,
    "dollars": "$a " * 50_000,
    "annotations": "<<1" * 50_000,
    "thousands": "1,000" * 30_000,
    "fractions": "1/" * 50_000,
    "choices": "A. x\n" * 30_000,
    "one sign": "的" * 100_000,
    "marks on a letter": "e" + "\u0301" * 100_000,
    "no words": "```python\n1\n```\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_assessed_in_the_answer_and_in_the_prompt(name):
    begin = time.thread_time()
    text = HOSTILE[name]
    for answer, prompt in ((text, "How many are 3 and 4?"), ("It is 4 + 5 = 9.", text)):
        assert 0 <= assess(answer, Question(prompt, namespace=())).doubt <= 1
    assert agree(text, f"{text[:50_000]} 1", "How many are 3 and 4?") in (True, False, None)
    assert time.thread_time() - begin < 10


def test_of_a_very_long_text_only_so_much_is_read():
    read = []
    plain = blocks.take_apart.__wrapped__
    for size in (blocks.READ, 10 * blocks.READ):
        part = blocks.sample("word " * (size // 5))
        read.append(len(part))
        assert len(plain(part).prose) <= blocks.READ + 1
    assert max(read) <= blocks.READ + 1


def test_the_end_of_a_very_long_text_is_read():
    text = "This is a sentence of many. " * 20_000 + "And the last one ends in the middle of the"
    assert "truncated" in {f.kind for f in find_faults(text, Question("Tell me more."))}


def test_a_long_answer_in_json_is_held_against_its_schema_as_a_whole():
    text = json.dumps([{"n": "x" * 1_000}] * 300)
    schema = {"type": "array", "items": {"type": "object", "required": ["n"]}}
    assert len(text) > blocks.READ
    assert find_faults(text, Question("As JSON.", schema)) == ()


PROSE = ("argparse", "collections", "datetime", "difflib", "heapq", "json", "random", "statistics")


def passages() -> list[str]:
    """Longer docstrings of the standard library: what people wrote about code and numbers."""
    found = []
    for name in PROSE:
        source = inspect.getsource(importlib.import_module(name))
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                found.append(ast.get_docstring(node) or "")
    return [text for text in found if len(text) > 150]


def test_what_people_wrote_about_code_and_numbers_hardly_ever_fails():
    texts = passages()
    failed = [t for t in texts if assess(t, Question("Explain it.", finish_reason="stop")).fails]
    assert len(texts) > 100
    assert len(failed) <= len(texts) / 100, failed
