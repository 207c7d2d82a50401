"""Good answers of the kind that chat models give in notebooks, with what was asked.

Written for the tests. Nothing is wrong with any of them, and much in them looks as if it were.
"""

# ruff: noqa: E501 - an answer keeps its lines

from __future__ import annotations

__all__ = ["GOOD"]

GOOD: dict[str, tuple[str, str]] = {
    "pandas with the user's frame": (
        "How do I get the mean revenue per region from sales?",
        """Group by the column and aggregate:

```python
sales.groupby("region", as_index=False)["revenue"].mean()
```

If you also want the count, use `agg`:

```python
(
    sales.groupby("region")["revenue"]
    .agg(["mean", "count"])
    .sort_values("mean", ascending=False)
)
```
""",
    ),
    "pandas with dots for the rest": (
        "How do I read a big CSV in chunks?",
        """Use `chunksize`:

```python
import pandas as pd

for chunk in pd.read_csv("big.csv", chunksize=100_000):
    ...  # work on the chunk
```

Each `chunk` is a normal `DataFrame`, so memory stays flat.""",
    ),
    "a signature with dots": (
        "What are the main arguments of DataFrame.merge?",
        """The signature, shortened:

```python
DataFrame.merge(right, how="inner", on=None, ..., suffixes=("_x", "_y"))
```

- `how`: `left`, `right`, `inner`, `outer` or `cross`
- `on`: the columns to join on""",
    ),
    "a stub with a comment": (
        "Show me the shape of a retry loop.",
        """Here is the skeleton:

```python
for attempt in range(5):
    try:
        # call the endpoint here
    except TimeoutError:
        # wait and try again
```

Fill in the two comments and you are done.""",
    ),
    "placeholders in angle brackets": (
        "How do I set the key in Python?",
        """Set it before you create the client:

```python
import os
os.environ["OPENAI_API_KEY"] = <your key>
```

Better still, put it into your shell profile so that it never ends up in a notebook.""",
    ),
    "magics and shell lines": (
        "How do I time a cell and install a package?",
        """Run these two cells:

```python
%pip install -q tqdm
!python --version
```

```python
%%timeit
sum(range(1_000))
```
""",
    ),
    "a bash cell magic": (
        "List the files with their sizes from a notebook.",
        """```python
%%bash
ls -lah | sort -k5 -h
```

`%%bash` hands the whole cell to the shell.""",
    ),
    "shell output kept in a variable": (
        "Keep the output of ls in a variable.",
        """```python
files = !ls
len(files)
```

`files` is a list of strings.""",
    ),
    "a console session": (
        "Show me integer division in Python.",
        """```python
>>> 7 // 2
3
>>> 7 / 2
3.5
>>> -7 // 2
-4
```

Floor division rounds towards minus infinity.""",
    ),
    "an IPython session": (
        "Show me what enumerate does.",
        """```ipython
In [1]: list(enumerate("ab"))
Out[1]: [(0, 'a'), (1, 'b')]
```
""",
    ),
    "top-level await": (
        "How do I call an async function in a notebook?",
        """Just await it; the loop is already running:

```python
import asyncio

async def hello():
    await asyncio.sleep(0.1)
    return "hello"

await hello()
```
""",
    ),
    "a fence in a list": (
        "How do I undo the last commit?",
        """You have two choices:

1. Keep the changes:

   ```bash
   git reset --soft HEAD~1
   ```

2. Throw them away:

   ```bash
   git reset --hard HEAD~1
   ```

The second one cannot be undone.""",
    ),
    "Markdown within Markdown": (
        "Write a README for my package.",
        """````markdown
# tinytool

Install it:

```bash
pip install tinytool
```
````
""",
    ),
    "Markdown within Markdown, with the same fences": (
        "Write a README for my package.",
        """```markdown
# tinytool

Use it:

```python
import tinytool
tinytool.run()
```
```
""",
    ),
    "settings without braces": (
        "How do I set the font size in VS Code?",
        """Add this line to `settings.json`:

```json
"editor.fontSize": 14
```

and reload the window.""",
    ),
    "JSON with comments": (
        "Show a tsconfig with strict mode.",
        """```json
{
  // everything strict
  "compilerOptions": { "strict": true }
}
```
""",
    ),
    "JSON with a placeholder": (
        "What does the request body look like?",
        """```json
{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": <your prompt>}]}
```
""",
    ),
    "two JSON documents": (
        "Show me two example records.",
        """```json
{
  "id": 1,
  "name": "Ada"
}

{
  "id": 2,
  "name": "Grace"
}
```
""",
    ),
    "a TOML fragment": (
        "How do I configure ruff's line length?",
        """In `pyproject.toml`:

```toml
[tool.ruff]
line-length = 100
```
""",
    ),
    "SQL with a window": (
        "Rank customers by spend in SQL.",
        """```sql
SELECT customer, SUM(amount) AS total,
       RANK() OVER (ORDER BY SUM(amount) DESC) AS place
FROM orders
GROUP BY customer;
```

`RANK()` leaves gaps after ties; use `DENSE_RANK()` if you do not want them.""",
    ),
    "C++": (
        "Reverse a string in C++.",
        """```cpp
#include <algorithm>
#include <string>

std::string reversed(std::string s) {
    std::reverse(s.begin(), s.end());
    return s;
}
```
""",
    ),
    "a regular expression told": (
        "Explain the regex ^a{2,3}$",
        """It matches a whole string of two or three `a`:

- `^` and `$` anchor it to both ends
- `a{2,3}` is `aa` or `aaa`

So `aa` and `aaa` match, and `a` and `aaaa` do not.""",
    ),
    "a list that ends without a stop": (
        "Which Python web frameworks are there?",
        """The best known ones are:

- **Django**, with batteries included
- **Flask**, small and flexible
- **FastAPI**, typed and asynchronous
- **Litestar**, a younger alternative to FastAPI""",
    ),
    "numbered steps without stops": (
        "How do I brew pour-over coffee?",
        """1. Boil water and let it cool for 30 seconds
2. Rinse the paper filter
3. Add 15 g of ground coffee
4. Pour 50 g of water and wait for 30 seconds
5. Pour slowly up to 250 g""",
    ),
    "a table at the end": (
        "Compare list, tuple and set.",
        """They differ in order, change and duplicates:

| type | ordered | mutable | duplicates |
|---|---|---|---|
| list | yes | yes | yes |
| tuple | yes | no | yes |
| set | no | yes | no |""",
    ),
    "one word": ("What is the capital of France?", "Paris"),
    "one number": ("How many bits are in 4 bytes?", "32"),
    "yes and why": (
        "Is 7 a prime number?",
        "Yes. Its only divisors are 1 and 7.",
    ),
    "a date without a stop": (
        "When did the Berlin Wall fall?",
        "The Berlin Wall fell on 9 November 1989",
    ),
    "a signature line": (
        "Write a short mail that moves the meeting to Monday.",
        """Subject: Moving our meeting

Hi Sam,

could we move our meeting to Monday at 10? I have a conflict on Friday.

Best regards
Alex""",
    ),
    "a poem without stops": (
        "Write two lines about the sea.",
        """The sea lays down its silver on the sand
and takes it back before the night can land""",
    ),
    "a closing question": (
        "Help me plan a trip to Rome.",
        """Three days are enough for a first visit: the Forum and the Colosseum, the Vatican, and a day in
Trastevere. Would you like a plan by the hour?""",
    ),
    "an emoji at the end": (
        "Explain what a mutex is to a beginner.",
        """A mutex is like the key of a bathroom: whoever holds it is inside, and everybody else waits until it
hangs on its hook again 🔑""",
    ),
    "a link at the end": (
        "Where is the documentation of joblib?",
        "The documentation of joblib, with many examples, is here: https://joblib.readthedocs.io/",
    ),
    "LaTeX derivation": (
        "Solve x^2 - 5x + 6 = 0.",
        r"""Factor the left side:

$$x^2 - 5x + 6 = (x - 2)(x - 3) = 0$$

so $x = 2$ or $x = 3$. Check: $2^2 - 5 \cdot 2 + 6 = 4 - 10 + 6 = 0$.""",
    ),
    "LaTeX with a circle's area": (
        "What is the area of a circle of radius 3?",
        r"""The area is $A = \pi r^2$, so

$$A = \pi (3)^2 = 9\pi \approx 28.27$$

**Answer: about 28.27**""",
    ),
    "LaTeX with fractions": (
        "Add one half and one third.",
        r"""$$\frac{1}{2} + \frac{1}{3} = \frac{3}{6} + \frac{2}{6} = \frac{5}{6}$$""",
    ),
    "roots and functions": (
        "What is the length of the vector (3, 4)?",
        r"""It is √(9 + 16) = 5. In Python: `math.hypot(3, 4)`. And since ln (1 + 0) = 0, nothing is added.""",
    ),
    "rounded on the way": (
        "A pack of 3 costs $10. What do 7 single pieces cost?",
        """One piece costs 10 / 3 = 3.33 dollars, so 7 pieces cost 7 × 3.33 = 23.33 dollars.

The total is **$23.33**.""",
    ),
    "about equal": (
        "How long does light take from the Sun to the Earth?",
        """The distance is about 149.6 million km, and light travels about 299,792 km per second:

149,600,000 / 299,792 ≈ 499 seconds

That is about 8 minutes and 19 seconds.""",
    ),
    "percent of a number": (
        "What is 15% of 80?",
        "15% of 80 is 0.15 × 80 = 12.",
    ),
    "a share told in percent": (
        "Sales went from 120 to 150. What is the growth?",
        "The growth is (150 - 120) / 120 = 25%.",
    ),
    "a share told in percent, in words": (
        "Sales went from 120 to 150. What is the growth?",
        "The growth is (150 - 120) / 120 = 25 percent.",
    ),
    "with a check at the end": (
        "A team played 22 games and won 8 more than it lost. How many did it win?",
        """Let x be the games lost. Then x + (x + 8) = 22, so 2x = 14 and x = 7.

The team won 7 + 8 = **15** games.

Check: 15 + 7 = 22 ✓""",
    ),
    "several results asked": (
        "What are the sum and the mean of 4, 8 and 9?",
        """- Sum: 4 + 8 + 9 = 21
- Mean: 21 / 3 = 7""",
    ),
    "more than was asked": (
        "What is the total cost of 3 books at $12 and 2 pens at $2?",
        """- Books: 3 × $12 = $36
- Pens: 2 × $2 = $4

Total: $36 + $4 = **$40**""",
    ),
    "German figures": (
        "Wie viel sind 1.000 Euro plus 500 Euro, und wie viel ist das im Monat bei 12 Monaten?",
        """1.000 + 500 = 1.500 Euro. Das sind im Monat 1.500 / 12 = 125 Euro.""",
    ),
    "decimal commas": (
        "Was ist 3,5 + 1,5?",
        "3,5 + 1,5 = 5",
    ),
    "binary sums": (
        "What is 1 + 1 in binary?",
        "In binary, 1 + 1 = 10, because the digit carries over.",
    ),
    "clock arithmetic": (
        "Explain modular arithmetic.",
        "On a clock you count modulo 12: 9 + 5 = 2, because 14 leaves the remainder 2.",
    ),
    "a wrong sum is discussed": (
        "Why is 3 × 17 = 41 wrong?",
        """Because 3 × 17 = 41 forgets the carry: 3 × 10 = 30 and 3 × 7 = 21, and 30 + 21 = 51.""",
    ),
    "a wrong sum is called wrong": (
        "What is 2 + 2 in Orwell's novel?",
        "In the novel, the Party makes Winston say the slogan 2 + 2 = 5. In truth it is 4.",
    ),
    "ranges": (
        "How are the grades defined?",
        """The points are mapped like this:

- 0-49 = 5
- 50-64 = 4
- 65-79 = 3
- 80-100 = 1

So pages 3-5 = 2 exercises each.""",
    ),
    "dates and versions": (
        "What changed between the releases?",
        """Between 2024-01-15 and 2024-03-02 there were two releases: 3.11-3.12 = one minor step. The format
YYYY-MM-DD sorts well: 2024-01-15 < 2024-03-02, and 12/25 = Christmas.""",
    ),
    "ratios and scores": (
        "What aspect ratios are there?",
        """Common ones are 16:9 = 1.78, 4:3 = 1.33 and 21:9 = 2.33. The final ended 3-1 = a clear win, and 24/7
means all day.""",
    ),
    "units": (
        "How many meters are 3 km and 250 m?",
        "3 km = 3,000 m, and 3,000 m + 250 m = 3,250 m.",
    ),
    "scientific notation": (
        "What is 0.05 divided by 5 × 10^-8?",
        "0.05 / 5 × 10^-8 = 10^6, that is, one million.",
    ),
    "floats as they are": (
        "Why is 0.1 + 0.2 not 0.3 in Python?",
        """Because binary floats cannot hold 0.1 exactly: in Python, 0.1 + 0.2 = 0.30000000000000004. Use
`math.isclose` to compare.""",
    ),
    "remainders": (
        "What is 17 divided by 5?",
        "17 / 5 = 3 remainder 2, or 3.4.",
    ),
    "sorry, but helpful": (
        "My script crashes and I am frustrated.",
        """I'm sorry to hear that it crashes. The traceback says that `total` is `None`: the function returns
nothing when the list is empty. Return 0 in that case.""",
    ),
    "cannot, but does": (
        "What is the weather in Paris today, and what should I pack?",
        """I can't access live weather data, so please check a forecast for the exact numbers. What I can tell
you is what to expect at this time of the year, and how to pack for it.

In late November Paris is usually cool and damp: about 4 to 10 °C, with rain on every second day and
little sun. Evenings feel colder than the thermometer says, because it is windy along the river.

- a warm, waterproof coat, and a scarf
- shoes that stand wet pavement
- layers, since museums and the metro are heated
- a small umbrella that stands wind

If you tell me your dates and what you plan to do, I will make the list shorter. For a formal dinner
add a jacket; for a day trip to Versailles add gloves, because the gardens are open to the wind.""",
    ),
    "unfortunately, with a way out": (
        "Can pandas read a PDF?",
        """Unfortunately, pandas has no reader for PDF files. Use `tabula-py` or `camelot` to extract the tables,
and go on with the frames that they return.""",
    ),
    "afraid of nothing": (
        "Can I cancel a running cell?",
        "Yes: press the stop button, or `I, I` in command mode. Don't be afraid of losing variables.",
    ),
    "as an AI engineer": (
        "Write the first sentence of my cover letter.",
        "As an AI engineer with eight years in production systems, I was glad to read about your role.",
    ),
    "I think, said in passing": (
        "Which plot fits two categorical columns?",
        """A heat map of the counts, I think: `pd.crosstab(df.a, df.b)` gives the table, and
`seaborn.heatmap` draws it. Let's assume that both columns have under 20 values.""",
    ),
    "not sure is the topic": (
        "How do I say in German that I am uncertain?",
        "You say “Ich bin mir nicht sicher.” It is the same as being uncertain in English.",
    ),
    "German": (
        "Was ist der Unterschied zwischen einer Liste und einem Tupel in Python?",
        """Eine Liste ist veränderlich, ein Tupel ist es nicht. Darum kann ein Tupel als Schlüssel in einem
Wörterbuch stehen und eine Liste nicht.""",
    ),
    "French": (
        "Quelle est la différence entre une liste et un tuple en Python ?",
        """Une liste est modifiable, un tuple ne l'est pas. C'est pour cela qu'un tuple peut être la clé d'un
dictionnaire et qu'une liste ne le peut pas.""",
    ),
    "Spanish": (
        "¿Cuál es la diferencia entre una lista y una tupla en Python?",
        "Una lista es mutable y una tupla no lo es; por eso una tupla puede ser la clave de un diccionario.",
    ),
    "Chinese": (
        "列表和元组有什么区别？",
        "列表是可变的，元组是不可变的。因此元组可以作为字典的键，而列表不可以。",
    ),
    "Japanese": (
        "リストとタプルの違いは何ですか？",
        "リストは変更できますが、タプルは変更できません。そのため、タプルは辞書のキーとして使えます。",
    ),
    "Russian": (
        "В чём разница между списком и кортежем?",
        "Список можно изменять, а кортеж нельзя. Поэтому кортеж может быть ключом словаря.",
    ),
    "a translation": (
        "Translate into French: The cat sleeps on the table and the dog is in the garden.",
        "Le chat dort sur la table et le chien est dans le jardin.",
    ),
    "English words of maths": (
        "Find the range of y = 5 + 3 sin(x) and the values of y at e, o and y.",
        """Since the sine lies between −1 and 1, y lies between 2 and 8. At x = e it is about 6.23, and y(0) is
5.""",
    ),
    "German answer on English code": (
        "Erkläre mir bitte diese Zeile, und was sie mit der Liste macht: `xs.sort(key=len)`",
        """Die Zeile sortiert die Liste nach der Länge ihrer Elemente, und zwar an Ort und Stelle:

```python
xs = ["ccc", "a", "bb"]
xs.sort(key=len)
```
""",
    ),
    "a chorus": (
        "What is the chorus of a lullaby?",
        """Hush, little baby, don't say a word,
Mama's going to buy you a mockingbird.
Hush, little baby, don't say a word,
Mama's going to buy you a mockingbird.""",
    ),
    "rows that look alike": (
        "Give me ten test rows.",
        "| id | ok |\n|---|---|\n" + "".join(f"| {n} | true |\n" for n in range(10)),
    ),
    "a long log": (
        "What does a healthy log look like?",
        "```text\n" + "GET /health 200\n" * 20 + "```\n\nOne line a probe, always 200.",
    ),
    "a choice with reasons": (
        "Which is a mammal?\nA. trout\nB. bat\nC. eagle\nD. gecko",
        "The bat (B) is a mammal: it nurses its young. The others are a fish, a bird and a reptile.",
    ),
    "a choice in bold": (
        "Which is a mammal?\nA. trout\nB. bat\nC. eagle\nD. gecko",
        "**B. bat**\n\nBats nurse their young; A is a fish, C a bird and D a reptile.",
    ),
    "how long, without a number": (
        "How long should I let the dough rest?",
        "Until it has grown visibly and springs back slowly when you press it.",
    ),
    "how much, of life": (
        "How much should I comment my code?",
        "As little as possible, and only to say why. Good names say the rest.",
    ),
    "a function that calculates": (
        "Write a function to calculate the average of 2 lists, without 3 loops.",
        """```python
def average(a, b):
    return [sum(pair) / len(pair) for pair in zip(a, b)]
```
""",
    ),
    "type parameters": (
        "Show a generic function.",
        """```python
from typing import TypeVar

T = TypeVar("T")

def first(items: list[T]) -> T:
    return items[0]
```
""",
    ),
    "a new syntax": (
        "Show a generic function in Python 3.12.",
        """```python
type Pair[T] = tuple[T, T]

def first[T](items: list[T]) -> T:
    return items[0]
```
""",
    ),
    "a diff": (
        "Fix the off-by-one in range(1, n).",
        """```diff
-for i in range(1, n):
+for i in range(1, n + 1):
```
""",
    ),
    "quotes and dashes": (
        "Summarise the meeting in a sentence.",
        "They agreed to ship on Friday — if the tests are green — and to “keep it small.”",
    ),
    "a footnote": (
        "What does p < 0.05 mean?",
        """If there were no effect, data at least as extreme would turn up in under 5% of samples.[^1]

[^1]: It is not the probability that the hypothesis is true""",
    ),
    "an answer for each part": (
        "a) What is 2 + 3? b) What is 2 * 3?",
        """a) 2 + 3 = 5, so the answer is 5.

b) 2 * 3 = 6, so the answer is 6.""",
    ),
    "numbered headings": (
        "How do I publish a package?",
        """#### 1. Build it

Run `python -m build`.

#### 2. Check it

Run `twine check dist/*`.

#### 3. Upload it

Run `twine upload dist/*`.""",
    ),
    "boxed steps": (
        "Compute the derivative and the integral of x^2.",
        r"""1. The derivative is $\boxed{2x}$.
2. The integral is $\boxed{x^3/3 + C}$.""",
    ),
    "a recipe with fractions": (
        "How much flour do I need for half the recipe, if the full one takes 1 1/2 cups?",
        """Half of 1 1/2 cups is 3/4 cup. As a check: 1.5 / 2 = 0.75.

You need **3/4 cup** of flour.""",
    ),
    "compound interest": (
        "I put $1,000 at 5% for 10 years. How much do I have in the end?",
        """Use $A = P(1 + r)^t$:

$A = 1000 \\times 1.05^{10} \\approx 1628.89$

So you have about **$1,628.89**, of which $1,628.89 − $1,000 = $628.89 is interest.""",
    ),
    "a table of sums": (
        "Make a small budget for a month with $3,000.",
        """| item | amount |
|---|---|
| rent | $1,200 |
| food | $500 |
| transport | $150 |
| savings | $1,150 |
| **total** | **$3,000** |

1,200 + 500 + 150 + 1,150 = 3,000, so nothing is left over.""",
    ),
    "a long thought": (
        "Three friends share a bill of $84 plus a tip of 20%. What does each pay?",
        """First the tip: 20% of $84 is 0.2 × 84 = $16.80.
The whole bill is then 84 + 16.80 = $100.80.
Split three ways: 100.80 / 3 = $33.60.

**Each friend pays $33.60.**""",
    ),
    "memory of an array": (
        "How much memory does a float64 array of 1000 x 1000 take?",
        """`float64` takes 8 bytes, so 1000 × 1000 × 8 = 8,000,000 bytes, which is about 7.63 MiB
(8,000,000 / 1024 / 1024 = 7.63).""",
    ),
    "a summary of a foreign text": (
        "Summarise this in a sentence: Die Mauer fiel am 9. November, und die Menschen feierten auf den Straßen. Es war der Anfang vom Ende der DDR, und nicht viele hatten es für möglich gehalten.",
        "The text says that the Wall fell on 9 November, that people celebrated in the streets, and that it was the beginning of the end of the GDR, which few had thought to be possible at the time.",
    ),
    "a question on a Chinese text": (
        "What does this comment of a customer say? 这个产品的质量非常好，但是送货太慢了，我等了两个星期。",
        "The customer is pleased with the quality of the product, but says that the delivery was too slow: it took two weeks for it to arrive, and that is the only complaint in the comment.",
    ),
    "no stop, but done": (
        "Write a friendly closing for my newsletter.",
        """Thank you for reading, and for all the letters you sent us this month. We read every one of them.

Warm greetings from the whole team at the little bakery""",
    ),
    "a fence that was not closed": (
        "A one-liner that counts words.",
        """```python
len(text.split())""",
    ),
    "the same row again and again": (
        "Make an empty checklist.",
        "| task | done |\n|---|---|\n" + "| todo | no |\n" * 8,
    ),
    "an estimate": (
        "Roughly how many words are on 212 pages with 298 words each?",
        "Roughly 200 × 300 = 60,000, and with the exact figures 212 × 298 = 63,000, rounded.",
    ),
    "addresses": (
        "What is 0x10 in decimal, and how long is a 0x20 byte block?",
        "0x10 = 16, and a block of 0x20 = 32 bytes is twice as long.",
    ),
    "lines of a file": (
        "Which lines do I have to change?",
        "Lines 10 - 12 = 3 lines in all, and 40 - 49 = 10 lines of the test.",
    ),
    "settings in prose": (
        "What is a good value of the learning rate and the number of epochs?",
        """Start with learning_rate = 0.01 and epochs = 20, and halve the rate when the loss stops falling.
With batch_size = 32 an epoch over 3,200 rows has 3,200 / 32 = 100 steps.""",
    ),
    "a signed mail": (
        "Write a short thank-you mail.",
        """Dear Ms Lee,

thank you very much for the interview yesterday. I enjoyed our talk about the data platform.

Kind regards
Alex Miller""",
    ),
    "an apology in a story": (
        "Write the opening line of a letter of apology from a shop.",
        "We are sorry that your parcel arrived late, and we have refunded the postage to your card.",
    ),
    "a formula to fill in": (
        "What is the formula of the area of a trapezoid?",
        r"""$$A = \\frac{(a + b) \\cdot h}{2}$$

For a = 3, b = 5 and h = 4: $A = \\frac{(3 + 5) \\cdot 4}{2} = 16$.""",
    ),
    "an outline by letters": (
        "Please review this outline.\nA. Intro\nB. Methods\nC. Results\nIs the order fine?",
        "Yes, the order is the usual one. You may add a discussion at the end.",
    ),
    "an outline by letters, last": (
        "Improve these headings:\nA. Intro\nB. Methods\nC. Results",
        "Why We Looked, How We Looked, and What We Found",
    ),
    "a number that code finds": (
        "How many different values are in column 3 of table 2?",
        "Use `tables[2].iloc[:, 3].nunique()`.",
    ),
}
