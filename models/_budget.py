"""How long to train on data of unknown size: passes over the data, but a number of steps at least."""


def training_epochs(n: int, batch_size: int, epochs: float, min_steps: int) -> float:
    """Passes over n points that make at least `epochs` passes and at least `min_steps` steps."""
    return max(epochs, min_steps / steps_per_epoch(n, batch_size))


def training_steps(n: int, batch_size: int, epochs: float, min_steps: int) -> int:
    """The same in steps."""
    return max(round(epochs * steps_per_epoch(n, batch_size)), min_steps)


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Minibatches in one pass over n points, as the Trainer forms them."""
    return max(1, n // batch_size)
