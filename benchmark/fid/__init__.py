"""The Frechet inception distance (FID) and its extractors. Knows only arrays and tensors, no model and no data set.

frechet     moments of features, in one pass, and the Frechet distance between two of them
inception   the network of the standard FID
weights     where its weights come from, and how they are verified
classifier  the small network of FID-clf, one per data set
extractor   both as one thing: uint8 images in, features out, with a digest
moments     features of many images to moments, cached and resumable
"""
