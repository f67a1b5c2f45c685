"""Sheets of images."""

import numpy as np
import torch

from benchmark.plots import cluster_sheet, image_sheet


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


def test_blocks_of_a_sheet_of_clusters_stand_under_their_titles():
    blocks = {"near": [np.zeros((3, 1, 6, 6)), np.zeros((0, 1, 6, 6))], "far": [np.zeros((1, 1, 6, 6))] * 2}
    (axes,) = cluster_sheet(blocks, ["0: 4", "1: 1"]).axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["near", "far"]
    sheet = axes.images[0].get_array()
    assert sheet.shape[:2] == (13, 34)  # two rows of five columns (one of them white), with a pixel between
    assert axes.get_xticks().tolist() == [9.5, 30.5]  # middles of columns 0 to 2, and of column 4
    assert (sheet[:6, 28:] == 0).all()
    assert (sheet[7:, :27] == 1).all()
