"""The protocols, how a data set is divided into what is fitted and what is evaluated; splits; and the
budgets. No torch.

docs/papers.md says which paper does what; benchmark/data/splits.py does the dividing.
"""

BUDGETS = ("paper", "hour", "quick", "smoke")  # each one's settings are on top of those before it

SPLITS = ("test", "train", "validation", "all")  # of a data set, in the order of a table's rows

PROTOCOLS = {
    "neutral": "fitted on the training split, without labels",
    "pooled": "fitted and evaluated on training and test points together, without labels",
    "held-out": "fitted on the training split less its last points, which are for validation, without labels",
}


def applicable(splits: tuple[str, ...], protocol: str) -> str:
    """The protocol that this comes down to: a data set without a test split is the same under all of them."""
    return protocol if "test" in splits else "neutral"
