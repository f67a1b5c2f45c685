"""A trained model to numbers: metrics, signs of collapse, FID; during a run, and again afterwards."""
