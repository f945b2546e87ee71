"""What the demo voice reads: sentences from WordNet's examples and from templates of everyday speech.

    python recipes/demo/text.py OUT [--wordnet /usr/share/wordnet]

Writes OUT/sentences.jsonl, one {"id", "text", "kind", "split", "voices"} per line. Splits: "train", and 100 "test"
sentences that are WordNet examples of 4-10 common words, not built from any template and not in the training text.
WordNet 3.0 comes from Debian's package `wordnet-base` (WordNet licence).
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

VOICES = ("slt", "rms")
N_TEST = 100
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
PLAIN = re.compile(r"[A-Za-z][A-Za-z ,'?!.-]*")  # no digits, brackets, abbreviations with other signs

NAMES = (
    "Suno Anna Peter Mary John Alice Tom Emma David Lucy Sarah Paul Kate Jack Laura Mark Susan Henry Julia George Nina "
    "Oscar Rosa Frank Helen Walter Clara Simon Grace Victor Ruth Martin Ella Daniel Maria Robert Linda Sam Samantha"
).split()
FOODS = (
    "pizza|bread|apples|chocolate|soup|rice|cheese|coffee|tea|fish|chicken|pasta|salad|eggs|honey|oranges|bananas|"
    "potatoes|cake|butter|milk|tomatoes|ice cream|sandwiches|pancakes|cookies|onions|garlic|strawberries"
)
HOBBIES = (
    "reading|swimming|music|football|chess|cooking|painting|dancing|running|singing|tennis|walking in the rain|"
    "old films|playing the guitar|riding my bike|looking at the stars|long books|board games|the sea|the mountains"
)
ANIMALS = "cat dog horse bird cow sheep rabbit mouse fox bear lion tiger duck pig goat frog wolf monkey".split()
PLACES = (
    "the station|the park|the market|the library|the beach|the school|the office|the airport|the museum|the hospital|"
    "the kitchen|the garden|the theatre|the river|the city|the village|the forest|London|Paris|Boston|New York|Berlin"
)
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
COLOURS = "red blue green yellow black white brown orange purple grey pink silver".split()
NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
).split()
ADJECTIVES = "big small old young happy tired hungry beautiful strange quiet loud clever slow fast cold warm".split()
WEATHER = "cold warm hot rainy sunny windy cloudy foggy snowy dry wet stormy".split()
THINGS = (
    "book|letter|picture|car|phone|computer|bag|key|chair|table|clock|window|door|hat|coat|shoe|bottle|cup|glass|"
    "newspaper|umbrella|camera|ticket|lamp|radio|message|song|story|voice|model|sentence|word"
)
TEMPLATES = (
    "Hello, my name is {name} and I like {food}.",
    "Hi, I am {name}.",
    "Hello {name}, how are you today?",
    "Good morning, {name}.",
    "Good evening, {name}, and welcome to {place}.",
    "My name is {name}, and I like {hobby}.",
    "{name} likes {food} and {food2}.",
    "And, uh, I also like {hobby}.",
    "But I also have other interests, such as {hobby}.",
    "I would like some {food}, please.",
    "Do you like {food}, {name}?",
    "We had {food} with {food2} on {day}.",
    "The {colour} {animal} ran to {place}.",
    "The {adjective} {animal} is in {place}.",
    "Have you seen my {colour} {thing}?",
    "This is a {adjective} {thing}.",
    "There are {number} {colour} birds in the tree.",
    "I have {number} brothers and {number2} sisters.",
    "Please call me at {number} o'clock on {day}.",
    "It is {number} minutes past {number2}.",
    "The train to {place} leaves at {number} {number2}.",
    "On {day} it will be {weather} and {weather2}.",
    "Today it is very {weather} in {place}.",
    "{name} was born in {month}.",
    "The {number} of {month} is a {day}.",
    "Where is the {thing}? It is on the {thing2}.",
    "I went to {place} with {name} last {day}.",
    "Thank you very much, {name}.",
    "{name}, can you open the {thing}?",
    "See you on {day}, {name}.",
    "She said that the {thing} was {adjective}.",
    "Yes, {name} has {number} {food}.",
    "No, that is not my {thing}.",
    "What a {adjective} {thing}!",
    "{number} plus {number2} is more than {number3}.",
    "This voice was made by a small model.",
    "Let us read the next {thing} together.",
)


def options() -> dict[str, list[str]]:
    """The words that fill the templates."""
    lists = {
        "name": NAMES, "food": FOODS.split("|"),
        "hobby": HOBBIES.split("|"), "animal": ANIMALS, "place": PLACES.split("|"), "day": DAYS, "month": MONTHS,
        "colour": COLOURS, "number": NUMBERS, "adjective": ADJECTIVES, "weather": WEATHER, "thing": THINGS.split("|"),
    }  # fmt: skip
    return {f"{name}{n}": list(words) for name, words in lists.items() for n in ("", "2", "3")}


def from_templates(count: int, rng: random.Random) -> list[str]:
    """So many different sentences, the templates in turn."""
    words, found = options(), {}
    for template in itertools.islice(itertools.cycle(TEMPLATES), count * 3):
        sentence = template.format(**{name: rng.choice(values) for name, values in words.items()})
        found[sentence[0].upper() + sentence[1:]] = None
        if len(found) == count:
            break
    return list(found)


def wordnet_examples(folder: Path) -> Iterator[str]:
    """The quoted examples of every sense, in file order."""
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{part}").read_text(encoding="utf-8", errors="replace").splitlines():
            if "|" in line:
                yield from re.findall(r'"([^"]+)"', line.split("|", 1)[1])


def from_wordnet(folder: Path) -> list[tuple[int, str]]:
    """(rank of the rarest word, sentence), commonest first; 3-12 plain words, each sentence once."""
    examples = list(dict.fromkeys(wordnet_examples(folder)))
    counts = Counter(word for example in examples for word in WORD.findall(example.lower()))
    ranks = {word: rank for rank, (word, _) in enumerate(counts.most_common())}
    found: dict[str, tuple[int, str]] = {}
    for example in examples:
        words = WORD.findall(example.lower())
        if PLAIN.fullmatch(example) and 3 <= len(words) <= 12 and len(example) <= 80:
            text = example.strip(" ,;-")
            text = text[0].upper() + text[1:] + ("" if text[-1] in ".?!" else ".")
            found.setdefault(text.lower(), (max(ranks[word] for word in words), text))
    return sorted(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--wordnet-sentences", type=int, default=11_500)
    parser.add_argument("--template-sentences", type=int, default=2_500)
    parser.add_argument("--both-voices", type=int, default=6_000, help="sentences that both voices read")
    args = parser.parse_args()

    rng = random.Random(0)
    wordnet = from_wordnet(args.wordnet)[: args.wordnet_sentences]
    common = [text for rank, text in wordnet if rank < 2_000 and 4 <= len(text.split()) <= 10]
    test = rng.sample(common, N_TEST)
    train = [text for _, text in wordnet if text not in set(test)] + from_templates(args.template_sentences, rng)
    rng.shuffle(train)
    args.out.mkdir(parents=True, exist_ok=True)
    temporary = args.out / "sentences.jsonl.part"
    with temporary.open("w", encoding="utf-8") as file:
        for split, texts in (("test", test), ("train", train)):
            for n, text in enumerate(texts):
                both = split == "test" or n < args.both_voices
                voices = VOICES if both else (VOICES[n % len(VOICES)],)
                row = {"id": f"{split}{n:05d}", "text": text, "split": split, "voices": voices}
                file.write(json.dumps(row) + "\n")
    temporary.rename(args.out / "sentences.jsonl")
    print(f"{len(train)} training and {len(test)} test sentences in {args.out / 'sentences.jsonl'}")


if __name__ == "__main__":
    main()
