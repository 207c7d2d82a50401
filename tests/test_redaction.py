from __future__ import annotations

import base64
import html
import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from mmai_nb import redaction
from mmai_nb.redaction import find_secret, redact, register_secret

SECRET = "cänary/+&\"' 0123456789"
BODY = "4f9a2c81d07e4b6392ab"

SHAPED = {
    "an OpenAI key": [f"sk-{BODY}", f"sk-proj-aB3_{BODY}-xY", "sk-" + "abcdefghijklmnopqrstuvwx"],
    "an Anthropic key": [f"sk-ant-api03-{BODY}"],
    "an OpenRouter key": [f"sk-or-v1-{BODY}{BODY}"],
    "an AWS key": ["AKIA" + "IOSFODNN7EXAMPLX"],
    "a GitHub token": [f"ghp_{BODY}{BODY}", f"github_pat_11A{BODY}_{BODY}"],
    "a Slack token": [f"xoxb-1234567890-{BODY}"],
    "a Google key": ["AIza" + "SyA1234567890abcdefghijklmnopqrstuv"],
    "a Groq key": [f"gsk_{BODY}{BODY}"],
    "a Hugging Face token": [f"hf_{BODY}{BODY}"],
    "a JSON web token": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r"],
    "a bearer token": [f"Bearer {BODY}", f"bearer abc.{BODY}=="],
    "a private key": [
        f"-----BEGIN PRIVATE KEY-----\n{BODY}{BODY}\n{BODY}\n-----END PRIVATE KEY-----",
        f"-----BEGIN RSA PRIVATE KEY-----\\n{BODY}\\n{BODY}",
        f"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4\n\n{BODY}\n-----END EC PRIVATE KEY-----",
    ],
}
KEYS = [(name, key) for name, keys in SHAPED.items() for key in keys]
ORDINARY = [
    "sk-learn",
    "sk-",
    "sk- and sk-learn-contrib-imbalanced-estimators",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxx and sk-ant-xxxxxxxxxxxxxxxxxxxx",
    "risk-assessment0123456789-task-0123456789abcdef",
    "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "commit 4f9a2c81d07e4b6392abf00dfeedfacecafebeef",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "a bearer of bad news, Bearer authentication-is-described-there",
    "the AKIA prefix, xox games, eyJ begins a token, ghp_ and hf_transformer_models_are_fine",
    "-----BEGIN PRIVATE KEY----- is how such a file begins, and ordinary words may follow it.",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
    "",
]


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Each test starts with no secret known."""
    monkeypatch.setattr(redaction, "_known", redaction._Known())


@pytest.mark.parametrize(("name", "key"), KEYS)
def test_a_secret_is_known_by_its_shape(name, key):
    text = f"before '{key}' after"
    assert find_secret(text, {}) == name
    assert BODY not in redact(text)
    assert key not in redact(text)
    assert redact(text).startswith("before '")
    assert redact(text).endswith("' after")


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_left_alone(text):
    assert redact(text) == text
    assert find_secret(text, {}) is None


def test_bearer_stays_readable():
    assert redact(f"Authorization: Bearer {BODY}") == "Authorization: Bearer ***"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        html.escape(SECRET),
        repr(SECRET),
        *(base64.b64encode(b"x" * n + SECRET.encode()).decode() for n in range(6)),
        *(base64.urlsafe_b64encode(b"user:"[:n] + SECRET.encode()).decode() for n in range(6)),
        base64.b64encode(SECRET.encode() + b": and more after it").decode(),
    ],
)
def test_a_known_secret_is_hidden_in_every_form(form):
    register_secret(SECRET)
    shown = redact(f"<<{form}>>")
    assert "***" in shown
    assert len(form) - len(shown) >= len(SECRET) - len("<<***>>")
    assert "0123456" not in shown


def test_a_known_secret_is_stripped_before_it_is_remembered():
    register_secret(f"  {SECRET}\n")
    register_secret(SECRET)
    assert redact(SECRET) == "***"


def test_a_short_word_is_never_a_secret():
    register_secret("the")
    register_secret("       a       ")
    assert redact("the cat and a dog") == "the cat and a dog"


def test_the_longer_of_two_secrets_is_hidden_whole():
    register_secret("abcdefgh1")
    register_secret("abcdefgh1-and-more")
    assert redact("x abcdefgh1-and-more y") == "x *** y"


def test_redacting_twice_changes_nothing_more():
    register_secret(SECRET)
    once = redact(f"{SECRET} sk-{BODY}")
    assert redact(once) == once == "*** ***"


def test_a_known_secret_is_found_in_a_prompt():
    register_secret(SECRET)
    assert find_secret(f"my key is {SECRET}", {}) == "a key in use here"


@pytest.mark.parametrize(
    "name", ["ACME_API_KEY", "acme_token", "DB_PASSWORD", "PASSWORD_DB", "X_SECRET", "GH_PAT"]
)
def test_the_variable_that_holds_the_secret_is_named(name):
    named = {"HOME": "/srv/someone", name: "Tr0ub4dor&3"}
    assert find_secret("log in with Tr0ub4dor&3 please", named) == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOME_DIR", "Tr0ub4dor&3"),
        ("MONKEY", "Tr0ub4dor&3"),
        ("A_KEY", "short1"),
        ("A_PASSWORD", "password"),
        ("A_PASSWORD", "sunshine"),
        ("A_TOKEN", "12345678"),
        ("A_TOKEN", "my-api-key"),
        ("A_TOKEN", "--------"),
        ("A_KEY", "  "),
        ("A_KEY", ""),
        ("SSH_KEY", __file__),
    ],
)
def test_a_trivial_value_is_no_secret(name, value):
    assert find_secret(f"text with {value} and Tr0ub4dor in it", {name: value}) is None


def test_a_long_number_and_a_long_word_may_be_secrets():
    assert find_secret("pin 123456789012", {"A_TOKEN": "123456789012"}) == "A_TOKEN"
    assert find_secret("correcthorsebattery", {"A_PASSWORD": "correcthorsebattery"}) == "A_PASSWORD"


def test_a_secret_that_is_not_in_the_text_is_not_found():
    assert find_secret("nothing here", {"ACME_API_KEY": "Tr0ub4dor&3"}) is None


def test_a_long_prompt_is_searched_fast():
    text = ("The quick brown fox: {'a': 1}, https://a.example/b?c=d " * 2_000)[:100_000]
    named = {f"NAME_{i}_KEY": f"value-{i}-{BODY}" for i in range(30)}
    best = min(_seconds(lambda: find_secret(text, named)) for _ in range(5))
    assert best < 0.02


@pytest.mark.parametrize(
    "piece", ["sk-", "eyJ", "eyJaaaaaaaa.", "bearer ", "-----BEGIN PRIVATE KEY-----", "github_pat_"]
)
def test_no_text_makes_the_search_slow(piece):
    text = piece * (200_000 // len(piece))
    assert _seconds(lambda: (redact(text), find_secret(text, {}))) < 3


def test_secrets_may_be_registered_from_many_threads():
    values = [f"secret-number-{i:04}" for i in range(100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(register_secret, values))
    assert redact(" ".join(values)) == " ".join(["***"] * 100)


def _seconds(work) -> float:
    begin = time.thread_time()
    work()
    return time.thread_time() - begin
