"""The Frechet inception distance (FID) of a model's samples, and its extractors.

frechet     moments of features, in one pass, and the Frechet distance between two of them
inception   the network of the standard FID
weights     where its weights come from, and how they are verified
classifier  the small network of FID-clf, one per data set
extractor   both as one thing: uint8 images in, features out, with a digest
moments     features of many images to moments, cached and resumable
real        the real images of a comparison
bounds      floor and ceiling: what a distance is to be compared with
measure     a trained model to its FID

Importing the package itself is cheap.
"""

VARIABLE = "DGCBENCH_FID_WEIGHTS"  # names a file of weights that the user has
SHARED_NAME = "pt_inception-2015-12-05-6726825d.pth"
HOW_TO_GET = f"`python -m benchmark fid-weights` gets them, or set {VARIABLE} to a file {SHARED_NAME}"
NOT_ASKED = "not asked for"  # why a record has no FID: a run on a CPU leaves it out
