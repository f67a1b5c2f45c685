"""Data as the models get them: where they are kept, how they are split, and the user's own files."""

from benchmark.data.folder import array_digest, data_folder, data_spec, dataset_digest, verify

__all__ = ["array_digest", "data_folder", "data_spec", "dataset_digest", "verify"]
