"""Omniglot: 100 of its characters, 20 drawings of each, and 20 distorted copies of each drawing.

MPCC's files were never published. Its protocol is IMSAT's (Hu et al. 2017), which takes 100 characters at
random and distorts every drawing 20 times as in Koch, Zemel and Salakhutdinov 2015. Neither states which
characters; ours are the first 100 of a random permutation (seed below) of all 1,623, in alphabetical order of
their folders. Ink is 1, paper 0.
"""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from benchmark.errors import UserError

from ._archives import member_names, read_members
from ._files import FileDataset, Remote

CHARACTERS, DRAWINGS, COPIES = 1623, 20, 20
SEED = 0
SIZE, SAMPLES = 32, 4  # pixels of an image, and points sampled along each of them
ORIGINAL, MARGIN = 105, 80  # pixels of a drawing, and paper put around it so that no sample lies outside
# (16 samples, 32, 32) column and row of every sample of every pixel, from the centre, in half steps between
# samples
STEPS = (2 * np.arange(SIZE * SAMPLES, dtype=np.int32) + 1 - SIZE * SAMPLES).reshape(SIZE, SAMPLES).T
COLUMNS, ROWS = (
    np.ascontiguousarray(np.broadcast_to(steps, (SAMPLES, SAMPLES, SIZE, SIZE))).reshape(
        SAMPLES**2, SIZE, SIZE
    )
    for steps in (STEPS[None, :, None, :], STEPS[:, None, :, None])
)
HALF_STEP = ORIGINAL / (2 * SIZE * SAMPLES)  # in pixels of a drawing
PARTS = ("images_background", "images_evaluation")
HOMES = (
    "https://github.com/brendenlake/omniglot/raw/master/python/",
    "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/",
)


class Omniglot(FileDataset):
    """100 characters of Omniglot as 32x32 grey images, 20 drawings of each: 2,000 points, no split."""

    name = "omniglot"
    title = "Omniglot-100"
    source = "Lake, Salakhutdinov and Tenenbaum 2015, Human-level concept learning"
    licence = "MIT"
    splits = ("all",)
    shape = (1, SIZE, SIZE)
    n_classes = 100
    preprocessing = "100 characters at random; 105x105 to 32x32 by area; ink is 1"
    folders = ("omniglot", "omniglot-py")
    # No digests of the zip files: there are copies packed anew. Those of the arrays below show what is in
    # them.
    files = tuple(
        Remote(f"{part}.zip", tuple(f"{home}{part}.zip" for home in HOMES), members=(part,)) for part in PARTS
    )
    digests = {
        "all.x": "68753a9d435fc241df37789ccd6cfd0a4562143d8d5b53c94d95cd7fccbecedb",
        "all.y": "29fe3d5fd254e2ed900380c14cf0efc523d40d85b9fc7b5f6a0b3ec2e6d6cd79",
    }

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        images = np.stack(
            [draw(np.pad(drawing, MARGIN), np.eye(2), np.zeros(2)) for drawing in self._drawings()]
        )
        return images[:, None], np.repeat(np.arange(self.n_classes, dtype=np.uint8), DRAWINGS)

    def _drawings(self) -> list[np.ndarray]:
        """The 2,000 drawings, (105, 105) of 0 and 1, the 20 of a character one after the other."""
        places = [self.locate(file).path for file in self.files]
        names = [
            {n for n in member_names(place) if n.startswith(f"{part}/") and n.endswith(".png")}
            for part, place in zip(PARTS, places, strict=True)
        ]
        folders = sorted({_character(n) for n in set.union(*names)})
        if len(folders) != CHARACTERS:
            raise UserError(
                f"{self.title} in {self.folder} has {len(folders)} characters, expected {CHARACTERS}"
            )
        rank = {
            folders[i]: k
            for k, i in enumerate(np.random.RandomState(SEED).permutation(CHARACTERS)[: self.n_classes])
        }
        files: dict[str, bytes] = {}
        for place, there in zip(places, names, strict=True):
            files |= read_members(place, sorted(n for n in there if _character(n) in rank))
        if len(files) != self.n_classes * DRAWINGS:
            raise UserError(
                f"{self.title} in {self.folder} has {len(files)} drawings of 100 characters, expected 2,000"
            )
        ordered = sorted(files, key=lambda n: (rank[_character(n)], n))
        return [read_png(files[n], n) for n in ordered]


class OmniglotAffine(Omniglot):
    """100 characters of Omniglot, every drawing in 20 distorted copies: 40,000 points, 32x32 grey, no
    split.
    """

    name = "omniglot_affine"
    title = "Omniglot-100 distorted"
    points_of = "omniglot"
    preprocessing = f"{Omniglot.preprocessing}; 20 affine copies per drawing (Koch et al. 2015, IMSAT)"
    digests = {
        "all.x": "e0e64f022a9d9f71be190c5aa4bd75dc56df735149bacb97985ff040749fe0dd",
        "all.y": "291b95b2b176f7555e11127a373865dd2a4f13d0bd5dc86dcca49da81a3b6a3e",
    }

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        images = np.empty((self.n_classes * DRAWINGS, COPIES, 1, SIZE, SIZE), dtype=np.uint8)
        matrices, shifts = (
            a.reshape(len(images), COPIES, *a.shape[1:]) for a in distortions(len(images) * COPIES)
        )
        for i, drawing in enumerate(self._drawings()):
            sheet = np.pad(drawing, MARGIN)
            for copy, matrix, shift in zip(images[i], matrices[i], shifts[i], strict=True):
                copy[0] = draw(sheet, matrix, shift)
        y = np.repeat(np.arange(self.n_classes, dtype=np.uint8), DRAWINGS * COPIES)
        return images.reshape(-1, *self.shape), y


def distortions(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Random affine maps of the plane as in Koch et al. 2015, section 3.2: matrices (n, 2, 2) and shifts in
    pixels (n, 2).

    Rotation within 10 degrees, shears within 0.3, scales from 0.8 to 1.2 and shifts within 2 pixels, each of
    these seven left out with probability 1/2.
    """
    random = np.random.RandomState(SEED + 1)
    none, reach = np.array([0, 0, 0, 1, 1, 0, 0]), np.array([10, 0.3, 0.3, 0.2, 0.2, 2, 2])
    drawn = none + reach * random.uniform(-1, 1, (n, 7)) * (random.uniform(size=(n, 7)) < 0.5)
    angle, shear_x, shear_y, scale_x, scale_y = drawn[:, :5].T
    cos, sin, one = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle)), np.ones(n)
    rotation, shear = np.array([[cos, -sin], [sin, cos]]), np.array([[one, shear_x], [shear_y, one]])
    return np.einsum("ijn,jkn,kn->nik", rotation, shear, np.array([scale_x, scale_y])), drawn[:, 5:]


def draw(sheet: np.ndarray, matrix: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """(32, 32) uint8 share of ink in each pixel of a drawing that was mapped by x -> matrix x + shift.

    The map is about the centre, of (column, row). Every pixel is the mean of 4x4 nearest samples; their
    positions are whole numbers of 1/65536 of a pixel, so that the result is the same on every machine.

    Args:
        sheet: the drawing with MARGIN around it.
    """
    (a, b), (c, d) = matrix
    back = np.array([[d, -b], [-c, a]]) / (a * d - b * c)  # where in the drawing a sample comes from
    (xx, xy), (yx, yy) = np.round(65536 * HALF_STEP * back).astype(np.int32)
    x, y = np.round(65536 * (len(sheet) / 2 - back @ shift)).astype(np.int32)
    columns, rows = (xx * COLUMNS + xy * ROWS + x) >> 16, (yx * COLUMNS + yy * ROWS + y) >> 16
    ink = sheet.ravel().take(rows * len(sheet) + columns).sum(axis=0, dtype=np.uint8)
    return ((ink * np.uint16(255) + SAMPLES**2 // 2) // SAMPLES**2).astype(np.uint8)


def _character(name: str) -> str:
    """The folder of a drawing: alphabet and character."""
    return name.rsplit("/", 1)[0]


def read_png(data: bytes, name: str) -> np.ndarray:
    """(105, 105) of 0 and 1, ink is 1, from a PNG file of Omniglot: black on white, 1 bit.

    Raises:
        UserError: it is damaged, or another kind of image.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.mode != "1" or image.size != (ORIGINAL, ORIGINAL):
                raise ValueError("not a black and white PNG of 105x105 pixels")
            return 1 - np.asarray(image, dtype=np.uint8)
    except UnidentifiedImageError:
        raise UserError(f"{name} of Omniglot can't be read: it is no PNG file") from None
    except Exception as error:  # a damaged file raises whatever its bytes happen to mean
        raise UserError(f"{name} of Omniglot can't be read: {error}") from error
