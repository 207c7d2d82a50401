"""How hard a prompt looks, from its text alone: a score from 0 to 1, and why.

Each feature of the text is a number from 0 (absent) to 1 (plenty), only `length` is a logarithm.
The score is logistic(bias + sum of weight * feature), so every part of it can be read and told.
Only the opening ("what is …", "translate …") pulls down, and it stands at the beginning: adding a
traceback, a constraint or a task never lowers a score. (Past 20,000 characters only the beginning,
the end and the length are read, and this holds but nearly.)

The vocabulary is whole words or, in Chinese, Japanese and Korean, parts of the text. Words of
everyday English that are also Python ("let", "class", "import") count in a line of code only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .records import Complexity
from .tokens import estimate_tokens

__all__ = ["Weights", "score"]


@dataclass(frozen=True, slots=True)
class Weights:
    """What each feature adds before the logistic; set by hand, checked on public questions.

    All but `bias` and `opening` must not be negative: the promise above rests on it.
    """

    bias: float = -2.5
    length: float = 0.6  # per e-fold of 1 + tokens / 20: 100 tokens 1.1, 1,000 tokens 2.4
    opening: float = -1.2  # greeting, look-up, translation; fades to 0.4 of it in long prompts
    ask: float = 1.8  # explain, write, why, and the verbs of the next two rows; 0.7 of it for how
    hard: float = 2.4  # design, compare, debug, optimise: 1 at 3
    proof: float = 1.4  # prove, derive, show that
    expert: float = 1.6  # terms of medicine, law, systems, statistics: 1 at 3
    wording: float = 0.6  # different words over 8 letters: 1 at 12
    maths: float = 0.5  # signs, LaTeX and terms: 1 at 3
    code: float = 0.8  # lines or fences of code: 1 at 2
    coding: float = 0.8  # words that ask for code: 1 at 2, less what `code` has; at most as `code`
    traceback: float = 1.0
    tasks: float = 1.6  # list items, further questions, further verbs, then: 1 at 5
    constraints: float = 2.0  # must, exactly, without, at least: 1 at 4
    data: float = 0.8  # tables and frames: 1 at 4
    output: float = 0.3  # the answer is wanted as code or JSON


WEIGHTS = Weights()

_WHY = {
    "ask": "asks to explain or write",
    "hard": "asks to analyse or design",
    "proof": "asks for a proof",
    "expert": "specialist terms",
    "wording": "long words",
    "maths": "contains maths",
    "code": "contains code",
    "coding": "asks for code",
    "traceback": "contains a traceback",
    "tasks": "several tasks",
    "constraints": "several constraints",
    "data": "contains data",
    "output": "structured answer",
}

_TERMS = {
    "proof": """prove proves proving disprove derive derivation deduce beweise beweisen beweis
        herleiten herleitung widerlege prouve prouver prouvez démontre démontrer démontrez
        démonstration demuestra demuestre demostrar demostración demonstre demonstrar demonstração
        deduza dimostra dimostrare dimostri dimostrazione bewijs bewijzen afleiden докажи докажите
        доказать доказательство выведи выведите 证明 證明 推导 推導 証明 導出 증명 유도""",
    "hard": """analyse analyze analyses analysis compare comparison contrast design architect
        architecture optimise optimize optimal debug diagnose diagnosis refactor evaluate critique
        assess plan strategy migrate migration tradeoff tradeoffs offs pros cons investigate
        reconcile recommend justify prioritise prioritize proof deadlock
        analysiere analysieren vergleiche vergleichen vergleich entwirf entwerfe entwerfen optimiere
        optimieren debugge diagnostiziere bewerte bewerten planen strategie migriere
        analysez analyser comparez comparer concevez concevoir optimisez optimiser débogue déboguer
        diagnostiquer diagnostic évaluez évaluer planifiez planifier stratégie
        analiza analizar análisis compara comparar diseña diseñar optimiza optimizar depura depurar
        diagnostica diagnóstico evalúa evaluar planifica planificar estrategia
        analise analisar análise projete projetar otimize otimizar depure avalie avaliar planeje
        planejar estratégia analizza analizzare confronta confrontare progetta progettare ottimizza
        ottimizzare valuta valutare pianifica pianificare
        analyseer vergelijk vergelijken ontwerp ontwerpen optimaliseer beoordeel
        проанализируй проанализируйте анализ сравни сравните сравнить спроектируй спроектируйте
        оптимизируй оптимизируйте отладь диагноз оцени оцените спланируй спланируйте стратегия
        分析 比较 比較 设计 設計 优化 最適化 调试 诊断 診断 重构 评估 評価 规划 策略 迁移 移行 权衡
        デバッグ リファクタリング 戦略 분석 비교 설계 최적화 디버그 디버깅 진단 평가 계획 전략""",
    "ask": """why explain write plot implement create generate build describe improve rewrite draft
        develop solve calculate compute determine show review suggest merge
        warum wieso erkläre erklären schreibe schreib implementiere erstelle beschreibe löse zeige
        berechne verbessere pourquoi explique expliquez écris écrivez rédige rédigez crée résous
        calcule montre décris explica escribe crea resuelve calcula muestra escreva crie resolva
        mostre descreva perché spiega scrivi risolvi calcola descrivi waarom schrijf maak bereken
        beschrijf почему зачем объясни объясните напиши напишите реши решите вычисли опиши создай
        为什么 解释 说明 写 编写 实现 创建 生成 计算 求解 描述 改进
        なぜ どうして 説明 書いて 書け 作成 実装 計算 解いて 求めよ 改善
        왜 설명 작성 구현 써 만들어 계산 개선""",
    "how": """fix wie comment cómo como hoe как 如何 怎么 怎样 修复 どのように 修正 어떻게 수정""",
    "simple": """translate define list name convert spell extract classify summarise summarize
        übersetze definiere traduis traduisez traduce traduza traduci vertaal переведи переведите
        翻译 翻譯 翻訳 번역""",
    "then": """then next finally afterwards secondly thirdly dann danach anschließend schließlich
        puis ensuite enfin luego después finalmente depois poi infine daarna затем потом
        然后 最后 接着 次に その後 最後に 그다음 마지막으로""",
    "constraint": """must exactly without never ensure avoid except unless maximum minimum shall
        cannot fewer exceed constraint constraints muss müssen genau ohne mindestens höchstens außer
        doit doivent exactement sans uniquement sauf debe deben exactamente menos máximo
        deve devem exatamente sem devono esattamente senza almeno moet moeten precies zonder
        minstens должен должна должны ровно без минимум максимум
        必须 必須 恰好 至少 最多 不得 不能 不超过 每行 只能 不使用 ちょうど 必ず 以内 使わず 含めず
        各行 반드시 정확히 최소 최대 없이""",
    "coding": """function functions script regex sql python javascript typescript algorithm api
        pytest dataframe dataframes query queries docker bash program code endpoint compiler
        recursion funktion skript algorithmus programm fonction programme algorithme función
        programa algoritmo função funzione programma functie функцию функция скрипт алгоритм
        программу код 函数 代码 程序 脚本 算法 関数 コード プログラム スクリプト アルゴリズム
        함수 코드 프로그램 스크립트 알고리즘""",
    "maths": """theorem lemma integral derivative eigenvalue eigenvalues polynomial matrix prime
        primes modulo converge converges convergence irrational sqrt bijection topology probability
        equation inequality gleichung primzahlen théorème intégrale équation teorema ecuación primos
        integrale equação уравнение интеграл теорема простых
        定理 积分 导数 矩阵 素数 质数 方程 无理数 概率 微分 積分 行列 無理数 確率 不等式
        정리 적분 행렬 소수 방정식 무리수 확률""",
    "expert": """patient symptoms differential clinical dose contraindicated plaintiff statute
        liability indemnity indemnification jurisdiction breach clause clauses contract concurrency
        concurrent mutex distributed consensus consistency replication sharding throughput latency
        transactional kubernetes postgresql microservices regression bayesian likelihood posterior
        causal estimator endogeneity variance thermodynamic hamiltonian asymptotic rollback downtime
        idempotent cryptographic
        患者 症状 鉴别 鑑別 临床 合同 契約 条款 条項 责任 責任 赔偿 賠償 并发 並行 竞态 競合 死锁
        分布式 分散 一致性 整合性 吞吐 延迟 回归 回帰 贝叶斯 ベイズ 因果 回滚 ロールバック 停机 停止
        환자 증상 감별 계약 조항 책임 동시성 교착 분산 일관성 회귀 베이즈 인과""",
}
_VOCABULARY = {name: frozenset(words.split()) for name, words in _TERMS.items()}
_VERBS = frozenset[str]().union(*(_VOCABULARY[v] for v in ("proof", "hard", "ask", "simple")))
_UNSPACED = re.compile("[\u2e80-\u9fff\uac00-\ud7ff]")
_PARTS = sorted({w for v in _VOCABULARY.values() for w in v if _UNSPACED.match(w)}, key=len)

_WORD = re.compile(r"[^\W\d_]+")
_PART = re.compile("|".join(reversed(_PARTS)))

# The text is read with a line break before it, so that what begins a line begins with "\n": re then
# jumps from line to line, which "^" does not let it do.
_CLAUSE_START = (
    re.compile(r"[-.!?:;,()*\n]\s{0,9}(?=([^\W\d_]+))"),
    re.compile(r"[ \n](?:and|then|please|to|you|bitte|und|et|y|e|и)\s{1,9}(?=([^\W\d_]+))"),
)
_OPENING = re.compile(
    r"""\W{0,9}(?:(?:please|bitte|could[ ]you|can[ ]you|tell[ ]me)[ ,]{1,2})?(?:(?:
    hi|hello|hey|thanks|thank[ ]you|good[ ](?:morning|evening|night)|ok|yes|no|ping|test
    |what(?!.{1,9}wrong)(?:['’]s|[ ](?:is|are|was|were|does))?|who|whose|when|where|which
    |how[ ](?:many|much|old|tall|far|long|big|high|do[ ](?:you|i)[ ](?:say|spell))|is|are|does|did
    |define|translate|list|name|convert|spell|extract|classify|summari[sz]e
    |was[ ](?:ist|sind|bedeutet)|wer|wann|wo|welche[rs]?|wie[ ](?:viele?|alt|hoch|heißt)
    |übersetze|definiere|nenne|hallo|danke|bonjour|merci|qu[’']est-ce|quel(?:le)?s?|qui|où|quand
    |combien|traduis(?:ez)?|définis|hola|gracias|qué[ ]es|cuál|quién|cuándo|dónde|cuánt[oa]s?
    |traduce|olá|o[ ]que[ ]é|qual|quem|quando|onde|quant[aeio]s?|traduza|ciao|cos['’]è|chi|dove
    |traduci|wat[ ]is|waar|wanneer|hoeveel|vertaal|привет|спасибо|что[ ]такое|кто|когда|где
    |сколько|как(?:ой|ая|ое)|переведи(?:те)?)\b
    |你好|谢谢|什么是|谁|请?翻译|[把将].{1,40}翻译|こんにちは|ありがとう|誰|안녕
    |.{1,24}(?:是什么|是多少|是谁|是哪|在哪|什么时候|とは|は何|はどこ|は誰|はいつ|に翻訳|に訳し
        |이란|무엇|어디|누구|언제|번역))""",
    re.VERBOSE | re.IGNORECASE,
)
_HOW_TO = re.compile(
    r"[ \n](?:how (?:to|do|does|did|can|should|could|would|is|are)|is wrong with)\b"
)
_SHOW_THAT = ("show that", "zeige, dass", "montrer que", "montrez que", "покажите, что")
_LIMIT = re.compile(
    r"[ \n](?:at (?:least|most)|(?:in|under|within) (?:\d+|one|two|three|four|five)"
    r"|each (?:line|step|sentence|word|paragraph|item|row))\b"
)
_ITEM = re.compile(r"\n[ \t]*(?:\d{1,2}[.)]|[-*•])[ \t]+\S")
_FENCE = "```"
_CODE = re.compile(
    r"""\n[ \t]*(?:def[ ]\w+\(|class[ ]\w+[(:{]|from[ ][\w.]+[ ]import[ ]
    |import[ ][\w.]+(?:[ ]as[ ]|;|(?=\n))|(?:for|while|if|elif|with|try)\b.{0,80}[:{](?=[ ]*\n[ \t])
    |return[ ][\w({'"\[]|\#include\b|SELECT[ ].{1,80}[ ]FROM|(?:const|let|var)[ ]\w+[ ]*=
    |(?:async[ ])?function[ ]\w*\(|(?:public|private|static)[ ]\w+[ ]\w+
    |[\w.\[\]]{1,40}[ ]?[-+*/]?=[ ]?[\w({'"\[]|[\w.]{1,40}\([^)\n]{0,80}\);?(?=\n))""",
    re.VERBOSE,
)
_TRACEBACK = re.compile(
    r"""\n[ \t]*(?:File[ ]"[^"\n]{1,200}",[ ]line[ ]\d
    |at[ ][\w.$<>]{1,200}\([\w. ]{1,99}:\d|panic:[ ]|thread[ ]'\w+'[ ]panicked
    |[\w.]{0,80}(?:Error|Exception):[ ])""",
    re.VERBOSE,
)
_ROW = re.compile(
    r"\n(?:[ \t]*\|.{1,200}\||[^\t\n]{1,80}\t[^\t\n]{1,80}\t"
    r"|[^,\n]{1,80},[^,\s][^,\n]{0,80},[^,\s])"
)
_SIGN = re.compile("[\\^∑∫√≤≥≠∈∀∃∞∂]")
_LATEX = re.compile(r"\\(?:frac|int|sum|lim|sqrt|begin|mathbb|leq|infty)\b")

_HEAD = _TAIL = 10_000  # characters that are read of a longer text


def score(
    text: str,
    *,
    data: str = "",
    frames: int = 0,
    format: str = "markdown",
    weights: Weights = WEIGHTS,
) -> Complexity:
    """How hard a prompt looks: 0 trivial … 1 hard, to 4 digits, with up to three reasons in words.

    Deterministic, without network; about 0.2 ms for 1 KB. Reads at most 20,000 characters.

    Args:
        text: the prompt.
        data: values put into it, which are no words of the user's: they count by a tenth of their
            length, and by a traceback among them.
        frames: how many DataFrames stand in it.
        format: how the answer is wanted; code and json weigh a little.
        weights: what each feature counts.
    """
    tokens, features = _features(text, data, frames=frames, format=format)
    parts = {name: getattr(weights, name) * value for name, value in features.items()}
    z = max(-50.0, min(50.0, weights.bias + sum(parts.values())))
    reasons = _high_reasons(parts, tokens) + (_low_reasons(features, tokens) if z < 0 else [])
    return Complexity(round(1 / (1 + math.exp(-z)), 4), tuple(reasons[:3]))


def _features(text: str, data: str, *, frames: int, format: str) -> tuple[int, dict[str, float]]:
    sample, tokens = _sample(text)
    values, value_tokens = _sample(data) if data else ("", 0)
    tokens += value_tokens // 10  # reading data is easier than following words
    lower = sample.lower()
    words, starts = _words(lower)
    hits = {name: len(terms & words) for name, terms in _VOCABULARY.items()}
    first = {name: len(_VOCABULARY[name] & starts) for name in ("ask", "how", "then")}
    proofs = hits["proof"] + sum(phrase in lower for phrase in _SHOW_THAT)
    asks = first["ask"] + hits["hard"] + proofs > 0
    how = first["how"] > 0 or _HOW_TO.search(lower) is not None
    code = _share(sample.count(_FENCE) + len(_CODE.findall(sample)), 2)
    signs = len(_SIGN.findall(sample)) + len(_LATEX.findall(sample))
    return tokens, {
        "length": math.log1p(tokens / 20),
        "opening": (0.4 + 0.6 / (1 + tokens / 60)) if _OPENING.match(sample) else 0.0,
        "ask": 1.0 if asks else 0.7 if how else 0.0,
        "hard": _share(hits["hard"], 3),
        "proof": _share(proofs, 1),
        "expert": _share(hits["expert"], 3),
        "wording": _share(sum(len(word) > 8 for word in words), 12),
        "maths": _share(hits["maths"] + signs, 3),
        "code": code,
        "coding": max(0.0, _share(hits["coding"], 2) - code),
        "traceback": float(_has_traceback(sample) or _has_traceback(values)),
        "tasks": _share(first["then"] + _tasks(sample, starts), 5),
        "constraints": _share(hits["constraint"] + len(_LIMIT.findall(lower)), 4),
        "data": _share(frames + 2 * (len(_ROW.findall(sample)) > 1), 4),
        "output": float(format in ("code", "json")),
    }


def _sample(text: str) -> tuple[str, int]:
    """What is read of a text, and the tokens of all of it, scaled up where not all is read."""
    if len(text) <= _HEAD + _TAIL:
        return f"\n{text}", estimate_tokens(text)
    sample = f"\n{text[:_HEAD]}\n{text[-_TAIL:]}"
    return sample, estimate_tokens(sample) * len(text) // len(sample)


def _words(lower: str) -> tuple[set[str], set[str]]:
    """All words, and those that begin a clause, as a verb in the imperative does."""
    words = set(_WORD.findall(lower))
    starts = {word for pattern in _CLAUSE_START for word in pattern.findall(lower)}
    if not lower.isascii():
        parts = set(_PART.findall(lower))
        return words | parts, starts | parts
    return words, starts


def _tasks(sample: str, starts: set[str]) -> int:
    """List items, and questions and verbs after the first."""
    questions = sample.count("?") + sample.count("？")
    verbs = len(_VERBS & starts)
    return len(_ITEM.findall(sample)) + max(0, questions - 1) + max(0, verbs - 1)


def _has_traceback(sample: str) -> bool:
    if "Traceback (most recent call" in sample:
        return True
    named = any(word in sample for word in ("Error", "Exception", "panic"))
    return named and _TRACEBACK.search(sample) is not None


def _share(count: int, full: int) -> float:
    return min(count, full) / full


def _high_reasons(parts: Mapping[str, float], tokens: int) -> list[str]:
    """What raised the score by 0.3 or more before the logistic, strongest first."""
    why = _WHY | ({"length": f"long ({tokens:,} tokens)"} if tokens >= 150 else {})
    strong = sorted((name for name in why if parts[name] >= 0.3), key=lambda n: -parts[n])
    return [why[name] for name in strong]


def _low_reasons(features: Mapping[str, float], tokens: int) -> list[str]:
    reasons = []
    if tokens < 60:
        reasons.append("short question" if features["opening"] else "short")
    if not features["code"] and not features["coding"]:
        reasons.append("no code")
    return reasons
