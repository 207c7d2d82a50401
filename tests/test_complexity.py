from __future__ import annotations

import json
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb import complexity, fitted
from mmai_nb.complexity import FITTED, Weights, fitted_weights, score, with_fitted
from mmai_nb.providers import TIER_BOUNDS

ARTICLE = (
    "The harbour town had lived from fishing for three hundred years when the cannery closed. At "
    "first people thought that it would open again in spring, but the machines were sold and the "
    "halls stood empty. Young families moved to the city, the school lost a class every year, and "
    "the bus ran only twice a day. Then a group of neighbours bought the old ice house and turned "
    "it into a workshop for wooden boats. "
) * 5
CONTRACT = (
    "7.1 The Supplier shall indemnify the Customer against all losses arising out of any breach of "
    "this Agreement. 7.2 Neither party's aggregate liability shall exceed the fees paid in the "
    "twelve months preceding the claim, except for clause 7.1. 7.3 Nothing in this clause limits "
    "liability for gross negligence. 9.2 The Customer may terminate for convenience on thirty days "
    "notice, in which case all prepaid fees are non-refundable. "
)
PROMPTS = {
    "simple": [
        "hi",
        "hello!",
        "thanks, that helped",
        "What is the capital of France?",
        "what is the capital of france",
        "translate 'good morning' to Spanish",
        "Translate to German: The train leaves at nine.",
        "Let me know how to import pandas",
        "Who wrote Hamlet?",
        "When did the Second World War end?",
        "Define photosynthesis.",
        "List three colours.",
        "How many legs does a spider have?",
        "Convert 10 miles to kilometres",
        "What's 17 * 23?",
        "Give me a synonym for happy",
        "What does HTTP stand for?",
        "Is Pluto a planet?",
        "Tell me a joke",
        "What class of drug is aspirin?",
        "Was ist die Hauptstadt von Spanien?",
        "Quelle est la capitale de l'Italie ?",
        "法国的首都是什么？",
        "把“早上好”翻译成西班牙语",
        "フランスの首都はどこですか？",
        "Какая столица Франции?",
        "프랑스의 수도는 어디입니까?",
        "How do I say 'thank you' in Japanese?",
        "Fix the typo: 'recieve'",
        "name the largest ocean",
        "¿Cuál es la capital de Perú?",
        "ok",
        "Yo",
        "bye",
        "What's the boiling point of water in Fahrenheit?",
        "How do you spell 'accommodate'?",
        "Who painted the Mona Lisa?",
        "give me the ISO code for Switzerland",
    ],
    "standard": [
        "Write a function that parses ISO dates with tests",
        "Summarise this text in one paragraph:\n\n" + ARTICLE,
        "Explain how garbage collection works in Python to a beginner.",
        "Why does my plot show nothing when I call plt.show() twice?",
        (
            "Write a polite email to my landlord asking to fix the heating, and mention that it "
            "must happen before Friday."
        ),
        "Write a SQL query that returns the ten customers with the highest revenue per month.",
        "Compare lists and tuples in Python.",
        (
            "What is wrong with this code?\n"
            "\n"
            "```python\n"
            "def mean(xs):\n"
            "    return sum(xs) / len(x)\n"
            "```"
        ),
        (
            "NameError: name 'pd' is not defined\n"
            "\n"
            "Traceback (most recent call last):\n"
            '  File "a.py", line 3, in <module>\n'
            "    df = pd.DataFrame()\n"
        ),
        "Write a short story about a robot who learns to paint, with a happy ending.",
        "Create a weekly meal plan for two vegetarians with a shopping list.",
        "Describe the main causes of the French Revolution and show how they are connected.",
        (
            "A shop sells 120 apples at $0.50 and 80 pears at $0.75. It gives a 10% discount on "
            "pears and pays 15 for rent. How much does it earn? Show the steps."
        ),
        "Write a regex that matches email addresses and explain each part of it.",
        "Schreibe eine Funktion, die ISO-Datumsangaben liest, mit Tests.",
        "写一个解析ISO日期的函数，并编写测试",
        "ISO日付を解析する関数をテスト付きで書いてください",
        "Escribe una función que lea fechas ISO, con pruebas.",
        (
            "Improve this paragraph and explain what you changed: our product is the best product "
            "because it do many things for many people in many country."
        ),
        "Generate ten interview questions for a junior data analyst, each with a good answer.",
        "How can I merge two dataframes on several columns and keep only rows that are in both?",
        "Write a Dockerfile for a small Flask app",
        "Explain recursion with an example",
        "Why do my unit tests pass locally but fail in CI?",
        "Draft an out-of-office message that mentions my two deputies",
        (
            "Convert this list of dictionaries into a pandas DataFrame and plot the average per "
            "group: [{'g': 'a', 'v': 1}, {'g': 'b', 'v': 3}]"
        ),
        "Give me a five-day itinerary for Lisbon with one museum per day",
        "Write a haiku about winter and explain the imagery",
        "Explain the difference between supervised and unsupervised learning to a product manager",
        "How can I speed up a slow for loop over a DataFrame?",
        "Write a JavaScript function that debounces another function",
    ],
    "complex": [
        "Prove that there are infinitely many primes of the form 4k + 3.",
        (
            "Let G be a finite group of order p^2 with p prime. Prove that G is abelian, and "
            "classify all such groups up to isomorphism."
        ),
        "Prove that the square root of 2 is irrational, then generalise the proof to every prime.",
        (
            "Derive the posterior of a normal mean with known variance and a normal prior, and "
            "show that it converges to the maximum likelihood estimate."
        ),
        (
            "A 54-year-old patient presents with fatigue, weight loss of 8 kg, night sweats and an "
            "elevated calcium. Give the differential diagnosis, rank it by likelihood, and "
            "recommend the next three tests with your reasons."
        ),
        (
            "Write a sonnet about autumn in iambic pentameter with exactly 14 lines, in which each "
            "line must begin with a different letter, without using the word 'leaf', and the last "
            "line must rhyme with the first."
        ),
        (
            "Analyse the following contract and list every risk for the customer, with the clause "
            "it comes from and a better wording.\n"
            "\n"
        )
        + CONTRACT,
        (
            "Plan the migration of a 2 TB PostgreSQL database from one cloud to another without "
            "downtime: compare the options, give the rollback for each step, and estimate the risk."
        ),
        (
            "Our worker crashes about once a day under load. Find the race condition, explain why "
            "the lock does not help, and fix it.\n"
            "\n"
            "Traceback (most recent call last):\n"
            '  File "app/worker.py", line 88, in run\n'
            "    job = self.queue.pop()\n"
            '  File "app/queue.py", line 41, in pop\n'
            "    item = self._items[self._head]\n"
            "IndexError: list index out of range\n"
            "\n"
            "```python\n"
            "def pop(self):\n"
            "    if self._head < len(self._items):\n"
            "        with self._lock:\n"
            "            self._head += 1\n"
            "            return self._items[self._head]\n"
            "```"
        ),
        "证明：形如4k+3的素数有无穷多个。",
        "√2が無理数であることを証明し、それをすべての素数に一般化せよ。",
        (
            "Beweise, dass es unendlich viele Primzahlen der Form 4k + 3 gibt, und verallgemeinere "
            "den Beweis."
        ),
        "Докажите, что простых чисел вида 4k + 3 бесконечно много.",
        (
            "Design a rate limiter for a distributed API: compare token bucket and sliding window, "
            "analyse consistency and latency across three regions, and write the core algorithm in "
            "Go."
        ),
        (
            "Refactor this module to remove the global state, keep the public interface, and plan "
            "the steps so that the tests stay green after each one.\n"
            "\n"
            "```python\n"
            "STATE = {}\n"
            "def load(path):\n"
            "    STATE['data'] = open(path).read()\n"
            "def save(path):\n"
            "    open(path, 'w').write(STATE['data'])\n"
            "```"
        ),
        (
            "Five people live in five houses of different colours. The Dane drinks tea, the owner "
            "of the green house drinks coffee, and the Swede must not live next to the red house. "
            "Each of them keeps a different pet. Determine who keeps the fish, and justify each "
            "step of your deduction; there is exactly one solution."
        ),
        (
            "Evaluate whether a difference-in-differences design can identify the causal effect of "
            "the minimum wage here. Discuss parallel trends, the endogeneity of the treatment, and "
            "propose two robustness checks with the regression equations."
        ),
        (
            "Optimise this query: it takes 40 s on 200 million rows. Analyse the plan, propose "
            "indexes, and explain the trade-offs of each.\n"
            "\n"
            "```sql\n"
            "SELECT c.name, SUM(o.total) FROM orders o JOIN customers c ON c.id = o.customer_id "
            "WHERE o.created > now() - interval '30 days' GROUP BY c.name ORDER BY 2 DESC\n"
            "```"
        ),
        (
            "Compare the monetary policy of the Federal Reserve and the European Central Bank "
            "since 2008, evaluate their effects on inflation and unemployment, and critique the "
            "common explanations."
        ),
        (
            "Démontrez que toute suite croissante et majorée converge, puis donnez un "
            "contre-exemple si l'on enlève l'une des hypothèses."
        ),
        (
            "Design an experiment to test whether caffeine improves memory: choose the sample size "
            "with a power analysis, list the confounders, and plan the statistics."
        ),
        (
            "Let f be continuous on [0,1] with f(0)=f(1). Show that there is an x with "
            "f(x)=f(x+1/2), and generalise to 1/n."
        ),
        (
            "Derive the backpropagation equations for a two-layer network with softmax and "
            "cross-entropy, and implement them in NumPy without loops."
        ),
        (
            "Analyse this traceback, find the root cause of the deadlock and propose a fix that "
            "keeps throughput:\n"
            "\n"
            "Traceback (most recent call last):\n"
            '  File "pool.py", line 77, in acquire\n'
            "    raise TimeoutError('no connection')\n"
            "TimeoutError: no connection"
        ),
        (
            "Critique the argument of the following essay, identify three hidden assumptions, and "
            "write a stronger version of at most 300 words that keeps its conclusion."
        ),
        (
            "Design a schema and indexes for a time-series store with 10 billion rows, compare "
            "columnar and row storage, and estimate cost."
        ),
        (
            "A 7-year-old has fever, joint pain and a new murmur two weeks after a sore throat. "
            "Give the differential, the criteria for each diagnosis and a treatment plan."
        ),
        (
            "Plan a migration from Python 2 to Python 3 for a 300,000-line codebase: phases, "
            "tooling, tests, rollback, and how to keep releasing meanwhile."
        ),
        (
            "Write a story in exactly 100 words in which each sentence begins with the next letter "
            "of the alphabet and no word contains the letter 'e'."
        ),
        (
            "Determine whether the series sum of sin(n)/n converges, prove it, and say whether it "
            "converges absolutely."
        ),
        (
            "Evaluate the tax consequences of moving a software company from Germany to Portugal, "
            "compare three structures and recommend one, with the risks of each."
        ),
    ],
}
SAME = json.loads((Path(__file__).parent / "data" / "same_prompts.json").read_text("utf-8"))
"""The same prompt in English, Chinese and Japanese, 50 times."""
TRACEBACK = """Traceback (most recent call last):
  File "app/queue.py", line 41, in pop
    item = self._items[self._head]
IndexError: list index out of range
"""
ORDER = ["simple", "standard", "complex"]


def tier(prompt: str) -> str:
    """The tier under the default thresholds."""
    found = score(prompt).score
    return next(name for name, bound in TIER_BOUNDS.items() if found <= bound)


@pytest.mark.parametrize("expected", ORDER)
def test_at_least_85_percent_of_each_kind_of_prompt_land_in_its_tier(expected):
    wrong = [prompt[:60] for prompt in PROMPTS[expected] if tier(prompt) != expected]
    assert len(wrong) <= 0.15 * len(PROMPTS[expected]), wrong


@pytest.mark.parametrize("expected", ["simple", "complex"])
def test_no_prompt_lands_two_tiers_off(expected):
    opposite = {"simple": "complex", "complex": "simple"}[expected]
    assert [p for p in PROMPTS[expected] if tier(p) == opposite] == []


@pytest.mark.parametrize("same", SAME, ids=lambda same: same["en"][:40])
def test_a_prompt_scores_alike_in_english_chinese_and_japanese(same):
    english = score(same["en"]).score
    assert abs(score(same["zh"]).score - english) <= 0.15
    assert abs(score(same["ja"]).score - english) <= 0.15


def test_the_same_prompts_are_fifty_and_spread_over_all_tiers():
    assert len(SAME) == 50
    assert {tier(same["en"]) for same in SAME} == set(TIER_BOUNDS)


def test_a_greeting_is_simple_and_a_refactoring_with_tests_is_complex():
    assert tier("hi") == tier("What is the capital of France?") == "simple"
    assert tier("refactor this 80-line module and keep its API, add tests") == "complex"


@pytest.mark.parametrize(
    "prove",
    [
        "Prove that there are infinitely many primes of the form 4k + 3.",
        "Beweise, dass es unendlich viele Primzahlen der Form 4k + 3 gibt.",
        "Démontrez qu'il existe une infinité de nombres premiers de la forme 4k + 3.",
        "Demuestra que hay infinitos números primos de la forma 4k + 3.",
        "Demonstre que existem infinitos números primos da forma 4k + 3.",
        "Dimostra che esistono infiniti numeri primi della forma 4k + 3.",
        "Bewijs dat er oneindig veel priemgetallen van de vorm 4k + 3 zijn.",
        "Докажите, что простых чисел вида 4k + 3 бесконечно много.",
        "4k + 3 꼴의 소수가 무한히 많음을 증명하시오.",
        "أثبت أن هناك عددا لا نهائيا من الأعداد الأولية على الصورة 4k + 3.",
        "Udowodnij, że istnieje nieskończenie wiele liczb pierwszych postaci 4k + 3.",
        "4k + 3 biçiminde sonsuz sayıda asal olduğunu kanıtla.",
    ],
)
def test_a_proof_is_a_proof_in_every_common_language(prove):
    found = score(prove)
    assert found.score > 0.6
    assert "asks for a proof" in found.reasons


class TestReasons:
    @pytest.mark.parametrize(
        ("prompt", "reasons"),
        [
            ("hi", ("short question", "no code")),
            ("tell me a joke", ("short", "no code")),
            ("Explain gravity", ("asks to explain or write", "short", "no code")),
            ("Write a python function", ("asks for code", "asks to explain or write", "short")),
            (TRACEBACK, ("contains a traceback", "contains code")),
        ],
    )
    def test_the_main_ones_come_first(self, prompt, reasons):
        assert score(prompt).reasons == reasons

    def test_a_long_prompt_says_how_long(self):
        assert "long (6,200 characters)" in score("word " * 1240).reasons

    def test_there_are_never_more_than_three(self):
        everything = "\n".join(PROMPTS["complex"])
        assert len(score(everything, frames=3, format="json").reasons) == 3

    def test_no_code_is_not_said_of_code(self):
        assert "no code" not in score("```\nx\n```").reasons

    @pytest.mark.parametrize(
        "prompt",
        [
            "Fix this bug: def f(x): return x+1 / 0",
            "Why is x = y + 1 wrong?",
            "What does rows[0] give?",
            "Tell me what {a: 1} is;",
        ],
    )
    def test_no_code_is_not_said_where_a_line_may_hold_some(self, prompt):
        assert "no code" not in score(prompt).reasons

    def test_no_code_is_said_of_prose_with_brackets(self):
        assert "no code" in score("Who was Ada (the mathematician)?").reasons


class TestSignals:
    @pytest.mark.parametrize("english", ["let", "class", "import", "return", "function hall"])
    def test_words_of_python_in_an_english_sentence_are_no_code(self, english):
        assert "contains code" not in score(f"Let me know about the {english} on Monday.").reasons

    @pytest.mark.parametrize(
        "code",
        [
            "def f(x):\n    return x",
            "import os\nimport sys\nprint(os)",
            "for i in range(3):\n    print(i)\nx = 1\n",
            "```sql\nselect 1\n```",
            "const a = 1;\nlet b = 2;",
        ],
    )
    def test_lines_of_code_are_code(self, code):
        assert score(f"What about this?\n{code}").score > score("What about this?").score
        assert "contains code" in score(f"Explain:\n{code}").reasons

    @pytest.mark.parametrize(
        "data", ["a,b,c\n1,2,3\n4,5,6", "| a | b |\n|---|---|\n| 1 | 2 |", "a\tb\tc\n1\t2\t3"]
    )
    def test_a_table_is_data(self, data):
        assert "contains data" in score(f"Plot the following.\n{data}").reasons

    def test_more_code_is_harder_than_a_little(self):
        line = "total = total + price[row]\n"
        little, much = (score(f"Refactor this:\n```\n{line * n}```") for n in (2, 80))
        assert much.score > little.score + 0.1

    def test_asking_again_raises_the_score_and_says_so(self):
        first, second = score("Explain this."), score("Explain this.", again=1)
        assert second.score > first.score
        assert "asked again" in second.reasons
        assert score("Explain this.", again=2).score > second.score

    @pytest.mark.parametrize("shouted", ["WHAT IS THE CAPITAL OF FRANCE?", "HELLO"])
    def test_capitals_alone_make_nothing_hard(self, shouted):
        assert tier(shouted) == "simple"

    def test_an_exam_question_full_of_musts_asks_for_no_constraint(self):
        stated = "A driver must never exceed the limit, without exception, and must stop exactly."
        assert "several constraints" not in score(stated).reasons
        assert "several constraints" in score(f"{stated} Explain why.").reasons

    def test_frames_and_a_structured_answer_raise_the_score(self):
        plain = score("Explain this.").score
        assert (
            plain < score("Explain this.", frames=1).score < score("Explain this.", frames=2).score
        )
        assert plain < score("Explain this.", format="json").score
        assert plain == score("Explain this.", format="text").score

    @pytest.mark.parametrize(
        "trace",
        [
            TRACEBACK,
            "I see Traceback (most recent call last) and nothing else",
            "requests.exceptions.ConnectionError: refused",
            "Error: no such file\n    at load (index.js:12:7)",
            "thread 'main' panicked at src/main.rs:4:5",
            "panic: runtime error: index out of range",
        ],
    )
    def test_a_traceback_is_seen_in_any_common_language(self, trace):
        assert "contains a traceback" in score(trace).reasons

    def test_an_error_talked_about_is_no_traceback(self):
        assert "contains a traceback" not in score("What does KeyError mean?").reasons

    def test_a_numbered_list_of_steps_is_several_tasks(self):
        listed = "Please:\n1. load it\n2. clean it\n3. plot it\n4. save it\n5. send it"
        assert "several tasks" in score(listed).reasons

    def test_length_alone_raises_the_score(self):
        scores = [score("word " * n).score for n in (1, 10, 100, 1_000, 3_000)]
        assert scores == sorted(set(scores))


ADDED = [
    TRACEBACK,
    "It must be at most 100 words and must not use lists.",
    "Keep it under 200 words, without jargon, and never use the passive.",
    "Then write a test for it.",
    "Also prove that it works, and compare it with another way.",
    "- first this\n- second that",
    "List three colours.",
    "必须恰好三行，然后证明它。",
    "What else is there?",
]
TEXTS = st.one_of(
    st.text(),
    st.sampled_from([p for prompts in PROMPTS.values() for p in prompts]),
    st.sampled_from([text for same in SAME for text in same.values()]),
    st.text(alphabet="what is \n.,?-1*a=(`|\t和はи", max_size=80),
)


@given(TEXTS, st.sampled_from(ADDED))
def test_adding_a_traceback_a_constraint_or_a_task_never_lowers_the_score(text, added):
    assert score(f"{text}\n\n{added}").score >= score(text).score


@given(TEXTS, TEXTS)
def test_nothing_that_is_added_below_a_text_lowers_its_score(text, added):
    assert score(f"{text}\n\n{added}").score >= score(text).score


@pytest.mark.parametrize("prompt", PROMPTS["standard"] + PROMPTS["complex"])
def test_a_traceback_a_constraint_or_a_task_above_a_prompt_does_not_lower_it_either(prompt):
    plain = score(prompt).score
    lowered = [added for added in ADDED if score(f"{added}\n\n{prompt}").score < plain]
    assert lowered == []


@given(TEXTS, st.integers(0, 4), st.integers(0, 3))
def test_frames_and_asking_again_never_lower_the_score(text, frames, again):
    plain = score(text, frames=frames, again=again).score
    assert score(text, frames=frames + 1, again=again).score >= plain
    assert score(text, frames=frames, again=again + 1).score >= plain


@given(TEXTS, st.integers(0, 5), st.sampled_from(["markdown", "code", "json"]))
def test_the_score_is_between_0_and_1_and_always_the_same(text, frames, wanted):
    found = score(text, frames=frames, format=wanted)
    assert 0.0 <= found.score <= 1.0
    assert found.score == round(found.score, 4)
    assert found == score(text, frames=frames, format=wanted)


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800", "\x1b[31m", "🙂", "\u202e", "?!"])
def test_strange_texts_are_simple(text):
    assert score(text).score < 0.35


def test_ten_megabytes_are_scored_by_their_beginning_end_and_length():
    text = "filler " * 1_500_000
    found = score(text + "Prove that it converges.")
    assert "asks for a proof" in found.reasons
    assert found.score > score(text[:20_000]).score


@pytest.mark.parametrize(
    "piece", [*"a \n\t(.`|\\和", ",a", "x=", "if ", "1.", "to ", "\ud800", "A. "]
)
def test_no_repetition_is_a_trap(piece):
    begin = time.thread_time()
    assert 0 < score((piece * 20_000)[:20_000]).score < 1
    assert time.thread_time() - begin < 10


@pytest.mark.parametrize(
    "only",
    ["x = 1\ny = f(x)\n" * 40, "a,b,c\n1,2,3\n4,5,6\n" * 20, "| a | b |\n|---|---|\n| 1 | 2 |"],
)
def test_code_or_a_table_alone_has_a_score_and_its_reason(only):
    found = score(only)
    assert tier(only) != "simple" or len(only) < 100
    assert {"contains code", "contains data"} & set(found.reasons)


def test_the_weights_may_be_replaced():
    assert score("hi", weights=Weights(bias=5.0)).score > 0.9


def test_every_weight_but_the_bias_belongs_to_a_signal_that_some_prompt_has():
    everything = "\n".join([*PROMPTS["complex"], "a,b,c\n1,2,3", "2^3 \\frac", TRACEBACK])
    for field in fields(Weights):
        text = "What is it?" if field.name == "opening" else everything
        small = Weights(**{f.name: 0.0 for f in fields(Weights)})
        before = score(text, format="json", again=1, weights=small).score
        raised = replace(small, **{field.name: 0.5})
        after = score(text, format="json", again=1, weights=raised).score
        # asking for code counts only as far as no code is there
        assert after > before or field.name == "coding", field.name
    coding = replace(Weights(), coding=0.0)
    assert score("a python script").score > score("a python script", weights=coding).score


@pytest.mark.parametrize("weights", [Weights(), fitted_weights()], ids=["priors", "fitted"])
def test_only_the_bias_and_the_opening_pull_down(weights):
    negative = {f.name for f in fields(Weights) if getattr(weights, f.name) < 0}
    assert negative == {"bias", "opening"}
    assert weights.coding <= weights.code


def test_data_counts_by_its_length_and_not_by_its_words():
    prompt = "Which month sold the most in sales?"
    words = "must prove exactly without design compare def f(x): return x\n" * 3
    assert score(prompt, data=words).score < score(f"{prompt}\n{words}").score - 0.3
    assert score(prompt, data="7 8 9\n" * 2000).score > score(prompt, data="7 8 9").score


def test_a_traceback_counts_wherever_it_stands():
    trace = (
        "Traceback (most recent call last):\n"
        "  File \"a.py\", line 1, in <module>\n    f()\nKeyError: 'x'"
    )
    plain = score("What is wrong here, please?", data="all is well")
    assert score("What is wrong here, please?", data=trace).score > plain.score + 0.05


class TestFittedWeights:
    @pytest.fixture(autouse=True)
    def _read_anew(self):
        fitted_weights.cache_clear()
        yield
        fitted_weights.cache_clear()

    @pytest.fixture
    def kept(self, tmp_path, monkeypatch):
        """Where the weights are read from, empty."""
        monkeypatch.setattr(fitted, "files", lambda package: tmp_path)
        (tmp_path / "data").mkdir()
        return tmp_path / "data" / "complexity.json"

    def test_they_join_the_priors(self):
        found, priors = fitted_weights(), Weights()
        names = [f.name for f in fields(Weights)]
        assert {n for n in names if getattr(found, n) != getattr(priors, n)} == set(FITTED)

    def test_they_are_small_and_round(self):
        place = Path(complexity.__file__).parent / "data" / "complexity.json"
        assert place.stat().st_size < 100_000
        assert all(value == round(value, 4) for value in json.loads(place.read_bytes()).values())

    @pytest.mark.parametrize(
        "damaged",
        [
            None,
            b"",
            b"\xff\xfe",
            b"{",
            b"[1, 2]",
            b"{}",
            b"[" * 100_000,
            b'{"bias": NaN, "names": 1, "brackets": 1, "quantities": 1}',
            b'{"bias": "1", "names": 1, "brackets": 1, "quantities": 1}',
            b'{"bias": 1, "names": true, "brackets": 1, "quantities": 1}',
            b'{"bias": 1, "names": -1, "brackets": 1, "quantities": 1}',
            b'{"bias": 1, "names": 1' + b"0" * 400 + b', "brackets": 1, "quantities": 1}',
        ],
        ids=lambda damaged: str(damaged)[:40],
    )
    def test_without_a_sound_file_the_priors_serve_with_one_warning(self, kept, damaged):
        if damaged is not None:
            kept.write_bytes(damaged)
        with pytest.warns(RuntimeWarning, match="hand-set weights alone") as seen:
            first = score("Prove it.")
        assert first == score("Prove it.") == score("Prove it.", weights=Weights())
        assert len(seen) == 1
        assert len(str(seen[0].message)) <= 200

    def test_a_weight_that_would_break_the_promise_is_refused(self):
        with pytest.raises(ValueError, match="names is negative"):
            with_fitted({"bias": -1.0, "names": -0.1, "brackets": 0.0, "quantities": 0.0})


@pytest.mark.parametrize(
    ("text", "data", "told"),
    [
        ("Summarise long", "word " * 3_000, "long data (15,000 characters)"),
        ("Summarise this. " * 100, "", "long (1,600 characters)"),
        ("Summarise this. " * 100, "word " * 3, "long (1,600 characters)"),
    ],
)
def test_the_length_that_is_told_is_of_what_is_long(text, data, told):
    assert told in score(text, data=data).reasons
