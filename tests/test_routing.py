from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb.errors import (
    ConfigError,
    ContextTooLongError,
    MmaiError,
    OptionError,
    UnknownModelError,
)
from mmai_nb.records import Message, Outlook, Request, Route, Situation
from mmai_nb.routing import choose_route
from mmai_nb.settings import Settings
from mmai_nb.tokens import estimate_messages

URL = "https://llm.example/v1"
HARD = "Prove that there are infinitely many primes, and explain each step."
NINE_THOUSAND_TOKENS = "word " * 9_000


def models(**changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    names = ("tiny", "mid", "big", "spare")
    return {name: {"base_url": URL, **changes.get(name, {})} for name in names}


TIERS = [
    {"name": "simple", "up_to": 0.3, "chain": ["tiny", "mid"]},
    {"name": "standard", "up_to": 0.6, "chain": ["mid", "tiny"]},
    {"name": "complex", "up_to": 1.0, "chain": ["big", "mid"]},
]


def settings(*, tiers: Any = TIERS, more: Any = None, **changes: Any) -> Settings:
    return Settings(models=models(**changes), tiers=tiers, **(more or {}))


def ask(text: str = "hi", **options: Any) -> Request:
    return Request((Message("user", text),), **options)


def route(
    request: Request,
    chosen: Settings | None = None,
    *,
    open_breakers: tuple[str, ...] = (),
    windows: dict[str, int | None] | None = None,
    money: Outlook | None = None,
) -> Route:
    situation = Situation(frozenset(open_breakers), windows or {}, money)
    return choose_route(request, chosen or settings(), situation)


class TestChoice:
    def test_a_trivial_prompt_goes_to_the_first_tier_and_says_why(self):
        found = route(ask("hi"))
        assert (found.tier, found.chain) == ("simple", ("tiny", "mid"))
        assert found.reasons == ("auto: complexity 0.13 -> simple (short question, no code)",)

    def test_a_proof_goes_to_the_last_tier_with_its_score(self):
        found = route(ask(HARD))
        assert (found.tier, found.chain) == ("complex", ("big", "mid"))
        assert found.complexity is not None
        assert found.complexity.score > 0.7

    def test_the_last_tier_catches_every_score(self):
        one = settings(tiers=[{"name": "only", "up_to": 1.0, "chain": ["mid"]}])
        assert route(ask(HARD * 50), one).tier == "only"

    def test_a_named_model_is_asked_without_a_score(self):
        found = route(ask(HARD, model="tiny"))
        assert (found.tier, found.complexity, found.chain) == (None, None, ("tiny",))
        assert found.reasons == ("you named it",)

    def test_a_named_model_is_found_by_its_alias(self):
        aliased = settings(more={"aliases": {"t": "tiny"}})
        assert route(ask(model="t"), aliased).chain == ("tiny",)

    def test_a_tiers_name_given_as_model_is_that_tier(self):
        found = route(ask("hi", model="complex"))
        assert (found.tier, found.chain, found.complexity) == ("complex", ("big", "mid"), None)
        assert found.reasons == ("tier complex as asked",)

    def test_a_model_wins_over_a_tier_of_the_same_name(self):
        twins = settings(tiers=[{"name": "tiny", "up_to": 1.0, "chain": ["big"]}])
        assert route(ask(model="tiny"), twins).chain == ("tiny",)

    def test_a_tier_may_be_asked_for(self):
        found = route(ask("hi", tier="complex"))
        assert (found.tier, found.chain) == ("complex", ("big", "mid"))
        assert found.reasons == ("tier complex as asked",)

    def test_the_default_model_serves_where_nothing_is_asked_for(self):
        fixed = settings(more={"default_model": "spare"})
        assert route(ask(HARD), fixed).chain == ("spare",)
        assert route(ask(HARD), fixed).reasons == ("your default model",)

    def test_a_tier_asked_for_wins_over_the_default_model(self):
        fixed = settings(more={"default_model": "spare"})
        assert route(ask(tier="complex"), fixed).chain == ("big", "mid")

    def test_fallback_models_come_last_and_none_twice(self):
        assert route(ask(fallback=("mid", "spare"))).chain == ("tiny", "mid", "spare")
        assert route(ask(model="big", fallback=("spare", "big"))).chain == ("big", "spare")

    def test_asking_again_makes_a_prompt_harder_and_the_reason_says_so(self):
        first, second = route(ask("explain this")), route(ask("explain this", again=2))
        assert (first.tier, second.tier) == ("standard", "complex")
        assert "asked again" in second.reasons[0]

    def test_frames_make_a_prompt_harder(self):
        plain, framed = route(ask("plot this")), route(ask("plot this", frames=2))
        assert plain.complexity is not None
        assert framed.complexity is not None
        assert framed.complexity.score > plain.complexity.score


class TestBounds:
    """Bounds of the situation stand in place of the tiers' own."""

    @pytest.mark.parametrize(
        ("bounds", "tier"),
        [
            ((), "simple"),
            ((0.1, 0.6, 1.0), "standard"),
            ((0.05, 0.1, 1.0), "complex"),
            ((-1.0, -1.0, 1.0), "complex"),
            ((0.5, 1.0, 1.0), "simple"),
        ],
    )
    def test_they_choose_the_tier(self, bounds, tier):
        found = choose_route(ask("hi"), settings(), Situation(bounds=bounds))
        assert found.tier == tier
        assert found.bounds == (bounds or (0.3, 0.6, 1.0))

    def test_the_last_tier_may_be_left_out(self):
        never = Situation(bounds=(0.3, 1.0, 1.0))
        assert choose_route(ask(HARD * 50), settings(), never).tier == "standard"

    def test_where_they_are_from_is_the_second_reason(self):
        found = choose_route(ask("hi"), settings(), Situation(bounds_from="prefer cheap"))
        assert found.reasons[1:] == ("prefer cheap",)

    def test_they_play_no_part_where_a_tier_or_model_is_named(self):
        chosen = Situation(bounds=(-1.0, -1.0, 1.0), bounds_from="prefer 1")
        for request in (ask("hi", tier="simple"), ask("hi", model="tiny")):
            found = choose_route(request, settings(), chosen)
            assert found.chain[0] == "tiny"
            assert found.bounds == ()
            assert "prefer 1" not in found.reasons


class TestErrors:
    def test_an_unknown_tier_names_the_nearest(self):
        with pytest.raises(OptionError, match="complex"):
            route(ask(tier="complx"))

    def test_an_unknown_model_is_an_error_before_anything_is_sent(self):
        with pytest.raises(UnknownModelError, match="tiny"):
            route(ask(model="tinny"))

    def test_an_unknown_fallback_is_an_error_too(self):
        with pytest.raises(UnknownModelError, match="nowhere"):
            route(ask(fallback=("nowhere",)))

    @pytest.mark.parametrize("options", [{}, {"tier": "simple"}])
    def test_without_any_model_the_error_says_what_to_do(self, options):
        with pytest.raises(ConfigError, match="no model is configured: set a key"):
            route(ask(**options), Settings())


class TestWindows:
    def test_a_model_with_a_small_window_is_left_out_with_its_reason(self):
        found = route(ask(NINE_THOUSAND_TOKENS, tier="simple"), windows={"tiny": 8_192})
        assert found.chain == ("mid",)
        assert found.skipped == (("tiny", "prompt ~9,007 tokens > window 8,192"),)

    def test_the_window_of_the_settings_counts_where_the_situation_knows_none(self):
        small = settings(tiny={"context_window": 8_192})
        assert route(ask(NINE_THOUSAND_TOKENS, tier="simple"), small).chain == ("mid",)

    def test_the_room_for_the_answer_counts(self):
        request = ask("hi", tier="simple", params={"max_tokens": 9_000})
        found = route(request, windows={"tiny": 9_000})
        assert found.skipped == (("tiny", "prompt ~8 + 9,000 answer tokens > window 9,000"),)

    def test_a_window_that_just_fits_is_used(self):
        assert route(ask(NINE_THOUSAND_TOKENS), windows={"big": 9_007}).chain[0] == "big"

    def test_a_prompt_too_long_for_its_tier_goes_up(self):
        found = route(
            ask(NINE_THOUSAND_TOKENS, tier="simple"), windows={"tiny": 8_192, "mid": 8_192}
        )
        assert (found.tier, found.chain) == ("complex", ("big",))
        assert found.reasons[1] == "prompt ~9,007 tokens: too long for simple"
        assert [name for name, _ in found.skipped] == ["tiny", "mid"]

    def test_a_prompt_too_long_for_the_strongest_tier_goes_to_the_cheapest_that_fits(self):
        windows = {"big": 8_192, "mid": 8_192}
        found = route(ask(NINE_THOUSAND_TOKENS, tier="complex"), windows=windows)
        assert (found.tier, found.chain) == ("simple", ("tiny",))

    def test_a_model_outside_all_tiers_is_the_last_resort(self):
        windows = {"tiny": 8_192, "mid": 8_192, "big": 8_192}
        assert route(ask(NINE_THOUSAND_TOKENS), windows=windows).chain == ("spare",)

    def test_a_prompt_that_fits_nowhere_names_the_largest_window(self):
        windows = {"tiny": 1_000, "mid": 2_000, "big": 8_192, "spare": 4_000}
        with pytest.raises(ContextTooLongError, match=r"~9,007 tokens.*8,192 \('big'\)") as info:
            route(ask(NINE_THOUSAND_TOKENS, tier="simple"), windows=windows)
        assert (info.value.window, info.value.model) == (8_192, "big")
        assert len(str(info.value)) <= 200

    def test_a_named_model_that_is_too_small_is_not_replaced_behind_the_users_back(self):
        with pytest.raises(ContextTooLongError, match="tiny"):
            route(ask(NINE_THOUSAND_TOKENS, model="tiny"), windows={"tiny": 8_192})

    def test_a_fallback_of_the_users_may_take_over_from_a_named_model(self):
        request = ask(NINE_THOUSAND_TOKENS, model="tiny", fallback=("spare",))
        assert route(request, windows={"tiny": 8_192}).chain == ("spare",)

    def test_a_real_chain_never_falls_to_a_simulated_model(self):
        mixed = settings(spare={"simulated": True})
        windows = {"tiny": 8_192, "mid": 8_192, "big": 8_192}
        with pytest.raises(ContextTooLongError):
            route(ask(NINE_THOUSAND_TOKENS), mixed, windows=windows)

    def test_the_whole_chat_counts_not_only_the_last_message(self):
        chat = (Message("user", NINE_THOUSAND_TOKENS), Message("user", "hi"))
        found = route(Request(chat), windows={"tiny": 8_192})
        assert (found.tier, found.chain) == ("simple", ("mid",))


class TestJson:
    TEXT_ONLY = settings(tiny={"capabilities": ["images"]}, mid={"capabilities": ["json_schema"]})

    @pytest.mark.parametrize("wanted", [{"schema": {"type": "object"}}, {"format": "json"}])
    def test_models_known_not_to_do_json_go_last(self, wanted):
        assert route(ask(tier="simple", **wanted), self.TEXT_ONLY).chain == ("mid", "tiny")

    def test_models_that_declare_nothing_keep_their_place(self):
        known = settings(mid={"capabilities": ["json_schema"]})
        assert route(ask(tier="simple", format="json"), known).chain == ("tiny", "mid")

    def test_a_named_model_stays_first(self):
        request = ask(model="tiny", fallback=("mid",), format="json")
        assert route(request, self.TEXT_ONLY).chain == ("tiny", "mid")

    def test_text_leaves_the_chain_as_it_is(self):
        assert route(ask(tier="simple"), self.TEXT_ONLY).chain == ("tiny", "mid")


class TestBreakers:
    def test_an_open_breaker_takes_its_model_out(self):
        found = route(ask("hi"), open_breakers=("tiny",))
        assert (found.chain, found.skipped) == (("mid",), (("tiny", "resting after failures"),))

    def test_with_every_breaker_open_the_chain_stays(self):
        found = route(ask("hi"), open_breakers=("tiny", "mid"))
        assert found.chain == ("tiny", "mid")
        assert found.reasons[-1] == "all of them are resting after failures: tried all the same"

    def test_a_named_model_is_probed_at_once(self):
        request = ask(model="tiny", fallback=("mid", "big"))
        assert route(request, open_breakers=("tiny", "mid")).chain == ("tiny", "big")

    def test_a_default_model_with_an_open_breaker_gives_way_to_a_fallback(self):
        fixed = settings(more={"default_model": "spare"})
        found = route(ask(fallback=("big",)), fixed, open_breakers=("spare",))
        assert found.chain == ("big",)


NAMES = ["tiny", "mid", "big", "spare"]
WINDOWS = st.one_of(st.none(), st.integers(1, 40))
CHAINS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)


def outlook(share: float = 0.0, left: int = 10**9, **needs: int | None) -> Outlook:
    return Outlook("day", share, left, needs)


class TestMoney:
    def test_while_money_is_there_nothing_changes(self):
        assert route(ask(HARD), money=outlook(0.79)) == route(ask(HARD))

    def test_from_80_percent_on_it_goes_one_tier_down_and_says_so(self):
        found = route(ask(HARD), money=outlook(0.834))
        assert (found.tier, found.chain) == ("standard", ("mid", "tiny"))
        assert found.stepped == "complex -> standard: 83 % of the day budget is used"
        assert found.stepped in found.reasons
        assert found.reasons[0].startswith("auto: complexity")
        assert found.complexity == route(ask(HARD)).complexity
        assert found.skipped == (("big", found.stepped),)

    def test_the_first_tier_has_none_below_it(self):
        assert route(ask("hi"), money=outlook(0.99)) == route(ask("hi"))

    def test_a_tier_that_cannot_be_paid_gives_way_to_one_that_can(self):
        found = route(ask(HARD), money=outlook(0.1, left=50_000_000, big=10**8, mid=10**8, tiny=9))
        assert found.tier == "standard"
        assert found.stepped == (
            "complex -> standard: no model of complex can be paid with the $0.05 left"
        )
        found = route(ask(HARD), money=outlook(0.9, left=5, big=9, mid=9, tiny=5))
        assert found.tier == "standard"

    def test_one_model_that_can_be_paid_is_enough(self):
        assert route(ask(HARD), money=outlook(left=5, big=9, mid=5, tiny=1)).tier == "complex"

    def test_a_model_of_unknown_price_cannot_be_paid(self):
        assert route(ask(HARD), money=outlook(left=5, big=None, mid=None)).tier == "standard"

    def test_free_models_can_always_be_paid(self):
        assert route(ask(HARD), money=outlook(left=0, big=0, mid=9)).tier == "complex"

    def test_where_nothing_can_be_paid_the_tier_stays(self):
        needs = {"big": 9, "mid": 9, "tiny": 9}
        assert route(ask(HARD), money=outlook(left=1, **needs)).tier == "complex"
        assert route(ask(HARD), money=outlook(0.9, left=1, **needs)).tier == "standard"

    @pytest.mark.parametrize("asked", [{"model": "big"}, {"tier": "complex"}, {"model": "complex"}])
    def test_what_was_named_stays(self, asked):
        money = outlook(0.99, left=1, big=9)
        assert route(ask(HARD, **asked), money=money) == route(ask(HARD, **asked))

    def test_a_default_model_stays(self):
        chosen = settings(more={"default_model": "big"})
        assert route(ask(HARD), chosen, money=outlook(0.99, left=1, big=9)).chain == ("big",)

    def test_the_users_fallbacks_stay_at_the_end(self):
        found = route(ask(HARD, fallback=("spare",)), money=outlook(0.9))
        assert found.chain == ("mid", "tiny", "spare")

    def test_a_prompt_too_long_for_the_lower_tier_goes_up_again(self):
        small = {"mid": {"context_window": 100}, "tiny": {"context_window": 100}}
        found = route(ask("word " * 300 + HARD), settings(**small), money=outlook(0.9))
        assert found.tier == "complex"
        assert found.chain == ("big",)
        assert "big" not in [name for name, _ in found.skipped]


@st.composite
def any_settings(draw: st.DrawFn) -> Settings:
    bounds = [*sorted(draw(st.sets(st.floats(0.01, 0.99), max_size=3))), 1.0]
    tiers = [
        {"name": f"tier{n}", "up_to": bound, "chain": draw(CHAINS)}
        for n, bound in enumerate(bounds)
    ]
    capabilities = st.sampled_from([[], ["images"], ["json_schema"]])
    changes = {
        name: {"context_window": draw(WINDOWS), "capabilities": draw(capabilities)}
        for name in NAMES
    }
    default = draw(st.sampled_from(["auto", *NAMES]))
    return settings(tiers=tiers, more={"default_model": default}, **changes)


REQUESTS = st.builds(
    Request,
    messages=st.lists(
        st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.text()), max_size=3
    ).map(tuple),
    model=st.sampled_from(["auto", *NAMES, "tier0", "tier2", "nobody", ""]),
    tier=st.sampled_from([None, "tier0", "tier1", "nowhere"]),
    params=st.sampled_from([{}, {"max_tokens": 5}, {"max_tokens": 1_000}]),
    schema=st.sampled_from([None, {"type": "object"}]),
    format=st.sampled_from(["markdown", "json"]),
    fallback=st.lists(st.sampled_from([*NAMES, "nobody"]), max_size=2).map(tuple),
    frames=st.integers(0, 3),
)
SITUATIONS = st.builds(
    Situation,
    st.frozensets(st.sampled_from(NAMES)),
    st.dictionaries(st.sampled_from(NAMES), WINDOWS),
    st.none()
    | st.builds(
        Outlook,
        st.sampled_from(["day", "month"]),
        st.floats(0, 2),
        st.integers(0, 100),
        st.dictionaries(st.sampled_from(NAMES), st.none() | st.integers(0, 200)),
    ),
)


def outcome(asked: Request, chosen: Settings, situation: Situation) -> Route | MmaiError:
    try:
        return choose_route(asked, chosen, situation)
    except MmaiError as error:
        return error


@given(REQUESTS, any_settings(), SITUATIONS)
def test_any_request_gets_a_route_of_known_models_or_one_of_our_errors(asked, chosen, situation):
    found = outcome(asked, chosen, situation)
    if isinstance(found, MmaiError):
        assert 0 < len(str(found)) <= 200
        assert "\n" not in str(found)
    else:
        assert found.chain
        assert found.reasons
        assert set(found.chain) <= set(NAMES)
        assert len(set(found.chain)) == len(found.chain)


@given(REQUESTS, any_settings(), SITUATIONS)
def test_the_same_request_gets_the_same_route(asked, chosen, situation):
    first, second = (outcome(asked, chosen, situation) for _ in range(2))
    assert first == second or str(first) == str(second)


@given(REQUESTS, any_settings(), SITUATIONS)
def test_no_route_leads_to_a_model_left_out_too_small_or_resting(asked, chosen, situation):
    found = outcome(asked, chosen, situation)
    if isinstance(found, MmaiError):
        return
    assert not set(found.chain) & {name for name, _ in found.skipped}
    need = estimate_messages(asked.messages) + asked.params.get("max_tokens", 0)
    for name in found.chain:
        window = situation.windows.get(name) or chosen.find(name).context_window
        assert window is None or window >= need
    resting = set(found.chain) & situation.open_breakers
    assert not resting or resting == {asked.model} or resting == set(found.chain)


def test_data_in_the_prompt_does_not_speak_for_the_user():
    from mmai_nb.interpolation import interpolate

    words = "prove, design and compare; it must be exact and without a flaw. " * 5
    text = interpolate("Translate {words} to French", {"words": words}, max_chars=9_999).text
    whole = interpolate("{words}", {"words": words}, max_chars=9_999).text
    settings = Settings(models={"m": {"base_url": "http://127.0.0.1:9/v1"}})

    def score_of(prompt):
        request = Request((Message("user", prompt),))
        return choose_route(request, settings, Situation()).complexity.score

    assert score_of(text) < 0.5 < score_of(whole)
