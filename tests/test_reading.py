"""How own data are read, from options to options."""

from benchmark.cli.parser import _parser
from benchmark.reading import DEFAULT, Reading


def test_the_words_of_a_reading_give_it_back():
    for reading in (DEFAULT, Reading(standardise=False, size=28, colour="rgb", labels="a b", names="c")):
        options = _parser().parse_args(["run", *reading.words()])
        assert Reading.of(vars(options)) == reading
