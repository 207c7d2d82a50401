"""`%ai help`: one page with everything, and a page for each command and topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..errors import OptionError
from ..providers import known_providers
from ..values import nearest, shown
from .page import Page
from .registry import Subcommand

__all__ = ["TOPICS", "help_page"]

Families = Mapping[str, Sequence[Subcommand]]

USAGE = "%ai help [TOPIC]: this page, or all about one command or topic."


def help_page(topic: str, families: Families, options: str) -> Page:
    """The page on a topic; "" is the page with everything.

    Args:
        topic: a subcommand's name, or one of TOPICS.
        families: the subcommands, under the heading they stand under.
        options: the options of `%%ai` under theirs.

    Raises:
        OptionError: there is no such topic; names the nearest.
    """
    commands = [sub for family in families.values() for sub in family]
    if not topic:
        return Page(_overview(families, options))
    asked = topic
    topic = _name_of(topic, options)
    for sub in commands:
        if topic in (sub.name, *sub.names):
            return Page(_on_command(sub))
    page = TOPICS.get(topic)
    if page is not None:
        return Page(page(options))
    known = [*TOPICS, *(name for sub in commands for name in (sub.name, *sub.names))]
    hint = nearest(asked, known) or f"; topics are {', '.join(TOPICS)} and the commands"
    raise OptionError(f"no help on {shown(asked)}{hint}")


def _name_of(topic: str, options: str) -> str:
    """The page that a topic stands on: an option stands on its own, or on that of all options."""
    plain = topic.lstrip("-")
    if found := STANDS_ON.get(plain) or (plain in TOPICS and plain):
        return found
    is_option = topic.startswith("-") and topic in options.replace(",", " ").split()
    return "options" if is_option else topic


def _overview(families: Families, options: str) -> str:
    lines = [
        *(options, ""),
        "%ai a question on one line                 asks it; %ai -- TEXT asks what looks like a",
        "                                           command, too; %mmai and %%mmai do the same",
    ]
    for title, family in families.items():
        lines += ["", title, *(f"  {sub.usage}" for sub in family)]
    return "\n".join([*lines, "", "help", f"  {USAGE}", f"  topics: {', '.join(TOPICS)}"])


def _on_command(sub: Subcommand) -> str:
    also = f"The same as %ai {' and %ai '.join(sub.names)}." if sub.names else ""
    return "\n\n".join(filter(None, [sub.usage, also, sub.help]))


def _options(options: str) -> str:
    return f"""\
{options}

Values with spaces stand in quotes, and -o takes any parameter that the endpoint knows:

    %%ai -s "You are a patient teacher" -t 0 --max-tokens 300 -o seed 7 --tag physics
    Why is the sky blue?

    %%ai simple --fallback demo-large --timeout 60 -v
    What is 17 * 3?

    %%ai --dry-run
    Prove that there are infinitely many primes.

--var and -q keep the answer for code:

    %%ai -q --var answer
    What is the capital of Norway?

    print(answer.upper())

What holds for every cell is a setting: %ai help config."""


def _variables(options: str) -> str:
    return """\
A name in braces becomes the value of the variable: {name}, {name.attribute}, {name[key]}.

    city = "Oslo"
    facts = {"rivers": 2, "mayor": "Anne"}

    %%ai
    {city} has {facts[rivers]} rivers. Who is {facts[mayor]}?

A value goes in as data, between fences that it cannot guess; {name!raw} leaves the fences away. A
DataFrame goes in as its columns and first rows. Names are looked up, never evaluated: JSON, {x + 1}
and other braces stay as typed. {{name}} gives {name}, and --raw switches all of it off:

    %%ai --raw
    Explain this f-string: "Welcome to {city}"

A name one slip away from a variable's stops the cell before anything is sent; any other unknown
name stays as typed, and the footer says so. {In[1]}, {Out[1]} and {Err[1]} are earlier cells."""


def _formats(options: str) -> str:
    return """\
-f says how the answer is asked for and shown; %ai config format sets it for every cell.

  markdown  shown as text with headings, lists, tables, code and formulas; the default
  text      shown to the letter
  code      asked for as one block of code; shown, and put into the next cell; never run
  json      asked for as one JSON value; answer.parsed holds it
  html      asked for as HTML; shown as source, never run

    %%ai -f json --var primes
    The first three primes, as a list

    primes.parsed

    %%ai -f code
    A function that reverses a string"""


def _keys(options: str) -> str:
    wide = max(len(name) for name in known_providers())
    rows = [
        f"  {provider.name:<{wide}}  {' or '.join(provider.key_variables)}"
        for provider in known_providers().values()
    ]
    return f"""\
A key goes by the name of a variable; models of the providers whose key is there are offered at
once. Settings hold the variable's name (api_key_env), never a key.

{chr(10).join(rows)}

It is looked for in this order: what %ai key asked for (unseen, kept in this process only), the
environment, Colab's secrets, and where the settings say so, an .env file (dotenv: true for the
nearest one up to your home folder, or a path) and the system's keyring (keyring: true; put there
with "keyring set mmai_nb OPENAI_API_KEY"). A key typed in a cell stays in IPython's history and in
the notebook. The column `key` tells which are there:

    %ai models

With no key at all, a local server answers if Ollama or LM Studio runs here, else in a notebook the
built-in demo; it is no language model. The setting discover switches that search off."""


def _tiers(options: str) -> str:
    return """\
Without a model's name, a score from 0 (easy) to 1 (hard) chooses a tier, and the tier's models are
tried in their order. --dry-run and %ai route tell where a prompt would go, and why:

    %ai route Prove that there are infinitely many primes.

The setting prefer is the cost dial: the share of prompts that may go to the strongest tier, cheap
(at most 5 %), balanced (at most 20 %), quality (about 50 %), or your own limit, 0 to 1 or as 20%.
With cheap no prompt goes to a dearer tier than without the dial; with quality, none to a cheaper.

It puts bounds in place of the tiers' own, by the scores of your last prompts; until there are 50,
by those of public exam questions, which are longer and then go on to count, so that a batch of like
prompts does not set the bounds alone. A prompt of yours counts where it was sent and its score
chose the tier: not from the cache, and with no model and no tier named. Of the rest, each tier gets
twice as many as the next stronger one. It is a limit, not a quota, and holds for where prompts
begin: an answer that fails its check may go up from there. None lets the tiers' own bounds hold:

    %ai config prefer cheap

    %%ai --prefer quality
    What is 17 * 3?

    %ai config prefer None

A tier's name in place of a model's asks its models whatever the score:

    %%ai complex
    What is 17 * 3?

Your own tiers, in config.toml or with ai.configure(tiers=[…]):

    [models.small]
    base_url = "http://127.0.0.1:11434/v1"
    model = "qwen3:8b"

    [models.large]
    base_url = "http://127.0.0.1:11434/v1"
    model = "qwen3:32b"

    [[tiers]]
    name = "simple"
    up_to = 0.5
    chain = ["small", "large"]
    check = true

    [[tiers]]
    name = "complex"
    up_to = 1.0
    chain = ["large"]"""


def _checks(options: str) -> str:
    return """\
--check looks at the answer before you rely on it: is it cut off, a refusal, a sum that is wrong,
code that does not parse or uses names that are not there, JSON that misses its schema? That is done
here, for nothing, and none of the answer's code is run. An answer that fails is asked for again one
tier up, two tiers at most; both are in the ledger, and the footer tells why and what both cost:

    %%ai --check
    What is 3 * 17?

The demo gives a wrong answer where it is told to:

    %%ai --check
    What is 3 * 17?
    [[demo: only_model=demo-small text="3 × 17 = 41"]]

    _.rejected

--check agree also asks a second model, the cheapest of another provider, and takes an answer that
the two do not share for doubtful. It costs one more answer each time. In the demo, demo-second
plays the other provider; here the two are told to differ:

    %%ai --check agree
    How many legs has a spider?
    [[demo: only_model=demo-small text="A spider has 6 legs."]]
    [[demo: only_model=demo-second text="A spider has 8 legs."]]

A model that you name is followed by the tier after its own. Where there is none, with --compare,
and where a budget leaves nothing for it, the check only tells. What is checked without asking is a
setting of each tier (%ai help tiers): check = true, false or "agree"; --check off wins over it. In
Python it is ai.ask(…, check=True); answer.checks and answer.rejected tell the rest, and %ai stats
how often it happens and what it costs."""


def _comparing(options: str) -> str:
    return """\
--compare asks several models the same at once, and shows their answers side by side:

    %%ai --compare demo-small,demo-large
    What is 3 * 17?

The models' names stand behind it with commas between them; no other model is named. Each is asked
as it would be alone: cached, priced and recorded. One that fails has its error in its own column.
--blind hides the names until you vote, and the answers come in a mixed order:

    %%ai --compare demo-small,demo-large --blind --var seen
    How many legs has a spider?

    seen.vote("a")

%ai calibrate learns from such votes, and ai.win_rates() counts them. A comparison has no one
answer, so %ai good, %ai retry and %ai escalate do not go for it. A --check only tells what it
finds. In Python it is ai.compare(prompt, models); %ai panel compare does it with the mouse."""


TOPICS: Mapping[str, Callable[[str], str]] = {
    "options": _options,
    "variables": _variables,
    "formats": _formats,
    "keys": _keys,
    "tiers": _tiers,
    "checks": _checks,
    "compare": _comparing,
}
"""Pages that are no command's, by topic; each takes the options of `%%ai`."""

STANDS_ON = {
    "prefer": "tiers",
    "dial": "tiers",
    "check": "checks",
    "agree": "checks",
    "blind": "compare",
    "comparison": "compare",
    "comparing": "compare",
    "vote": "good",
    "votes": "good",
    "max-cost": "budget",
    "format": "formats",
}
"""What a page is about beside its own name: options, settings, plain words."""
