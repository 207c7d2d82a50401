from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb.records import Message
from mmai_nb.tokens import estimate_messages, estimate_tokens

# Texts of our own, with the tokens that o200k_base counts in them.
COUNTED = {
    "en": (
        68,
        "The report shows how the sales of the last three months developed in each region. We "
        "asked every team to explain the largest differences, and most of them answered within "
        "a week. The new warehouse in the north opened late, so the deliveries of March were "
        "counted in April. Please check the attached table before you use the numbers in a "
        "presentation.",
    ),
    "de": (
        74,
        "Der Bericht zeigt, wie sich der Umsatz der letzten drei Monate in jeder Region "
        "entwickelt hat. Wir haben jede Gruppe gebeten, die größten Unterschiede zu erklären, "
        "und die meisten haben innerhalb einer Woche geantwortet. Das neue Lager im Norden "
        "wurde später eröffnet, deshalb zählen die Lieferungen vom März erst im April. Bitte "
        "prüfen Sie die Tabelle, bevor Sie die Zahlen verwenden.",
    ),
    "fr": (
        76,
        "Le rapport montre comment les ventes des trois derniers mois ont évolué dans chaque "
        "région. Nous avons demandé à chaque équipe d'expliquer les plus grandes différences, "
        "et la plupart ont répondu en une semaine. Le nouvel entrepôt du nord a ouvert en "
        "retard, les livraisons de mars ont donc été comptées en avril. Vérifiez le tableau "
        "avant d'utiliser les chiffres.",
    ),
    "es": (
        74,
        "El informe muestra cómo evolucionaron las ventas de los últimos tres meses en cada "
        "región. Pedimos a cada equipo que explicara las mayores diferencias, y la mayoría "
        "respondió en una semana. El nuevo almacén del norte abrió tarde, por eso las entregas "
        "de marzo se contaron en abril. Revise la tabla adjunta antes de usar los números en "
        "una presentación.",
    ),
    "pt": (
        74,
        "O relatório mostra como as vendas dos últimos três meses evoluíram em cada região. "
        "Pedimos a cada equipe que explicasse as maiores diferenças, e a maioria respondeu em "
        "uma semana. O novo armazém do norte abriu com atraso, por isso as entregas de março "
        "foram contadas em abril. Verifique a tabela antes de usar os números em uma "
        "apresentação.",
    ),
    "it": (
        86,
        "Il rapporto mostra come le vendite degli ultimi tre mesi sono cambiate in ogni "
        "regione. Abbiamo chiesto a ogni gruppo di spiegare le differenze più grandi, e quasi "
        "tutti hanno risposto entro una settimana. Il nuovo magazzino del nord ha aperto in "
        "ritardo, perciò le consegne di marzo sono state contate in aprile. Controllate la "
        "tabella prima di usare i numeri.",
    ),
    "nl": (
        75,
        "Het rapport laat zien hoe de verkoop van de laatste drie maanden zich in elke regio "
        "ontwikkelde. We vroegen elk team om de grootste verschillen uit te leggen, en de "
        "meeste antwoordden binnen een week. Het nieuwe magazijn in het noorden ging later "
        "open, dus de leveringen van maart zijn in april geteld. Controleer de tabel voordat "
        "je de cijfers gebruikt.",
    ),
    "pl": (
        99,
        "Raport pokazuje, jak zmieniała się sprzedaż w ostatnich trzech miesiącach w każdym "
        "regionie. Poprosiliśmy każdy zespół o wyjaśnienie największych różnic i większość "
        "odpowiedziała w ciągu tygodnia. Nowy magazyn na północy otwarto późno, dlatego "
        "dostawy z marca policzono w kwietniu. Sprawdź tabelę, zanim użyjesz tych liczb w "
        "prezentacji.",
    ),
    "tr": (
        81,
        "Rapor, son üç ayın satışlarının her bölgede nasıl geliştiğini gösteriyor. Her ekipten "
        "en büyük farkları açıklamasını istedik ve çoğu bir hafta içinde cevap verdi. "
        "Kuzeydeki yeni depo geç açıldı, bu yüzden mart ayının teslimatları nisanda sayıldı. "
        "Sayıları bir sunumda kullanmadan önce lütfen ekteki tabloyu kontrol edin.",
    ),
    "ru": (
        77,
        "Отчёт показывает, как менялись продажи за последние три месяца в каждом регионе. Мы "
        "попросили каждую группу объяснить самые большие различия, и большинство ответило в "
        "течение недели. Новый склад на севере открылся позже, поэтому поставки за март учтены "
        "в апреле. Проверьте таблицу, прежде чем использовать эти числа в докладе.",
    ),
    "el": (
        95,
        "Η αναφορά δείχνει πώς εξελίχθηκαν οι πωλήσεις των τελευταίων τριών μηνών σε κάθε "
        "περιοχή. Ζητήσαμε από κάθε ομάδα να εξηγήσει τις μεγαλύτερες διαφορές και οι "
        "περισσότερες απάντησαν μέσα σε μία εβδομάδα. Η νέα αποθήκη στον βορρά άνοιξε αργά. "
        "Ελέγξτε τον πίνακα πριν χρησιμοποιήσετε τους αριθμούς.",
    ),
    "ar": (
        74,
        "يوضح التقرير كيف تطورت المبيعات خلال الأشهر الثلاثة الماضية في كل منطقة. طلبنا من كل "
        "فريق أن يشرح أكبر الفروق، وأجاب معظمهم خلال أسبوع. افتتح المستودع الجديد في الشمال "
        "متأخرا، لذلك حسبت شحنات مارس في أبريل. يرجى مراجعة الجدول قبل استخدام الأرقام في عرض.",
    ),
    "hi": (
        81,
        "रिपोर्ट दिखाती है कि पिछले तीन महीनों में हर क्षेत्र में बिक्री कैसे बदली। हमने हर "
        "टीम से सबसे बड़े अंतर समझाने को कहा, और अधिकांश ने एक सप्ताह में उत्तर दिया। उत्तर का "
        "नया गोदाम देर से खुला, इसलिए मार्च की आपूर्ति अप्रैल में गिनी गई। कृपया संख्याओं का "
        "उपयोग करने से पहले तालिका जाँच लें।",
    ),
    "ja": (
        110,
        "この報告書は、過去三か月の売上が各地域でどのように変化したかを示しています。各チームに"
        "最も大きな違いの説明を求めたところ、ほとんどが一週間以内に回答しました。北部の新しい倉"
        "庫は開設が遅れたため、三月の配送は四月に計上されています。数字を発表資料に使う前に、添"
        "付の表を確認してください。",
    ),
    "ko": (
        91,
        "이 보고서는 지난 석 달 동안 각 지역의 매출이 어떻게 변했는지 보여 줍니다. 모든 팀에 "
        "가장 큰 차이를 설명해 달라고 요청했고, 대부분 일주일 안에 답했습니다. 북쪽의 새 "
        "창고가 늦게 문을 열어서 3월의 배송은 4월에 계산되었습니다. 발표에 숫자를 사용하기 "
        "전에 첨부된 표를 확인해 주세요.",
    ),
    "zh": (
        94,
        "报告显示了过去三个月各地区销售额的变化情况。我们请每个团队解释最大的差异，大多数团队在"
        "一周内作出了答复。北方的新仓库开放较晚，因此三月的发货计入了四月。在演示文稿中使用这些"
        "数字之前，请先检查附表。如果您发现错误，请写信给我们，并说明表格的行号和日期，我们会尽"
        "快更正。",
    ),
    "zh-hant": (
        122,
        "報告顯示了過去三個月各地區銷售額的變化情況。我們請每個團隊解釋最大的差異，大多數團隊在"
        "一週內作出了答覆。北方的新倉庫開放較晚，因此三月的出貨計入了四月。在簡報中使用這些數字"
        "之前，請先檢查附表。如果您發現錯誤，請寫信給我們，並說明表格的列號和日期，我們會盡快更"
        "正。",
    ),
    "python": (
        120,
        "def monthly(rows, *, start=None):\n"
        '    """Sum of each month, oldest first."""\n'
        "    totals = {}\n"
        "    for row in rows:\n"
        '        month = row["date"][:7]\n'
        "        if start is not None and month < start:\n"
        "            continue\n"
        '        totals[month] = totals.get(month, 0.0) + float(row["amount"])\n'
        "    return [(m, round(t, 2)) for m, t in sorted(totals.items())]\n"
        "\n"
        "\n"
        'if __name__ == "__main__":\n'
        '    print(monthly(load("sales.csv"), start="2024-01"))\n',
    ),
    "csv": (
        100,
        "date,region,amount,count\n"
        "2024-01-03,north,1204.50,17\n"
        "2024-01-04,south,987.25,12\n"
        "2024-01-05,north,1310.00,19\n"
        "2024-01-08,east,455.10,6\n"
        "2024-01-09,west,760.80,9\n"
        "2024-01-10,south,1042.35,14\n",
    ),
}


def error(name: str) -> float:
    counted, text = COUNTED[name]
    return abs(estimate_tokens(text) - counted) / counted


@pytest.mark.parametrize("name", COUNTED)
def test_the_estimate_is_within_25_percent_of_o200k(name):
    assert error(name) <= 0.25


def test_the_mean_error_over_all_languages_is_at_most_12_percent():
    assert sum(map(error, COUNTED)) / len(COUNTED) <= 0.12


@pytest.mark.parametrize("name", ["ja", "zh", "ko"])
def test_scripts_without_spaces_are_not_taken_for_short(name):
    text = COUNTED[name][1]
    assert estimate_tokens(text) > 2 * len(text) / 4


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("hi", 1),
        ("hello world", 2),
        ("considerable", 3),  # 12 letters / 5, rounded up
        ("12345678", 3),
        ("...", 1),
        ("......", 2),
        ("\ud800\ud800", 2),
        ("\x00\x01", 1),
        ("∑∫", 2),
    ],
)
def test_each_rule_counts_what_its_table_says(text, tokens):
    assert estimate_tokens(text) == tokens


@given(st.text(), st.text())
def test_appending_never_lowers_the_estimate(text, more):
    assert 0 <= estimate_tokens(text) <= estimate_tokens(text + more)


@given(st.text(alphabet="aé1 .\n中я\ud800", max_size=60), st.characters())
def test_one_more_character_never_lowers_the_estimate(text, more):
    assert estimate_tokens(text) <= estimate_tokens(text + more)


@given(st.text(min_size=1))
def test_a_text_has_no_more_tokens_than_three_per_character(text):
    assert estimate_tokens(text) <= 3 * len(text)


@pytest.mark.parametrize("piece", ["a", " ", "\n", "{", "9", "中", "é", "ж", "\ud800", "a, "])
def test_the_time_is_linear_whatever_the_text_repeats(piece):
    started = time.thread_time()
    estimate_tokens(piece * 200_000)
    assert time.thread_time() - started < 2.0


def test_a_chat_adds_four_tokens_a_message_and_three_for_the_answer():
    chat = [Message("system", "hello"), Message("user", "hello world")]
    assert estimate_messages(chat) == 3 + (4 + 1) + (4 + 2)


def test_an_empty_chat_is_only_the_answers_opening():
    assert estimate_messages([]) == 3
