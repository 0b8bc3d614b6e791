#!/usr/bin/env python3
"""Write messages.tsv: invented short messages, ham or spam, for the example without a network.

    python3 gen_small.py > messages.tsv

Words are those of the tiny model's vocabulary. One message in 16 carries the other label, as real
data do. The same program writes the same bytes.
"""
import random

HAM = "love home see you later ok|ok see you tonight|love you|you later|home today ok|see you home".split("|")
SPAM = ("free prize|win cash now|claim your gift card|urgent click the link|bank account stop|"
        "call now to claim|won a prize text now|pay card now").split("|")
FILL = "the a to is we your you reply today msg mobile text call ok".split()

rng = random.Random(4)
seen = {}
while len(seen) < 320:
    is_spam = rng.random() < 0.4
    words = rng.choice(SPAM if is_spam else HAM).split()
    for _ in range(rng.randint(1, 4)):
        words.insert(rng.randint(0, len(words)), rng.choice(FILL))
    if rng.random() < 0.5:
        words.append(str(rng.randint(2, 9999)))
    seen.setdefault(" ".join(words) + rng.choice(("", "!", ".")), is_spam != (rng.random() < 1 / 16))
print("text\tlabel")
for text, is_spam in seen.items():
    print(f"{text}\t{'spam' if is_spam else 'ham'}")
