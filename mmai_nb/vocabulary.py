"""The words that routing looks for, by what they mean for a prompt; the rest are strangers to it.

Whole words, or in Chinese, Japanese, Korean and Thai parts of the text. Words of everyday English
that are also Python ("let", "class", "import") count in a line of code only and stand nowhere here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["MEANINGS", "TERMS", "UNSPACED", "VERBS"]

TERMS = {
    "proof": """prove proves proving disprove derive derivation deduce beweise beweisen beweis
        herleiten herleitung widerlege prouve prouver prouvez démontre démontrer démontrez
        démonstration demuestra demuestre demostrar demostración demonstre demonstrar demonstração
        deduza dimostra dimostrare dimostri dimostrazione bewijs bewijzen afleiden докажи докажите
        доказать доказательство выведи выведите 证明 證明 推导 推導 証明 導出 증명 유도
        พิสูจน์
        أثبت اثبت برهن إثبات برهان udowodnij wykaż kanıtla ispatla""",
    "hard": """analyse analyze compare contrast design architect optimise optimize debug diagnose
        refactor evaluate critique assess plan migrate investigate reconcile recommend justify
        prioritise prioritize generalise generalize propose
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
        デバッグ リファクタリング 戦略 推荐 推薦 提案 论证 调查 調査 一般化
        분석 비교 설계 최적화 디버그 디버깅 진단 평가 계획 전략
        วิเคราะห์ เปรียบเทียบ ออกแบบ ประเมิน วางแผน
        حلل قارن صمم خطط تحليل مقارنة تصميم zaprojektuj porównaj przeanalizuj oceń zaplanuj
        tasarla karşılaştır değerlendir planla""",
    "weighing": """tradeoff tradeoffs offs pros cons rollback deadlock downtime alternatives
        options risks confounders assumptions""",
    "ask": """why explain write plot implement create generate build describe improve rewrite draft
        develop solve show review suggest merge add
        warum wieso erkläre erklären schreibe schreib implementiere erstelle beschreibe löse zeige
        verbessere pourquoi explique expliquez écris écrivez rédige rédigez crée résous
        montre décris explica escribe crea resuelve muestra escreva crie resolva
        mostre descreva perché spiega scrivi risolvi descrivi waarom schrijf maak
        beschrijf почему зачем объясни объясните напиши напишите реши решите опиши создай
        为什么 解释 说明 写 编写 实现 创建 生成 制定 绘制 画成 求解 描述 改进
        なぜ どうして 説明 書いて 書け 作成 実装 グラフに 解いて 求めよ 改善
        왜 설명 작성 구현 써 만들어 개선
        ทำไม อธิบาย เขียน
        اشرح اكتب لماذا أنشئ حل dlaczego wyjaśnij napisz
        stwórz neden açıkla yaz oluştur""",
    "how": """fix wie comment cómo como hoe как 如何 怎么 怎样 修复 どのように 修正 어떻게 수정
        كيف jak nasıl""",
    "simple": """translate define list name convert spell extract classify summarise summarize
        übersetze definiere traduis traduisez traduce traduza traduci vertaal переведи переведите
        翻译 翻譯 翻訳 번역 แปล 列出 列举 总结 概括 分类 定义 挙げて
        要約 まとめて 定義 나열 요약 정의
        ترجم عرف لخص اذكر przetłumacz wymień çevir özetle listele""",
    "plain": """give tell find make determine calculate compute choose check help keep rename remove
        change return use read load save run count sort group filter rank identify state""",
    "then": """then next finally afterwards secondly thirdly dann danach anschließend schließlich
        puis ensuite enfin luego después finalmente depois poi infine daarna затем потом
        然后 最后 接着 次に その後 最後に 그다음 마지막으로""",
    "constraint": """must exactly without never ensure avoid except unless maximum minimum shall
        cannot fewer exceed constraint constraints muss müssen genau ohne mindestens höchstens außer
        doit doivent exactement sans uniquement sauf debe deben exactamente menos máximo
        deve devem exatamente sem devono esattamente senza almeno moet moeten precies zonder
        minstens должен должна должны ровно без минимум максимум
        必须 必須 恰好 至少 最多 不得 不能 不超过 每行 只能 不使用 ちょうど 必ず 以内 使わず 含めず
        避免 确保 避けて 各行 반드시 정확히 최소 최대 없이
        يجب بدون دون musi dokładnie bez""",
    "coding": """function functions module modules script regex sql python javascript
        typescript algorithm api pytest dataframe dataframes query queries docker bash program code
        endpoint compiler recursion funktion skript algorithmus programm fonction programme
        algorithme función programa algoritmo função funzione programma functie функцию
        функция скрипт алгоритм программу код 函数 代码 程序 查询 脚本 算法 関数 クエリ コード
        プログラム スクリプト アルゴリズム 함수 코드 프로그램 스크립트 알고리즘
        دالة كود برنامج خوارزمية funkcję algorytm fonksiyon algoritma""",
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
    "quantity": """each per every total remaining more fewer than twice half times third quarter
        average percent rate ratio difference jede jeder jedes insgesamt mehr weniger doppelt halb
        durchschnitt prozent chaque total plus moins moitié moyenne pourcentage cada más
        doble mitad promedio porcentaje mais metade média ogni più doppio metà media elke totaal
        meer minder helft gemiddelde каждый каждая больше меньше вдвое половина среднее процент
        每 各 总共 總共 剩 剩下 一共 多少 一半 两倍 倍 平均 百分之 それぞれ 合計 残り 半分 割合
        각각 합계 남은 절반 평균 비율 몇 แต่ละ ทั้งหมด ครึ่ง เฉลี่ย""",
}


def _by_word() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for meaning, words in TERMS.items():
        for word in dict.fromkeys(words.split()):
            found.setdefault(word, []).append(meaning)
    return MappingProxyType({word: tuple(meanings) for word, meanings in found.items()})


MEANINGS = _by_word()
"""What each known word stands for; most for one thing."""

VERBS = frozenset(w for m in ("proof", "hard", "ask", "simple", "plain") for w in TERMS[m].split())
"""What a task is asked for with, at the beginning of a clause."""

_UNSPACED = re.compile("[\u0e00-\u0eff\u2e80-\u9fff\uac00-\ud7ff]")
UNSPACED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        first: tuple(word for word in MEANINGS if word[0] == first)
        for first in {word[0] for word in MEANINGS if _UNSPACED.match(word)}
    }
)
"""Words of scripts without spaces, or with glued endings, by their first character."""
