"""Pictures of a run: what stands where."""

import numpy as np
import torch

from benchmark.pictures import image_sheet


def test_a_sheet_shows_every_image_in_its_place():
    grey = [torch.full((n, 1, 6, 12), 0.25 * i) for i, n in ((1, 3), (2, 2))]
    (axes,) = image_sheet(grey, ["first", "second"]).axes
    sheet = axes.images[0].get_array()
    assert sheet.shape == (2 * 6 + 2, 3 * 12 + 2 * 2, 3)  # two pixels between images
    np.testing.assert_array_equal(sheet[:6, :12], 0.25)
    np.testing.assert_array_equal(sheet[8:, 14:26], 0.5)
    np.testing.assert_array_equal(sheet[8:, 28:], 1)  # the second row has no third image
    np.testing.assert_array_equal(sheet[6:8], 1)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]


def test_colours_and_values_out_of_range():
    colours = torch.tensor([-1.0, 0.5, 2.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    (axes,) = image_sheet([colours], ["one"]).axes
    np.testing.assert_array_equal(axes.images[0].get_array()[2, 2], [0, 0.5, 1])
