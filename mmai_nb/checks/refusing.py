"""Answers that decline, or say that they do not know, in a dozen languages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .finding import Finding
from .prose import names_a_language

__all__ = ["refusal"]

_REFUSAL = re.compile(
    r"^\W*(?:"
    r"(?:(?:i'?m|i am) (?:very |really |so )?(?:sorry|afraid)|sorry|i apologi[sz]e|my apologies),? "
    r"(?:(?:but |that )?(?:i|this|that)\b[^.!?\n]{0,40}?(?:\b(?:can(?:no|')t|can ?not|unable|won't|"
    r"must|refuse|decline|not (?:able|possible|something|allowed)|"
    r"(?:don't|do not) (?:have|know|feel))\b)|no\W*$)|"
    r"as an? (?:ai|(?:large )?language model)\b.{0,30},? i have no|"
    r"(?:(?:unfortunately|as an? (?:ai|(?:large )?language model)\b.{0,30}),? )?"
    r"i(?: am|'m)? (?:can(?:no|')t|can ?not|unable to|not able to|won't|do(?:n't| not)) "
    r"(?:help|assist|answer|provide|do|fulfil|comply|create|give|access|browse|open|see|view|"
    r"be able|have (?:access|the ability|enough|an? |any |personal|opinions?|no ))|"
    r"(?:i regret|je regrette)\b.{0,30}\b(?:can't|cannot|can not|unable|pas)\b|"
    r"(?:this|your|the) (?:request|question) (?:cannot|can't|can not) be (?:fulfilled|answered)|"
    r"ich bin (?:\w+ )?nicht in der lage|"
    r"i (?:must|have to|need to|will have to) (?:respectfully )?(?:decline|refuse)|"
    r"i(?:'d| would) (?:rather|prefer) not\b|"
    r"that(?:'s| is) (?:not )?(?:something|a request) (?:that )?i (?:can|can't|cannot|am)\b|"
    r"es tut mir leid.{0,60}?\b(?:nicht|kein\w*)\b|"
    r"(?:tut mir leid|entschuldigung|sorry),? .{0,40}\b(?:kann|darf) .{0,25}\b(?:nicht|kein\w*)\b|"
    r"(?:leider )?(?:kann|darf) ich (?:\w+ ){0,4}(?:leider )?(?:nicht|keine?)\b|"
    r"ich kann (?:\w+ ){0,3}(?:leider )?nicht (?:helfen|beantworten|weiterhelfen|erfüllen)|"
    r"(?:je suis )?désolée?\b.{0,30}\b(?:pas|impossible)\b|"
    r"je ne (?:peux|suis) pas (?:vous |t')?(?:aider|répondre|en mesure)|"
    r"lo siento\b.{0,30}\bno\b|lamento no|no puedo (?:ayudar|responder)|"
    r"mi dispiace\b.{0,30}\bnon\b|non posso (?:aiutar|risponder)|"
    r"(?:me )?(?:desculpe|sinto muito)\b.{0,30}\bnão\b|não posso (?:ajudar|responder)|"
    r"het spijt me\b.{0,40}\bniet\b|helaas kan ik|ik kan (?:\w+ ){0,3}niet helpen|"
    r"przepraszam, (?:ale )?nie|niestety nie mogę|"
    r"(?:beklager|undskyld)\b.{0,40}\bikke\b|tyvärr kan jag|jag kan tyvärr|anteeksi, mutta|"
    r"(?:üzgünüm|maalesef)\b.{0,60}(?:amam|emem|amıyor|emiyor)|"
    r"xin lỗi\b.{0,30}không|maaf,.{0,30}tidak|"
    r"(?:非常|很|十分)?(?:抱歉|对不起|對不起)[^。]{0,20}(?:无法|無法|不能|没办法|不便)|"
    r"我(?:无法|無法|不能|没办法)(?:帮|協助|协助|回答|提供|满足|完成)|"
    r"(?:申し訳(?:ありません|ございません)|すみません)が.{0,60}(?:できません|かねます|ません|できない)|"
    r"죄송.{0,60}(?:없|못|않)|"
    r"извините,.{0,40}\bне\b|к сожалению,? я не|я не могу (?:помочь|ответить)|"
    r"(?:عذر|آسف).{0,20}(?:لا|لن)|لا (?:أستطيع|يمكنني) (?:المساعدة|الإجابة)|"
    r"(?:ขออภัย|ขอโทษ).{0,30}ไม่)",
    re.IGNORECASE,
)
_UNKNOWING = re.compile(
    r"^\W*(?:(?:sorry|unfortunately|honestly),? )?"
    r"(?:i (?:really |honestly )?(?:don't|do not) know|"
    r"i(?:'m| am) (?:not (?:\w+ )?(?:sure|certain)|unsure)|(?:i have )?no idea|"
    r"(?:das )?weiß ich (?:leider )?nicht|ich weiß (?:es )?(?:leider )?nicht|keine ahnung|"
    r"je (?:ne )?sais pas|no (?:lo )?sé\b|non (?:lo )?so\b|não sei|weet ik niet|я не знаю|"
    r"我?不知道|わかりません|分かりません|모르겠|"
    r"(?:that|it)(?:'s| is) (?:unknown|hard to say|unclear)\W*$)",
    re.IGNORECASE,
)
_YET = re.compile(
    r"\d|\b(?:but|perhaps|maybe|probably|might|may|could|however|think|guess)\b", re.IGNORECASE
)
_MAY_NOT_KNOW = re.compile(
    r"don't know|do not know|not sure|unsure|no idea|unknown|^(?:finish|complete|continue)\b",
    re.IGNORECASE,
)
LONGEST_UNKNOWING = 160
"""Characters: who says more after "I am not sure" may go on to an answer."""

LONGEST_REFUSAL = 400
"""Characters: who says more than that after "I can't …" does not merely decline."""


_HELPS = re.compile(r"`[^`]{3}|https?://|\n[ \t]*(?:[-*]|\d\.)[ \t]")
"""It declines one thing and gives another: code, a link, a list."""
_QUOTED = re.compile(r"""["“„«'][^"“”„«»]+["”“»']""")

_WRITING = re.compile(
    r"\b(?:write|draft|compose|rephrase|reword|reply|respond|say|(?:e-?)?mails?|letter|message|"
    r"note|excuse|words? for|schreib\w*|écri\w+|escrib\w+)\b"
    r"|translat|übersetz|tradu[iczçs]",
    re.IGNORECASE,
)
_DECLINING = re.compile(
    r"\b(?:sorry|apolog\w*|afraid|can ?not|can't|unable|declin\w*|refus\w*|entschuldig\w*|leid|"
    r"absag\w*|ablehn\w*|désolée?|excus\w*|siento|disculp\w*|scus\w*)\b",
    re.IGNORECASE,
)


def refusal(text: str, prompt: str = "") -> Iterator[Finding]:
    """It begins by declining, or by not knowing, and there is not much more.

    Unless such words were to be written.
    """
    plain = text[:300].replace("’", "'").lstrip()
    if len(text) <= LONGEST_UNKNOWING and _UNKNOWING.search(plain) and not _YET.search(plain):
        if not _MAY_NOT_KNOW.search(prompt[:5_000].replace("’", "'")):
            yield Finding("refusal", "the model says that it does not know")
        return
    if len(text) > LONGEST_REFUSAL or not _REFUSAL.search(plain) or _HELPS.search(text):
        return
    if _QUOTED.fullmatch(text.strip()) or _goes_on_to_answer(text.strip()):
        return  # such words were asked for, or more than declining follows
    asked = prompt[:5_000].replace("’", "'")
    to_write = _WRITING.search(asked) or names_a_language(asked)
    if not (to_write and _DECLINING.search(asked)):
        yield Finding("refusal", "the model declines to answer")


_DECLINES_ON = re.compile(
    r"\b(?:please|feel free|let me know|any(?:thing| other)|instead|"
    r"if you (?:have|need|want|would)|i(?:'d| would| can|'m| am) |can ?not|can't|unable|not able|"
    r"knowledge|policy|guidelines?|illegal|harm\w*|unsafe|doctors?|physicians?|lawyers?|attorneys?|"
    r"professionals?|experts?|authorit\w+)",
    re.IGNORECASE,
)
SHORTEST_ANSWER = 55
"""Characters after the sentence that declines, of what may be an answer nevertheless."""


def _goes_on_to_answer(text: str) -> bool:
    """Whether more follows the first sentence than a way out."""
    plain = text.replace("’", "'")
    _, _, rest = re.sub(r"[!?;]", ".", plain).partition(". ")
    return plain.isascii() and len(rest) >= SHORTEST_ANSWER and not _DECLINES_ON.search(rest)
