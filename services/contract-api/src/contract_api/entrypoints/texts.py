"""The words of the pages, English and Chinese. An English text is its own key; a missing one fails a test."""

import re
from typing import Final

from contract_api.entrypoints.texts_problems import ZH_PROBLEMS
from contract_api.entrypoints.texts_words import EN, ZH_WORDS
from contract_api.entrypoints.texts_zh import ZH_SENTENCES
from contract_api.entrypoints.texts_zh_story import ZH_STORY

ZH: Final = ZH_SENTENCES | ZH_STORY | ZH_WORDS
LANGUAGES: Final = {"en": "English", "zh": "中文"}

_REFUSED: Final = re.compile(
    r"(?P<said>.*): (?P<how>refused|a repeat, nothing changed)(?P<code> \([A-Z_]+\))?"
)


def translate(language: str, text: str) -> str:
    """The text in this language; English where a translation is missing."""
    if language == "zh":
        return ZH.get(text) or EN.get(text, text)
    return EN.get(text, text)


def told(language: str, summary: str) -> str:
    """A timeline sentence, part by part."""
    if language != "zh":
        return summary
    if refused := _REFUSED.fullmatch(summary):
        said, how = translate(language, refused["said"]), translate(language, refused["how"])
        return f"{said}：{how}{refused['code'] or ''}"
    return "；".join(translate(language, part) for part in summary.split("; "))


def explained(language: str, code: str, message: str) -> str:
    """What a refusal means and what to do: its own message, or the Chinese of its code."""
    return ZH_PROBLEMS.get(code, message) if language == "zh" else message


def language_of(asked: str, cookie: str, accept_language: str) -> str:
    """By the link, by the cookie, by the browser; else English."""
    for wish in (asked, cookie):
        if wish in LANGUAGES:
            return wish
    return "zh" if accept_language.strip().lower().startswith("zh") else "en"
