"""Where cells are run. An executor takes (cell, folder) pairs and sees to it that each folder gets its record."""
