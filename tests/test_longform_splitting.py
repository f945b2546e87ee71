"""Cutting long texts: the words of the pieces are the words of the text, whatever the text is."""

from __future__ import annotations

import random
import re

import pytest

from bark_hf.languages import SUPPORTED_LANGUAGES
from bark_hf.longform import PieceSize, Split, split_text
from bark_hf.longform.breaks import find_breaks
from bark_hf.longform.marks import parse_runs
from bark_hf.longform.script import parse_script
from bark_hf.longform.sizing import expected_seconds, guess_language

CODES = [language.code for language in SUPPORTED_LANGUAGES]
SIZE = PieceSize(target=3.0, limit=4.0, tokens=40)
TAG = r"\[[^\[\]\n]{1,40}\]"
# Two sentences each; the first has an abbreviation, an initial or a number that is no end.
SENTENCES = {
    "en": ("Dr. Smith paid $3.50 to Mr. J. R. Jones.", "He left."),
    "de": ("Dr. Müller kommt am 3. Oktober, z. B. um 15.30 Uhr.", "Er bleibt."),
    "es": ("El Sr. García y la Dra. López llegaron.", "¿Qué pasa?"),
    "fr": ("Il a payé 3.50 à M. Dupont hier soir.", "C'est tout !"),
    "hi": ("यह एक परीक्षण है।", "आप कैसे हैं?"),
    "it": ("Il sig. Rossi arriva alle 15.30 oggi.", "Va bene."),
    "ja": ("今日は天気がいいですね。", "はい、そうです。"),
    "ko": ("오늘은 3.5도입니다.", "정말요?"),
    "pl": ("Prof. Nowak mieszka przy ul. Długiej.", "Co się stało?"),
    "pt": ("O Sr. Silva e a Dra. Costa chegaram.", "O quê?"),
    "ru": ("А. С. Пушкин родился в 1799 г. в Москве.", "Что?"),
    "tr": ("Prof. Demir saat 15.30'da geldi.", "Ne oldu?"),
    "zh": ("今天天气很好。", "就是这样。"),
}
SIGNS = [
    *"abc déß Ünı кц हि漢字かなカ한국 ,.;:!?…—-\"'()«»„“”「」、。！？♪\n\t",
    "\u00a0", "\u2028", "\u200d", "\u0301", "👩\u200d🚀", "😀", " ", " ", "\n\n", "Dr. ", "e.g. ",
    "[laughs] ", " [MAN] ", "♪ la la ♪",
    "supercalifragilistic" * 4, "漢字" * 30, "1984 ", " word", " and", "[pause 0.5s]", "[ Pause ]", "[", "]",
]  # fmt: skip


def count(texts):
    """A tokenizer that reads four characters as an id, spaces never."""
    return [sum(-(-len(word) // 4) for word in text.split()) for text in texts]


def without_marks(text):
    return re.sub(r"\[\s*pause\b[^\[\]]*\]", " ", text, flags=re.IGNORECASE)


def squeezed(text):
    return "".join(text.split())


@pytest.mark.parametrize("seed", range(150))
def test_random_texts_lose_nothing(seed):
    """Characters, their order, the limits and whole tags, on texts made of everything that could go wrong."""
    rng = random.Random(seed)
    text = "".join(rng.choices(SIGNS, k=rng.randint(1, 150)))
    language = rng.choice(CODES)
    try:
        split = split_text(text, count, SIZE, language)
    except ValueError:
        split = Split([], 0.0, [without_marks(text)])  # refused, so there must be nothing to say
    said = [piece.text for piece in split.pieces]
    # in order, with only unspeakable stretches left out, and every one of those is reported
    rest = squeezed(without_marks(text))
    left_out = []
    for piece in map(squeezed, said):
        at = rest.index(piece)
        left_out.append(rest[:at])
        rest = rest[at + len(piece) :]
    left_out = "".join([*left_out, rest])
    assert sorted(left_out) == sorted(squeezed("".join(split.unspoken)))
    assert not any(character.isalnum() for character in left_out)
    assert all(number <= SIZE.tokens for number in count(said))
    assert all(any(map(str.isalnum, piece)) or re.search(TAG, piece) for piece in said)
    tags = r"\[laughs\]|\[MAN\]"
    assert re.findall(tags, "|".join(said)) == re.findall(tags, without_marks(text))


@pytest.mark.parametrize("seed", range(40))
def test_random_words_stay_whole(seed):
    rng = random.Random(seed)
    text = " ".join(
        "".join(rng.choices("abcde", k=rng.randint(1, 12))) + rng.choice(["", "", ",", "."]) for _ in range(80)
    )
    pieces = split_text(text, count, SIZE, rng.choice(("en", "tr", "ru"))).pieces
    assert [word for piece in pieces for word in piece.text.split()] == text.split()
    assert all(expected_seconds(piece.text, piece.language) <= SIZE.limit + 0.1 for piece in pieces)


@pytest.mark.parametrize("code", CODES)
def test_sentences_of_every_language(code):
    """Abbreviations, initials and decimals end no sentence; what ends one is where the text is cut."""
    first, second = SENTENCES[code]
    text = f"{first} {second}"
    ends = [place.at for place in find_breaks(text, code) if place.kind == "sentence"]
    assert ends == [len(first) + 1]
    seconds = expected_seconds(first, code)
    pieces = split_text(text, count, PieceSize(seconds, 1.05 * seconds, 256), code).pieces
    assert [piece.text for piece in pieces] == [first, second]
    assert [piece.after for piece in pieces] == ["sentence", "paragraph"]


def test_sentences_are_put_together_up_to_the_target():
    text = "One two three four. " * 12  # 20 characters, 1.38 s
    pieces = split_text(text, count, PieceSize(4.2, 5.0, 256), "en").pieces
    assert [piece.text.count(".") for piece in pieces] == [3, 3, 3, 3]


def test_a_long_sentence_is_cut_at_commas_then_conjunctions_then_spaces():
    size = PieceSize(2.0, 2.6, 256)

    def cut(text):
        return [piece.text for piece in split_text(text, count, size, "en").pieces]

    assert cut("aaaa bbbb cccc and dddd, eeee ffff and gggg hhhh") == [
        "aaaa bbbb cccc and dddd,",
        "eeee ffff and gggg hhhh",
    ]
    assert cut("aaaa bbbb cccc dddd eeee and ffff gggg hhhh iiii") == [
        "aaaa bbbb cccc dddd eeee",
        "and ffff gggg hhhh iiii",
    ]
    assert cut("aaaa bbbb cccc dddd ffff gggg hhhh iiii") == ["aaaa bbbb cccc dddd", "ffff gggg hhhh iiii"]


def test_scripts_without_spaces_are_cut_inside_and_words_of_letters_only_by_tokens():
    pieces = split_text("漢" * 40, count, PieceSize(2.0, 2.5, 256), "zh").pieces
    assert [piece.after for piece in pieces][:-1] == ["word"] * (len(pieces) - 1)
    assert "".join(piece.text for piece in pieces) == "漢" * 40
    assert max(piece.seconds for piece in pieces) <= 2.5
    long_word = "a" * 100  # 7 s, 25 ids
    assert len(split_text(long_word, count, PieceSize(2.0, 2.5, 256), "en").pieces) == 1
    parts = [piece.text for piece in split_text(long_word, count, PieceSize(2.0, 2.5, 10), "en").pieces]
    assert "".join(parts) == long_word
    assert len(parts) > 2
    assert max(count(parts)) <= 10


def test_the_real_number_of_ids_counts():
    """A tokenizer whose ids of a whole are more than those of its parts still keeps to the limit."""

    def greedy(texts):
        return [len(text.split()) ** 2 for text in texts]

    pieces = split_text("one two three four five six seven eight", greedy, PieceSize(10, 12, 9), "en").pieces
    assert max(greedy([piece.text for piece in pieces])) <= 9
    assert " ".join(piece.text for piece in pieces) == "one two three four five six seven eight"


def test_tags_stay_with_their_clause():
    text = "I could not stop. [laughs] She was so funny that I cried [sighs] for days, really. [clears throat]"
    for target in (1.0, 1.5, 2.0, 3.0):
        said = [piece.text for piece in split_text(text, count, PieceSize(target, target * 1.25, 256), "en").pieces]
        assert any(piece.startswith("[laughs] She") or "stop. [laughs] She" in piece for piece in said)
        assert any("[sighs] for" in piece for piece in said)
        assert said[-1].endswith("really. [clears throat]")


def test_a_quotation_is_rather_left_whole():
    text = "He came in and told us: “I was there, I saw it.” Then he left, and we stayed."
    inside = {place.at: place.enclosed for place in find_breaks(text, "en")}
    assert inside[text.index("I saw")]
    assert not inside[text.index("Then")]
    assert not inside[text.index("and we")]


def test_pause_marks_are_silence_and_break_the_text():
    split = split_text(
        "[pause 2s] One. [pause] Two [PAUSE 300ms] [pause 0,2 sec] three.\n\n[pause 1s]\n\nFour.", count, SIZE, "en"
    )
    assert split.lead == 2.0
    assert [(piece.text, piece.after, piece.silence) for piece in split.pieces] == [
        ("One.", "paragraph", 1.0),
        ("Two", "paragraph", 0.5),
        ("three.", "paragraph", 1.0),
        ("Four.", "paragraph", None),
    ]
    assert [run.text for run in parse_runs("a\nb\r\n \r\nc")] == ["a b", "c"]


def test_what_has_no_words_is_reported_and_not_said():
    split = split_text("One.\n\n* * *\n\n😀😀\n\nTwo 😀.", count, SIZE, "en")
    assert [piece.text for piece in split.pieces] == ["One.", "Two 😀."]
    assert split.unspoken == ["* * *", "😀😀"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing; there is nothing to say"),
        (" \n\n ", "nothing; there is nothing to say"),
        ("[pause] [pause 3s]", "only pause marks"),
        ("...!", "a letter, a digit or a tag"),
        ("Hi [pause -1s] there", "[pause -1s] is no pause"),
        ("Hi [pause long]", "write [pause]"),
        ("Hi [pause 601s]", "0 to 600 seconds"),
        ("a\ud800b", "surrogate"),
    ],
)
def test_bad_texts_are_refused_in_one_line(text, words):
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        split_text(text, count, SIZE, "en")
    assert "\n" not in str(error.value)


def test_languages():
    with pytest.raises(ValueError, match=r"'eng' is unknown\. Did you mean 'en'"):
        split_text("Hello.", count, SIZE, "eng")
    assert guess_language("Hello", "v2/de_speaker_3") == "de"
    assert guess_language("Hello", "me") == "en"
    guessed = {code: guess_language(" ".join(SENTENCES[code])) for code in ("en", "hi", "ja", "ko", "ru", "zh")}
    assert all(code == guess for code, guess in guessed.items())
    # the sizes that the limits rely on: read aloud, these take about 5 s
    assert (
        4 < expected_seconds("The quick brown fox jumps over the lazy dog, and then it sleeps for a while.", "en") < 7
    )
    assert 4 < expected_seconds("今天天气很好，我们一起去公园散步，然后去吃饭吧。", "zh") < 7
    assert expected_seconds("[laughs]", "en") == 1.0


def test_script():
    text = """# a play
[pause 1s]
Samantha: Hello: you there?
    Still there?

    A new paragraph.
john：Yes.
  [pause 2s]

Samantha: Good."""
    speeches = parse_script(text, ["Samantha", "John"])
    assert [(speech.speaker, speech.line) for speech in speeches] == [("Samantha", 3), ("John", 7), ("Samantha", 10)]
    assert speeches[0].text == "[pause 1s]Hello: you there?\nStill there?\n\nA new paragraph."
    assert speeches[1].text == "Yes. [pause 2s]"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("A: Hi.\nwho said this", "line 2: 'who said this' has no name"),
        ("A: Hi.\n\nJon: Yes.", "line 3: 'Jon' has no voice; the cast is A, John; did you mean 'John'?"),
        ("A:\nJohn: Hi.", "line 1: A says nothing"),
        ("A: Hi.\nJohn: [pause] ...", "line 2: the text has nothing with a letter"),
        ("# only this\n", "no line such as 'NAME: text'"),
        ("", "no line such as"),
    ],
)
def test_bad_scripts_name_the_line(script, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_script(script, ["A", "John"])
