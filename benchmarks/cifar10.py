"""The challenge of 2023 for real, on CIFAR-10: original, fine-tuned and retrained model beside the published numbers.

    python -m benchmarks.cifar10

Trains the original and the retrained model where `kit pretrain cifar10` and `kit pretrain cifar10 --retrained` have not
(two hours each on one processor, resumed where an earlier attempt was stopped), fine-tunes the original as the 2023 kit
did, and scores all three. Published are the outputs that the 2023 kit's notebook prints.
"""

import argparse

import kit
from kit import evaluation
from kit.runs import originals, retrained
from kit.types import Challenge, Report

# unlearning-challenge/starting-kit, unlearning-CIFAR10.ipynb: accuracies in percent, and the attack's accuracy.
PUBLISHED = {
    "original": {"train": 99.5, "test": 88.3, "attack": 0.579},
    "finetune": {"retain": 98.3, "test": 84.0, "attack": 0.512},
    "retrain": {"retain": 99.5, "forget": 88.2, "attack": 0.502},
}
COLUMNS = ("train", "retain", "forget", "test", "attack")


def measured(report: Report, challenge: Challenge) -> dict[str, float]:
    values = {part: 100 * _value(report, f"{part}_accuracy") for part in ("retain", "forget", "test")}
    share = len(challenge.split.retain) / len(challenge.train)
    values["train"] = share * values["retain"] + (1 - share) * values["forget"]
    return values | {"attack": _value(report, "mia_accuracy")}


def _value(report: Report, score: str) -> float:
    value = report.scores[score].value
    if value is None:
        raise SystemExit(f"{score} was not computed: {report.scores[score].reason}")
    return value


def line(name: str, source: str, values: dict[str, float]) -> str:
    shown = [f"{values[column]:.{3 if column == 'attack' else 1}f}" if column in values else "" for column in COLUMNS]
    return f"{name:<12}{source:<8}" + "".join(f"{text:>9}" for text in shown)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    challenge = kit.load_challenge("cifar10")
    originals.load(challenge)
    if not retrained.available(challenge):
        retrained.rebuild(challenge)
    reports = evaluation.evaluate_all(["finetune"], challenge).reports
    train, validation, test = (len(part) for part in (challenge.train, challenge.validation, challenge.test))
    print(
        f"CIFAR-10, {challenge.model}, {challenge.recipe.epochs} epochs on {train} images, {validation} for validation,"
    )
    print(f"{test} to test, {len(challenge.split.forget)} to forget; accuracies in percent, the attack's as a share\n")
    print(f"{'':<20}" + "".join(f"{column:>9}" for column in COLUMNS))
    for report in reports:
        print(line(report.method, "2023", PUBLISHED[report.method]))
        print(line("", "kit", measured(report, challenge)))


if __name__ == "__main__":
    main()
